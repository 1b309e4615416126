"""Phone numbers, mail addresses and names at hosts: one token in every spelling, and none where it may be two."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import idna
import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import identifiers
from schemas.errors import InvalidIdentifier
from schemas.identifiers import former, renamed
from schemas.steps import Said, composed_before
from schemas.tokens import IdentifierKind, canonical
from tests.support.desk import Desk, event, fixture, moment
from tests.support.kinds import CHAT_HANDLE, CUSTOMER_NUMBER, EMAIL, KINDS, PHONE, SOCIAL_HANDLE, USERNAME

PHONE, EMAIL = PHONE, EMAIL
NORWEGIAN = "+4740000909"
WRITTEN = (
    "+4740000909", "4740000909", "004740000909", "40000909", "400 00 909", "+47 400 00 909", "47 400 00 909",
    "0047 400 00 909", "00 47 40 00 09 09", "011 47 400 00 909", "(+47) 400 00 909", "(0047)40000909",
    "+47 (0) 400 00 909", "47(0)40000909", "+47-400-00-909", "+47.400.00.909", "400/00/909", "+47 / 40000909",
    "+47\N{EN DASH}400\N{EN DASH}00\N{EN DASH}909", "+47\N{NON-BREAKING HYPHEN}40000909",
    "+47\N{NO-BREAK SPACE}400\N{NARROW NO-BREAK SPACE}00\N{THIN SPACE}909", "+47\N{ZERO WIDTH SPACE}40000909",
    "\N{LEFT-TO-RIGHT EMBEDDING}+4740000909\N{POP DIRECTIONAL FORMATTING}", "\N{LEFT-TO-RIGHT MARK}40000909",
    "\N{LEFT-TO-RIGHT ISOLATE}+47 400 00 909\N{POP DIRECTIONAL ISOLATE}", "\ufeff40000909", "\t+4740000909 ",
    "\N{FULLWIDTH PLUS SIGN}\uff14\uff17\uff14\uff10\uff10\uff10\uff10\uff19\uff10\uff19",
    "tel:+4740000909", "TEL:+47-400-00-909", "tel:+4740000909;ext=12", "tel:40000909;phone-context=+47",
    "tel:40000909;phone-context=example.no", "tel:+4740000909;isub=1;phone-context=+46",
    "sip:+4740000909@ims.example.no;user=phone", "sips:4740000909@192.0.2.7:5061", "sip:%2B4740000909@example.no",
    "sip:40000909;phone-context=+47@example.no;user=phone", "+4740000909@ims.example.no",
    '"Kari Nordmann" <sip:+4740000909@ims.example.no>;tag=88', "<tel:+4740000909>",
)  # fmt: skip


@pytest.mark.parametrize("value", WRITTEN)
@pytest.mark.parametrize("form", [None, "e164"])
def test_a_norwegian_number_is_one_in_every_spelling(value: str, form: str | None) -> None:
    """With and without country code, grouped, as URI, with marks that show nothing; in whatever field."""
    assert canonical(PHONE, value, form) == NORWEGIAN


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("447700900123", "+447700900123"),
        ("46701740605", "+46701740605"),
        ("00447700900123", "+447700900123"),
        ("+44 (0)7700 900123", "+447700900123"),
        ("44 (0) 7700 900123", "+447700900123"),
        ("+39 (0)6 1234 5678", "+390612345678"),
        ("390612345678", "+390612345678"),
        ("12125550123", "+12125550123"),
        ("4915112345678", "+4915112345678"),
        ("584121234567", "+584121234567"),
        ("47580000000123", "+47580000000123"),
        ("02800", "+4702800"),
        ("4702800", "+4702800"),
        ("113", "+47113"),
        ("116117", "+47116117"),
        ("tel:+1-201-555-0123", "+12015550123"),
        ("sip:46701740605@example.no", "+46701740605"),
    ],
)
def test_digits_alone_in_a_record_of_the_network_begin_with_the_country_code(value: str, number: str) -> None:
    """E.164 2.1/6: the number is its digits. Numbers for fiction, machines and short numbers are numbers too."""
    assert canonical(PHONE, value, "e164") == number
    # What the record says is asked for by the number as people write it.
    assert canonical(PHONE, number) == canonical(PHONE, number, "e164") == number


UNDECIDED = (
    "447700900123", "46701740605", "580000000123", "584121234567", "474000090", "47400009099", "12345", "113",
    "12345678", "01234567", "040000909", "(0)7700 900123", "1",
)  # fmt: skip
NEVER = (
    "Posten", "anonymous", "sip:kari@example.no", "kari@example.no", "40000909/40000910", "40000909 40000910",
    "ring 40000909", "+", "tel:", "<>", "+47", "+0047 40000909", "++4740000909", "+47447700900123", "+474000090",
    "+47 400 00 909 1", "1234567", "0047 1", "40000909x", "4.0e7", "\u0664\u0660\u0660\u0660\u0660\u0669\u0660\u0669",
    "sip:@example.no", "tel:;phone-context=+47", "0" * 12, "9" * 16,
)  # fmt: skip


@pytest.mark.parametrize("value", [*UNDECIDED, *NEVER])
def test_what_may_be_another_number_is_none(value: str) -> None:
    """Twelve digits never get +47 before them; no number is made of a name, of two numbers, or of a piece of one."""
    with pytest.raises(InvalidIdentifier, match=r"with \+ and the country code"):
        canonical(PHONE, value)


@pytest.mark.parametrize("value", [*NEVER, "474000090", "47400009099", "12345678", "040000909"])
def test_a_record_of_the_network_is_no_licence_to_guess(value: str) -> None:
    """Neither is what no exchange could mean."""
    with pytest.raises(InvalidIdentifier):
        canonical(PHONE, value, "e164")


REGIONS = st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS - {"NO", "SJ"}))


@given(
    REGIONS,
    st.sampled_from(list(phonenumbers.PhoneNumberFormat.__dict__.values())).filter(int.__instancecheck__),
)
def test_numbers_abroad_agree_with_the_library_however_it_writes_them(region: str, written: int) -> None:
    """The example number of each country, in each international format, has the library's E.164 form."""
    number = phonenumbers.example_number(region)
    assert number is not None
    expected = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    text = phonenumbers.format_number(number, written)
    if written == phonenumbers.PhoneNumberFormat.NATIONAL:
        text = expected.removeprefix("+")
        if len(text) <= 8:
            return  # Eight digits alone are a Norwegian number.
    assert canonical(PHONE, text, "e164") == expected
    assert canonical(PHONE, expected) == expected


@given(st.text(alphabet="+0123456789 ()-./4747", max_size=20))
def test_no_number_gets_a_country_that_it_did_not_name(text: str) -> None:
    """Of whatever is accepted the digits are in the text; only +47 is added, to eight digits, or five from 0."""
    digits = "".join(filter(str.isdigit, text))
    try:
        number = canonical(PHONE, text)
    except InvalidIdentifier:
        return
    assert canonical(PHONE, number) == number
    added = number.removeprefix("+47")
    national = added != number and digits in (added, added.removeprefix("0"))
    assert national or digits.removeprefix("00").removeprefix("011").replace("0", "") == number[1:].replace(
        "0", ""
    )
    assert not national or len(added) == 8 or (len(added) == 5 and added[0] == "0")


def test_calls_are_found_by_number_whatever_the_exchange_wrote(tmp_path: Path) -> None:
    """Eight spellings of a caller are one person's calls; numbers abroad stay apart; nothing is refused."""
    desk = Desk(tmp_path)
    assert desk.read("network.traffic", fixture("09-msisdn.ndjson")) == []
    found = {number: desk.events("phone", number) for number in ("+4740000909", "47 400 00 909", "40000909")}
    assert set(found.values()) == {8}
    assert desk.events("phone", "+447700900123") == 2
    assert desk.events("phone", "+46701740605") == 2
    assert desk.events("phone", "+47 400 00 910") == 12
    # The operator who copies the digits of a record is told how to ask.
    refused = desk.post("lineage/query", ("phone", "447700900123"))
    assert (refused.status_code, "with + and the country code" in refused.text) == (422, True)
    assert "447700900123" not in refused.text


def test_what_is_not_understood_is_refused_and_counted(tmp_path: Path) -> None:
    """A call whose caller may be two numbers is a dead letter with its reason, and nobody's call."""
    desk = Desk(tmp_path)
    call = event(
        "TrafficRecord",
        kind="voice",
        caller="474000090",
        callee=NORWEGIAN,
        occurred_at=moment("2026-03-09T10:00Z"),
    )
    assert (
        desk.tell("network.traffic", [call, {**call, "caller": "Posten"}, {**call, "caller": "4740000910"}])
        == ["invalid_identifier"] * 2
    )
    assert desk.events("phone", NORWEGIAN) == desk.events("phone", "+4740000910") == 1


DOMAINS = (
    "blåbærskogen.example", "BLÅBÆRSKOGEN.EXAMPLE", "bla\u030abærskogen.example", "xn--blbrskogen-25an.example",
    "XN--BLBRSKOGEN-25AN.Example", "blåbærskogen.example.", "xn--blbrskogen-25an.example.", "blåbærskogen。example",
    "ｂlåbærskogen．example", "blåbær\u00adskogen.example",
)  # fmt: skip


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("kind", [EMAIL, USERNAME, SOCIAL_HANDLE, CHAT_HANDLE])
def test_a_domain_is_one_in_both_spellings(kind: IdentifierKind, domain: str) -> None:
    """U-label, A-label, any case, composed or not, with the dot of the root: one address, one user at a realm."""
    assert canonical(kind, f"Per@{domain}") == "per@blåbærskogen.example"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Kari@straße.example", "kari@straße.example"),
        ("Kari@xn--strae-oqa.example", "kari@straße.example"),
        ("Kari@STRASSE.example", "kari@strasse.example"),
        ("STRASSE@example.no", "strasse@example.no"),
        ("per@xn--.example", "per@xn--.example"),
        ("per@xn--zzzzzzzz99999.example", "per@xn--zzzzzzzz99999.example"),
        ("per@a_b.example", "per@a_b.example"),
        ("per@[192.0.2.1]", "per@[192.0.2.1]"),
        ("\ufeffper@example.no\u200e", "per@example.no"),
    ],
)
def test_the_rule_for_case_and_letters(value: str, expected: str) -> None:
    """Case is folded before and behind the @; ß is a letter of its own in a domain, and ss before it."""
    assert canonical(EMAIL, value) == expected


LABELS = st.text(st.characters(codec="utf-8", categories=["Ll", "Lo", "Nd"]), min_size=1, max_size=8)


@given(st.lists(LABELS, min_size=2, max_size=3))
def test_every_name_that_may_be_registered_is_one_with_its_a_labels(labels: list[str]) -> None:
    """For whatever IDNA 2008 allows (the idna package decides), U-labels and A-labels are one address."""
    name = unicodedata.normalize("NFC", ".".join(labels))
    try:
        ascii_name = idna.encode(name).decode()
    except idna.IDNAError:
        return
    if idna.uts46_remap(name, std3_rules=False) != name:
        return
    once = canonical(EMAIL, f"per@{name}")
    assert canonical(EMAIL, f"per@{ascii_name}") == once == canonical(EMAIL, once)


def test_addresses_in_texts_are_one(tmp_path: Path) -> None:
    """Six chats, six spellings, one person; by either spelling all six are found."""
    desk = Desk(tmp_path)
    assert desk.read("support.chats", fixture("10-idn-email.ndjson")) == []
    assert desk.events("email", "per@blåbærskogen.example") == 6
    assert desk.events("email", "per@xn--blbrskogen-25an.example") == 6


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (PHONE, NORWEGIAN, ("+47040000909",)),
        (PHONE, "+447700900123", ("+47447700900123", "+4407700900123")),
        (EMAIL, "kari@example.no", ("kari@example.no.",)),
        (
            EMAIL,
            "per@blåbær.example",
            ("per@xn--blbr-roah.example", "per@blåbær.example.", "per@xn--blbr-roah.example."),
        ),
        (CUSTOMER_NUMBER, "10042", ()),
    ],
)
def test_former_forms_are_known(kind: IdentifierKind, value: str, expected: tuple[str, ...]) -> None:
    """Under what an identifier may have been filed before its canonical form changed."""
    assert former(kind, value) == expected


@given(
    st.sampled_from([*KINDS.changed.values()]),
    st.one_of(st.sampled_from([*WRITTEN, *UNDECIDED, *(f"p@{d}" for d in DOMAINS)]), st.text(max_size=12)),
)
def test_a_former_form_is_never_somebody_elses(kind: IdentifierKind, value: str) -> None:
    """What is asked for besides has the same canonical form today, or nobody has it; and it is what was filed then."""
    try:
        today = canonical(kind, value)
    except InvalidIdentifier:
        return
    read_before = identifiers._before(kind)
    assert read_before is not None
    before = read_before(value)
    asked = former(kind, value)
    for text in asked:
        with suppress(InvalidIdentifier):
            assert canonical(kind, text) == today
    assert renamed(kind, value) == (bool(before) and before.isprintable() and before != today)
    if renamed(kind, value) and before not in asked:
        # Filed as another's: not to be had back without giving the other's away.
        assert canonical(kind, before) != today


CHAT = partial(event, "ChatMessage", session_id="s1", sender="person")
CALL = partial(event, "TrafficRecord", kind="voice")
CUSTOMER = partial(event, "CustomerDetails", customer_number="10042", name="Per")
EIGHT, NINE, TEN = (moment(f"2026-03-09T{hour}:00:00+00:00") for hour in ("08", "09", "10"))


@pytest.fixture
def upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """An index in which all was filed under the canonical forms of before, and that is read with those of today."""
    with monkeypatch.context() as before:
        read, alone = identifiers._read, identifiers._alone
        before.setattr(identifiers, "_read", lambda kind, form: identifiers._before(kind) or read(kind, form))
        before.setattr(
            identifiers, "_alone", lambda step: composed_before((Said(step),), "NO") or alone(step)
        )
        desk = Desk(tmp_path)
        texts = ["per@xn--blbr-roah.example", "per@blåbær.example", "bla bla"]
        desk.tell("support.chats", [CHAT(sent_at=NINE, text=f"Skriv til {text}") for text in texts])
        desk.tell("crm.customers", [CUSTOMER(email="Per@xn--blbr-roah.example", updated_at=EIGHT)])
        callers = ["447700900123", "+447700900123", "46701740605", "+44 (0)7700 900123", "400 00 909"]
        desk.tell("network.traffic", [CALL(occurred_at=NINE, caller=caller) for caller in callers])
    desk.restart()
    return desk


def test_what_was_filed_before_is_found_by_the_identifier(upgraded: Desk) -> None:
    """In any spelling of today, each event once, together with what is filed now."""
    for address in ("per@blåbær.example", "per@xn--blbr-roah.example", "PER@BLÅBÆR.example."):
        # Two chats and the register.
        assert upgraded.events("email", address) == 3
    upgraded.tell("support.chats", [CHAT(sent_at=TEN, text="Hei, per@blåbær.example her")])
    assert upgraded.events("email", "per@xn--blbr-roah.example") == 4
    assert upgraded.events("phone", "+447700900123") == 3
    assert upgraded.events("phone", NORWEGIAN) == 1
    assert upgraded.events("phone", "+46701740605") == 0


def test_the_links_of_before_are_those_of_the_identifier(upgraded: Desk) -> None:
    """The register's entry of then says whose the address is, in a look-up, an access answer and an identity."""
    for path in ("lineage/query", "access"):
        answer = upgraded.ask(path, ("email", "per@blåbær.example"))
        assert (answer["resolution"], answer["candidates"], answer["total_events"]) == ("unique", 1, 3)
    (link,) = upgraded.ask("identity", ("email", "per@blåbær.example"))["links"]
    assert (link["kind"], link["proof"]) == ("email", "holder")
    assert link["token"] == upgraded.token("email", "per@blåbær.example").hex()[:12]
    # By the number: what was filed under the register's own spelling.
    assert upgraded.events("customer_number", "10042") == 2


def test_reading_the_register_again_links_what_is_filed_now(upgraded: Desk) -> None:
    """A replay adds the link of today beside that of then: by the customer number all is found, once."""
    upgraded.tell("support.chats", [CHAT(sent_at=TEN, text="Hei, per@xn--blbr-roah.example her")])
    assert upgraded.events("customer_number", "10042") == 2
    for _ in range(2):
        entry = CUSTOMER(email="Per@xn--blbr-roah.example", updated_at=EIGHT)
        upgraded.tell("crm.customers", [entry], offset=0)
        assert upgraded.events("customer_number", "10042") == 4
        assert upgraded.events("email", "per@blåbær.example") == 4


def test_an_address_that_changes_hands_later_is_the_second_ones(upgraded: Desk) -> None:
    """The register's next word on the address ends the link of then, though it was filed otherwise."""
    upgraded.tell("crm.customers", [CUSTOMER(email="ny@example.no", updated_at=TEN)])
    second: dict[str, Any] = {"customer_number": "10043", "email": "per@blåbær.example"}
    upgraded.tell("crm.customers", [CUSTOMER(**second, updated_at=TEN)])
    upgraded.tell("support.chats", [CHAT(sent_at=TEN, text="Hei, per@blåbær.example her")])
    answer = upgraded.ask("lineage/query", ("email", "per@blåbær.example"))
    assert (answer["resolution"], answer["total_events"]) == ("unique", 2)
    # The register's two entries, and the chat under the address as the first one spelt it.
    assert upgraded.events("customer_number", "10042") == 3


def test_erasing_by_the_identifier_leaves_nothing_under_the_tokens_of_before(upgraded: Desk) -> None:
    """The index forgets what was filed then as well as what is filed now."""
    upgraded.tell("network.traffic", [CALL(occurred_at=TEN, caller="447700900123")])
    assert upgraded.events("phone", "+447700900123") == 4
    person = upgraded.person(("phone", "+44 7700 900123"))
    assert len(person.spans) == 3
    tags = [item.tags for item in upgraded.index.find(person.spans).holdings]
    upgraded.index.forget(person.spans, {item.id: None for item in tags})
    assert upgraded.events("phone", "+447700900123") == 0
    assert upgraded.events("phone", NORWEGIAN) == 1

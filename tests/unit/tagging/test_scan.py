"""The scanner of free text: what is found, what is not, and that nothing of the text comes out by accident."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.norwegian import is_organisation_number
from schemas.tokens import canonical
from streams.simulate.labelled import labelled
from streams.simulate.plan import Plan
from streams.simulate.simulate import events
from streams.simulate.world import build_world
from streams.tagging.scan import CATEGORIES, FLOOR, PROVEN, Finding, Limits, Scanner, scan
from streams.tagging.scan.forms import FORMS, readable
from streams.tagging.scan.text import lower
from tests.support.kinds import KINDS
from tests.support.time_bounds import million_steps
from tests.unit.schemas.test_norwegian import national

# What the parts of identifiers and of words about them are made of, so that chance meets the scanner's branches.
PIECES = (
    "kid|konto|fnr|tlf |@|a@|.no|no93|+47|0047|(0)|::|fe80|:|02:00|-|.| |\n|/|://|www.|*|gate |0155 Oslo|sykmeldt|4"
    "|41 23|İ|ß|é|\u00a0|12345"
)
pieces = st.sampled_from(PIECES.split("|"))
texts = st.one_of(st.text(), st.lists(st.one_of(pieces, st.text(max_size=3)), max_size=30).map("".join))


def best(text: str) -> list[tuple[str, str]]:
    """(kind, characters) of the first finding of each place."""
    places: dict[tuple[int, int], str] = {}
    for finding in scan(text):
        places.setdefault((finding.start, finding.end), finding.kind)
    return [(kind, text[start:end]) for (start, end), kind in places.items()]


def identifiers(text: str, today: date | None = None) -> list[tuple[str, str]]:
    return [item.identifier for item in scan(text, today=today) if item.proven and item.identifier]


def synthetic(tail: int = 0, remainder: int = 0) -> str:
    return next(
        number for nth in range(tail, tail + 900) if (number := national(f"078990{nth % 1000:03}", remainder))
    )


@given(texts)
def test_no_text_raises_and_every_finding_is_in_order(text: str) -> None:
    """Whatever is written: spans lie inside the text, scores between 0 and 1, best first, identifiers canonical."""
    findings = scan(text)
    for finding in findings:
        assert 0 <= finding.start < finding.end <= len(text)
        assert 0 < finding.score <= 1
        assert CATEGORIES[finding.kind] == finding.category or finding.kind == "orgnr"
        assert not finding.proven or finding.score >= PROVEN
        if finding.identifier:
            found_as, value = finding.identifier
            assert canonical(KINDS.found[found_as], value) == value
    for one, other in pairwise(findings):
        same = (one.start, one.end) == (other.start, other.end)
        assert one.score >= other.score if same else one.end <= other.start
    assert all(scan(text) == findings for _ in range(2))


@given(texts)
def test_lower_case_keeps_places(text: str) -> None:
    """Lower case for the patterns has every character where it was."""
    assert len(lower(text)) == len(text)


@given(
    st.integers(1, 28),
    st.integers(81, 92),
    st.integers(0, 99),
    st.integers(0, 999),
    st.integers(0, 3),
    st.sampled_from(["", " ", "-", "\u00a0", "\n", " - "]),
    st.sampled_from(["Fødselsnummeret mitt er {}.", "personnr: {} takk", "{} er fødselsnummeret", "fnr {}"]),
)
def test_every_valid_national_number_is_found_with_its_word(
    day: int, month: int, year: int, tail: int, remainder: int, separator: str, sentence: str
) -> None:
    """Under the rule of today and of 2032, however it is separated, it is the best and proven hypothesis."""
    number = national(f"{day:02}{month}{year:02}{tail:03}", remainder)
    if number:
        written = f"{number[:6]}{separator}{number[6:]}"
        found = identifiers(sentence.format(written), date(2040, 1, 1))
        assert ("national_number", number) in found


@given(st.integers(0, 800))
def test_a_national_number_keeps_the_hypothesis_of_an_account(tail: int) -> None:
    """The check digits fit both; both are kept with scores, and the word near by says which one comes first. The
    fødselsnummer is proven all the same: two check digits and a date outweigh a word."""
    number = synthetic(tail)
    for text, first in (
        (f"fnr {number}", "synthetic"),
        (f"kontonummer {number}", "kontonummer"),
        (number, "synthetic"),
    ):
        findings = scan(text)
        assert {finding.kind for finding in findings} == {"synthetic", "kontonummer"}
        assert findings[0].kind == first
        assert findings[0].score > findings[1].score
        assert [finding.proven for finding in findings] == [True, first == "kontonummer"]


def test_separators_decide_without_words() -> None:
    """Six and five digits are a fødselsnummer, four, two and five an account."""
    number = synthetic(3)
    assert best(f"{number[:6]} {number[6:]}")[0][0] == "synthetic"
    assert best(f"{number[:4]}.{number[4:6]}.{number[6:]}")[0][0] == "kontonummer"


def test_the_list_of_two_words_is_read_in_order() -> None:
    """«Fødselsnummer og kontonummer: A, B» gives A as the first and B as the second."""
    text = f"Fødselsnummer og kontonummer: {synthetic(5)}, 99991234507"
    assert [kind for kind, _ in best(text)] == ["synthetic", "kontonummer"]


def test_series_are_told_apart() -> None:
    """D-, H-, FH- and ordinary numbers have kinds of their own and one identifier kind."""
    for head, kind in (
        ("470990", "d_number"),
        ("074990", "h_number"),
        ("901234", "h_number"),
        ("070990", "fodselsnummer"),
    ):
        number = next(made for tail in range(900) if (made := national(f"{head}{tail:03}")))
        found = scan(f"fødselsnummer {number}")[0]
        assert (found.kind, found.category, found.proven) == (kind, "C-02", True)
        assert found.identifier == ("national_number", number)


def test_what_is_called_something_else_is_no_phone() -> None:
    """Order, invoice, meter, PUK and dates keep eight digits from being a phone; a phone's word makes them one."""
    for text in (
        "ordre 41234567",
        "faktura 41234567",
        "41234567 kWh",
        "PUK 41234567",
        "24122024",
        "INV-41234567",
    ):
        assert not [kind for kind, _ in best(text)], text
    assert identifiers("ring 41234567") == [("phone", "+4741234567")]
    assert identifiers("mobil 24122024") == [("phone", "+4724122024")]


def test_a_kid_needs_its_word() -> None:
    """One digit string in five has a right check digit; only what is called a KID is one."""
    assert best("KID 2345676") == [("kid", "2345676")]
    assert not best("tallet 2345676")


def test_addresses_of_everybody_mention_nobody() -> None:
    """A home router's address, loopback and link-local are found, but prove nobody; a version is no address."""
    for text in ("192.168.1.1", "127.0.0.1", "fe80::1"):
        assert [(finding.kind, finding.proven) for finding in scan(text)] == [("ip", False)]
    assert identifiers("fra 203.0.113.9 og 2001:DB8::1") == [
        ("ip", "203.0.113.9"),
        ("ip", "2001:db8::1"),
    ]
    assert not scan("versjon 10.1.2.3, 10.0.0.1234 og 1.2.3.4.5")


def test_spellings_come_out_as_one_identifier() -> None:
    """However a phone, account, mail or hardware address is written, the canonical value is the same."""
    phones = (
        "41234567",
        "412 34 567",
        "41 23 45 67",
        "+47 41234567",
        "+4741234567",
        "004741234567",
        ".".join(("41", "23", "45", "67")),
        "412-34-567",
    )
    assert {tuple(identifiers(f"tlf {text}")) for text in phones} == {(("phone", "+4741234567"),)}
    accounts = ("99991234507", "9999.12.34507", "9999 12 34507")
    for text in accounts:
        assert identifiers(f"konto {text}") == [("account_number", "99991234507")]
    macs = ("02:00:5e:10:00:01", "02-00-5E-10-00-01", "0200.5e10.0001", "02005e100001")
    assert {tuple(identifiers(f"mac {text}")) for text in macs} == {(("mac", "02005e100001"),)}
    assert identifiers("Skriv til Kari@Example.NO.") == [("email", "kari@example.no")]


def test_the_number_of_a_sole_proprietor_is_personal() -> None:
    """An organisation number is nobody's, unless the text says that one person is the business."""
    number = next(f"95000000{end}" for end in range(10) if is_organisation_number(f"95000000{end}"))
    assert [(item.kind, item.category) for item in scan(f"orgnr {number}")] == [("orgnr", "none")]
    for text in (
        f"Enkeltpersonforetaket mitt, orgnr {number}",
        f"ENK {number}",
        f"sole proprietor, org no {number}",
    ):
        assert [(item.kind, item.category) for item in scan(text)] == [("orgnr", "C-01")]
    column = Scanner(KINDS).scan_column(pa.array([f"orgnr {number}", f"ENK {number}"]))
    assert column.category.to_pylist() == ["none", "C-01"]


def test_masked_numbers_are_nothing() -> None:
    """Digits beside asterisks are what somebody hid."""
    for text in ("fnr 010190*****", "tlf 412345**", "konto ****12345678", "kort **** **** **** 1234"):
        assert not scan(text)


def test_no_value_is_shown() -> None:
    """Neither repr nor str of what was found holds what was written."""
    text = f"fnr {synthetic()} tlf 41234567 kari@example.no konto 9999.12.34507 ip 203.0.113.9"
    findings = scan(text)
    assert len(findings) >= 5
    for shown in (repr(findings), str(findings), "".join(map(str, findings)), f"{findings[0]}"):
        assert not any(value in shown for value in ("41234567", "kari", "34507", "203.0", synthetic()))


def test_only_the_first_part_of_a_long_text_is_scanned() -> None:
    """Nothing behind the bound is found."""
    text = "ring 41234567 " + "x " * 50 + "ring 41234568"
    assert len(scan(text)) == 2
    assert len(scan(text, Limits(longest=60))) == 1


@pytest.mark.parametrize(
    "piece",
    ["1", "-", "@", "a@", "1 ", "41 23 45 67 ", ":", "a:", "aa:", "a.", "+", "sykmeldt ", "00 ", "Gate 1 ", "kid 1 ",
     "http://", "no11 ", "1.", "+4 (0) ", "0046 7 ", "a-", "x@a.", "::1", "fnr ", " \n"],
)  # fmt: skip
def test_a_megabyte_of_anything_takes_little_time(piece: str) -> None:
    """No text makes the patterns try again and again."""
    text = piece * (1_000_000 // len(piece))
    assert million_steps(lambda: scan(text)) < 100


def test_findings_below_the_floor_are_left_out() -> None:
    """The best hypothesis of every place reaches the floor, in all of a thousand texts."""
    for item in labelled(5, 1_000):
        first: dict[tuple[int, int], Finding] = {}
        for finding in scan(item.text):
            first.setdefault((finding.start, finding.end), finding)
        assert all(finding.score >= FLOOR for finding in first.values())


def test_what_the_simulator_mentions_is_found() -> None:
    """Every fødselsnummer, phone, mail address and account that a simulated text mentions is proven."""
    plan = Plan(customers=40, days=12, seed=6)
    world = build_world(plan)
    wanted = {"fodselsnummer", "phone", "email", "account_number"}
    seen = set()
    for item in events(plan, ("support.chats", "support.cases", "support.notes", "social.messages"), world):
        written = [item.value.get(field) for field in ("text", "notes", "outcome")]
        found = {name for text in written if text for name in identifiers(text)}
        for mention in item.mentioned:
            if mention.kind in wanted:
                kind = KINDS[mention.kind]
                value = dict(world.by_number[mention.customer_number].identifiers())[mention.kind]
                assert (kind.found_as, canonical(kind, value)) in found
                seen.add(mention.kind)
    assert seen == wanted


@pytest.mark.parametrize(
    "address",
    [
        "aabb.ccdd.eeff",
        "aa:bb:cc:dd:ee:ff",
        "aa-bb-cc-dd-ee-ff",
        "fe80::a",
        "fd00:db8:1:2:3:4:5:a",
    ],
)
def test_an_address_that_begins_with_a_letter_needs_no_other_sign(address: str) -> None:
    """Few texts are searched for hexadecimal addresses: the signs of one such address are enough."""
    (found,) = scan(f"Ser {address} i loggen")
    assert (found.start, found.end) == (4, 4 + len(address))


@given(st.lists(st.sampled_from((1, 2, 3, 4, 5, 6, 8, 11, 19)), max_size=12).map(tuple))
def test_known_forms_are_those_of_the_table(lengths: tuple[int, ...]) -> None:
    """Every stretch of groups whose lengths are a form of the table is read, and no other."""
    stretches = [(at, last) for at in range(len(lengths)) for last in range(at + 1, len(lengths) + 1)]
    expected = [(at, last, FORMS[lengths[at:last]]) for at, last in stretches if lengths[at:last] in FORMS]
    assert list(readable(lengths)) == expected

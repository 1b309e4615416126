"""What looks like an identifier and is none, and what is one though it is written oddly: kinds and members of each."""

from __future__ import annotations

import json
import time
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iban

from schemas.norwegian import national_number
from streams.tagging.scan import Finding, Limits, scan
from tests.unit.schemas.test_norwegian import national

CASES = Path(__file__).parents[2] / "fixtures" / "cases"


def dotted(text: str) -> str:
    """Numbers of sections and versions are written with · where they could be somebody's address."""
    return text.replace("·", ".")


CASE = json.loads(dotted((CASES / "11-texts.json").read_text("utf-8")))
LIKELY = 0.5
IDENTIFIERS = (
    "phone",
    "ip",
    "mac",
    "payment_card",
    "kontonummer",
    "fodselsnummer",
    "synthetic",
    "d_number",
    "email",
)
TODAY = date(2026, 11, 26)
NUMBER = next(made for tail in range(500) if (made := national(f"158890{tail:03}")))


def likely(text: str) -> list[Finding]:
    """The first finding of each place, of half the certainty at least."""
    places: dict[tuple[int, int], Finding] = {}
    for finding in scan(text, today=TODAY):
        places.setdefault((finding.start, finding.end), finding)
    return [item for item in places.values() if item.score >= LIKELY]


def proven(text: str) -> list[tuple[str, str]]:
    return [item.identifier for item in scan(text, today=TODAY) if item.proven and item.identifier]


def grouped(digits: str, lengths: tuple[int, ...], separator: str) -> str:
    ends = [sum(lengths[:count]) for count in range(len(lengths) + 1)]
    return separator.join(digits[start:end] for start, end in pairwise(ends))


def nothing(text: str) -> bool:
    return not [item for item in likely(text) if item.kind in IDENTIFIERS]


@pytest.mark.parametrize("text", CASE["none"])
def test_what_only_looks_like_an_identifier_is_none(text: str) -> None:
    """Program text, times, hashes, timestamps, orders and versions that others reported as wrong findings."""
    assert nothing(text)


@pytest.mark.parametrize(("text", "kind", "count"), CASE["found"])
def test_what_is_written_oddly_is_found(text: str, kind: str, count: int) -> None:
    """Spellings that others reported as missed."""
    assert sum(item.kind in kind.split("|") for item in likely(text)) == count


@pytest.mark.parametrize(
    "text",
    ["std::cafe, a::b::c, abc::def(), Foo::bad, ::new, b::, face::, fad::ed, cafe::babe",
     "klokka 10::30 og 12::34:56",
     "::", ":: 5", "::a", "2001::", "12345:db8::1", "1:2:3:4:5:6:7:8:9", "2001:db8::1:zzz", "2001:db8::gggg",
     "fe80:::1",
     "2001:db8::1::2", "02:00:5e:10:00:01:aa:bb", "aa-02-00-5e-10-00-01", "12:34:56:78:90:ab:cd:ef",
     "2001:db8::1.2.3.4.5",
     "10:41:23:59:01:02:03:04"],
)  # fmt: skip
def test_no_hexadecimal_address_in_programs_times_and_torn_addresses(text: str) -> None:
    """Two colons alone are none, a piece of an invalid address is none, eight pairs are a key."""
    assert nothing(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2001:db8::1", "2001:db8::1"), ("2001:db8::1: timeout", "2001:db8::1"), ("src=2001:db8::1.", "2001:db8::1"),
     ("IP: 1::", "1::"), ("ipv6 ::1234", "::1234"), ("684D:1111:222:3333:4444:5555:6:77",
     "684d:1111:222:3333:4444:5555:6:77"),
     ("2001:db8:ab::", "2001:db8:ab::"), ("adresse:2001:db8::7", "2001:db8::7"), ("_203.0.113.7_", "203.0.113.7")],
)  # fmt: skip
def test_addresses_are_found_whole(text: str, value: str) -> None:
    """A label, a colon behind or an underscore takes nothing away; a word makes a short form one."""
    assert proven(text) == [("ip", value)]


@pytest.mark.parametrize(
    "text",
    ["kap. 3·5·4·1", "3·5·4·1 Krav til utstyr", "Innhold\n  2·1·3·4 Innledning", "# 3·5·4·1 Krav", "- 4·4·4·4 Annet",
     "se pkt. 4·1·2·3 i kontrakten", "§ 3·5·4·1", "tabell 3·5·4·1 viser", "section 2·3·4·5", "v1.2.3.4.5",
     "libfoo-1.2.3.4.tar.gz", "nginx/1·22·3·4", "300·1·2·3", "1.2.3.4.5", "7.113.0.203.in-addr.arpa",
     "10.2.33.4-rc1", "ch. 3·5·4·1 says", "artikkel 3·5·4·1", "underkapittel 3·5·4·1", "trinn 3·5·4·1",
     "kap. 3·5·4·1 og 3·5·4·2 sier", "kapittel 3·5·4·1, 3·5·4·2 og 3·5·4·3", "3·5·4·1–3·5·4·9", "kap. 3·5·4·1-3·5·4·4",
     "firmware på ruteren er 10·2·33·4", "fra versjon 10·2·133·4 til 10·2·133·5", "fastvare: 10·2·133·4"],
)  # fmt: skip
def test_numbers_of_sections_and_versions_are_no_addresses(text: str) -> None:
    """Named so, at the beginning of a line, or part of a name."""
    assert nothing(dotted(text))


@pytest.mark.parametrize(
    "text", ["10.0.0.1 svarer ikke", "203.0.113.7 - - [26/Nov/2026]", "8·8·8·8 feiler",
    "https://203.0.113.7/a/1.html",
             "203.0.113.7-adressen", "host/203.0.113.7"]
)  # fmt: skip
def test_addresses_at_the_beginning_of_a_line_stay_addresses(text: str) -> None:
    """What no section is numbered, is an address there too."""
    assert [item.kind for item in likely(dotted(text))] == ["ip"]


@pytest.mark.parametrize(
    "text",
    ["Punkt 2: ping 203.0.113.7", "Se vedlegg: kunden brukte 203.0.113.7", "Tabell 1 viser 203.0.113.7",
     "Hun har Chrome og kom fra 203.0.113.7", "Etter oppdatering fikk hun 203.0.113.7", "kapittel 2001:db8::7",
     "the driver logged in from 203.0.113.7", "versjon 10·2·133·4 og 203.0.113.7", "steg 3: ping 203.0.113.7"],
)  # fmt: skip
def test_a_word_of_sections_or_versions_hides_no_address(text: str) -> None:
    """Only what is right behind the word, or numbered as hardly any address, is said to be one."""
    assert [item.kind for item in likely(dotted(text))] == ["ip"]


@pytest.mark.parametrize("text", ["Tabell 1 viser at 41234567 ringte", "Krav fra 41234567 er betalt"])
def test_a_word_of_sections_says_nothing_of_a_phone(text: str) -> None:
    """No section has eight digits."""
    assert [item.kind for item in likely(text)] == ["phone"]


@pytest.mark.parametrize(
    ("text", "written"),
    [("_ola@example.com_", "ola@example.com"), ("__ola@example.com__", "ola@example.com"),
     ("ola@example.com_takk", "ola@example.com"), ("_ola@example.com", "_ola@example.com"),
     ("_02:00:5e:10:00:01_", "02:00:5e:10:00:01")],
)  # fmt: skip
def test_underscores_around_hide_nothing(text: str, written: str) -> None:
    """No top level of a domain has one; in front of a mailbox it is taken off where one stands behind too."""
    assert [text[item.start : item.end] for item in likely(text)] == [written]


@pytest.mark.parametrize(
    "text",
    ["(71) 4233-6306", "Ring (71) 4233-6306", "Call 21 284 698 2548", "21 284 698 2548", "tlf 05334 75 83 35",
     "Apt. 338 32 216", "Suite 338 32 216", "0x41234567", "call 01 23 45 67 89", "021 28469825", "tlf 0171 23456789",
     "41234567-9330-4259-b66c-f2db26efb20c", "1748503543012", "2026-11-26T10:41:23.41234567Z", "10:41:23,41234567",
     "0,41234567", "41234567,50", "41234567.pdf", "IMG_41234567.jpg", "41234567%", "kr 41234567", "NOK 41234567",
     "$41234567", "ordrenr 41234567", "Ordre: 41234567", "saksnr. 41234567", "case no. 41234567",
     "bestilling 412 34 567",
     "2024 1130", "20241130 1045", "+1 4123 4567", "d41234567f", "41234567abc", "12 41 23 45 67", "ring 24.12.2024",
     "commit 9b8c41234567", "0e1b41234567"],
)  # fmt: skip
def test_digits_inside_something_else_are_no_norwegian_phone(text: str) -> None:
    """Other countries' groupings, hexadecimal, identifiers of machines, times, amounts, files, orders and cases."""
    assert nothing(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("412-34-567-Office", "+4741234567"), ("41234567x565", "+4741234567"), ("+47 41234567-Fax", "+4741234567"),
     ("+1 (202) 555-0143 ext. 12", "+12025550143"), ("+1-202-555-0143x565", "+12025550143"),
     ("+47(412)34567", "+4741234567"), ("(+47)41234567", "+4741234567"), ("(0047) 412 34 567", "+4741234567"),
     ("+47 (41) 23 45 67", "+4741234567"), ("+47 800 12 345", "+4780012345"), ("+47 02800", "+4702800"),
     ("+46 (0)70-174 06 05", "+46701740605"), ("(+46) 70 174 06 05", "+46701740605"), ("+49 30/123456",
     "+4930123456"),
     ("+290 22158", "+29022158"), ("+683 4002", "+6834002"), ("+800 1234 5678", "+80012345678"),
     ("+44(0)20 7946 0958", "+442079460958"), ("0044 20 7946 0958", "+442079460958"), ("+ 47 412 34 567",
     "+4741234567"),
     ("tlf41234567", "+4741234567"), ("ring 412 34567", "+4741234567"), ("ring 412 34 567 24 timer", "+4741234567"),
     ("ring kl 16 412 34 567", "+4741234567"),
     ("ring 24.12.2024 412 34 567", "+4741234567"), ("_41234567_", "+4741234567"), ("*41234567*", "+4741234567")],
)  # fmt: skip
def test_phones_are_found_however_they_are_written(text: str, number: str) -> None:
    """Brackets, strokes, extensions, words behind a hyphen, and every number behind + or 00 that exists."""
    assert proven(text) == [("phone", number)]


@pytest.mark.parametrize(
    "text", ["ola%40example.com", "a?e=ola%40example.com&x=1", "ola%2540example.com", "ola&#64;example.com"]
)
def test_encoded_mail_addresses_are_found(text: str) -> None:
    """As address bars and pages write the @."""
    assert proven(text) == [("email", "ola@example.com")]


def test_an_encoded_plus_belongs_to_the_address() -> None:
    """The identifier is the address decoded, the place is the text as it stands."""
    text = "til=ola%2Bnett%40example.com."
    (found,) = likely(text)
    assert (found.identifier, text[found.start : found.end]) == (
        ("email", "ola+nett@example.com"), "ola%2Bnett%40example.com",
    )  # fmt: skip


GROUPINGS = ((11,), (6, 5), (2, 2, 2, 5), (2, 2, 2, 2, 3), (2, 2, 2, 3, 2), (9, 2), (6, 3, 2), (6, 2, 3))
WORDS = ("Kunde: {}", "Ref: {}", "ID: {}", "kundenr {}", "sak {}", "faktura {}", "tlf {}", "KID {}", "konto {}",
         "versjon {}", "kort {}", "_{}_", "({})", "#{}", "kopi_{}_signert", "ref-{}", "pin {}", "org.nr {}",
         "medlem {}, takk")  # fmt: skip


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("separator", [" ", "-", "\u2011", "\u00a0"])
def test_a_national_number_is_proven_behind_any_word(words: str, separator: str) -> None:
    """Two check digits and a date outweigh a word of another kind, in every grouping that people use."""
    for lengths in GROUPINGS:
        text = words.format(grouped(NUMBER, lengths, separator))
        assert ("national_number", NUMBER) in proven(text), text


def test_only_another_structure_beats_a_national_number() -> None:
    """Grouped as an account, or written as an IBAN, it is an account and nobody's number."""
    account = [("account_number", NUMBER)]
    check = iban.calc_check_digits(f"NO00{NUMBER}")
    for text in (
        grouped(NUMBER, (4, 2, 5), "."),
        f"til {grouped(NUMBER, (4, 2, 5), ' ')}",
        f"NO{check}{NUMBER}",
    ):
        assert proven(text) == account


@pytest.mark.parametrize(
    ("born", "individual", "is_one"),
    [("290289", 100, False), ("290288", 100, True), ("290200", 100, False), ("290200", 600, True), ("271126",
     600, True),
     ("281126", 600, False), ("311226", 100, True), ("690289", 100, False), ("698289", 600, False),
     ("311289", 950, True)],
)  # fmt: skip
def test_days_that_never_were_are_in_no_national_number(born: str, individual: int, is_one: bool) -> None:
    """29 February only in leap years, nobody born later than tomorrow; the individual digits show the century. Also for
    synthetic numbers (month + 80) of the same days."""
    for series in (0, 80):
        nine = f"{born[:2]}{int(born[2:4]) % 80 + series:02}{born[4:]}"
        made = [national(f"{nine}{tail:03}") for tail in range(individual, min(individual + 40, 1_000))]
        numbers = [number for number in made if number]
        assert numbers
        assert {national_number(number, TODAY) is not None for number in numbers} == {is_one}


def test_time_passes() -> None:
    """A number of somebody born in 2030 is none in 2026 and is one in 2031; from 2032 no century is read at all."""
    number = next(made for tail in range(500, 900) if (made := national(f"158830{tail:03}")))
    assert [bool(national_number(number, date(year, 1, 1))) for year in (2026, 2031, 2032)] == [
        False,
        True,
        True,
    ]
    for year, found in ((2026, []), (2031, [("national_number", number)])):
        assert [
            item.identifier for item in scan(f"fnr {number}", today=date(year, 1, 1)) if item.proven
        ] == found


def _accounts() -> list[str]:
    return [
        "AD1200012030200359100100", "AE070331234567890123456", "AT611904300234573201", "BE68539007547034",
        "BG80BNBG96611020345678",
        "BR1800360305000010009795493C1", "CH9300762011623852957", "DE89370400440532013000", "DK5000400440116243",
        "EE382200221020145685", "ES9121000418450200051332", "FI2112345600000785", "FR1420041010050500013M02606",
        "GB82WEST12345698765432", "GR1601101250000000012300695", "IE29AIBK93115212345678",
        "IS140159260076545510730339",
        "IT60X0542811101000000123456", "LT121000011101001000", "MT84MALT011000012345MTLCAST001S",
        "NL91ABNA0417164300",
        "NO9386011117947", "PL61109010140000071219812874", "PT50000201231234567890154", "SE4550000000058398257466",
    ]  # fmt: skip


@pytest.mark.parametrize("number", _accounts())
def test_accounts_of_every_country_are_found_and_no_other(number: str) -> None:
    """As one word, in groups of four, in small letters; not with another check digit, whatever its digits look like."""
    fours = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    for written in (number, fours, fours.lower(), number.lower()):
        text = f"Overfør til {written} i dag"
        assert [(item.kind, text[item.start : item.end]) for item in likely(text)] == [
            ("kontonummer", written)
        ]
    wrong = f"{number[:3]}{(int(number[3]) + 1) % 10}{number[4:]}"
    assert nothing(f"til {wrong}")
    assert nothing(" ".join(wrong[at : at + 4] for at in range(0, len(wrong), 4)))


@pytest.mark.parametrize(
    "number", ["501800000009", "4222222222222", "3530111333300000", "180000000000002", "6759649826438453",
    "30569309025904"]
)  # fmt: skip
def test_cards_of_other_makes_are_found_by_their_word(number: str) -> None:
    """Maestro with 12 digits, Visa with 13, JCB with 15 and 16, Diners with 14."""
    assert [item.kind for item in likely(f"kortnummer {number}")] == ["payment_card"]


def test_short_cards_need_their_word() -> None:
    """Twelve and thirteen digits are times and orders first."""
    assert nothing("501800000009 og 4222222222222")


HOSTILE = (
    "de89 3704 ", "gb82west", "no93 ", "no 9", "+1 (", "+4(", "(+47) ", "412 34 567-", "a%40", "%40a.", "&#64;",
    "_1_", "*4*",
    "2001:db8::", "::ffff:1.", "a:", ":1", "fnr1", "1,", "1:", "10:41:", "3·5·4·1 ", "\n1.1.1.1", "158890/", "x565",
    "123456/12345", "-office", "41234567-a",
)  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_pieces_take_linear_time(piece: str) -> None:
    """Twice as long a text takes no more than some three times as long, though no limit cuts it."""
    text = dotted(piece) * (100_000 // len(piece))
    short, long = (min(_taken(part) for _ in range(3)) for part in (text[: len(text) // 2], text))
    assert long < max(3.5 * short, 0.5)


def _taken(text: str) -> float:
    started = time.process_time()
    scan(text, Limits(len(text)))
    return time.process_time() - started


@given(st.lists(st.sampled_from(HOSTILE), max_size=40).map("".join))
def test_no_mixture_of_pieces_raises(text: str) -> None:
    """Whatever is put together, places lie inside the text."""
    for finding in scan(text, today=TODAY):
        assert 0 <= finding.start < finding.end <= len(text)

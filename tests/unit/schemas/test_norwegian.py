"""Checks of Norwegian numbers. Numbers of real series are made while the test runs and stand in no file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.no import fodselsnummer as stdnum_national
from stdnum.no import kontonr, orgnr

from schemas.norwegian import (
    NationalKind,
    is_account_number,
    is_iccid,
    is_kid,
    is_machine_phone,
    is_organisation_number,
    luhn,
    may_be_date,
    national_number,
    phone_pattern,
    remainder11,
)

FIRST = (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)
SECOND = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)
days, years, individuals = st.integers(1, 28), st.integers(0, 99), st.integers(0, 999)


def national(nine: str, remainder: int = 0) -> str | None:
    """The nine digits with both check digits, the first one leaving the remainder; None if they have none."""
    for first in range(10):
        ten = f"{nine}{first}"
        if remainder11(ten, FIRST) == remainder:
            second = -remainder11(ten, SECOND) % 11
            return f"{ten}{second}" if second < 10 else None
    return None


@pytest.mark.parametrize(
    ("day", "month", "kind", "rare"),
    [
        (0, 0, NationalKind.FODSELSNUMMER, False),
        (40, 0, NationalKind.D_NUMBER, False),
        (40, 80, NationalKind.D_NUMBER, False),
        (0, 40, NationalKind.H_NUMBER, False),
        (0, 80, NationalKind.SYNTHETIC, False),
        (0, 65, NationalKind.SYNTHETIC, True),
        (0, 20, NationalKind.SYNTHETIC, True),
    ],
)
@pytest.mark.parametrize("remainder", [0, 1, 2, 3])
def test_every_series_is_known_under_both_rules(
    day: int, month: int, kind: NationalKind, rare: bool, remainder: int
) -> None:
    """Day + 40: a D-number. Month + 40: an H-number; + 80, + 65, + 20: synthetic. 2032 adds remainders 1 to 3."""
    made = [national(f"{day + 7:02}{month + 9:02}90{tail:03}", remainder) for tail in range(60)]
    numbers = [number for number in made if number]
    assert numbers
    for number in numbers:
        assert national_number(number) == (kind, remainder == 0, rare)


@given(st.integers(80, 99), st.integers(0, 9_999_999))
def test_fh_numbers_hold_no_date(head: int, tail: int) -> None:
    """A number from 8 or 9 with right check digits is a help number without a date."""
    number = national(f"{head}{tail:07}")
    if number:
        assert national_number(number) == (NationalKind.H_NUMBER, True, True)


@given(days, st.integers(1, 12), years, individuals)
def test_whatever_the_library_accepts_is_accepted(day: int, month: int, year: int, tail: int) -> None:
    """A number that python-stdnum takes is taken here, and every number here is an account number too."""
    number = national(f"{day:02}{month:02}{year:02}{tail:03}")
    if number:
        assert national_number(number) is not None or not stdnum_national.is_valid(number)
        assert is_account_number(number)
        assert kontonr.is_valid(number) or number.startswith("0000")


@given(days, years, individuals, st.integers(4, 10))
def test_other_remainders_are_refused(day: int, year: int, tail: int, remainder: int) -> None:
    """A remainder of 4 or more is a mistake under both rules."""
    number = national(f"{day:02}89{year:02}{tail:03}", remainder)
    assert number is None or national_number(number) is None


@given(st.from_regex(r"[0-9]{11}", fullmatch=True), st.integers(0, 10), st.integers(1, 9))
def test_one_wrong_digit_is_seen(digits: str, place: int, step: int) -> None:
    """Changing one digit of an account number makes it none: modulus 11 sees every single mistake."""
    changed = f"{digits[:place]}{(int(digits[place]) + step) % 10}{digits[place + 1 :]}"
    assert not (is_account_number(digits) and is_account_number(changed))


@pytest.mark.parametrize("impossible", ["00890012345", "32890012345", "01930012345", "30820012345"])
def test_impossible_dates_are_no_national_numbers(impossible: str) -> None:
    """Day 0, day 32, month 13 and 30 February are refused whatever the check digits are."""
    for tail in range(1_000):
        number = national(f"{impossible[:6]}{tail:03}")
        assert number is None or national_number(number) is None


@given(st.from_regex(r"[0-9]{9}", fullmatch=True))
def test_organisation_numbers_are_those_of_the_library_from_8_or_9(digits: str) -> None:
    """The checksum is the library's; the first digit is checked here."""
    assert is_organisation_number(digits) == (orgnr.is_valid(digits) and digits[0] in "89")


def test_kid_takes_both_rules() -> None:
    """The last character is a check by modulus 10 or 11, and a hyphen stands for 10."""
    assert is_kid("2345676")
    assert not is_kid("2345677")
    assert is_kid("12345678903")
    bodies = [str(number) for number in range(1_000, 1_100)]
    endings = {body: [end for end in "0123456789-" if is_kid(body + end)] for body in bodies}
    assert {len(found) for found in endings.values()} <= {1, 2}
    assert any("-" in found for found in endings.values())
    assert not is_kid("1" * 26)
    assert not is_kid("")
    assert not is_kid("-")


def test_sim_cards_and_machines() -> None:
    """An ICCID is 89, 47 and Luhn; a machine's number has twelve digits from 58 or 59."""
    good = next(f"894799000000000000{end}" for end in range(10) if luhn(f"894799000000000000{end}"))
    assert is_iccid(good)
    assert not is_iccid(good[:-1] + str((int(good[-1]) + 1) % 10))
    assert not is_iccid("9947" + good[4:])
    assert is_machine_phone("580000000001")
    assert not is_machine_phone("480000000001")


def test_dates_that_look_like_phones_are_seen() -> None:
    """Eight digits may be a date, day first or year first."""
    assert may_be_date("24122024")
    assert may_be_date("20241224")
    assert not may_be_date("41234567")
    assert not may_be_date("32122024")


def test_the_phone_pattern_knows_the_plan() -> None:
    """All of the series 4 and 9 are mobiles; a number from 1 is none."""
    import re

    known = re.compile(phone_pattern())
    assert all(known.fullmatch(f"4{second}234567") for second in range(10))
    assert known.fullmatch("90000000")
    assert not known.fullmatch("12345678")


@given(st.text())
def test_no_text_raises(text: str) -> None:
    """Every check answers for any text."""
    for check in (
        national_number, is_account_number, is_organisation_number, is_kid, is_iccid, is_machine_phone, may_be_date,
    ):  # fmt: skip
        assert not check(text) or text.strip("-").isdigit()

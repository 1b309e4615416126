"""Numbers used in Norway that libraries check wrongly or not at all.

python-stdnum knows the fødselsnummer of today and reads a birth date out of it. That rejects what is in use or decided:
synthetic numbers (month + 80), FH numbers, and the check digit rule of 2032. The century is read only to refuse dates
that never were, and only as long as the numbers show it; gender never is.
Every function takes bare ASCII digits and answers for any text; none raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from operator import mul
from typing import NamedTuple

from phonenumbers import PhoneMetadata

_FIRST = (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)
_SECOND = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)
_ORGANISATION = (3, 2, 7, 6, 5, 4, 3, 2, 1)
# Tables of bytes.translate: characters to values, and values to the sum of the digits of twice the value.
_VALUES = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED = bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)).ljust(256, b"\0")
_DAYS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# What is added to the month: H-nummer and NAV's test numbers share 40; 80 is Skatteetaten's, 20 and 65 are rarer.
_MONTH_OFFSETS = (0, 40, 80, 65, 20)
_RARE_OFFSETS = (20, 65)
# From this day on new numbers show no century (Skatteetaten, «Fødselsnummer fra 2032»).
_NO_CENTURY = date(2032, 1, 1)
# Born after midnight somewhere east of here.
_CLOCKS = timedelta(days=1)


class NationalKind(StrEnum):
    """Which series a national identity number belongs to."""

    FODSELSNUMMER = "fodselsnummer"
    D_NUMBER = "d_number"
    H_NUMBER = "h_number"
    SYNTHETIC = "synthetic"


class NationalNumber(NamedTuple):
    """What the eleven digits show of themselves.

    `strict`: the first check digit also follows the rule in force before 2032. `rare`: a series seldom met
    (FH, month + 20 or + 65), in which chance explains more of what fits.
    """

    kind: NationalKind
    strict: bool
    rare: bool


def remainder11(digits: str, weights: Sequence[int]) -> int:
    """Weighted sum of the digits modulo 11; weights and digits pair up from the left."""
    total: int = sum(map(mul, digits.encode().translate(_VALUES), weights))
    return total % 11


def national_number(digits: str, today: date | None = None) -> NationalNumber | None:
    """The series of a fødselsnummer, D-, H-, FH- or synthetic number; None if the digits are none.

    Check digits as in folkeregisterforskriften § 2-2-1. From 1 January 2032 the first one may leave a remainder of 0
    to 3 (Skatteetaten, «Fødselsnummer fra 2032»); both rules then run together, also for people born before. `today`:
    nobody has a number who is born after it (without it, the day it is).
    """
    if not _is_digits(digits, 11) or remainder11(digits, _SECOND):
        return None
    first = remainder11(digits, _FIRST)
    if first > 3:
        return None
    if digits[0] in "89":
        return NationalNumber(NationalKind.H_NUMBER, first == 0, True)
    day, month = int(digits[:2]), int(digits[2:4])
    d_number = day > 40
    for offset in _MONTH_OFFSETS:
        if 1 <= month - offset <= 12 and 1 <= day - 40 * d_number <= _DAYS[month - offset]:
            kind = _kind(d_number, offset)
            shown = first == 0 and kind in (NationalKind.FODSELSNUMMER, NationalKind.SYNTHETIC)
            if not _was(day - 40 * d_number, month - offset, digits, shown, today):
                return None
            return NationalNumber(kind, first == 0, offset in _RARE_OFFSETS)
    return None


def _was(day: int, month: int, digits: str, shown: bool, today: date | None) -> bool:
    """Whether somebody can have been born that day. `shown`: the individual digits show the century, until 2032."""
    year, individual = int(digits[4:6]), int(digits[6:9])
    # Nearly all: somebody born in the last century, or who may be.
    if (day, month) != (29, 2) and (individual < 500 or not shown):
        return True
    today = today or datetime.now(UTC).date()
    centuries = _centuries(year, individual) if shown and today < _NO_CENTURY else (1900, 2000)
    return any(_is_past(century + year, month, day, today) for century in centuries)


def _centuries(year: int, individual: int) -> tuple[int, ...]:
    """The centuries of a fødselsnummer's series (folkeregisterforskriften § 2-2-1); of no series, any."""
    if individual < 500:
        return (1900,)
    if year < 40:
        return (2000,)
    if individual < 750 and year >= 54:
        return (1800,)
    return (1900,) if individual >= 900 else (1800, 1900)


def _is_past(year: int, month: int, day: int, today: date) -> bool:
    try:
        return date(year, month, day) <= today + _CLOCKS
    except ValueError:
        return False


def _kind(d_number: bool, offset: int) -> NationalKind:
    if d_number:
        return NationalKind.D_NUMBER
    if offset == 40:
        return NationalKind.H_NUMBER
    return NationalKind.SYNTHETIC if offset else NationalKind.FODSELSNUMMER


def is_account_number(digits: str) -> bool:
    """Whether it is a kontonummer: eleven digits, modulus 11. Its weights are those of a fødselsnummer's second check
    digit, so every fødselsnummer is one too. (stdnum.no.kontonr also takes seven digits and drops a leading 0000.)"""
    return _is_digits(digits, 11) and not remainder11(digits, _SECOND)


def is_organisation_number(digits: str) -> bool:
    """Whether it is an organisasjonsnummer: nine digits from 8 or 9, modulus 11 (stdnum.no.orgnr takes any first)."""
    return _is_digits(digits, 9) and digits[0] in "89" and not remainder11(digits, _ORGANISATION)


def luhn(digits: str) -> bool:
    """Whether the last digit is right by modulus 10 (ISO/IEC 7812-1)."""
    values = digits.encode().translate(_VALUES)
    return bool(values) and not (sum(values[-1::-2]) + sum(values[-2::-2].translate(_DOUBLED))) % 10


def is_kid(text: str) -> bool:
    """Whether it is a KID: 2 to 25 characters, the last one by modulus 10 or modulus 11 ("-" stands for 10).

    One digit string in five passes, so a KID needs to be called one.
    """
    body, check = text[:-1], text[-1:]
    if not (2 <= len(text) <= 25 and body.isascii() and body.isdigit()):
        return False
    if check.isdigit() and check.isascii() and luhn(text):
        return True
    weights = [2 + place % 6 for place in range(len(body))][::-1]
    rest = -remainder11(body, weights) % 11
    return check == ("-" if rest == 10 else str(rest))


def is_iccid(digits: str) -> bool:
    """Whether it is the number of a Norwegian SIM card (ITU-T E.118: 89, country 47), 19 or 20 digits with Luhn."""
    return (
        len(digits) in (19, 20) and _is_digits(digits, len(digits)) and digits[:4] == "8947" and luhn(digits)
    )


def phone_pattern() -> str:
    """Regular expression of a national number of eight digits: that of the library, and all of the series 4.

    The numbering plan sets the series 4 aside for mobiles; which parts of it are given out changes.
    """
    metadata = PhoneMetadata.metadata_for_region("NO")
    known = [
        description.national_number_pattern
        for description in (metadata and metadata.fixed_line, metadata and metadata.mobile)
        if description and description.national_number_pattern
    ]
    return "|".join([*known, r"4\d{7}"])


def is_machine_phone(digits: str) -> bool:
    """Whether it is a number of the twelve-digit series for machines (58 and 59), which phonenumbers does not take."""
    return _is_digits(digits, 12) and digits[:2] in ("58", "59")


def may_be_date(digits: str) -> bool:
    """Whether eight digits are a date of 1900 to 2099, DDMMYYYY or YYYYMMDD: 15 % of the first are phone numbers."""
    if not _is_digits(digits, 8):
        return False
    readings = ((digits[:2], digits[2:4], digits[4:]), (digits[6:], digits[4:6], digits[:4]))
    return any(
        year[:2] in ("19", "20") and 1 <= int(month) <= 12 and 1 <= int(day) <= _DAYS[int(month)]
        for day, month, year in readings
    )


def _is_digits(text: str, length: int) -> bool:
    return len(text) == length and text.isascii() and text.isdigit()

"""What a number may be: the forms it is grouped in, the checks each kind has to pass, and what that is worth.

Each form is plain (nothing but digits), typical (grouped as this kind is) or odd (grouped as another kind is). Two
scores belong to kind and form: on its own, and called by its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from schemas.norwegian import (
    is_account_number,
    is_iccid,
    is_machine_phone,
    is_organisation_number,
    luhn,
    may_be_date,
    national_number,
    phone_pattern,
)
from streams.tagging.scan.finding import Identifier

PHONE = re.compile(phone_pattern())
"""A national number of eight digits."""

_CARD = re.compile(
    r"4[0-9]{15}(?:[0-9]{3})?|5[1-5][0-9]{14}|222[1-9][0-9]{12}|22[3-9][0-9]{13}|2[3-6][0-9]{14}"
    r"|27[01][0-9]{13}|2720[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|6(?:011|5[0-9]{2})[0-9]{12}"
    r"|(?:5018|5020|5038|6304|6759|676[1-3])[0-9]{9,15}|35(?:2[89]|[3-8][0-9])[0-9]{12}|62[0-9]{14,17}"
)
# Numbers of cards that are others too often: they have to be called so. Maestro in all its ranges, JCB with 15 digits,
# Visa with 13, Mir.
_CARD_CALLED = re.compile(
    r"(?:50|5[6-8]|6[0-9])[0-9]{10,17}|(?:2131|1800)[0-9]{11}|35[0-9]{14}|4[0-9]{12}|220[0-4][0-9]{12}|0604[0-9]{8,15}"
)
_ABSENT = 0.0
_IMEI = 15


class Form(NamedTuple):
    """Scores of a kind in a form: without a word, and called by its name."""

    alone: float
    called: float


PLAIN, TYPICAL, ODD = "plain", "typical", "odd"
SCORES = {
    # Both check digits and a day and month: chance explains one number in three hundred.
    ("national", PLAIN): Form(0.85, 0.99),
    ("national", TYPICAL): Form(0.95, 0.99),
    ("national", ODD): Form(0.30, 0.90),
    ("national_2032", PLAIN): Form(0.60, 0.95),
    ("national_2032", TYPICAL): Form(0.85, 0.97),
    ("national_2032", ODD): Form(0.10, 0.80),
    ("national_rare", PLAIN): Form(0.35, 0.90),
    ("national_rare", TYPICAL): Form(0.60, 0.95),
    ("national_rare", ODD): Form(0.05, 0.70),
    # One check digit: one number in eleven fits.
    ("kontonummer", PLAIN): Form(0.45, 0.97),
    ("kontonummer", TYPICAL): Form(0.90, 0.99),
    ("kontonummer", ODD): Form(0.10, 0.70),
    # No check digit at all.
    ("phone", PLAIN): Form(0.65, 0.97),
    ("phone", TYPICAL): Form(0.85, 0.98),
    ("phone", ODD): Form(0.25, 0.90),
    ("phone_date", PLAIN): Form(0.10, 0.85),
    ("phone_country", PLAIN): Form(0.50, 0.975),
    ("phone_country", TYPICAL): Form(0.87, 0.985),
    ("phone_machine", PLAIN): Form(0.30, 0.90),
    ("phone_short", PLAIN): Form(_ABSENT, 0.70),
    ("orgnr", PLAIN): Form(0.50, 0.97),
    ("orgnr", TYPICAL): Form(0.80, 0.98),
    ("orgnr", ODD): Form(0.25, 0.90),
    ("payment_card", PLAIN): Form(0.80, 0.98),
    ("payment_card", TYPICAL): Form(0.90, 0.99),
    ("payment_card", ODD): Form(0.40, 0.95),
    ("payment_card_called", PLAIN): Form(_ABSENT, 0.95),
    ("imei", PLAIN): Form(0.70, 0.98),
    ("imei", TYPICAL): Form(0.90, 0.99),
    ("imeisv", PLAIN): Form(_ABSENT, 0.80),
    ("imsi", PLAIN): Form(0.45, 0.95),
    ("imsi", TYPICAL): Form(0.50, 0.95),
    ("iccid", PLAIN): Form(0.85, 0.98),
    ("iccid", TYPICAL): Form(0.85, 0.98),
}


class NumberReading(NamedTuple):
    """One thing a number may be. `row`: of SCORES. `label`: of cues.yaml."""

    row: str
    kind: str
    label: str
    identifier: Identifier | None


Reader = Callable[[str, date | None], NumberReading | None]
"""What the digits may be; the date is today's."""


def _national(digits: str, today: date | None) -> NumberReading | None:
    found = national_number(digits, today)
    if found:
        row = "national_rare" if found.rare else "national" if found.strict else "national_2032"
        return NumberReading(row, found.kind.value, "national", ("national_number", digits))
    return None


def _account(digits: str, _: date | None) -> NumberReading | None:
    if is_account_number(digits):
        return NumberReading("kontonummer", "kontonummer", "kontonummer", ("account_number", digits))
    return None


def _phone(digits: str, _: date | None) -> NumberReading | None:
    if PHONE.fullmatch(digits):
        return _phone_reading("phone_date" if may_be_date(digits) else "phone", f"+47{digits}")
    return None


def _phone_not_date(digits: str, today: date | None) -> NumberReading | None:
    """Groups in which dates are written too."""
    return None if may_be_date(digits) else _phone(digits, today)


def _phone_with_country(digits: str, _: date | None) -> NumberReading | None:
    national = digits.removeprefix("00").removeprefix("47")
    if len(national) == 8 and PHONE.fullmatch(national):
        return _phone_reading("phone_country", f"+47{national}")
    return None


def _phone_of_machine(digits: str, _: date | None) -> NumberReading | None:
    if is_machine_phone(digits):
        return _phone_reading("phone_machine", f"+47{digits}")
    return None


def _phone_short(digits: str, _: date | None) -> NumberReading | None:
    if digits[0] == "0":
        return _phone_reading("phone_short", f"+47{digits}")
    return None


def _phone_reading(row: str, number: str) -> NumberReading:
    return NumberReading(row, "phone", "phone", ("phone", number))


def _organisation(digits: str, _: date | None) -> NumberReading | None:
    if is_organisation_number(digits):
        return NumberReading("orgnr", "orgnr", "orgnr", None)
    return None


def _card(digits: str, _: date | None) -> NumberReading | None:
    if _CARD.fullmatch(digits) and luhn(digits):
        return NumberReading("payment_card", "payment_card", "payment_card", None)
    return None


def _card_called(digits: str, _: date | None) -> NumberReading | None:
    if _CARD_CALLED.fullmatch(digits) and luhn(digits) and not _CARD.fullmatch(digits):
        return NumberReading("payment_card_called", "payment_card", "payment_card", None)
    return None


def _imei(digits: str, _: date | None) -> NumberReading | None:
    # Fifteen digits have a check digit; with the version of the software there are sixteen, and none (3GPP TS 23.003).
    if len(digits) != _IMEI:
        return NumberReading("imeisv", "imei", "imei", None)
    return NumberReading("imei", "imei", "imei", None) if luhn(digits) else None


def _imsi(digits: str, _: date | None) -> NumberReading | None:
    if digits.startswith("242"):
        return NumberReading("imsi", "imsi", "imsi", None)
    return None


def _iccid(digits: str, _: date | None) -> NumberReading | None:
    if is_iccid(digits):
        return NumberReading("iccid", "iccid", "iccid", None)
    return None


# Lengths of the groups, and who reads such a number in which form.
FORMS: dict[tuple[int, ...], tuple[tuple[Reader, str], ...]] = {
    (11,): ((_national, PLAIN), (_account, PLAIN)),
    (6, 5): ((_national, TYPICAL), (_account, ODD)),
    (6, 3, 2): ((_national, TYPICAL), (_account, ODD)),
    (6, 2, 3): ((_national, TYPICAL), (_account, ODD)),
    (2, 2, 2, 5): ((_national, TYPICAL), (_account, ODD)),
    (2, 2, 2, 2, 3): ((_national, TYPICAL),),
    (2, 2, 2, 3, 2): ((_national, TYPICAL),),
    (9, 2): ((_national, PLAIN),),
    (8, 3): ((_national, PLAIN),),
    (3, 3, 5): ((_national, PLAIN),),
    (3, 3, 3, 2): ((_national, PLAIN),),
    (4, 2, 5): ((_account, TYPICAL), (_national, ODD)),
    (4, 4, 3): ((_account, ODD), (_national, ODD)),
    (8,): ((_phone, PLAIN),),
    (2, 2, 2, 2): ((_phone, TYPICAL),),
    (3, 2, 3): ((_phone, TYPICAL),),
    (3, 3, 2): ((_phone, ODD),),
    (4, 4): ((_phone_not_date, ODD),),
    (2, 3, 3): ((_phone, ODD),),
    (3, 5): ((_phone, ODD),),
    (5, 3): ((_phone, ODD),),
    (2, 6): ((_phone, ODD),),
    (2, 2, 4): ((_phone_not_date, ODD),),
    (4, 2, 2): ((_phone_not_date, ODD),),
    (10,): ((_phone_with_country, PLAIN),),
    (2, 8): ((_phone_with_country, PLAIN),),
    (2, 2, 2, 2, 2): ((_phone_with_country, TYPICAL),),
    (2, 3, 2, 3): ((_phone_with_country, TYPICAL),),
    (12,): ((_phone_with_country, TYPICAL), (_phone_of_machine, PLAIN), (_card_called, PLAIN)),
    (4, 8): ((_phone_with_country, TYPICAL), (_phone_of_machine, PLAIN)),
    (4, 2, 2, 2, 2): ((_phone_with_country, TYPICAL),),
    (4, 3, 2, 3): ((_phone_with_country, TYPICAL),),
    (4, 4, 4): ((_phone_of_machine, PLAIN), (_card_called, PLAIN)),
    (5,): ((_phone_short, PLAIN),),
    (9,): ((_organisation, PLAIN),),
    (3, 3, 3): ((_organisation, TYPICAL),),
    (13,): ((_card_called, PLAIN),),
    (4, 4, 4, 1): ((_card_called, PLAIN),),
    (14,): ((_card, ODD), (_card_called, PLAIN)),
    (4, 6, 4): ((_card, TYPICAL),),
    (4, 4, 4, 2): ((_card, ODD),),
    (4, 4, 4, 3): ((_card, ODD), (_card_called, PLAIN)),
    (15,): ((_imei, PLAIN), (_imsi, PLAIN), (_card, PLAIN), (_card_called, PLAIN)),
    (2, 6, 6, 1): ((_imei, TYPICAL),),
    (6, 2, 6, 1): ((_imei, TYPICAL),),
    (3, 2, 10): ((_imsi, TYPICAL),),
    (16,): ((_card, PLAIN), (_card_called, PLAIN), (_imei, PLAIN)),
    (4, 4, 4, 4): ((_card, TYPICAL), (_card_called, PLAIN)),
    (4, 6, 5): ((_card, TYPICAL), (_card_called, PLAIN)),
    (17,): ((_card, ODD), (_card_called, PLAIN)),
    (18,): ((_card, ODD), (_card_called, PLAIN)),
    (19,): ((_iccid, PLAIN), (_card, ODD), (_card_called, PLAIN)),
    (20,): ((_iccid, PLAIN),),
    (4, 4, 4, 4, 3): ((_iccid, TYPICAL), (_card, TYPICAL), (_card_called, PLAIN)),
    (4, 4, 4, 4, 4): ((_iccid, TYPICAL),),
}
LONGEST_FORM = max(map(len, FORMS))
_BEGINNINGS = {form[:length] for form in FORMS for length in range(1, len(form) + 1)}
_FIRST = frozenset(form[0] for form in FORMS)
_REMEMBERED = 4_096


@lru_cache(_REMEMBERED)
def readable(lengths: tuple[int, ...]) -> tuple[tuple[int, int, tuple[tuple[Reader, str], ...]], ...]:
    """Which of the groups of these lengths have a known form: [at, last) and who reads it. No digits are remembered."""
    known = []
    for at in range(len(lengths)):
        if lengths[at] not in _FIRST:
            continue
        for last in range(at + 1, min(at + LONGEST_FORM, len(lengths)) + 1):
            form = lengths[at:last]
            readers = FORMS.get(form)
            if readers:
                known.append((at, last, readers))
            elif form not in _BEGINNINGS:
                break
    return tuple(known)

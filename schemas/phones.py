"""Phone numbers in one form: E.164, a plus and the digits (ITU-T E.164; the plus is how E.123 writes it).

People and exchanges write one number in many ways: grouped, with 00 for the plus, as digits alone, as a URI. What a
number is, is decided by the Norwegian numbering plan and by phonenumbers, in other countries by phonenumbers alone;
what cannot be decided is none. Whether a number is given out is not asked: numbers set aside for fiction and tests are
numbers too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from schemas.unicode import plain

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

NORWAY = "47"
_LONGEST = 15
_FEWEST_ABROAD = 7
# Mobile and geographic numbers of eight digits: most of what comes, and nothing about them has to be weighed.
_USUAL = re.compile(r"(?:\+47)?([2-9][0-9]{7})")
# RFC 3966, RFC 3261 (19.1.1); the latter also between angle brackets, behind a name (25.1).
_BRACKETED = re.compile(r"<([^<>]*)>")
_URI = re.compile(r"(tel|sips?):(.*)", re.IGNORECASE | re.DOTALL)
_CONTEXT = re.compile(r";phone-context=(\+[0-9().\-]+)", re.IGNORECASE)
_NUMBER = re.compile(r"[\s(]*+\+?[\s().\-/]*+[0-9][0-9\s().\-/]*")
_SEPARATORS = re.compile(r"[\s().\-/]")
# +44 (0)20: the zero is dialled at home only.
_TRUNK = re.compile(r"(?<=[0-9)])\s*\(\s*0\s*\)")
_EXIT = ("00", "011")


def e164_of(country: str, *, bare: bool = False) -> Callable[[str], str]:
    """`e164` by the numbering plan of a country (ISO 3166 letters, see `knows`)."""
    if country == "NO":
        return partial(e164, bare=True) if bare else e164
    return partial(_elsewhere, country=country, bare=bare)


def knows(country: str) -> bool:
    """Whether the numbering plan of the country is known."""
    from phonenumbers import SUPPORTED_REGIONS

    return country in SUPPORTED_REGIONS


def e164(value: str, *, bare: bool = False) -> str:
    """The number as + and digits; "" for what is none, or may be two.

    Digits alone are read by the Norwegian plan: eight, five from 0, ten from 47. `bare`: the network's own record, in
    which all others are a number with its country code, and three to six are a short number.
    """
    usual = _USUAL.fullmatch(value)
    if usual:
        return f"+{NORWAY}{usual[1]}"
    text = _subscriber(plain(value))
    if _NUMBER.fullmatch(text) is None:
        return ""
    kept = _read(text, bare)
    if _TRUNK.search(text) is None:
        return kept
    # In Italy the zero belongs to the number wherever it is dialled from.
    return kept if kept and _exists(kept) else _read(_TRUNK.sub("", text), bare)


def _elsewhere(value: str, *, country: str, bare: bool) -> str:
    """The same by another country's plan: digits alone are dialled there, or begin with the country code if `bare`."""
    from phonenumbers import (
        NumberParseException,
        PhoneNumberFormat,
        country_code_for_region,
        format_number,
        is_possible_number,
        is_valid_number,
        parse,
    )

    text = _subscriber(plain(value))
    if _NUMBER.fullmatch(text) is None:
        return ""
    text = _TRUNK.sub("", text)
    digits = _SEPARATORS.sub("", text).lstrip("+")
    if "+" in text:
        return _international(digits)
    if bare and re.fullmatch(r"[0-9]{3,6}", digits):
        return f"+{country_code_for_region(country)}{digits}"
    try:
        number = parse(digits, country)
    except NumberParseException:
        number = None
    if number is not None and (is_valid_number(number) or (is_possible_number(number) and not bare)):
        return format_number(number, PhoneNumberFormat.E164)
    return _possible(digits) if bare else ""


def spellings(number: str) -> tuple[str, ...]:
    """Other ways of writing a number in E.164 form: digits alone, and with the zero that is dialled at home."""
    if number.startswith(f"+{NORWAY}"):
        return number[1:], f"+{NORWAY}0{number[3:]}"
    parsed = _parsed(number)
    if parsed is None:
        return (number[1:],)
    code = str(parsed.country_code)
    return number[1:], f"+{code}0{number[1 + len(code) :]}"


def _subscriber(text: str) -> str:
    """What of a URI is the number, with the country code that it names elsewhere; another text as it is."""
    bracketed = _BRACKETED.search(text)
    text = (bracketed[1] if bracketed else text).strip()
    uri = _URI.fullmatch(text)
    if uri is None:
        # An address of record without its scheme, as P-Asserted-Identity is often logged.
        return text.partition("@")[0] if text.startswith("+") else text
    body = unquote(uri[2])
    if uri[1].lower() != "tel":
        body = body.partition("@")[0].partition(":")[0]
    number, context = body.partition(";")[0], _CONTEXT.search(body)
    return number if context is None or number.lstrip("( ").startswith("+") else context[1] + number


def _read(text: str, bare: bool) -> str:
    digits = _SEPARATORS.sub("", text).lstrip("+")
    if "+" in text:
        return _international(digits)
    if digits.startswith(_EXIT[0]):
        return _international(digits[2:])
    if re.fullmatch(r"[2-9][0-9]{7}|0[0-9]{4}", digits):
        return f"+{NORWAY}{digits}"
    if re.fullmatch(r"47(?:[2-9][0-9]{7}|5[89][0-9]{10})", digits):
        return f"+{digits}"
    if digits.startswith(_EXIT[1]) and len(digits) > _FEWEST_ABROAD + len(_EXIT[1]):
        return _possible(digits[3:])
    if not bare:
        return ""
    if re.fullmatch(r"[0-9]{3,6}", digits):
        return f"+{NORWAY}{digits}"
    return _possible(digits)


def _international(digits: str) -> str:
    """A number that is written with its country code."""
    if digits.startswith(NORWAY):
        # Short numbers, eight digits, machines; +47 before anything else is a mistake of somebody's.
        return f"+{digits}" if re.fullmatch(r"47(?:[0-9]{3,6}|[0-9]{8}|5[89][0-9]{10})", digits) else ""
    number = f"+{digits}"
    if not re.fullmatch(rf"\+[1-9][0-9]{{4,{_LONGEST - 1}}}", number):
        return ""
    from phonenumbers import PhoneNumberFormat, format_number

    while (parsed := _parsed(number)) is not None:
        # As often as it takes off a zero that is dialled at home only.
        formatted = format_number(parsed, PhoneNumberFormat.E164)
        if formatted == number:
            break
        number = formatted
    return number


def _possible(digits: str) -> str:
    """Digits that are taken for a number with its country code, if there may be such a one."""
    from phonenumbers import ValidationResult, is_possible_number_with_reason

    number = _international(digits)
    if number.startswith(f"+{NORWAY}"):
        return number
    parsed = _parsed(number)
    # A number without its area code, which may be dialled in one town only, is not possible here.
    possible = parsed is not None and is_possible_number_with_reason(parsed) == ValidationResult.IS_POSSIBLE
    return number if possible else ""


def _exists(number: str) -> bool:
    from phonenumbers import is_valid_number

    parsed = _parsed(number)
    return parsed is not None and is_valid_number(parsed)


def _parsed(number: str) -> PhoneNumber | None:
    """None for a country code that the library does not know."""
    # Not at the top: a mere --help, and nearly all numbers of a Norwegian company, do without the library.
    from phonenumbers import NumberParseException, parse

    try:
        return parse(number)
    except NumberParseException:
        return None

"""Check digits that identifiers carry, by the name of the way they are reckoned. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from schemas.norwegian import is_account_number, is_organisation_number, luhn, national_number

# Weights of the eight digits of a postal item (UPU S10).
_S10 = (8, 6, 4, 2, 3, 5, 9, 7)


def _weighted(digits: Sequence[int], weights: Sequence[int]) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=True))


def _mod10(text: str) -> bool:
    """The last digit, the others weighted 3 and 1 in turn from the right (GS1 General Specifications, 7.9)."""
    if not _is_digits(text) or len(text) < 2:
        return False
    return (
        not _weighted([*map(int, reversed(text))], [1 + 2 * (place % 2) for place in range(len(text))]) % 10
    )


def _mod11(text: str) -> bool:
    """The last digit, the others weighted 2 to 7 in turn from the right; of a remainder of 1 there is none."""
    if not _is_digits(text) or len(text) < 2:
        return False
    digits = [*map(int, reversed(text))]
    return not (digits[0] + _weighted(digits[1:], [2 + place % 6 for place in range(len(text) - 1)])) % 11


def _mod97(text: str) -> bool:
    """The last two digits (ISO/IEC 7064, MOD 97-10); letters count as 10 to 35."""
    if len(text) < 3 or not (text.isascii() and text.isalnum()):
        return False
    return int("".join(str(int(sign, 36)) for sign in text)) % 97 == 1


def _s10(text: str) -> bool:
    """Number of a postal item (UPU S10): two letters, eight digits and a check digit, the country's two letters."""
    digits = text[2:-2]
    if not (len(digits) == 9 and _is_digits(digits) and (text[:2] + text[-2:]).isascii()):
        return False
    if not (text[:2] + text[-2:]).isalpha():
        return False
    check = 11 - _weighted([*map(int, digits[:8])], _S10) % 11
    return int(digits[8]) == {10: 0, 11: 5}.get(check, check)


def _luhn(text: str) -> bool:
    return _is_digits(text) and len(text) > 1 and luhn(text)


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


CHECK_DIGITS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "luhn": _luhn,
        "mod10": _mod10,
        "mod11": _mod11,
        "mod97": _mod97,
        "s10": _s10,
        "fodselsnummer": lambda text: national_number(text) is not None,
        "kontonummer": is_account_number,
        "organisasjonsnummer": is_organisation_number,
    }
)
"""Whether a text has the check digits of that name. `luhn`: ISO/IEC 7812-1; the others: `docs/company.md`."""

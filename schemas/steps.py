"""The steps by which a value becomes the one spelling of an identifier: a fixed list, which companies choose from."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from schemas.check_digits import CHECK_DIGITS
from schemas.phones import e164_of, spellings
from schemas.spelling import email, ip, mac, names_at_hosts, phone_before, text_before, user_name
from schemas.unicode import folded, plain, trimmed

Change = Callable[[str], str]
"""From a text to the next one; "" for what cannot be such an identifier."""
_LONGEST = 64
"""Digits or characters that a step may add or demand."""


class Said(NamedTuple):
    """A step as a catalogue says it: its name, and what stands behind the name."""

    name: str
    value: str | int | None = None


@dataclass(frozen=True)
class Step:
    """`make`: the change, of what stands behind the name (`takes`) and of the company's country.

    `whole`: it says all of the form. `former`: the change as it was first, by country.
    `spellings`: other ways of writing what it gives. `hint`: how to write such an identifier.
    """

    make: Callable[[str | int | None, str], Change]
    takes: type[str] | type[int] | None = None
    optional: bool = False
    whole: bool = False
    former: Callable[[str], Change | None] | None = None
    spellings: Callable[[str], tuple[str, ...]] | None = None
    hint: Callable[[str], str] | None = None


def _simply(change: Change) -> Callable[[str | int | None, str], Change]:
    return lambda value, country: change


def _digits(value: str | int | None, country: str) -> Change:
    def digits(text: str) -> str:
        found = re.sub(r"[\s.\-]", "", text if text.isascii() else plain(text))
        return found if (value is None or len(found) == value) and found.isascii() and found.isdigit() else ""

    return digits


def _prefix(value: str | int | None, country: str) -> Change:
    start = str(value)
    return lambda text: text if text.startswith(start) else start + text


def _without_prefix(value: str | int | None, country: str) -> Change:
    start = str(value)
    return lambda text: text.removeprefix(start)


def _zero_pad(value: str | int | None, country: str) -> Change:
    assert isinstance(value, int)
    return lambda text: text.zfill(value) if text.isascii() and text.isdigit() and len(text) <= value else ""


def _check_digit(value: str | int | None, country: str) -> Change:
    right = CHECK_DIGITS[str(value)]
    return lambda text: text if right(text) else ""


def _lower(text: str) -> str:
    return text.lower() if text.isascii() else text.casefold()


def _nfkc(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _nfc(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _phone(network: bool) -> Callable[[str | int | None, str], Change]:
    return lambda value, country: e164_of(country, bare=network)


def _dialled(country: str) -> str:
    at_home = "as eight Norwegian digits" if country == "NO" else f"as it is dialled in {country}"
    return f"with + and the country code, or {at_home}"


_PHONE = Step(
    _phone(network=False),
    whole=True,
    former=lambda country: phone_before if country == "NO" else None,
    spellings=spellings,
    hint=_dialled,
)
STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "trim": Step(_simply(trimmed)),
        "lower": Step(_simply(_lower)),
        "upper": Step(_simply(str.upper)),
        "NFC": Step(_simply(_nfc)),
        "NFKC": Step(_simply(_nfkc)),
        "digits": Step(_digits, int, optional=True),
        "prefix": Step(_prefix, str),
        "without_prefix": Step(_without_prefix, str),
        "zero_pad": Step(_zero_pad, int),
        "check_digit": Step(_check_digit, str),
        "email": Step(_simply(email), former=lambda country: text_before, spellings=names_at_hosts),
        "user_name": Step(_simply(user_name), former=lambda country: text_before, spellings=names_at_hosts),
        # The realms are the installation's: `schemas.tokens.Tokenizer` takes them off.
        "own_realm": Step(_simply(str)),
        "e164": _PHONE,
        "e164_of_network": replace(_PHONE, make=_phone(network=True)),
        "ip": Step(_simply(ip), whole=True),
        "mac": Step(_simply(mac), whole=True),
    }
)
"""By name; what each does is told in `docs/company.md`."""

# What most columns are brought into form by, as one function.
_FUSED: Mapping[tuple[str, ...], Change] = MappingProxyType({("NFKC", "trim", "lower"): folded})


def said(written: str | Mapping[str, Any]) -> Said:
    """A step as it is written: a name, or a mapping of one name to what it takes."""
    if isinstance(written, str):
        return Said(written)
    ((name, value),) = written.items()
    return Said(name, value)


def wrong(step: Said) -> str | None:
    """Why there is no such step, and what to write; None if there is."""
    known = STEPS.get(step.name)
    if known is None:
        close = difflib.get_close_matches(step.name, STEPS, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        return f"{step.name!r} is no step; {meant}Write one of {', '.join(STEPS)}"
    if step.value is None:
        needs = known.takes is not None and not known.optional
        return f"{step.name} lacks what it takes; write {_example(step.name)}" if needs else None
    if known.takes is None:
        return f"{step.name} takes nothing; write the name alone"
    if known.takes is int and not (type(step.value) is int and 1 <= step.value <= _LONGEST):
        return f"{step.name} takes a number from 1 to {_LONGEST}; write {_example(step.name)}"
    if known.takes is str and not (isinstance(step.value, str) and 1 <= len(step.value) <= _LONGEST):
        return (
            f"{step.name} takes a text of 1 to {_LONGEST} characters in quotes; write {_example(step.name)}"
        )
    if step.name == "check_digit" and step.value not in CHECK_DIGITS:
        return f"{step.value!r} is no check digit; write one of {', '.join(CHECK_DIGITS)}"
    return None


def _example(name: str) -> str:
    return {
        "check_digit": "check_digit: luhn",
        "prefix": 'prefix: "K-"',
        "without_prefix": 'without_prefix: "@"',
    }.get(name, f"{name}: 8")


def composed(steps: Sequence[Said], country: str) -> Change:
    """All of the steps, one after the other; "" as soon as one says that it is none."""
    return _chain(steps, [STEPS[step.name].make(step.value, country) for step in steps])


def composed_before(steps: Sequence[Said], country: str) -> Change | None:
    """The same with the steps as they were first; None if none of them was another."""
    before = [_former(STEPS[step.name], country) for step in steps]
    if not any(before):
        return None
    return _chain(
        (),
        [was or STEPS[step.name].make(step.value, country) for step, was in zip(steps, before, strict=True)],
    )


def _former(step: Step, country: str) -> Change | None:
    return step.former(country) if step.former else None


def _chain(steps: Sequence[Said], changes: Sequence[Change]) -> Change:
    if fused := _FUSED.get(tuple(step.name for step in steps)):
        return fused
    changes = [change for change in changes if change is not str]
    if len(changes) == 1:
        return changes[0]

    def every(text: str) -> str:
        for change in changes:
            text = change(text)
            if not text:
                return ""
        return text

    return every

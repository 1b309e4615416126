"""One text, one pass: a combined pattern finds what may be an identifier, and only that is checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from streams.tagging.scan.accounts import account, iban_pattern
from streams.tagging.scan.address import postal_address
from streams.tagging.scan.composed import composed
from streams.tagging.scan.finding import SOLE_PROPRIETOR, Finding, Hypothesis, resolve
from streams.tagging.scan.network import email, encoded_email, ip, mac
from streams.tagging.scan.numbers import SEPARATOR, kid, numbers
from streams.tagging.scan.words import special

_THREE_MORE = r"(?:\.[0-9]{1,3}){3}(?!\.?[0-9])"
# What an identifier can begin with. Few letters do, and the search leaps from one such character to the next: texts
# that can hold no hexadecimal address are read without them.
_BEGIN, _BEGIN_HEX = "0-9+@", "0-9a-f+:@"
# What must come first in an alternative is looked back at. Tokens do not begin inside a word. No part can match in two
# ways, so that there is nothing to try again.
# A word and its number written together: fnr01819030037.
_LABELS = "fnr|pnr|tlf|tel|mob|kto"

_CANDIDATE, _CANDIDATE_HEX = (
    re.compile(
        rf"[{begin}](?:"
        r"(?<=@)(?P<email>[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,8})"
        rf"|(?<=o [0-9])(?<=(?<![^\W_])no [0-9])(?P<iban>{iban_pattern()})(?![^\W_])"
        rf"|(?:(?<![^\W_].)|(?<=(?<!\w)(?:{_LABELS}).))(?:"
        r"(?<=[0-9a-f])(?P<mac>[0-9a-f](?:(?::[0-9a-f]{2}){5}|(?:-[0-9a-f]{2}){5}|[0-9a-f]{2}(?:\.[0-9a-f]{4}){2}"
        r"|[0-9a-f]{10}))(?![^\W_]|[:\-][0-9a-f])"
        r"|(?P<ipv6>(?<=[0-9a-f])[0-9a-f]{0,3}(?::[0-9a-f]{1,4}){7}"
        r"|(?<=[0-9a-f])[0-9a-f]{0,3}(?::[0-9a-f]{1,4}){0,6}::"
        r"(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6}(?:\.[0-9]{1,3}){0,3})?"
        r"|(?<=:):[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6}(?:\.[0-9]{1,3}){0,3})(?![^\W_]|:[^\W_]|::)"
        rf"|(?<=[0-9])(?P<ipv4>[0-9]{{0,2}}{_THREE_MORE})"
        rf"|(?P<run>(?:(?<=[0-9])|(?<=\+)[ ]?[0-9])[0-9]*"
        rf"(?:{SEPARATOR}(?!(?<=\s)[0-9]{{1,3}}{_THREE_MORE})[0-9]+){{0,40}})"
        rf")|(?<=[a-z][0-9])(?<=(?<![^\W_])[a-z][a-z][0-9])(?P<account>{iban_pattern()})(?![^\W_]))"
    )
    for begin in (_BEGIN, _BEGIN_HEX)
)
_ENCODED_EMAIL = re.compile(r"(?:%(?:25)?40|&(?:#0?64|#x0?40|commat);)[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,8}")
_FEWEST_DIGITS, _SHORTEST_KID = 5, 4
_URL = re.compile(r"(?:[a-z][a-z0-9+]{1,8}://|www\.)[^\s<>\"]*\Z")
_LONGEST_URL = 200
_SOLE_PROPRIETOR = re.compile(
    r"enkelt(?:person|manns?)f[oø]retak|(?<!\w)enk(?!\w)|sole[ -](?:proprietor|trader)|self[ -]employed"
)
_COLONS, _DASHES, _DOTS = 5, 5, 2
_GROUP_OF_FOUR = re.compile(r"\.[0-9a-f]{4}\.")


@dataclass(frozen=True)
class Limits:
    """How much of a text is looked at, in characters. The rest is not scanned, and the column says so."""

    longest: int = 20_000


DEFAULT = Limits()


class _Page(NamedTuple):
    """A text, the same in lower case, and what is worth looking for around its numbers."""

    text: str
    lowered: str
    has_url: bool
    has_kid: bool
    today: date | None


def scan(text: str, limits: Limits = DEFAULT, today: date | None = None) -> tuple[Finding, ...]:
    """Findings of the first `limits.longest` characters, in order of place, then score. Raises for no text.

    `today`: nobody is born after it (without it, the day it is); pure with it. Read in Unicode normal form C; places
    are those of the text as it was given.
    """
    text = text[: limits.longest]
    whole = composed(text)
    if whole is None:
        return tuple(_scanned(text, today))
    spans = ((item, whole.span(item.start, item.end)) for item in _scanned(whole.text, today))
    return tuple(item._replace(start=start, end=end) for item, (start, end) in spans)


def _scanned(text: str, today: date | None) -> list[Finding]:
    lowered = lower(text)
    has_url, has_kid = "://" in lowered or "www." in lowered, "kid" in lowered or "betalingsref" in lowered
    page = _Page(text, lowered, has_url, has_kid, today)
    found = special(text, lowered)
    candidate = _CANDIDATE_HEX if _may_be_hex(lowered) else _CANDIDATE
    for match in candidate.finditer(lowered):
        kind = match.lastgroup
        found += (_run if kind == "run" else _READERS[kind or ""])(page, match.start(), match.end())
    if "%" in lowered or "&" in lowered:
        for match in _ENCODED_EMAIL.finditer(lowered):
            address = encoded_email(text, lowered, match.start(), match.end())
            found += [address] if address else []
    return _personal(lowered, resolve(found)) if found else []


def _personal(lowered: str, findings: list[Finding]) -> list[Finding]:
    """The number of a business run by one person is that person's."""
    if "orgnr" not in [item.kind for item in findings] or not _SOLE_PROPRIETOR.search(lowered):
        return findings
    return [item._replace(category=SOLE_PROPRIETOR) if item.kind == "orgnr" else item for item in findings]


def _may_be_hex(lowered: str) -> bool:
    """Whether a hexadecimal address may stand in it: one with colons, dashes or dots, or without, called MAC."""
    if ":" in lowered and ("::" in lowered or lowered.count(":") >= _COLONS):
        return True
    if "mac" in lowered or ("-" in lowered and lowered.count("-") >= _DASHES):
        return True
    return lowered.count(".") >= _DOTS and _GROUP_OF_FOUR.search(lowered) is not None


def lower(text: str) -> str:
    """In lower case with every character at its place: the few that become two in lower case stay as they are."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join([low if len(low := letter.lower()) == 1 else letter for letter in text])


def _run(page: _Page, start: int, end: int) -> list[Hypothesis]:
    """Hypotheses of a run of digit groups."""
    lowered = page.lowered
    found: list[Hypothesis] = []
    if end - start >= _FEWEST_DIGITS or lowered[start] == "+":
        in_url = page.has_url and _URL.search(lowered, max(0, start - _LONGEST_URL), start) is not None
        found = numbers(lowered, start, end, in_url, page.today)
    if page.has_kid and end - start >= _SHORTEST_KID:
        called = kid(lowered, start, end)
        if called:
            found.append(called)
    if (
        start > 2
        and lowered[start - 1] == " "
        and (lowered[start - 2].isalpha() or lowered[start - 2] == ".")
    ):
        address = postal_address(page.text, lowered, start)
        if address:
            found.append(address)
    return found


def _email(page: _Page, start: int, end: int) -> list[Hypothesis]:
    found = email(page.text, page.lowered, start, end)
    return [found] if found else []


def _mac(page: _Page, start: int, end: int) -> list[Hypothesis]:
    """Twelve digits that are no hardware address may be a phone."""
    found = mac(page.lowered, start, end)
    if found:
        return [found]
    return _run(page, start, end) if page.lowered[start:end].isdigit() else []


def _ip(page: _Page, start: int, end: int) -> list[Hypothesis]:
    found = ip(page.text, page.lowered, start, end)
    return [found] if found else []


def _ip_or_phone(page: _Page, start: int, end: int) -> list[Hypothesis]:
    """Four pairs with dots may be an address of a machine or a phone."""
    return _ip(page, start, end) + _run(page, start, end)


def _iban(page: _Page, start: int, end: int) -> list[Hypothesis]:
    """An account in its international form; with a space behind the country, the digits may be something else."""
    apart = page.lowered[start - 1] == " "
    found = account(page.lowered, start - len("no ") if apart else start - len("no"), end)
    return [found] if found else _run(page, start, end) if apart else []


_READERS = {"iban": _iban, "account": _iban, "email": _email, "mac": _mac, "ipv6": _ip, "ipv4": _ip_or_phone}

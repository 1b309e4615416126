"""Whether a value of a store may be what an identifier says, in any spelling: for rows that must not go. Pure.

The strict comparison is `innsyn_sdk.values.same`: what it misses stays. Of somebody who is kept, what it misses would
go. So values are taken for the same here that innsyn takes for the same, and some that it does not. A prefix that
innsyn puts before identifiers may be missing in the store where what follows is a number, or has a digit and at least
six characters.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

from innsyn_sdk.values import address_of, whole

TAIL = 8
"""Numbers with the same digits at their ends, so many of them, are one number: the calling code may be missing."""
_LEAST = 6
"""Characters of an identifier before which a prefix may be missing."""
_SHORT, _CODE = 3, 4
"""Digits of the shortest phone number, and of a calling code with the zero that is dialled at home."""
# An A-label of a domain (RFC 5890, 2.3.2.1).
_A_LABEL = re.compile(r"xn--([a-z0-9-]+)", re.ASCII)
# An address behind which a port stands, and one of IPv6 between brackets (RFC 3986, 3.2.2).
_WITH_PORT = re.compile(r"\[([^\[\]]*)\](?::\d*)?|([\d.]+):\d*", re.ASCII)
# Letters that show nothing, which domains leave out (UTS #46).
_FILLERS = dict.fromkeys(map(ord, "\u115f\u1160\u3164\uffa0"))
_BRACKETED = re.compile(r"<([^<>]*)>")
_SCHEME = re.compile(r"\s*[a-z]+:(.*)", re.ASCII | re.IGNORECASE | re.DOTALL)


class Spellings(NamedTuple):
    """What a value may be: all of it, and what is left where something before or behind it is not part of it.

    Two values may be one identifier where all of one is all or a part of the other.
    """

    whole: frozenset[str]
    parts: frozenset[str]


def of_identifier(value: str) -> Spellings:
    """Of what innsyn calls an identifier. An address is that address, whatever its digits."""
    address = address_in(value)
    return spellings(value) if address is None else Spellings(frozenset({str(address)}), frozenset())


def spellings(value: Any) -> Spellings:
    """Of one value of a store."""
    value = whole(value)
    text = str(value)
    every, parts = {loosest(text)}, set[str]()
    if (address := address_in(value)) is not None:
        every.add(str(address))
    for piece in (text, *_cut(text)):
        loose = loosest(piece)
        parts.add(loose)
        if "@" not in piece:
            parts.update(
                loose[at:] for at in range(1, len(loose) - _LEAST + 1) if any(map(str.isdigit, loose[at:]))
            )
        number = _number(loose)
        parts.update(_parts(number))
        if loose.isdecimal():
            every.add(number[-TAIL:])
    return Spellings(frozenset(every), frozenset(parts - {""}))


def loosest(text: str) -> str:
    """Letters and digits alone, of one case and one form; of a text with none of them all but blanks."""
    if text.isascii():
        # The same as below and much faster, for most of what stores hold.
        folded = text.lower()
    else:
        folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).upper().casefold())
        folded = unicodedata.normalize("NFKD", folded.upper().casefold()).translate(_FILLERS)
    if "xn--" in folded:
        folded = _A_LABEL.sub(_decoded, folded)
    kept = "".join(filter(str.isalnum, folded))
    return kept or "".join(sign for sign in folded if unicodedata.category(sign)[0] not in "CZ").strip()


def address_in(value: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a text or an address of `ipaddress` is, without its zone and port; None where it is none."""
    if isinstance(value, int):
        # A number may be anything; whether it is an address only its column says.
        return None
    text = unicodedata.normalize("NFKC", str(value))
    text = "".join(sign for sign in text if unicodedata.category(sign)[0] != "C").strip()
    found = _WITH_PORT.fullmatch(text)
    return address_of(((found[1] or found[2] or "") if found else text).partition("%")[0])


def _cut(text: str) -> Iterator[str]:
    """What of a URI is the identifier (RFC 3966, RFC 6068), what stands between angle brackets, and a name without the
    host behind it."""
    folded = unicodedata.normalize("NFKC", text)
    pieces = [folded]
    if found := _BRACKETED.search(folded):
        pieces.append(found[1])
    for piece in [*pieces]:
        if found := _SCHEME.fullmatch(piece):
            pieces.append(found[1])
    for piece in [*pieces]:
        pieces += [piece.partition(";")[0]] if ";" in piece else []
    for piece in [*pieces]:
        pieces += [piece.rpartition("@")[0]] if "@" in piece else []
    yield from pieces[1:]


def _number(loose: str) -> str:
    """Its digits, without the zeros before them."""
    digits = re.sub(r"[^0-9]", "", loose)
    return digits.lstrip("0") or digits[-1:]


def _parts(number: str) -> Iterator[str]:
    """A long number wherever it stands among other digits; a short one without what is dialled before it."""
    yield number
    yield from (number[at : at + TAIL] for at in range(len(number) - TAIL + 1))
    for at in range(1, min(_CODE, len(number) - _SHORT) + 1):
        if len(number) - at < TAIL:
            yield number[at:]
            yield _number(number[at:])


def _decoded(found: re.Match[str]) -> str:
    try:
        return loosest(found[1].encode().decode("punycode"))
    except UnicodeError:
        return found[0]

"""Text as it was meant: without the invisible marks that copying leaves behind, in the letters of one form."""

from __future__ import annotations

import re
import unicodedata

# Directions, joiners, soft hyphen, byte order mark: they show nothing, and come along when text is copied.
_MARK = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")
_NOTHING = "".join(
    [sign for sign in map(chr, (*range(0x3001), 0xFEFF)) if sign.isspace() or _MARK.match(sign)]
)
_DASH = re.compile("[\u2010-\u2015\u2212]")


def plain(text: str) -> str:
    """For numbers: no marks, ASCII for full-width digits and signs (NFKC, UAX #15), every dash a hyphen."""
    if text.isascii():
        return text
    return _DASH.sub("-", unicodedata.normalize("NFKC", _MARK.sub("", text)))


def trimmed(text: str) -> str:
    """Without spaces and marks at the ends. Inside a name a mark may be a letter's, so there it stays."""
    return text.strip() if text.isascii() else text.strip(_NOTHING)


def folded(text: str) -> str:
    """For names: trimmed, NFKC, without the difference of upper and lower case."""
    if text.isascii():
        return text.strip().lower()
    return trimmed(unicodedata.normalize("NFKC", text)).casefold()

"""Texts in Unicode normal form C, with the way back: what is found in the composed text is told of the original.

The same word comes composed (one character for å) and decomposed (a, then a ring): macOS and many phones write the
second. Patterns and word lists know the first. Characters that nobody sees (zero-width spaces, soft hyphens, marks of
direction), which come along when a number or an address is copied, are left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_SPACE = "\u200b"
# Vowels and final consonants of Hangul, which join the syllable before them though they are no marks.
_FIRST_JOINING, _LAST_JOINING = "\u1160", "\u11ff"


@dataclass(frozen=True)
class Composed:
    """`text` in normal form C without what is invisible; character i is of [starts[i], ends[i]) of the original."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def __repr__(self) -> str:
        return f"Composed({len(self.text)} characters)"

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the characters [start, end) of `text` stand in the original, half-open; `start` < `end`."""
        return self.starts[start], self.ends[end - 1]


def composed(text: str) -> Composed | None:
    """The text in normal form C (UAX #15), all of it to be seen; None if it is so already, as nearly all texts are."""
    if text.isascii() or (
        unicodedata.is_normalized("NFC", text) and (text.isprintable() or not _INVISIBLE.search(text))
    ):
        return None
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end in _clusters(text):
        part = unicodedata.normalize("NFC", text[start:end])
        if not _divides(text, start, end):
            part = _INVISIBLE.sub("", part)
        kept = part == text[start:end]
        parts.append(part)
        starts += range(start, end) if kept else [start] * len(part)
        ends += range(start + 1, end + 1) if kept else [end] * len(part)
    return Composed("".join(parts), starts, ends)


def _divides(text: str, start: int, end: int) -> bool:
    """Whether a space without width stands between two words that would be one without it: «example.com» and «Hei»."""
    return (
        text[start:end] == _SPACE
        and text[max(0, start - 1) : start].islower()
        and text[end : end + 1].isupper()
    )


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """Stretches that are composed each by itself: one character and all that may join it."""
    start = 0
    for at in range(1, len(text)):
        if not _joins(text[at]):
            yield start, at
            start = at
    if text:
        yield start, len(text)


def _joins(letter: str) -> bool:
    return not letter.isascii() and (
        unicodedata.category(letter)[0] == "M" or _FIRST_JOINING <= letter <= _LAST_JOINING
    )

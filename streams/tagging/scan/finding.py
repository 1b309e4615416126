"""What a scan finds: kind, category, score and place, never the text."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple, Protocol

PROVEN = 0.6
"""Lowest score at which a checked identifier counts as one: below it, chance or another reading explains too much."""

FLOOR = 0.3
"""A place whose best hypothesis scores less is no finding."""

CATEGORIES = {
    **dict.fromkeys(("fodselsnummer", "d_number", "h_number", "synthetic", "national_number"), "C-02"),
    **dict.fromkeys(("kontonummer", "kid", "payment_card"), "C-06"),
    **dict.fromkeys(("phone", "email", "postal_address", "name"), "C-01"),
    **dict.fromkeys(("mac", "imei", "imsi", "iccid"), "C-20"),
    "ip": "C-17",
    "orgnr": "none",
    **dict.fromkeys(
        (
            "special.health",
            "special.union",
            "special.religion",
            "special.ethnicity",
            "special.politics",
            "special.sex_life",
            "special.genetic_biometric",
            "special.criminal",
        ),
        "C-31",
    ),
}
"""Kinds of findings and the category of the catalogue each belongs to; the word stands for none of them."""

SOLE_PROPRIETOR = "C-01"
"""Category of an organisation number in a text that says it is a sole proprietor's."""

Identifier = tuple[str, str]
"""What it is found as (`schemas.entries.FoundAs`) or, of a plug-in, the name of its kind; and its one spelling."""

_NATIONAL = "national_number"


class Finding(NamedTuple):
    """One hypothesis about one place of a text.

    score: 0 to 1. start, end: characters, half-open. identifier: what it is found as, and its one spelling,
    where that is an identifier. proven: its check digits or its form hold, it is the best hypothesis of its place, and
    it scores PROVEN at least; only an identifier that is proven mentions somebody. Two check digits and a date outweigh
    a word: a fødselsnummer is proven beside the account, KID or other number that a word makes of the same place.
    """

    kind: str
    category: str
    score: float
    start: int
    end: int
    identifier: Identifier | None = None
    proven: bool = False

    def __repr__(self) -> str:
        return (
            f"Finding(kind={self.kind!r}, category={self.category!r}, score={self.score:.2f},"
            f" start={self.start}, end={self.end}, proven={self.proven})"
        )


class Hypothesis(NamedTuple):
    """A finding on its way: not yet compared with what else the place may be. `checked`: check digits or form hold."""

    score: float
    kind: str
    start: int
    end: int
    identifier: Identifier | None = None
    checked: bool = False

    def __repr__(self) -> str:
        return f"Hypothesis(kind={self.kind!r}, score={self.score:.2f}, start={self.start}, end={self.end})"


class Recogniser(Protocol):
    """A plug-in that finds more in a text, such as names. It may raise; what it found in that text is then left out."""

    def __call__(self, text: str) -> Iterable[Finding]: ...


def resolve(hypotheses: list[Hypothesis]) -> list[Finding]:
    """The places, the better one where two overlap, each with all its hypotheses; in order of place, then score."""
    if len(hypotheses) == 1:
        score, kind, start, end, identifier, checked = hypotheses[0]
        proven = checked and score >= PROVEN
        return (
            [Finding(kind, CATEGORIES[kind], score, start, end, identifier, proven)] if score >= FLOOR else []
        )
    hypotheses.sort(key=lambda item: (-item.score, item.start - item.end, item.start, item.kind))
    places: list[tuple[int, int]] = []
    found: list[Finding] = []
    for score, kind, start, end, identifier, checked in hypotheses:
        place = (start, end)
        at = bisect_left(places, place)
        best = at == len(places) or places[at] != place
        if best:
            overlaps = (at < len(places) and places[at][0] < end) or (at > 0 and places[at - 1][1] > start)
            if overlaps or score < FLOOR:
                continue
            places.insert(at, place)
        proven = (
            checked and score >= PROVEN and (best or (identifier and identifier[0] == _NATIONAL) or False)
        )
        found.append(Finding(kind, CATEGORIES[kind], score, start, end, identifier, proven))
    if len(places) > 1:
        found.sort(key=lambda item: (item.start, item.end, -item.score, item.kind))
    return found

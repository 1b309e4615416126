"""Which sessions somebody else had an identifier near. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_MOST_EXCLUDED = 3


@dataclass(frozen=True)
class Wanted:
    """A session of which is asked: the identifier, whose it is and who leaves, its first and last moment in ms."""

    identifier: bytes
    whose: bytes
    person: bytes
    first: int
    last: int


@dataclass(frozen=True)
class Theirs:
    """A session that stays: the identifier, who had it (nobody: it is not known), from when until when in ms."""

    identifier: bytes
    people: frozenset[bytes]
    begun: int
    ended: int


def near(wanted: Sequence[Wanted], theirs: Iterable[Theirs], within: int) -> list[int]:
    """The places of those near which, by so many ms, another session is of somebody who is neither of the two, or of
    nobody who is known. In time that grows with the number of sessions, and with its logarithm."""
    by_identifier = defaultdict[bytes, list[Theirs]](list)
    for other in theirs:
        by_identifier[other.identifier].append(other)
    places = defaultdict[bytes, list[int]](list)
    for place, item in enumerate(wanted):
        places[item.identifier].append(place)
    found = [
        place
        for identifier, some in places.items()
        for place in _near(some, wanted, by_identifier.get(identifier, []), within)
    ]
    return sorted(found)


def _near(
    places: Sequence[int], wanted: Sequence[Wanted], theirs: Iterable[Theirs], within: int
) -> Iterable[int]:
    """Of one identifier."""
    beginning = sorted(theirs, key=lambda other: other.begun)
    # Of those that have begun by then, the latest end of each company of people. At most three companies are none of
    # somebody else: either of the two, and both. So the four that end last are enough.
    latest, begun = dict[frozenset[bytes], int](), 0
    for place in sorted(places, key=lambda place: wanted[place].last):
        item = wanted[place]
        while begun < len(beginning) and beginning[begun].begun <= item.last + within:
            other = beginning[begun]
            latest[other.people] = max(latest.get(other.people, other.ended), other.ended)
            if len(latest) > _MOST_EXCLUDED + 1:
                del latest[min(latest, key=latest.__getitem__)]
            begun += 1
        if any(
            ended + within >= item.first and (not people or people - {item.whose, item.person})
            for people, ended in latest.items()
        ):
            yield place

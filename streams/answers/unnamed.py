"""Which records of a person at a system nothing names that the system is sent, and which of these by their own key.

One rule for every right of which systems are told.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sinks.ports.lineage import IndexReader, Span
from streams.answers.attribution import Resolver
from streams.answers.naming import KeyedRecords, Namer, Naming
from streams.answers.plan import Plan
from streams.identity.model import Given

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Unnamed:
    """Of the records planned at a system `by_link` that nothing names which it is sent, and `by_key` that are named by
    their own key, since no identifier names them."""

    by_link: int = 0
    by_key: int = 0


class KeyedCounts:
    """Counts what of one person nothing names that is sent. Every method may raise IndexUnavailable."""

    def __init__(self, reader: IndexReader, namer: Namer, naming: Naming, erasable: Sequence[Given]) -> None:
        """`erasable`: what of the identifiers given systems are sent, see `erasable_identifiers`."""
        self._reader = reader
        self._namer = namer
        self._naming = naming
        self._erasable = erasable

    def at(self, system: str, tag_sets: Collection[int], planned: int) -> Unnamed:
        """Of the `planned` records there with these tag sets."""
        meant, named = sorted(tag_sets), named_at(system, self._naming, self._erasable)
        found = self._reader.counts(named, meant).records if named and meant else 0
        return unnamed(self._namer, self._naming, system, named, meant, planned - found)


def unnamed(
    namer: Namer, naming: Naming, system: str, named: Sequence[Span], tag_sets: Sequence[int], left: int
) -> Unnamed:
    """Of the `left` records with these tag sets at a system that nothing names which it is sent: `named` is where that
    finds events. Raises IndexUnavailable."""
    meant = [KeyedRecords(tag_sets)]
    keyed = min(len(namer.record_keys(naming, system, named, meant)), left) if left > 0 else 0
    return Unnamed(by_link=max(left - keyed, 0), by_key=keyed)


def records_by_key(plan: Plan, system: str) -> list[KeyedRecords]:
    """What goes of a system and may be told by its own key; of what has run out each record up to its latest moment.
    Pure."""
    if not plan.segments:
        return [KeyedRecords(plan.going(system))]
    going = [
        part for part in plan.parts if (part.system, part.action) == (system, "erase_now") and not part.locked
    ]
    return [
        KeyedRecords(
            sorted({part.tag_set for part in going if part.record == record}),
            max(part.before for part in going if part.record == record and part.before is not None),
        )
        for record in dict.fromkeys(part.record for part in going)
    ]


def erasable_identifiers(given: Sequence[Given], own: frozenset[bytes], identities: Resolver) -> list[Given]:
    """What a system may go by: nothing that was ever another's, but for an address in its second.

    `own`: the subjects of the person. Raises IndexUnavailable.
    """
    alone = [item for item in given if item.kind.is_place and item.at is None]
    others = [item for item in given if not (item.kind.is_place or item.kind.stands_for_customer)]
    # What does not name one of `own` and nobody else, whenever it is met.
    unsafe = {item for item, found in zip(alone, identities.links(alone), strict=True) if found}
    unsafe |= {item for item, found in zip(others, identities.ever(others), strict=True) if not found <= own}
    return [item for item in given if item not in unsafe]


def named_at(system: str, naming: Naming, erasable: Sequence[Given]) -> list[Span]:
    """Where events lie that a system finds by the identifiers that it is sent."""
    sent = [one for one in erasable if one.kind.name in naming.knows.get(system, ())]
    return [*named_by(naming.spans, sent), *naming.covered(system)]


def named_by(spans: Sequence[Span], erasable: Sequence[Given]) -> list[Span]:
    """The parts of the spans that the identifiers name by themselves, an address in its second alone."""
    named: list[Span] = []
    for item in erasable:
        for span in spans:
            if span.token != item.token:
                continue
            if not item.kind.is_place or item.at is None:
                named.append(span)
                continue
            since = max(item.at, span.since) if span.since else item.at
            until = min(item.at + _SECOND, span.until) if span.until else item.at + _SECOND
            low, high = (item.port, item.port) if item.port else (span.port_from, span.port_to)
            if since < until:
                ports = (max(low, span.port_from), min(high, span.port_to))
                named.append(Span(span.token, since, until, *ports, span.proof))
    return [span for span in named if span.port_from <= span.port_to]

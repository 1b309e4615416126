"""What was erased and came back, as the ledger of its request keeps it and as people are told of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from schemas.counted import counted
from sinks.ports.offsets import in_kafka
from sinks.ports.resurrected import Arrival

MOST_ORIGINS = 20
"""So many are kept of one request, those with the most events; a producer may write to any number of partitions."""
_WAYS = {
    Arrival.PRODUCER: "written there by a producer",
    Arrival.REPLAY: "read there again by a replay",
    Arrival.RETRY: "a dead letter of it was retried",
}


@dataclass(frozen=True)
class CameFrom:
    """One partition from which it came, by one way; as `sinks.ports.suppression.Origin`."""

    topic: str
    partition: int
    arrival: Arrival
    first_offset: int
    last_offset: int
    events: int
    batches: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class CameBack:
    """Events that this erasure had taken away are in the index again. `more`: origins that are left out.

    `waits`: why they are not erased again by themselves; None: they are.
    """

    kind: ClassVar[str] = "came_back"
    origins: tuple[CameFrom, ...]
    waits: str | None = None
    more: int = 0

    @property
    def events(self) -> int:
        return sum(item.events for item in self.origins)

    def says_the_same(self, last: CameBack | None) -> bool:
        """Whether the last one tells a person all that this one would: the same origins, not yet twice the events.

        A producer that sends it each minute would fill the ledger otherwise.
        """
        return (
            last is not None
            and (self.waits, _places(self.origins)) == (last.waits, _places(last.origins))
            and self.events < 2 * max(last.events, 1)
        )


@dataclass(frozen=True)
class SuppressionLifted:
    """A person ended the look-out for what it took away; why is sealed. `by`: under which credential."""

    kind: ClassVar[str] = "suppression_lifted"
    by: str
    sealed: str | None = field(default=None, repr=False)


def came_back(origins: Sequence[CameFrom], waits: str | None) -> CameBack:
    """As the ledger keeps it."""
    most = sorted(origins, key=lambda item: (-item.events, item.topic, item.partition, item.arrival))
    return CameBack(tuple(most[:MOST_ORIGINS]), waits, len(most[MOST_ORIGINS:]))


def came_back_line(request_id: str, event: CameBack, planned_at: datetime | None) -> str:
    """Where it came from, and what to do, in one line. `planned_at`: of the erasure, None of a follow-up."""
    first = event.origins[0]
    where = (
        f"{first.topic}/{in_kafka(first.partition)}, offsets {first.first_offset:,} to {first.last_offset:,},"
        f" {_WAYS[first.arrival]} in {counted(first.batches, 'batch')}, last at {first.last_seen:%Y-%m-%d %H:%M} UTC"
    )
    others = len(event.origins) + event.more - 1
    also = f"; and from {counted(others, 'other place')}" if others else ""
    said = f"{counted(event.events, 'event')} that were erased came back ({where}{also})"
    if event.waits is None:
        return f"{said}; they are erased again by themselves"
    until = f"{planned_at:%Y-%m-%d %H:%M} UTC" if planned_at else "the plan of the first request"
    what = f"what is dated before {until} and nothing later"
    return (
        f"{said}; not erased again by themselves: {event.waits}; `innsyn requests --follow-up {request_id}` erases"
        f" {what}, `innsyn suppression lift {request_id} --reason ...` ends the look-out for them"
    )


def _places(origins: Sequence[CameFrom]) -> set[tuple[str, int, Arrival]]:
    return {(item.topic, item.partition, item.arrival) for item in origins}

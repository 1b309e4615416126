"""What facts and events add up to: many are counted, and of them the oldest few are kept as evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from sinks.ports.held import HeldRow
from streams.duties.check import MOST_EVIDENCE, Violation, event

_ROWS_AT_ONCE = 20_000
_Order = tuple[datetime, str, int, int]


@dataclass
class Tally:
    """Events of one violation: how many, of whom, and the oldest of them."""

    events: int = 0
    people: set[bytes] = field(default_factory=set)
    oldest: list[tuple[_Order, HeldRow]] = field(default_factory=list)

    def add(self, row: Mapping[str, Any], token: bytes, owner: bytes | None = None) -> None:
        """`row`: with the place and the time of an event, `token` under which it stands, `owner` whose it is."""
        self.events += 1
        self.people.add(token if owner is None else owner)
        place = row["event_time"], row["topic"], row["partition"], row["offset"]
        if len(self.oldest) < MOST_EVIDENCE or place < self.oldest[-1][0]:
            held = HeldRow(row["topic"], row["partition"], row["offset"], token, utc(row["event_time"]))
            self.oldest = sorted([*self.oldest, (place, held)], key=lambda item: item[0])[:MOST_EVIDENCE]

    def violation(self, key: str, says: str) -> Violation:
        """What was counted, which is something."""
        shown = [row for _, row in self.oldest]
        return Violation(key=key, says=says, since=shown[0].at, evidence=tuple(map(event, shown)))


def each(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows of a table, of which not all are Python objects at once."""
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from batch.to_pylist()


def utc(at: datetime) -> datetime:
    """A time of the index, which has no zone there."""
    return at.replace(tzinfo=UTC)

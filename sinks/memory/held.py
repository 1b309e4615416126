"""What is held, in plain Python. Contract: `sinks.ports.held.HeldReader`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sinks.memory.state import MemoryState
from sinks.ports.held import HeldRow, HeldTags


class MemoryHeld(MemoryState):
    """A `HeldReader`."""

    def held(self) -> Sequence[HeldTags]:
        times = defaultdict[int, list[datetime]](list)
        with self.lock:
            for row in self.rows.values():
                times[row.tag_set].append(row.event_time)
            found = [
                HeldTags(self.tag_sets[tag_set], len(at), min(at), max(at)) for tag_set, at in times.items()
            ]
        return sorted(found, key=lambda item: (item.tags.topic, item.tags.record, item.tags.id))

    def first_rows(
        self,
        tag_sets: Sequence[int],
        limit: int = 3,
        before: datetime | None = None,
        since: datetime | None = None,
    ) -> Mapping[int, Sequence[HeldRow]]:
        wanted, found = set(tag_sets), defaultdict[int, list[HeldRow]](list)
        with self.lock:
            for (token, topic, partition, offset, _), row in self.rows.items():
                if row.tag_set in wanted and _within(row.event_time, since, before):
                    found[row.tag_set].append(HeldRow(topic, partition, offset, token, row.event_time))
        return {tag_set: sorted(rows, key=_order)[:limit] for tag_set, rows in found.items()}

    def oldest_of(
        self, tokens: Sequence[bytes], tag_sets: Sequence[int], since: datetime | None = None
    ) -> Sequence[tuple[int, HeldRow]]:
        whose, wanted, found = set(tokens), set(tag_sets), dict[tuple[bytes, int], HeldRow]()
        with self.lock:
            rows = [
                (row.tag_set, HeldRow(topic, partition, offset, token, row.event_time))
                for (token, topic, partition, offset, _), row in self.rows.items()
                if token in whose and row.tag_set in wanted and (since is None or row.event_time >= since)
            ]
        for tag_set, row in sorted(rows, key=lambda item: _order(item[1])):
            found.setdefault((row.token, tag_set), row)
        return [(tag_set, found[token, tag_set]) for token, tag_set in sorted(found)]


def _order(row: HeldRow) -> tuple[datetime, str, int, int, bytes]:
    return row.at, row.topic, row.partition, row.offset, row.token


def _within(at: datetime, since: datetime | None, before: datetime | None) -> bool:
    return (since is None or at >= since) and (before is None or at < before)

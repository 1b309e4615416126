"""What events say of retention clocks, in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from schemas.vocabulary import Role
from sinks.memory.state import MemoryState, naive
from sinks.ports.clocks import CLOCK_SCHEMA, OWNERS, UNNAMED, Owner


class MemoryClocks(MemoryState):
    """A `ClockIndex`."""

    def clock_events(self, tokens: Sequence[bytes], known_at: datetime | None = None) -> pa.Table:
        wanted = set(tokens)
        with self.lock:
            positions = self.positions_at(known_at)
            found = [
                {name: row[name] for name in CLOCK_SCHEMA.names}
                for key, row in self.clocks.items()
                if key[0] in wanted and self.was_known(key[1:4], positions, known_at)
            ]
        return pa.Table.from_pylist(found, CLOCK_SCHEMA)

    def owners(self, before: Mapping[str, datetime], after: bytes = b"", limit: int = 1_000) -> list[bytes]:
        with self.lock:
            found = {
                key[0]
                for key, row in self.clocks.items()
                if key[0] > after
                and row["clock"] in before
                and row["started"] is not None
                and naive(row["started"].replace(tzinfo=UTC)) < naive(before[row["clock"]])
            }
        return sorted(found)[:limit]

    def owners_of_rows(
        self, before: Mapping[int, datetime], after: bytes = b"", limit: int = 1_000
    ) -> list[Owner]:
        oldest = dict[bytes, datetime]()
        with self.lock:
            moments = {tag_set: moment for item, moment in before.items() for tag_set in self.alike([item])}
            for key, row in self.rows.items():
                old = row.tag_set in moments and row.event_time < moments[row.tag_set]
                if old and key[0] > after and Role.of(key[4]) in OWNERS:
                    oldest[key[0]] = min(oldest.get(key[0], row.event_time), row.event_time)
        return [Owner(token, oldest[token]) for token in sorted(oldest)[:limit]]

    def ended_by_day(self, clock: str, zone: ZoneInfo) -> Mapping[date, int]:
        newest = dict[Any, tuple[Any, ...]]()
        with self.lock:
            same = self.same_tokens()
            for key, row in self.clocks.items():
                if row["clock"] != clock:
                    continue
                owner = same.name(key[0])
                thing = key[1:4] if row["thing"] == UNNAMED else same.name(row["thing"])
                said = row["event_time"], row["started"] is None, *key[1:], row["started"]
                newest[owner, thing] = max(newest.get((owner, thing), said), said, key=lambda item: item[:-1])
        people = defaultdict[bytes, list[datetime | None]](list)
        for (token, _), said in newest.items():
            people[token].append(said[-1])
        days = [
            max(start.replace(tzinfo=UTC) for start in starts if start is not None).astimezone(zone).date()
            for starts in people.values()
            if None not in starts
        ]
        return dict(Counter(days))

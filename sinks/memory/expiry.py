"""How old what is held is, in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from sinks.memory.state import Event, MemoryState
from sinks.ports.expiry import DayCount
from sinks.ports.lineage import Span


class MemoryExpiry(MemoryState):
    """An `ExpiryReader`."""

    def by_day(self, zone: ZoneInfo, kept: Sequence[Span] = ()) -> Sequence[DayCount]:
        events = defaultdict[tuple[int, date], set[Event]](set)
        theirs = defaultdict[tuple[int, date], set[Event]](set)
        with self.lock:
            names = self.names()
            under = {key for key, _, _ in self.under(kept)}
            for key, row in self.rows.items():
                place = names.get(row.tag_set, row.tag_set), row.event_time.astimezone(zone).date()
                events[place].add(key[1:4])
                if key in under:
                    theirs[place].add(key[1:4])
            return [
                DayCount(self.tag_sets[tag_set], day, len(found), len(theirs[tag_set, day]))
                for (tag_set, day), found in events.items()
            ]

    def clocks_told(self) -> frozenset[str]:
        with self.lock:
            return frozenset(row["clock"] for row in self.clocks.values())

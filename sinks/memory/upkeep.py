"""The shape and size of an index in plain Python. Contract: `sinks.ports.upkeep.Upkeep`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from schemas.tags import TagSet
from sinks.memory.requests import MemoryRequests
from sinks.memory.state import MemoryState
from sinks.ports.upkeep import MadeAnew, Mending


class MemoryUpkeep:
    """An `Upkeep` of an index in memory and its requests: always in its current shape, on no disk."""

    def __init__(self, index: MemoryState, requests: MemoryRequests) -> None:
        self._index = index
        self._requests = requests

    def pending(self) -> Sequence[str]:
        return ()

    def migrate(self, now: datetime) -> Sequence[str]:
        return ()

    def newest(self) -> datetime:
        with self._index.lock:
            moments = [at for at, _ in self._index.written]
        for events in self._requests.requests().values():
            moments += [event.occurred_at for event in events]
        return max(moments, default=datetime(1970, 1, 1, tzinfo=UTC))

    def lost(self) -> Sequence[str]:
        return ()

    def made_anew(self) -> Sequence[MadeAnew]:
        with self._index.lock:
            noted = sorted(self._index.histories_known.items())
            times = self._index.histories_noted
            return [
                MadeAnew(topic, max(numbers), max(times[place] for place, _ in noted if place[0] == topic))
                for topic in sorted({topic for (topic, _), _ in noted})
                if max(numbers := [item.number for (name, _), item in noted if name == topic])
            ]

    def rows_by_tag_set(self) -> Sequence[tuple[TagSet, int]]:
        with self._index.lock:
            counted = Counter(row.tag_set for row in self._index.rows.values())
            return [(self._index.tag_sets[item], count) for item, count in counted.items()]

    def size(self) -> int:
        return 0

    def mending(self) -> Mending | None:
        return None

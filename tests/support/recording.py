"""An index in memory that records what is written, and is away while a test wants it to be."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

from schemas.errors import IndexUnavailable
from sinks.clickhouse.client import ClickHouse
from sinks.memory.index import MemoryIndex
from sinks.ports.lineage import Clock, LineageBatch
from streams.kafka.batches import Partition


def end_to_end(ranges: Sequence[Sequence[int]], ends: Mapping[int, int]) -> None:
    reached = dict.fromkeys(ends, 0)
    for partition, first, last in ranges:
        assert reached[partition] == first
        reached[partition] = last + 1
    assert reached == ends


def rows(database: ClickHouse, topic: str) -> int:
    sql = "SELECT count() FROM lineage FINAL WHERE topic = {topic:String}"
    return int(database.query(sql, {"topic": topic})[0][0])


class Recording(MemoryIndex):
    """An index that is not there while `down` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.down = threading.Event()
        self.refused = 0

    def write(self, batch: LineageBatch, clock: Clock) -> None:
        self._there()
        super().write(batch, clock)

    def take_over(
        self, partitions: Sequence[Partition], worker: str, now: datetime
    ) -> Mapping[Partition, int]:
        self._there()
        return super().take_over(partitions, worker, now)

    def count(self, column: str) -> int:
        return sum(int(getattr(item, column)) for item in self.ranges)

    def _there(self) -> None:
        if self.down.is_set():
            self.refused += 1
            raise IndexUnavailable("the index is away for a test; wait")

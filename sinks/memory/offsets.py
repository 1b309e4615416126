"""Which offsets are in the index, in plain Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sinks.memory.state import MemoryState, Partition
from sinks.ports.offsets import History


class MemoryOffsets(MemoryState):
    """An `OffsetLedger`."""

    def take_over(
        self, partitions: Sequence[Partition], worker: str, now: datetime
    ) -> Mapping[Partition, int]:
        with self.lock:
            taken = {item: self.epochs_known.get(item, 0) + 1 for item in partitions}
            self.epochs_known |= taken
            return taken

    def epochs(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        with self.lock:
            return {item: self.epochs_known[item] for item in partitions if item in self.epochs_known}

    def positions(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        with self.lock:
            found = self.positions_at(None)
            return {item: found[item] for item in partitions if item in found}

    def histories(self, partitions: Sequence[Partition]) -> Mapping[Partition, History]:
        with self.lock:
            return {item: self.histories_known[item] for item in partitions if item in self.histories_known}

    def note_histories(self, histories: Sequence[History], now: datetime) -> None:
        with self.lock:
            self.histories_known |= {(item.topic, item.partition): item for item in histories}
            self.histories_noted |= {(item.topic, item.partition): now for item in histories}

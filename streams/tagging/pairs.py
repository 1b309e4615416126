"""Topics read again for the pairs of their identifiers alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sinks.ports.lineage import ROW_SCHEMA, Clock, IndexWriter, LineageBatch
from sinks.ports.offsets import History
from streams.kafka.dead_letters import DeadLetters, DeadMessage


class NoDeadLetters(DeadLetters):
    """For those who read messages that were set aside when they were tagged."""

    def __init__(self) -> None:
        """Needs nothing."""

    def send(self, messages: Iterable[DeadMessage]) -> None:
        """Nothing is sent."""


@dataclass(frozen=True)
class PairsOnly:
    """An `IndexWriter` that stores of each batch its pairs: neither rows nor claims, and no ledger."""

    index: IndexWriter

    def write(self, batch: LineageBatch, clock: Clock) -> None:
        if batch.pairs.num_rows:
            pairs = LineageBatch(ROW_SCHEMA.empty_table(), pairs=batch.pairs, key_id=batch.key_id)
            self.index.write(pairs, clock)

    def take_over(
        self, partitions: Sequence[tuple[str, int]], worker: str, now: datetime
    ) -> Mapping[tuple[str, int], int]:
        return self.index.take_over(partitions, worker, now)

    def epochs(self, partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        return self.index.epochs(partitions)

    def positions(self, partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        return self.index.positions(partitions)

    def histories(self, partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], History]:
        return self.index.histories(partitions)

    def note_histories(self, histories: Sequence[History], now: datetime) -> None:
        self.index.note_histories(histories, now)

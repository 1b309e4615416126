"""How far each partition is read, and which number it has in the index."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Message, TopicPartition

from sinks.ports.offsets import in_kafka
from streams.kafka.batches import Gap, Partition, TopicBatch


@dataclass(frozen=True)
class Place:
    """Where to go on: the number of the partition in the index, and the next offset, None for the beginning."""

    stored: int
    offset: int | None = None


class Positions:
    """Of the partitions that are or were ours. They are named by Kafka's numbers where nothing else is said."""

    def __init__(self) -> None:
        # Where each partition began or last reported its end. Its position is unknown before the first message, and
        # stays behind the end when the last offsets are markers of a transaction.
        self._reached: dict[Partition, int] = {}
        self._begun: dict[Partition, int] = {}
        # The number in the index of each partition, by Kafka's; and topics where they differ.
        self._stored: dict[Partition, int] = {}
        self._renumbered: set[str] = set()
        # Where a new history of them began while messages of the old one may have been under way.
        self._restarts: dict[Partition, int] = {}
        self._gaps: list[Gap] = []

    def begin(self, where: Partition, place: Place, low: int) -> tuple[int, bool]:
        """The offset to read from, as librdkafka takes it, and whether another history begins with it.

        `low`: the oldest offset there is; where the index is not as far as that, there is a gap.
        """
        before = self._stored.get(where, place.stored)
        self._stored[where] = place.stored
        if place.stored != where[1]:
            self._renumbered.add(where[0])
        offset = low if low > 0 else OFFSET_BEGINNING
        if place.offset is not None:
            offset = max(low, place.offset)
            self.lost(where, place.offset, low)
        self._reached[where] = offset
        self._begun[where] = max(low, place.offset or 0)
        if before != place.stored:
            self._restarts[where] = offset
        return offset, before != place.stored

    def begun(self, where: Partition) -> int:
        """The offset from which on it is ours."""
        return self._begun.get(where, 0)

    def reach(self, where: Partition, offset: int) -> None:
        """There is nothing before this offset that was not handed out."""
        self._reached[where] = offset

    def reached(self, item: TopicPartition) -> int:
        """How far the partition is read, by the position that librdkafka gives and by what is known here."""
        return max(item.offset, self._reached.get((item.topic, item.partition), item.offset))

    def stored(self, where: Partition) -> int:
        """The number in the index, of a partition that was ours at some time."""
        return self._stored[where]

    def named(self, where: Partition) -> Partition:
        """The partition with its number in the index; Kafka's where none is known."""
        return where[0], self._stored.get(where, where[1])

    def known(self, stored: Partition) -> bool:
        """Whether the partition of this number in the index is still the one that Kafka has."""
        topic, number = stored
        return self._stored.get((topic, in_kafka(number))) == number

    def among(self, stored: Collection[Partition]) -> list[Partition]:
        """Those whose numbers in the index are given."""
        return [where for where, number in self._stored.items() if (where[0], number) in stored]

    def lost(self, where: Partition, first: int, behind: int) -> None:
        """Offsets from `first` on and before `behind`, if any, will not be handed out: a gap."""
        if first < behind:
            self._gaps.append(Gap(where[0], self._stored[where], first, behind))

    @property
    def has_gaps(self) -> bool:
        return bool(self._gaps)

    def take_gaps(self) -> list[Gap]:
        """Gaps met since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps

    def placed(self, batch: TopicBatch) -> TopicBatch:
        """The batch with the numbers that its partitions have in the index."""
        if batch.topic not in self._renumbered:
            return batch
        numbers = np.unique(batch.partition)
        stored = np.array([self._stored[batch.topic, int(number)] for number in numbers], np.int32)
        keys = {
            (self._stored[batch.topic, number], offset): item for (number, offset), item in batch.keys.items()
        }
        return replace(batch, partition=stored[np.searchsorted(numbers, batch.partition)], keys=keys)

    @property
    def has_restarts(self) -> bool:
        return bool(self._restarts)

    def restarted(self, messages: Sequence[Message]) -> tuple[list[Message], list[TopicPartition]]:
        """Messages without those of partitions whose history began meanwhile, as their offsets may be of either log;
        and the places where those are to begin again."""
        restarts, self._restarts = self._restarts, {}
        kept, met = [], set()
        for message in messages:
            where = message.topic(), message.partition()
            if where in restarts:
                met.add(where)
            else:
                kept.append(message)
        return kept, [TopicPartition(*where, offset) for where, offset in restarts.items() if where in met]

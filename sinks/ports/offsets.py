"""Which offsets are in the index, who owns a partition, and which history of its topic that is.

A topic that is deleted and made anew counts its offsets from 0 again, for other messages. In the index a partition has
a number for each history, `PARTITIONS` apart: partition 3 of a topic is 3, after the topic was made anew 100,003, then
200,003. So that coordinates name one message for ever, in every table and every answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from schemas.counted import counted
from schemas.errors import InputError

PARTITIONS = 100_000
"""More than a topic has; the 32 bits of a partition then hold 21,474 histories."""
_MOST = 2**31 // PARTITIONS - 1


@dataclass(frozen=True)
class History:
    """What the index knows of one partition's log. `partition`: as Kafka numbers it; `number`: 0 for the first.

    `topic_id`: of the topic that it is part of (KIP-516), "" where the broker tells none.
    """

    topic: str
    partition: int
    number: int = 0
    topic_id: str = ""

    @property
    def stored(self) -> int:
        """The number of the partition in the index."""
        return self.number * PARTITIONS + self.partition


def in_kafka(stored: int) -> int:
    """The number that Kafka gives the partition."""
    return stored % PARTITIONS


def going_on(known: History, topic_id: str, position: int, end: int) -> History:
    """The history that the log with this id and end is of: the known one, or the one after it.

    `position`: the next offset that the index waits for, 0 if it has none. Raises InputError for a log that was cut.
    """
    same = known.topic_id == topic_id if known.topic_id and topic_id else None
    if same and position > end:
        raise InputError(
            f"{known.topic}/{known.partition} ends at {end}, but the index has seen {position} of the same topic: its "
            "log was cut, by a broker that lost its last messages; restore the broker's disk, or delete the topic and "
            "make it anew: then it is read from its beginning, beside what the index has"
        )
    if same is False or position > end:
        if known.number >= _MOST:
            raise InputError(
                f"{known.topic} was made anew {counted(_MOST, 'time')}; use a new INNSYN_HOME or database"
            )
        return replace(known, number=known.number + 1, topic_id=topic_id)
    return replace(known, topic_id=topic_id or known.topic_id)


def check_partitions(topic: str, numbers: Sequence[int]) -> None:
    """Raise InputError where a topic has more partitions than there are numbers for."""
    if any(number >= PARTITIONS for number in numbers):
        raise InputError(
            f"{topic} has more than {PARTITIONS:,} partitions, which the index has no numbers for"
        )


@dataclass(frozen=True)
class OffsetRange:
    """What one batch took from one partition, both ends included, and what became of it.

    `lost`: offsets that Kafka's retention had removed before they were read. `tombstones`: messages without a value.
    """

    topic: str
    partition: int
    first_offset: int
    last_offset: int
    epoch: int
    events: int = 0
    rows: int = 0
    dead: int = 0
    no_subject: int = 0
    tombstones: int = 0
    lost: int = 0


class OffsetLedger(Protocol):
    """Which offsets are in the index, and who owns a partition. Kept in the index itself.

    All raise IndexUnavailable.
    """

    def take_over(
        self, partitions: Sequence[tuple[str, int]], worker: str, now: datetime
    ) -> Mapping[tuple[str, int], int]:
        """A new epoch for each, higher than any before. Writers of older ones are fenced."""

    def epochs(self, partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        """Newest epoch of each partition that was ever taken over."""

    def positions(self, partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        """Next offset to read of each partition that was ever written; absent: never."""

    def histories(self, partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], History]:
        """The newest history of each partition, by Kafka's number; absent: none was noted."""

    def note_histories(self, histories: Sequence[History], now: datetime) -> None:
        """Keep them. Safe to repeat; of one that is noted again the later topic id stands."""

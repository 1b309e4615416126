"""What is handed on of what was read: the messages of one topic at a time, and offsets that nobody can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import methodcaller
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from confluent_kafka import Message

Partition = tuple[str, int]

# Called for every message: half the time of a comprehension that spells the call out.
_TOPIC, _VALUE = methodcaller("topic"), methodcaller("value")
_PARTITION, _OFFSET = methodcaller("partition"), methodcaller("offset")


class Tombstone(NamedTuple):
    """What a message without a value has: its key, and when it was written (milliseconds)."""

    key: bytes
    at: int


@dataclass(frozen=True)
class TopicBatch:
    """Messages of one topic in the order read. `values` holds None for a tombstone.

    `partition`: as the index numbers it, see `sinks.ports.offsets`. `tombstones`: those with a key, by partition
    and offset.
    """

    topic: str
    values: Sequence[bytes | None]
    partition: npt.NDArray[np.int32]
    offset: npt.NDArray[np.int64]
    oldest_ms: int  # Kafka's time of the first message; -1 unknown
    size: int  # bytes of all values
    unreadable: bool = (
        False  # Kafka has them, but they cannot be decompressed within bounds: values are empty
    )
    tombstones: Mapping[tuple[int, int], Tombstone] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"TopicBatch({self.topic!r}, {len(self.values)} messages)"


@dataclass(frozen=True)
class Gap:
    """Offsets [first, next) that Kafka no longer has although the index never saw them."""

    topic: str
    partition: int
    first: int
    next: int


def by_topic(messages: Sequence[Message]) -> list[TopicBatch]:
    """One batch for each topic, with Kafka's numbers of partitions. None of the messages is an error."""
    topics = list(map(_TOPIC, messages))
    if topics.count(topics[0] if topics else None) == len(topics):
        return [_batch(str(topics[0]), messages)] if messages else []
    groups: dict[str, list[Message]] = {}
    for topic, message in zip(topics, messages, strict=True):
        groups.setdefault(topic, []).append(message)
    return [_batch(topic, group) for topic, group in groups.items()]


def read_apart(topic: str, stored: int, messages: Sequence[Any]) -> TopicBatch:
    """Messages of one partition as `streams.kafka.apart` hands them out; `stored`: its number in the index."""
    count = len(messages)
    values = [message.value for message in messages]
    return TopicBatch(
        topic,
        values,
        np.full(count, stored, np.int32),
        np.fromiter((message.offset for message in messages), np.int64, count),
        messages[0].timestamp,
        sum(map(len, filter(None, values))),
    )


def unreadable(topic: str, stored: int, offset: int) -> TopicBatch:
    """One message that stands for a batch which cannot be read; `stored`: the partition's number in the index."""
    at = np.array([stored], np.int32), np.array([offset], np.int64)
    return TopicBatch(topic, [b""], *at, -1, 0, unreadable=True)


def _batch(topic: str, messages: Sequence[Message]) -> TopicBatch:
    count = len(messages)
    _, oldest = messages[0].timestamp()
    values: list[bytes | None] = list(map(_VALUE, messages))
    return TopicBatch(
        topic,
        values,
        np.fromiter(map(_PARTITION, messages), np.int32, count),
        np.fromiter(map(_OFFSET, messages), np.int64, count),
        oldest,
        sum(map(len, filter(None, values))),
        tombstones=_tombstones(messages) if None in values else {},
    )


def _tombstones(messages: Sequence[Message]) -> dict[tuple[int, int], Tombstone]:
    found = {}
    for message in messages:
        key, (_, at) = message.key(), message.timestamp()
        if message.value() is None and isinstance(key, bytes) and at > 0:
            found[_PARTITION(message), _OFFSET(message)] = Tombstone(key, at)
    return found

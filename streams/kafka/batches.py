"""What is handed on of what was read: the messages of one topic at a time, and offsets that nobody can read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from operator import methodcaller
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from confluent_kafka import Message

from schemas.counted import counted

Partition = tuple[str, int]

# Called for every message: half the time of a comprehension that spells the call out.
_TOPIC, _VALUE = methodcaller("topic"), methodcaller("value")
_PARTITION, _OFFSET = methodcaller("partition"), methodcaller("offset")


class Key(NamedTuple):
    """The key of a message, and when the message was written (milliseconds)."""

    key: bytes
    at: int


@dataclass(frozen=True)
class TopicBatch:
    """Messages of one topic in the order read. `values` holds None for a tombstone.

    `partition`: as the index numbers it, see `sinks.ports.offsets`. `keys`: by partition and offset, those of
    tombstones, and of every message of a topic whose contract reads the keys.
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
    keys: Mapping[tuple[int, int], Key] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"TopicBatch({self.topic!r}, {counted(len(self.values), 'message')})"


@dataclass(frozen=True)
class Gap:
    """Offsets [first, next) that Kafka no longer has although the index never saw them."""

    topic: str
    partition: int
    first: int
    next: int


def by_topic(messages: Sequence[Message], keyed: Collection[str] = ()) -> list[TopicBatch]:
    """One batch for each topic, with Kafka's numbers of partitions. None of the messages is an error.

    `keyed`: topics of which the keys of all messages are wanted.
    """
    topics = list(map(_TOPIC, messages))
    if topics.count(topics[0] if topics else None) == len(topics):
        return [_batch(str(topics[0]), messages, keyed)] if messages else []
    groups: dict[str, list[Message]] = {}
    for topic, message in zip(topics, messages, strict=True):
        groups.setdefault(topic, []).append(message)
    return [_batch(topic, group, keyed) for topic, group in groups.items()]


def read_apart(topic: str, stored: int, messages: Sequence[Any], keyed: Collection[str] = ()) -> TopicBatch:
    """Messages of one partition as `streams.kafka.apart` hands them out; `stored`: its number in the index."""
    count = len(messages)
    values = [message.value for message in messages]
    keys = {
        (stored, item.offset): Key(item.key, item.timestamp)
        for item in messages
        if (item.value is None or topic in keyed) and item.key is not None and item.timestamp > 0
    }
    return TopicBatch(
        topic,
        values,
        np.full(count, stored, np.int32),
        np.fromiter((message.offset for message in messages), np.int64, count),
        messages[0].timestamp,
        sum(map(len, filter(None, values))),
        keys=keys,
    )


def unreadable(topic: str, stored: int, offset: int) -> TopicBatch:
    """One message that stands for a batch which cannot be read; `stored`: the partition's number in the index."""
    at = np.array([stored], np.int32), np.array([offset], np.int64)
    return TopicBatch(topic, [b""], *at, -1, 0, unreadable=True)


def _batch(topic: str, messages: Sequence[Message], keyed: Collection[str]) -> TopicBatch:
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
        keys=_keys(messages, topic in keyed) if topic in keyed or None in values else {},
    )


def _keys(messages: Sequence[Message], every: bool) -> dict[tuple[int, int], Key]:
    """Of tombstones; `every`: of all messages."""
    found = {}
    for message in messages:
        key, (_, at) = message.key(), message.timestamp()
        if (every or message.value() is None) and isinstance(key, bytes) and at > 0:
            found[_PARTITION(message), _OFFSET(message)] = Key(key, at)
    return found

"""Where the log of a partition begins and ends, as a client sees it that reads the partition."""

from __future__ import annotations

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

_SECONDS = 10.0
# A partition that is new, or whose leader changes, is a matter of moments.
_MOVING = frozenset(
    [
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    ]
)
_MOVING_SECONDS = 10.0


def bounds(client: Consumer, item: TopicPartition) -> tuple[int, int]:
    """The oldest offset there is, and the one the next message will get. Raises KafkaException."""
    deadline = time.monotonic() + _MOVING_SECONDS
    while True:
        try:
            return client.get_watermark_offsets(item, timeout=_SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in _MOVING or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def lag(client: Consumer) -> dict[str, int]:
    """Messages of the client's partitions that it did not hand out, by topic, from what the last fetches said."""
    behind: dict[str, int] = {}
    for item in client.position(client.assignment()):
        _, high = client.get_watermark_offsets(item, cached=True)
        if item.offset >= 0 and high >= 0:
            behind[item.topic] = behind.get(item.topic, 0) + max(0, high - item.offset)
    return behind


def asked(client: Consumer) -> Iterator[tuple[TopicPartition, int, int]]:
    """Each of the client's partitions with its position, and the two ends of its log as the broker says them."""
    for item in client.position(client.assignment()):
        yield item, *client.get_watermark_offsets(item, timeout=_SECONDS)

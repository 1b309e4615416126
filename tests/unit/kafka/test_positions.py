"""How far partitions are read: gaps, other numbers in the index, and topics that were made anew under way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from streams.kafka.batches import Gap, Key, TopicBatch
from streams.kafka.positions import Place, Positions

WHERE = ("visits", 1)


def message(topic: str, partition: int, offset: int) -> Any:
    return SimpleNamespace(topic=lambda: topic, partition=lambda: partition, offset=lambda: offset)


def batch(partition: list[int], keys: dict[tuple[int, int], Key] | None = None) -> TopicBatch:
    offsets = np.arange(len(partition), dtype=np.int64)
    values = [b"event"] * len(partition)
    numbers = np.array(partition, np.int32)
    return TopicBatch(WHERE[0], values, numbers, offsets, -1, 0, keys=keys or {})


@pytest.mark.parametrize(
    ("place", "low", "offset", "gaps"),
    [
        (Place(1), 0, OFFSET_BEGINNING, []),
        (Place(1), 5, 5, []),
        (Place(1, 7), 5, 7, []),
        (Place(1, 5), 5, 5, []),
        (Place(1, 3), 5, 5, [Gap("visits", 1, 3, 5)]),
    ],
)
def test_reading_goes_on_where_the_index_is_and_what_kafka_removed_is_a_gap(
    place: Place, low: int, offset: int, gaps: list[Gap]
) -> None:
    positions = Positions()
    assert positions.begin(WHERE, place, low) == (offset, False)
    assert positions.has_gaps == bool(gaps)
    assert positions.take_gaps() == gaps
    assert positions.take_gaps() == []


def test_a_partition_is_read_as_far_as_the_further_of_two_says() -> None:
    """librdkafka knows no position before the first message, and does not count markers of transactions."""
    positions = Positions()
    positions.begin(WHERE, Place(1, 7), 0)
    assert positions.reached(TopicPartition(*WHERE, -1001)) == 7
    assert positions.reached(TopicPartition(*WHERE, 9)) == 9
    positions.reach(WHERE, 11)
    assert positions.reached(TopicPartition(*WHERE, 9)) == 11
    assert positions.begun(WHERE) == 7


def test_what_is_handed_on_has_the_numbers_of_the_index() -> None:
    positions = Positions()
    positions.begin(("visits", 0), Place(0), 0)
    positions.begin(WHERE, Place(1), 0)
    same = batch([1, 0])
    assert positions.placed(same) is same
    positions.begin(WHERE, Place(100_001), 0)
    placed = positions.placed(batch([1, 0, 1], {(1, 2): Key(b"key", 5)}))
    assert placed.partition.tolist() == [100_001, 0, 100_001]
    assert placed.partition.dtype == np.int32
    assert placed.keys == {(100_001, 2): Key(b"key", 5)}
    assert positions.among([("visits", 100_001), ("visits", 1)]) == [WHERE]


def test_messages_of_a_topic_that_was_made_anew_are_read_again() -> None:
    """Those under way may be of either log."""
    positions = Positions()
    positions.begin(WHERE, Place(1, 4), 0)
    positions.begin(("visits", 2), Place(2), 0)
    assert not positions.has_restarts
    assert positions.known(WHERE)
    assert positions.begin(WHERE, Place(100_001), 0) == (OFFSET_BEGINNING, True)
    assert not positions.known(WHERE)
    assert positions.known(("visits", 100_001))
    old, other = message(*WHERE, 4), message("visits", 2, 0)
    kept, again = positions.restarted([old, other])
    assert kept == [other]
    assert [(item.topic, item.partition, item.offset) for item in again] == [(*WHERE, OFFSET_BEGINNING)]
    assert not positions.has_restarts

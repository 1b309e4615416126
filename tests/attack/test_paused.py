"""Reading is paused while a write takes long; whatever the group does meanwhile, all of it is read afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas.errors import BrokerUnavailable
from streams.kafka.batches import Partition
from streams.kafka.connection import Connection
from streams.kafka.consumer import SourceConsumer
from streams.kafka.membership import Membership
from streams.kafka.positions import Place
from tests.support.tagging import real_broker
from tests.support.time_bounds import await_that


@pytest.mark.kafka
@pytest.mark.parametrize("member", [None, "up"])
def test_partitions_taken_away_while_paused_are_read_when_they_are_back(
    kafka_bootstrap: str, member: str | None
) -> None:
    """Reading goes on at a moment at which none is ours: librdkafka remembers that each was paused."""
    broker = real_broker(kafka_bootstrap)
    source = broker.source()
    ours: list[set[Partition]] = [set()]
    read: list[bytes | None] = []

    def start(ends: Mapping[Partition, int]) -> Mapping[Partition, Place]:
        ours.append(ours[-1] | ends.keys())
        return {where: Place(where[1]) for where in ends}

    def gone(partitions: Sequence[Partition]) -> None:
        ours.append(ours[-1] - set(partitions))

    def count() -> int:
        for batch in consumer.poll(100, 0.05):
            read.extend(batch.values)
        return len(read)

    group = f"group-{uuid.uuid4().hex[:8]}"
    consumer = SourceConsumer(broker.connection, group, [source.name], start=start, gone=gone, member=member)
    await_that(lambda: count() == 0 and len(ours[-1]) == 2, "both are assigned")
    consumer.pause()
    consumer.rejoin()
    await_that(lambda: consumer.poll(1, 0) == [] and set() in ours[1:], "both are taken away")
    consumer.resume()
    source.send([(0, b"first"), (1, b"second")])
    await_that(lambda: count() == 2, "both are read")
    assert set(read) == {b"first", b"second"}
    consumer.close()


def test_a_consumer_that_the_group_put_out_is_replaced_and_ends_nothing() -> None:
    """Joining again fails for good; that is said as a broker that is away, after which the role begins anew."""

    class PutOut:
        def unsubscribe(self) -> None:
            raise KafkaException(KafkaError(KafkaError._FATAL))

    member: Any = object.__new__(Membership)
    member._client, member._connection = PutOut(), Connection("127.0.0.1:1")
    with pytest.raises(BrokerUnavailable, match=r"joining its group again \(_FATAL\)"):
        member.rejoin()

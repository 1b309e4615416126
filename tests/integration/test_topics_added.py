"""A topic that comes later is read, also by a member that keeps its name; and what nobody reads is told."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

import pytest

from streams.kafka.batches import Partition
from streams.kafka.consumer import SourceConsumer
from streams.kafka.groups import readers, unread
from streams.kafka.positions import Place
from tests.support.tagging import Broker, in_process_broker, real_broker
from tests.support.time_bounds import await_that


class Member:
    """A member that keeps its name over restarts, as the tagger of `innsyn up` does."""

    def __init__(self, broker: Broker, group: str, topics: Sequence[str]) -> None:
        self.got: set[Partition] = set()
        self.read: list[bytes | None] = []
        self.consumer = SourceConsumer(
            broker.connection, group, topics, start=self._start, gone=self._gone, member="up"
        )

    def has(self, *topics: str) -> bool:
        """Whether it has both partitions of each, after one more poll."""
        for found in self.consumer.poll(100, 0.05):
            self.read += found.values
        return self.got == {(topic, number) for topic in topics for number in range(2)}

    def _start(self, ends: Mapping[Partition, int]) -> Mapping[Partition, Place]:
        self.got |= ends.keys()
        return {where: Place(where[1]) for where in ends}

    def _gone(self, partitions: Sequence[Partition]) -> None:
        self.got -= set(partitions)


@pytest.mark.kafka
def test_a_member_that_comes_back_with_more_topics_gets_them(kafka_bootstrap: str) -> None:
    """Kafka hands it the assignment it had; it makes the group share out anew, and what waited there is read."""
    broker = real_broker(kafka_bootstrap)
    first, second = broker.source(), broker.source()
    group = f"group-{uuid.uuid4().hex[:8]}"
    both = [first.name, second.name]
    await_that(
        lambda: unread(broker.connection, group, both) == sorted(both), "both topics are known, and unread"
    )

    before = Member(broker, group, [first.name])
    await_that(lambda: before.has(first.name), "the first topic is assigned")
    await_that(
        lambda: unread(broker.connection, group, both) == [second.name], "the other one is read by nobody"
    )
    has = readers(broker.connection, group) or {}
    assert has.keys() == {(first.name, number) for number in range(2)}
    assert len(set(has.values())) == 1
    before.consumer.close()

    second.send([(0, b"waiting"), (1, b"too")])
    after = Member(broker, group, both)
    await_that(lambda: after.has(*both), "both topics are assigned")
    await_that(
        lambda: after.has(*both) and set(after.read) == {b"waiting", b"too"}, "what waited there is read"
    )
    await_that(lambda: unread(broker.connection, group, both) == [], "nothing is unread")
    assert unread(broker.connection, group, [*both, "no-such-topic"]) == []
    after.consumer.close()


def test_a_broker_that_does_not_tell_is_no_finding() -> None:
    """The in-process broker describes no group: nothing is said, and its members go on."""
    with in_process_broker() as broker:
        source = broker.source()
        assert unread(broker.connection, "group", [source.name]) is None
        assert readers(broker.connection, "group") is None
        member = Member(broker, "group", [source.name])
        await_that(lambda: bool(member.has(source.name) or member.got), "it is assigned")
        member.consumer.close()

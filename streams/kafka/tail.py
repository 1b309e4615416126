"""Reads what a topic holds between given offsets, without a consumer group."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.kafka.connection import Connection

# The first question is whether there is a broker at all, and somebody waits for the answer.
_LOOK_SECONDS = 4.0
_MOVING = frozenset(
    [
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    ]
)


class Tail:
    """One topic. `cluster` is the id of the cluster it lies in.

    Every call may raise BrokerUnavailable; making one does when the broker or the topic is not there.
    """

    def __init__(self, connection: Connection, topic: str, *, timeout_seconds: float = 10.0) -> None:
        self._connection = connection
        self._topic = topic
        self._timeout = timeout_seconds
        self._consumer = connection.made(
            Consumer,
            connection.client(
                group_id="innsyn-tail",
                enable_auto_commit=False,
                enable_partition_eof=True,
                auto_offset_reset="error",
                # The end is then the log's end, whatever transactions other writers have open.
                isolation_level="read_uncommitted",
            ),
        )
        try:
            self.cluster, self._partitions = self._look_up()
        except BaseException:
            self._consumer.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def start_offsets(self) -> dict[int, int]:
        """The oldest offset still there, per partition."""
        return {partition: self._bounds(partition)[0] for partition in self._partitions}

    def end_offsets(self) -> dict[int, int]:
        """The offset the next message will get, per partition."""
        return {partition: self._bounds(partition)[1] for partition in self._partitions}

    def headers(
        self, start: Mapping[int, int], end: Mapping[int, int]
    ) -> Iterator[Sequence[tuple[str, bytes | None]]]:
        """The headers of every message from `start` to before `end`."""
        return (_plain(message.headers()) for message in self.between(start, end))

    def between(self, start: Mapping[int, int], end: Mapping[int, int]) -> Iterator[Message]:
        """Every message from `start` to before `end`."""
        waiting = {partition for partition, offset in end.items() if start[partition] < offset}
        self._consumer.assign([TopicPartition(self._topic, p, start[p]) for p in sorted(waiting)])
        try:
            while waiting:
                # One at a time: consume() would wait for its whole batch or its whole timeout.
                message = self._consumer.poll(self._timeout)
                if message is None:
                    raise self._connection.unavailable(f"reading {self._topic}")
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise self._connection.unavailable(f"reading {self._topic}", error)
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                if error is None and offset < end[partition]:
                    yield message
                # The last offsets may be markers of a transaction: then only the end itself is reported.
                if offset + (error is None) >= end[partition]:
                    waiting.discard(partition)
        except KafkaException as failure:
            raise self._connection.unavailable(f"reading {self._topic}", failure.args[0]) from failure
        finally:
            self._consumer.unassign()

    def _bounds(self, partition: int) -> tuple[int, int]:
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                bounds = self._consumer.get_watermark_offsets(
                    TopicPartition(self._topic, partition), timeout=self._timeout, cached=False
                )
            except KafkaException as failure:
                error = failure.args[0]
                # A partition that is new or changes its leader is a matter of moments.
                if error.code() not in _MOVING or time.monotonic() > deadline:
                    raise self._connection.unavailable(
                        f"asking for offsets of {self._topic}", error
                    ) from failure
                time.sleep(0.05)
                self._look_up()
                continue
            if bounds is None:
                raise self._connection.unavailable(f"asking for offsets of {self._topic}")
            return bounds[0], bounds[1]

    def _look_up(self) -> tuple[str, list[int]]:
        try:
            metadata = self._consumer.list_topics(self._topic, timeout=_LOOK_SECONDS)
        except KafkaException as error:
            raise self._connection.unavailable("looking for topics", error.args[0]) from error
        topic = metadata.topics[self._topic]
        if topic.error is not None or not topic.partitions:
            raise self._connection.without(self._topic)
        return str(metadata.cluster_id), sorted(topic.partitions)


def _plain(headers: object) -> Sequence[tuple[str, bytes | None]]:
    return headers if isinstance(headers, list) else []

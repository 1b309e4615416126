"""Follows one topic message by message: for work at a low rate where each message is settled before the next."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.errors import BrokerUnavailable
from streams.kafka.connection import Connection
from streams.kafka.topic_ids import TopicIds

_POLL_SECONDS = 0.2
_SESSION_MS = 6_000
_TIMEOUT = 5.0
# How often the topic's id is asked for while no message comes; with each message it is, too.
_LOOK_SECONDS = 15.0
_log = structlog.get_logger(__name__)
# The topic may come later, a broker may come back: librdkafka goes on by itself.
_PASSING = frozenset(
    {
        KafkaError._PARTITION_EOF,
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
    }
)
# The partition went to another member: it gets the message again, which is what at-least-once means.
_MOVED = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError._STATE,
        KafkaError._NO_OFFSET,
    }
)


def messages_of(
    connection: Connection, topic: str, group: str, stop: threading.Event
) -> Generator[tuple[bytes, Callable[[], None]], None, None]:
    """Yield (message, commit) from where the group stands, the beginning for a new one, until `stop` is set.

    `commit` blocks until the broker knows that the message is settled; without it the message comes again after a
    restart. Messages without a value are passed over. A topic that was deleted and made anew is read from its
    beginning: its id goes with each offset that is committed. Close the iterator to leave the group at once.
    Raises BrokerUnavailable for what does not pass by itself, such as a refused login.
    """
    consumer = connection.made(
        Consumer,
        connection.client(
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            # A member that vanished keeps its partition this long; heartbeats are sent in the background.
            session_timeout_ms=_SESSION_MS,
            heartbeat_interval_ms=_SESSION_MS // 3,
            allow_auto_create_topics=True,
            topic_metadata_refresh_interval_ms=5_000,
            log_level=2,
        ),
    )
    standing = _Standing(consumer, topic, TopicIds(connection))
    try:
        consumer.subscribe([topic], on_assign=standing.assigned)
        while not stop.is_set():
            message = consumer.poll(_POLL_SECONDS)
            if message is None:
                standing.look()
                continue
            error = message.error()
            if error is not None:
                if error.code() not in _PASSING:
                    raise connection.unavailable(f"reading {topic}", error)
                continue
            value = message.value()
            if value is not None and standing.has(message, stop):
                yield value, _commit(consumer, message, connection, standing.topic_id)
    finally:
        consumer.close()


class _Standing:
    """Which topic is read under its name: `topic_id`, "" where the broker tells none."""

    def __init__(self, consumer: Consumer, topic: str, ids: TopicIds) -> None:
        self.topic_id = ""
        self._consumer = consumer
        self._topic = topic
        self._ids = ids
        self._due = 0.0

    def assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Go on where the group stands, or begin where it stands in another topic. Runs inside `poll`."""
        try:
            self.topic_id = self._now() or self.topic_id
            places = consumer.committed(partitions, timeout=_TIMEOUT)
        except (BrokerUnavailable, KafkaException):
            # Looked at again before the first message is handed out.
            return
        for item in places:
            if item.metadata and self.topic_id and item.metadata != self.topic_id:
                item.offset = self._anew()
        consumer.assign(places)

    def has(self, message: Message, stop: threading.Event) -> bool:
        """Whether the message is of the topic that is read; if not, it is begun anew. Waits for the broker to tell."""
        while True:
            try:
                return not self._changed()
            except BrokerUnavailable:
                if stop.wait(1.0):
                    return False

    def look(self) -> None:
        """Look now and then, while nothing comes: the topic may be another, and end where we stand."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _LOOK_SECONDS
            with contextlib.suppress(BrokerUnavailable):
                self._changed()

    def _changed(self) -> bool:
        told, before = self._now(), self.topic_id
        self.topic_id = told or before
        if not told or not before or told == before:
            return False
        begin = self._anew()
        self._consumer.assign(
            [TopicPartition(item.topic, item.partition, begin) for item in self._consumer.assignment()]
        )
        return True

    def _now(self) -> str:
        return self._ids.of([self._topic]).get(self._topic, "")

    def _anew(self) -> int:
        _log.warning(
            "topic.made_anew",
            topic=self._topic,
            meaning="it was deleted and made anew: it is read from its beginning; what was deleted unread is lost",
        )
        return OFFSET_BEGINNING


def _commit(
    consumer: Consumer, message: Message, connection: Connection, topic_id: str
) -> Callable[[], None]:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    settled = TopicPartition(topic, partition, offset + 1, topic_id)

    def commit() -> None:
        try:
            consumer.commit(offsets=[settled], asynchronous=False)
        except KafkaException as failure:
            error = failure.args[0]
            if error.code() not in _MOVED:
                raise connection.unavailable(f"committing {topic}", error) from failure

    return commit

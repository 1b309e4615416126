"""Follows one topic message by message: for work at a low rate where each message is settled before the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from streams.kafka.connection import Connection

_POLL_SECONDS = 0.2
_SESSION_MS = 6_000
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


def follow(
    connection: Connection, topic: str, group: str, stop: threading.Event
) -> Generator[tuple[bytes, Callable[[], None]], None, None]:
    """Yield (message, commit) from where the group stands, the beginning for a new one, until `stop` is set.

    `commit` blocks until the broker knows that the message is settled; without it the message comes again after a
    restart. Messages without a value are passed over. Close the iterator to leave the group at once.
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
    try:
        consumer.subscribe([topic])
        while not stop.is_set():
            message = consumer.poll(_POLL_SECONDS)
            if message is None:
                continue
            error = message.error()
            if error is not None:
                if error.code() not in _PASSING:
                    raise connection.unavailable(f"reading {topic}", error)
                continue
            value = message.value()
            if value is not None:
                yield value, _commit(consumer, message, connection)
    finally:
        consumer.close()


def _commit(consumer: Consumer, message: Message, connection: Connection) -> Callable[[], None]:
    def commit() -> None:
        try:
            consumer.commit(message=message, asynchronous=False)
        except KafkaException as failure:
            error = failure.args[0]
            if error.code() not in _MOVED:
                raise connection.unavailable(f"committing {message.topic()}", error) from failure

    return commit

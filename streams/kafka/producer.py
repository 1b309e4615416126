"""Writes messages to Kafka: idempotent, acknowledged by all replicas, bounded in memory."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Literal

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.errors import BrokerUnavailable
from streams.kafka.connection import Connection

# A dead letter of the largest message we accept, sealed, still has to fit.
_LARGEST_MESSAGE = 16 * 1024 * 1024

_LOOK_SECONDS = 4.0
_REPORT_SECONDS = 2.0
_PERHAPS_NO_TOPIC = (
    KafkaError._MSG_TIMED_OUT,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)
_GIVEN_UP = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)


class EventProducer:
    """One producer. `send` may be called from one thread at a time; `close` (or the context's end) flushes.

    `compression`: lz4 for events, none for what clients without that codec have to read.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        linger_ms: int = 20,
        timeout_seconds: float = 30.0,
        compression: Literal["lz4", "none"] = "lz4",
    ) -> None:
        self._connection = connection
        self._timeout = timeout_seconds
        self._failed: tuple[KafkaError, str] | None = None
        self._options = connection.client(
            enable_idempotence=True,
            linger_ms=linger_ms,
            compression_type=compression,
            message_max_bytes=_LARGEST_MESSAGE,
            delivery_timeout_ms=int(timeout_seconds * 1000),
            queue_buffering_max_messages=200_000,
            queue_buffering_max_kbytes=131_072,
        )
        self._producer = connection.made(Producer, self._options)

    def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        timestamp_ms: int = 0,
        partition: int = -1,
    ) -> None:
        """Queue one message, a tombstone without a value; waits while the queue is full. Not stored before `flush`
        returns.

        Raises BrokerUnavailable if an earlier message could not be delivered, once; it names the topic, and says where
        that is not on the broker or refuses the message.
        """
        while True:
            self._raise_failure()
            try:
                self._producer.produce(
                    topic,
                    value=value,
                    key=key,
                    headers=list(headers) or None,
                    timestamp=timestamp_ms,
                    partition=partition,
                    on_delivery=self._delivered,
                )
                self._producer.poll(0)
                return
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise self._undelivered(error.args[0], topic) from error

    def flush(self) -> None:
        """Wait until every queued message is stored. Raises BrokerUnavailable."""
        # Longer than a message may take: what is given up is reported at most a second later, and says why.
        left = self._producer.flush(self._timeout + _REPORT_SECONDS)
        self._raise_failure()
        if left:
            raise self._connection.unavailable("waiting for acknowledgements")

    def close(self) -> None:
        self.flush()

    def __enter__(self) -> EventProducer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abandon()

    def abandon(self) -> None:
        """Give up what is queued still: for whoever was told that it failed, or does not need it any more."""
        self._producer.purge()
        self._producer.flush(1)
        self._failed = None

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        # What was given up failed by our own will, and its report may come after the next message was sent.
        if error is not None and self._failed is None and error.code() not in _GIVEN_UP:
            self._failed = error, message.topic() or ""

    def _raise_failure(self) -> None:
        """Raise what failed since the last call, once: whoever sends again may find the broker back."""
        failure, self._failed = self._failed, None
        if failure is not None:
            failed, topic = failure
            if failed.fatal() or failed.code() == KafkaError._FATAL:
                # It would refuse everything from now on, also when the broker is back.
                self._producer = self._connection.made(Producer, self._options)
            raise self._undelivered(failed, topic)

    def _undelivered(self, error: KafkaError, topic: str) -> BrokerUnavailable:
        """Why a message was not stored: librdkafka waits for a topic that is missing as for a broker that is away."""
        if error.code() in _PERHAPS_NO_TOPIC and self._lacks(topic):
            return self._connection.without(topic)
        if error.code() > 0 and not error.fatal() and error.code() not in _PERHAPS_NO_TOPIC:
            return self._connection.refuses(topic, error)
        return self._connection.unavailable(f"writing to {topic}", error)

    def _lacks(self, topic: str) -> bool:
        try:
            # All of them: asked for by its name, a broker may make it.
            found = self._producer.list_topics(timeout=_LOOK_SECONDS).topics.get(topic)
        except KafkaException:
            return False
        return found is None or found.error is not None

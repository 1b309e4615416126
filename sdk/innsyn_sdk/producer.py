"""Sends events that are what their schemas say.

from innsyn_sdk.producer import EventProducer

with EventProducer({"bootstrap.servers": "kafka:9092"}, {"shop.orders": Schema("order_placed.avsc")}) as producer:
    producer.send("shop.orders", {"customer_number": "100042", "placed_at": now}, key="100042")
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaError, Producer

from innsyn_sdk.events import Schema


class NotDelivered(Exception):
    """Events that Kafka did not store; `str` says of which topics, how many, and why."""

    def __init__(self, lost: Mapping[tuple[str, str], int]) -> None:
        told = ", ".join(f"{count} to {topic} ({why})" for (topic, why), count in sorted(lost.items()))
        super().__init__(f"events were not stored: {told}")
        self.lost = dict(lost)


class EventProducer:
    """Every event is stored by the end of a `with`, of `flush` or of `close`, or NotDelivered says how many are not.

    Keys are spread as Java's producers do it (`murmur2_random`), so that one key stays in one partition whoever writes.
    """

    def __init__(
        self, kafka: Mapping[str, Any], schemas: Mapping[str, Schema], seconds: float = 60.0
    ) -> None:
        """`kafka`: options of librdkafka, `bootstrap.servers` at least. `schemas`: by topic. `seconds`: how long Kafka
        may take to store what was sent."""
        options = {"acks": "all", "enable.idempotence": True, "partitioner": "murmur2_random"}
        within = {"message.timeout.ms": int(seconds * 1000)}
        self._producer = Producer({**options, **within, **kafka})
        self._schemas = dict(schemas)
        self._seconds = seconds
        self._lost: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def send(self, topic: str, event: Mapping[str, Any], key: str | bytes | None = None) -> None:
        """Hand an event over; it is stored later. Safe from several threads.

        Raises NotAnEvent, KeyError for a topic without a schema, NotDelivered for earlier ones that were lost.
        """
        message = self._schemas[topic].message(event)
        while True:
            try:
                self._producer.produce(topic, message, key, on_delivery=self._delivered)
                break
            except BufferError:
                # As fast as Kafka takes them.
                self._producer.poll(0.5)
        self._producer.poll(0)
        self._tell()

    def flush(self) -> None:
        """Until all that was sent is stored. Raises NotDelivered."""
        left = self._producer.flush(self._seconds + 5)
        if left:
            with self._lock:
                self._lost["a topic", "no answer in time"] += left
        self._tell()

    close = flush

    def __enter__(self) -> EventProducer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.flush()
        else:
            # What went wrong is said already; what was handed over is stored all the same.
            self._producer.flush(self._seconds)

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            with self._lock:
                self._lost[message.topic(), error.name()] += 1

    def _tell(self) -> None:
        with self._lock:
            lost, self._lost = self._lost, Counter()
        if lost:
            raise NotDelivered(lost)

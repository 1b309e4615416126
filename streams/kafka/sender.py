"""Sends single messages, each stored before the call returns: for work where what is next rests on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from schemas.errors import BrokerUnavailable
from streams.kafka.connection import Connection
from streams.kafka.producer import EventProducer


@dataclass(frozen=True)
class _Uncompressed(Connection):
    def client(self, **more: object) -> dict[str, object]:
        # Faust reads with aiokafka, which opens lz4 only with one more library; these messages are few and sealed.
        return super().client(**more) | {"compression.type": "none"}


@contextmanager
def sender(connection: Connection) -> Iterator[Callable[[str, bytes, bytes], None]]:
    """Give `send(topic, message, key)`, safe from several threads.

    `send` raises BrokerUnavailable; it may be called again, and what failed is not sent behind the caller's back.
    """
    lock = threading.Lock()
    plain = _Uncompressed(connection.bootstrap, connection.options)
    producer: EventProducer | None = None

    def send(topic: str, message: bytes, key: bytes) -> None:
        nonlocal producer
        with lock:
            producer = producer or EventProducer(plain, linger_ms=0)
            try:
                producer.send(topic, message, key=key)
                producer.flush()
            except BrokerUnavailable as error:
                # A producer that failed once refuses all that follows: the next call gets a new one.
                producer.__exit__(type(error), error, error.__traceback__)
                producer = None
                raise

    try:
        yield send
    finally:
        if producer is not None:
            producer.close()

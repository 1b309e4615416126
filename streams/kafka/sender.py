"""Sends single messages, each stored before the call returns: for work where what is next rests on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from schemas.errors import BrokerUnavailable
from streams.kafka.connection import Connection
from streams.kafka.producer import EventProducer

# Somebody waits for it, and others behind them.
_SECONDS = 10.0


@contextmanager
def sender(connection: Connection) -> Iterator[Callable[[str, bytes, bytes], None]]:
    """Give `send(topic, message, key)`, safe from several threads. `send` raises BrokerUnavailable.

    Uncompressed: commands and receipts are read by every system's own client, and some know no LZ4 (kafkajs).
    """
    lock = threading.Lock()
    producer = EventProducer(connection, linger_ms=0, compression="none", timeout_seconds=_SECONDS)

    def send(topic: str, message: bytes, key: bytes) -> None:
        with lock:
            try:
                producer.send(topic, message, key=key)
                producer.flush()
            except BrokerUnavailable:
                # Else the next one would be told of this one's fate.
                producer.abandon()
                raise

    try:
        yield send
    finally:
        # What was acknowledged is there, and of the rest everybody knows that it failed.
        producer.abandon()

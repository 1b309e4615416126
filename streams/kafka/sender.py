"""Sends single messages, each stored before the call returns: for work where what is next rests on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streams.kafka.connection import Connection
from streams.kafka.producer import EventProducer


@contextmanager
def sender(connection: Connection) -> Iterator[Callable[[str, bytes, bytes], None]]:
    """Give `send(topic, message, key)`, safe from several threads. `send` raises BrokerUnavailable.

    Uncompressed: commands and receipts are read by every system's own client, and some know no LZ4 (kafkajs).
    """
    lock = threading.Lock()
    with EventProducer(connection, linger_ms=0, compression="none") as producer:

        def send(topic: str, message: bytes, key: bytes) -> None:
            with lock:
                producer.send(topic, message, key=key)
                producer.flush()

        yield send

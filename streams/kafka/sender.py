"""Sends messages, each stored before the call returns: for work where what is next rests on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from schemas.errors import BrokerUnavailable
from schemas.together import asked
from streams.kafka.connection import Connection
from streams.kafka.producer import EventProducer

# Somebody waits for it, and others behind them.
_SECONDS = 10.0


@contextmanager
def sender(connection: Connection) -> Iterator[Callable[[str, bytes, bytes], None]]:
    """Give `send(topic, message, key)`, safe from several threads. `send` raises BrokerUnavailable.

    What a batch (`schemas.together`) sends at once is written together, the messages of each topic in order.

    Uncompressed: commands and receipts are read by every system's own client, and some know no LZ4 (kafkajs).
    """
    lock = threading.Lock()
    producer = EventProducer(connection, linger_ms=0, compression="none", timeout_seconds=_SECONDS)

    def send(topic: str, message: bytes, key: bytes) -> None:
        asked(send_each, (topic, message, key))

    def send_each(messages: Sequence[tuple[str, bytes, bytes]]) -> list[BrokerUnavailable | None]:
        outcomes: list[BrokerUnavailable | None] = [None] * len(messages)
        places: dict[str, list[int]] = {}
        for place, (topic, _, _) in enumerate(messages):
            places.setdefault(topic, []).append(place)
        for topic, some in places.items():
            # Each topic by itself: where one is missing the others get theirs.
            error = send_all(topic, [messages[place][1:] for place in some])
            for place in some:
                outcomes[place] = error
        return outcomes

    def send_all(topic: str, messages: Sequence[tuple[bytes, bytes]]) -> BrokerUnavailable | None:
        with lock:
            try:
                for message, key in messages:
                    producer.send(topic, message, key=key)
                producer.flush()
            except BrokerUnavailable as error:
                # Else the next one would be told of this one's fate.
                producer.abandon()
                return error
        return None

    try:
        yield send
    finally:
        # What was acknowledged is there, and of the rest everybody knows that it failed.
        producer.abandon()

"""Keeps a job's place in its consumer group while a command takes long."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message

_EVERY_SECONDS = 60.0


class Staying:
    """While it is entered, somebody polls: a member that does not within `max.poll.interval.ms` loses its partitions,
    and another would begin the same command. Nothing is taken meanwhile: partitions pause, and what comes between a
    change of partitions and their pause is put into `waiting`."""

    def __init__(self, consumer: Consumer, waiting: deque[Message], options: Mapping[str, Any]) -> None:
        longest = float(options.get("max.poll.interval.ms", 300_000)) / 1000
        self._every = min(_EVERY_SECONDS, longest / 3)
        self._consumer = consumer
        self._waiting = waiting
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="staying", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _poll(self) -> None:
        paused = False
        try:
            while not self._done.wait(self._every):
                # Each time: those that have come since are to pause as well.
                self._consumer.pause(self._consumer.assignment())
                paused = True
                message = self._consumer.poll(0)
                if message is not None and message.error() is None:
                    self._waiting.append(message)
            if paused:
                self._consumer.resume(self._consumer.assignment())
        except (KafkaException, RuntimeError):
            # What is wrong shows to whoever polls next.
            return

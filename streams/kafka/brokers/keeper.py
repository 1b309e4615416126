"""Keeps the local broker running: one that ended, or does not answer any more, is started again on its data."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from schemas.errors import BrokerUnavailable

_LOOK_SECONDS = 0.5
_ASK_SECONDS = 10.0
# Longer than any pause of a machine that is short of memory or comes out of sleep.
_HUNG_SECONDS = 90.0
_PAUSES = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
_log = structlog.get_logger(__name__)


class Broker(Protocol):
    """What is kept: `streams.kafka.brokers.local.LocalBroker`."""

    @property
    def ended(self) -> str | None: ...

    def restart(self, give_up: Callable[[], bool]) -> None: ...


class Keeper:
    """`answers()` raises BrokerUnavailable where the broker does not; `problems` may be asked from any thread."""

    def __init__(
        self,
        broker: Broker,
        answers: Callable[[], object],
        *,
        pauses: Sequence[float] = _PAUSES,
        look_seconds: float = _LOOK_SECONDS,
        hung_seconds: float = _HUNG_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """The last of `pauses` (seconds before each try) repeats: with space or memory back it comes back."""
        self._broker = broker
        self._answers = answers
        self._pauses = pauses
        self._look_seconds = look_seconds
        self._hung_seconds = hung_seconds
        self._now = monotonic
        self._problem: str | None = None

    def problems(self) -> Sequence[str]:
        """Why there is no broker, one sentence or none."""
        return (self._problem,) if self._problem is not None else ()

    def run(self, stop: threading.Event) -> None:
        """Look after the broker until `stop`."""
        answered = asked = self._now()
        while not stop.wait(self._look_seconds):
            why = self._broker.ended
            now = self._now()
            if why is None and now - asked >= min(_ASK_SECONDS, self._hung_seconds / 2):
                asked = now
                if self._does_answer():
                    answered = self._now()
                elif self._now() - answered > self._hung_seconds:
                    why = f"Kafka has not answered for {self._now() - answered:.0f} s"
            if why is not None:
                self._bring_back(why, stop)
                answered = asked = self._now()

    def _does_answer(self) -> bool:
        try:
            self._answers()
        except BrokerUnavailable:
            return False
        return True

    def _bring_back(self, why: str, stop: threading.Event) -> None:
        tries = 0
        while not stop.is_set():
            pause = self._pauses[min(tries, len(self._pauses) - 1)]
            self._problem = f"{why}; it is started again by itself, on the same data"
            _log.error("broker.ended", why=why, tries=tries, seconds=pause)
            if stop.wait(pause):
                return
            tries += 1
            try:
                self._broker.restart(stop.is_set)
            except BrokerUnavailable as error:
                why = str(error)
                continue
            self._problem = None
            _log.info("broker.back", tries=tries)
            return

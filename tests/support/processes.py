"""Two processes on one ledger, either of which may be killed at any write: what histories of all kinds share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from schemas.errors import InputError, Unavailable
from schemas.keys import Keyring
from sinks.memory.requests import MemoryRequests
from sinks.ports.requests import RequestEvent
from streams.rights.case import Recorded
from streams.rights.service import RightsService
from tests.support.pairs import ReadyKeyring
from tests.unit.rights.test_service import NOW

WORKERS = st.integers(0, 1)
NUMBERS = st.integers(0, 30)


class Killed(BaseException):
    """The process is gone: no code of its own handles it."""


@dataclass
class Fate:
    """Whether a write still goes through: `left` more do, then the process is killed, `after` that write or before.
    `writes`: how many were tried."""

    left: int | None = None
    after: bool = False
    writes: int = 0

    def write(self, work: Callable[[], Any]) -> Any:
        self.writes += 1
        if self.left is None:
            return work()
        if self.left > 0:
            self.left -= 1
            return work()
        self.left = None
        if self.after:
            work()
        raise Killed


@dataclass
class Log(MemoryRequests):
    fate: Fate

    def __post_init__(self) -> None:
        super().__init__()

    def store(self, given: RequestEvent) -> bool:
        return bool(self.fate.write(lambda: MemoryRequests.store(self, given)))


@cache
def _folder() -> TemporaryDirectory[str]:
    """Gone with the process: nothing else knows when the last history ends."""
    return TemporaryDirectory(prefix="innsyn-histories-")


@cache
def keyring() -> Keyring:
    """One for all histories: making keys would be most of their time."""
    return ReadyKeyring(Path(_folder().name) / "keys").made()


class Processes(RuleBasedStateMachine):
    """Rules of whatever is done in two processes. `heard`: answers that came, which may come again."""

    numbers = 0

    def __init__(self) -> None:
        super().__init__()
        self.fate, self.now = Fate(), NOW
        self.services: list[RightsService] = []
        self.heard: list[dict[str, Any]] = []

    @abstractmethod
    def _process(self) -> RightsService:
        """A process as it starts."""

    @abstractmethod
    def _look(self) -> None:
        """At what must hold after each step."""

    def _before(self) -> None:
        """Each step."""

    def _was_recorded(self, name: str) -> None:
        """A request of which more could not be done."""

    @classmethod
    def _random(cls, size: int) -> bytes:
        # Other ids in each history: they share their keys.
        cls.numbers += 1
        return cls.numbers.to_bytes(size, "big")

    def _does(self, worker: int, work: Callable[[RightsService], Any]) -> Any:
        self._before()
        try:
            return work(self.services[worker])
        except Killed:
            self.services[worker] = self._process()
        except Recorded as recorded:
            self._was_recorded(recorded.request_id)
        except (InputError, Unavailable):
            pass
        finally:
            self._look()
        return None

    @rule(worker=WORKERS)
    def resume(self, worker: int) -> None:
        self._does(worker, lambda service: service.resume())

    @precondition(lambda self: self.heard)
    @rule(worker=WORKERS, number=NUMBERS)
    def answer_again(self, worker: int, number: int) -> None:
        value = self.heard[number % len(self.heard)]
        self._does(worker, lambda service: service.on_receipt(value))

    @rule(worker=WORKERS, hours=st.sampled_from([1, 5, 30, 200, 900]))
    def time_passes(self, worker: int, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self._does(worker, lambda service: service.on_time(self.now))

    @rule(left=st.integers(0, 4), after=st.booleans())
    def kill(self, left: int, after: bool) -> None:
        self.fate.left, self.fate.after = left, after

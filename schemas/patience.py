"""How long a question may take, and whether anybody still waits for its answer.

Whoever asks opens `patience` around the work; what takes long looks at `check` between its steps, and the index bounds
and cancels its statements by it. Outside of a question nothing is limited.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from schemas.errors import QuestionAbandoned, QuestionTooLong


class Patience:
    """Seconds that one question has from now on. Safe from several threads."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = seconds
        self._until = clock() + seconds
        self._left = False
        self._cancels: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def seconds(self) -> float:
        """What is left of them, more than 0. Raises QuestionTooLong, QuestionAbandoned."""
        if self._left:
            raise QuestionAbandoned("nobody waits for this answer any more")
        left = self._until - self._clock()
        if left <= 0:
            raise self.too_long()
        return left

    def too_long(self) -> QuestionTooLong:
        """What whoever asked is told."""
        return QuestionTooLong(
            f"this took longer than a question may ({self._seconds:g} s) and was ended; ask about fewer identifiers at"
            " once, or narrow it by time (from, to), categories or systems; INNSYN_QUESTION_SECONDS sets the limit"
        )

    def leave(self) -> None:
        """Nobody waits any more: what runs for the question now is cancelled, what would come next is not begun."""
        with self._lock:
            self._left = True
            cancels = list(self._cancels)
        for cancel in cancels:
            cancel()

    @contextmanager
    def running(self, cancel: Callable[[], None]) -> Iterator[None]:
        """While something runs that `cancel` ends, which may be called from another thread, and late."""
        with self._lock:
            self._cancels.append(cancel)
        try:
            yield
        finally:
            with self._lock:
                self._cancels.remove(cancel)


_CURRENT: ContextVar[Patience | None] = ContextVar("patience", default=None)


@contextmanager
def patience(of: Patience) -> Iterator[None]:
    """What is done within is done for that question, in this thread."""
    token = _CURRENT.set(of)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current() -> Patience | None:
    """The patience of the question that this is done for, if it is done for one."""
    return _CURRENT.get()


def check() -> None:
    """Between two steps of something that takes long. Raises QuestionTooLong, QuestionAbandoned."""
    if (of := current()) is not None:
        of.seconds()

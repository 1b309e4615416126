"""Questions about people, answered by a few threads of their own, so that nothing else waits for them.

Few, because much of the work is Python's, which runs one thread at a time: more of them would only slow each other and
the event loop, which answers for health, down.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from schemas.counted import counted
from schemas.errors import QuestionAbandoned, QuestionsBusy
from schemas.patience import Patience, patience

# What a step takes that cannot be interrupted, before nobody waits for its end any more.
_GRACE_SECONDS = 2.0

Answer = Callable[[], Response]


@dataclass(frozen=True)
class QuestionLimits:
    """How long a question may take, waiting included; how many are answered at the same time; how many may wait."""

    seconds: float = 30.0
    workers: int = 2
    waiting: int = 16


DEFAULT_LIMITS = QuestionLimits()


class Questions:
    """Answers questions in its threads. Of one event loop at a time, or of several."""

    def __init__(self, limits: QuestionLimits) -> None:
        self._limits = limits
        self._waiting: queue.SimpleQueue[tuple[Patience, Answer, Future[Response]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._taken = 0
        self._threads = 0

    @property
    def taken(self) -> int:
        """How many questions are being answered or wait for it."""
        return self._taken

    async def ask(self, request: Request, answer: Answer) -> Response:
        """The answer, while the client waits for it.

        Raises what `answer` raises; QuestionsBusy, QuestionTooLong. When the client leaves, what is done for it ends.
        """
        asked = Patience(self._limits.seconds)
        future = self._take(asked, answer)
        answered: asyncio.Future[Any] = asyncio.ensure_future(asyncio.wrap_future(future))
        left: asyncio.Future[Any] = asyncio.ensure_future(_left(request))
        try:
            seconds = self._limits.seconds + _GRACE_SECONDS
            await asyncio.wait({answered, left}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if answered.done():
                found: Response = answered.result()
                return found
            raise QuestionAbandoned("the client left") if left.done() else asked.too_long()
        finally:
            left.cancel()
            if not answered.done():
                # Not awaited: the index may take a while to hear of it.
                threading.Thread(target=asked.leave, name="question-left", daemon=True).start()
                answered.cancel()

    def _take(self, asked: Patience, answer: Answer) -> Future[Response]:
        with self._lock:
            if self._taken >= self._limits.workers + self._limits.waiting:
                raise QuestionsBusy(
                    f"being answered or waiting: {counted(self._taken, 'question')} about people; repeat it soon"
                )
            self._taken += 1
            if self._threads < min(self._taken, self._limits.workers):
                self._threads += 1
                # A daemon: a question that hangs does not keep the process from ending.
                threading.Thread(target=self._work, name="questions", daemon=True).start()
        future: Future[Response] = Future()
        # Also when it is taken back while it waits: its place is another's at once.
        future.add_done_callback(self._done)
        self._waiting.put((asked, answer, future))
        return future

    def _work(self) -> None:
        while True:
            asked, answer, future = self._waiting.get()
            if future.set_running_or_notify_cancel():
                _answer(asked, answer, future)

    def _done(self, _: Future[Response]) -> None:
        with self._lock:
            self._taken -= 1


def _answer(asked: Patience, answer: Answer, future: Future[Response]) -> None:
    try:
        # Whoever left while it waited gets nothing worked out.
        asked.seconds()
        with patience(asked):
            found = answer()
    except BaseException as error:  # noqa: BLE001 - told to who asked
        with suppress(InvalidStateError):
            future.set_exception(error)
    else:
        with suppress(InvalidStateError):
            future.set_result(found)


async def _left(request: Request) -> None:
    """Return when the client has left. The body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass

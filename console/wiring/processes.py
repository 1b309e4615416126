"""Roles in threads of one process, started again when what they waited for stayed away, and the signals that end it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import TypeVar

import structlog

from schemas.counted import counted
from schemas.errors import Crashed, InnsynError, Unavailable, place_of

_T = TypeVar("_T")
_PAUSES = (1.0, 2.0, 5.0, 10.0)
_LONGEST_PAUSE = 30.0
# A role that ran for so long got over what ended it before.
_SETTLED_SECONDS = 10.0
# So often in a row it is no passing trouble.
_OFTEN = 5
_log = structlog.get_logger(__name__)


class Background:
    """A role in a thread. Something that is unavailable ends it for a moment only: it is started again, after a
    growing pause. What else ends it is kept, and `wake` is told at once."""

    def __init__(
        self,
        name: str,
        run: Callable[[threading.Event], None],
        wake: threading.Event,
        *,
        pauses: Sequence[float] = (*_PAUSES, _LONGEST_PAUSE),
        settled: float = _SETTLED_SECONDS,
    ) -> None:
        """`run(stop)` is called for each start and must be able to begin anew; the last of `pauses` repeats."""
        self.name = name
        self.error: BaseException | None = None
        self._run = run
        self._wake = wake
        self._pauses = pauses
        self._settled = settled
        self._stop = threading.Event()
        self._ended: tuple[str, float | None] | None = None
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Ask it to end, without waiting."""
        self._stop.set()

    def stop(self) -> None:
        """Ask it to end and wait until it has."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def problems(self) -> Sequence[str]:
        """Why it does not run, or did not until a moment ago."""
        ended = self._ended
        if ended is None:
            return ()
        sentence, begun = ended
        return () if begun is not None and time.monotonic() - begun > self._settled else (sentence,)

    def _main(self) -> None:
        pauses, starts = chain(self._pauses, repeat(self._pauses[-1])), 0
        try:
            while True:
                begun = time.monotonic()
                try:
                    self._run(self._stop)
                    if not self._stop.is_set():
                        raise InnsynError(
                            f"{self.name} ended without being asked to: a bug in innsyn; report this"
                        )
                    return
                except Unavailable as error:
                    if self._stop.is_set():
                        return
                    if time.monotonic() - begun > self._settled:
                        pauses, starts = chain(self._pauses, repeat(self._pauses[-1])), 0
                    starts += 1
                    self._ended = _sentence(self.name, error, starts), None
                    pause = next(pauses)
                    say = _log.error if starts == _OFTEN else _log.warning
                    say("role.again", role=self.name, error=str(error), seconds=pause, times=starts)
                    if self._stop.wait(pause):
                        return
                    self._ended = self._ended[0], time.monotonic()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for the roles
            self.error = error
            _log.error(
                "role.ended",
                role=self.name,
                error=str(error) if isinstance(error, InnsynError) else place_of(error),
            )
        finally:
            self._wake.set()


def _sentence(name: str, error: Unavailable, times: int) -> str:
    """Why a role does not run that ended so many times in a row."""
    if times < _OFTEN:
        return f"{name} ended ({error}); it is started again by itself"
    if isinstance(error, Crashed):
        return (
            f"{name} ended {counted(times, 'time')} in a row ({error}), a bug in innsyn: report this with its log; it"
            " is tried again by itself, and the rest goes on without it"
        )
    often = f"{name} ended {counted(times, 'time')} in a row ({error})"
    return f"{often}; it is tried again by itself until what it needs is there"


def first_then(first: _T, make: Callable[[], _T]) -> Callable[[], _T]:
    """The one that is there already for the first start, a new one for each after it: what cannot be made then is known
    before the role starts."""
    waiting = [first]
    return lambda: waiting.pop() if waiting else make()


def stop_all(roles: Sequence[Background]) -> None:
    """Ask all to end, then wait for each: none waits for another's end to be asked."""
    for role in roles:
        role.ask_to_stop()
    for role in roles:
        role.stop()


def running_still(roles: Sequence[Background]) -> list[str]:
    """Names of those that have not ended."""
    return [role.name for role in roles if role.alive]


def until_signal(first: Callable[[], object] = lambda: None) -> threading.Event:
    """An event that ctrl-C or SIGTERM sets; a second one ends the process the usual way.

    `first` is called inside the signal's handler: it must not take a lock.
    """
    event = threading.Event()

    def ask(number: int, _: object) -> None:
        first()
        event.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    return event


def raise_first(roles: Sequence[Background]) -> None:
    """Raise what ended one of the roles, if anything did."""
    for role in roles:
        if role.error is not None:
            raise role.error

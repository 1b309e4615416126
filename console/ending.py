"""A process that is asked to end has ended soon after, whatever hangs in it. The ledger makes that safe."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
from collections.abc import Callable, Sequence

SECONDS = 9.0
"""From the signal to the end by force: those who started it wait ten seconds, as a rule."""


class Ending:
    """Ends the process by force if it has not ended by itself `seconds` after `begin`.

    `left()` names what still runs; `last` is done before the end and must not wait.
    """

    def __init__(
        self,
        left: Callable[[], Sequence[str]],
        last: Callable[[], object] | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._left = left
        self._last = last
        self._seconds = seconds
        self._begun = threading.Event()
        self._nowhere = open(os.devnull, "w")  # noqa: SIM115 - open as long as the process

    def arm(self) -> None:
        """For a library that never gives the interpreter back: the end comes without it, a moment after `begin`'s.

        Takes no lock, so that a signal's handler may call it; says nothing.
        """
        faulthandler.dump_traceback_later(self._seconds + 0.7, exit=True, file=self._nowhere)

    def after(self, signal: threading.Event) -> None:
        """Begin as soon as the event is set, whatever the other threads do then."""
        threading.Thread(target=self._follow, args=(signal,), name="ending", daemon=True).start()

    def begin(self) -> None:
        """The time runs from now. Safe to repeat."""
        if self._begun.is_set():
            return
        self._begun.set()
        self.arm()
        threading.Thread(target=self._force, name="ending-by-force", daemon=True).start()

    def _follow(self, signal: threading.Event) -> None:
        signal.wait()
        self.begin()

    def _force(self) -> None:
        threading.Event().wait(self._seconds)
        try:
            sys.stderr.write(f"innsyn: {forced(self._seconds, self._left())}\n")
            sys.stderr.flush()
            if self._last is not None:
                self._last()
        finally:
            os._exit(1)


def forced(seconds: float, left: Sequence[str]) -> str:
    """The sentence for an end by force."""
    names = ", ".join(left) or "a thread of a library"
    return (
        f"ended by force after {seconds:.0f} s, because this had not ended: {names}; nothing is lost by it, the next "
        "start goes on where the ledger says"
    )

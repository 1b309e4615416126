"""A process that is asked to end has ended soon after, whatever hangs in it. The ledger makes that safe."""

from __future__ import annotations

import faulthandler
import gc
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

SECONDS = 8.5
"""From the signal to the end by force: those who started it wait ten seconds, as a rule."""


# A library may hold the interpreter from before the signal, so that no line of ours runs any more: the signal itself is
# written to a pipe (by C), and another process ends this one. With us its end of the pipe closes, and it ends.
_WATCHDOG = """[ "$(dd bs=1 count=1 2>/dev/null | wc -c)" -eq 1 ] || exit 0
left=$2
while [ "$left" -gt 0 ]; do sleep 1; kill -s 0 "$1" 2>/dev/null || exit 0; left=$((left - 1)); done
kill -s KILL "$1"
"""


_over = threading.Event()


def over() -> None:
    """All of ours has ended: what is left is the interpreter's own end, which is not one by force and keeps its status.

    It is made short: the interpreter would search all that is held for garbage, a second or more of computing. Where
    a library hangs in its own end, the other process ends this one. For the entry point, as the last of all.
    """
    _over.set()
    faulthandler.cancel_dump_traceback_later()
    gc.freeze()


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
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._nowhere = open(os.devnull, "w")  # noqa: SIM115 - open as long as the process

    def arm(self) -> None:
        """For a library that never gives the interpreter back: the end comes without it, a moment after `begin`'s.

        Takes no lock, so that a signal's handler may call it; says nothing.
        """
        faulthandler.dump_traceback_later(self._seconds + 0.7, exit=True, file=self._nowhere)

    def after(self, asked: threading.Event) -> None:
        """Begin as soon as the event is set, whatever the other threads do then. Called on the main thread, once."""
        threading.Thread(target=self._follow, args=(asked,), name="ending", daemon=True).start()
        ours, other = os.pipe()
        with open(ours, "rb") as end:
            self._watchdog = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHDOG, "sh", str(os.getpid()), str(math.ceil(self._seconds + 1))],
                stdin=end, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        os.set_blocking(other, False)
        signal.set_wakeup_fd(other, warn_on_full_buffer=False)

    def begin(self) -> None:
        """The time runs from now. Safe to repeat."""
        if self._begun.is_set():
            return
        self._begun.set()
        self.arm()
        if _over.is_set():
            faulthandler.cancel_dump_traceback_later()
            return
        threading.Thread(target=self._force, name="ending-by-force", daemon=True).start()

    def _follow(self, asked: threading.Event) -> None:
        asked.wait()
        self.begin()

    def _force(self) -> None:
        if _over.wait(self._seconds):
            return
        try:
            left = self._left()
            if self._last is not None:
                self._last()
            # Last: nobody may be reading.
            sys.stderr.write(f"innsyn: {forced(self._seconds, left)}\n")
            sys.stderr.flush()
        finally:
            os._exit(1)


def forced(seconds: float, left: Sequence[str]) -> str:
    """The sentence for an end by force."""
    names = ", ".join(left) or "a thread of a library"
    return (
        f"ended by force after {seconds:.0f} s, because this had not ended: {names}; nothing is lost by it, the next "
        "start goes on where the ledger says"
    )

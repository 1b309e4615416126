"""How a tagger gets on: written by it once for each batch, read by whoever watches whether it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from streams.waits import Waits

# A batch takes a second or two; the longest waits inside a turn (offsets of a broker that is slow) 10 s.
STALLED_SECONDS = 60.0


class Progress(Waits):
    """Of one tagger, also over its restarts."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = monotonic
        self._turned: float | None = None
        self._begun: float | None = None

    def turn(self) -> None:
        """It looked for messages."""
        self._turned = self._now()

    def begin(self) -> None:
        """A batch is on its way into the index."""
        self._begun = self._now()

    def end(self) -> None:
        """It is in, or was given up."""
        self._begun = None

    def rest(self) -> None:
        """It does not run: that it does nothing is no problem of its own."""
        super().rest()
        self._turned = self._begun = None

    def problems(self) -> Sequence[str]:
        """What keeps it from getting on, one sentence each."""
        return stalled(self._now(), self._turned, self._begun, self.said())


def stalled(now: float, turned: float | None, begun: float | None, waiting: Sequence[str]) -> Sequence[str]:
    """The rule: a sentence while it waits for something, or when a turn or a batch takes too long. Seconds."""
    if waiting:
        return [f"the tagger waits, so answers lack what comes meanwhile: {said}" for said in waiting]
    if begun is not None and now - begun > STALLED_SECONDS:
        return [f"a batch is on its way into the index for {now - begun:.0f} s; what comes behind it waits"]
    if turned is not None and now - turned > STALLED_SECONDS:
        return [
            f"the tagger has taken nothing up for {now - turned:.0f} s; if this goes on, start innsyn again "
            "(nothing is lost by it)"
        ]
    return []

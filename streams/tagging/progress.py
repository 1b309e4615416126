"""How a tagger gets on: written by it once for each batch, read by whoever watches whether it does."""

from __future__ import annotations

from collections.abc import Sequence

from streams.waits import Waits

# A batch takes a second or two; the longest waits inside a turn (offsets of a broker that is slow) 10 s.
STALLED_SECONDS = 60.0


class Progress(Waits):
    """Of one tagger, also over its restarts."""

    def turn(self) -> None:
        """It looks for messages."""
        self.begin("turn", "the tagger has taken nothing up", STALLED_SECONDS)

    def store(self) -> None:
        """A batch is on its way into the index."""
        self.begin("store", "a batch has been on its way into the index", STALLED_SECONDS)

    def stored(self) -> None:
        """It is in, or was given up."""
        self.end("store")

    def problems(self) -> Sequence[str]:
        """What keeps it from getting on, one sentence each."""
        return [f"answers lack what comes meanwhile: {said}" for said in self.said()]

"""How long a tagger waits for schemas that the registry does not know yet: for all of them together."""

from __future__ import annotations

import time
from collections.abc import Callable

REGAINED = 0.05
"""Of the time that passes: 30 seconds of waiting are there again after ten minutes, and all that anybody can make the
tagger wait for schemas that never come is a twentieth of its time."""
_LEAST = 0.01
_MOST_ASKED, _MOST_ASKED_IN_HASTE = 50, 5
_KEPT = 1_000


class Patience:
    """Of one tagger. Not for several threads.

    A team that registers its schema some seconds after the first message is waited for, and takes nothing from those
    who come after it. Ids that nobody registers use it up: then nobody is waited for until it is regained, since all
    topics wait together.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`seconds`: the longest wait. `spent`: whether nobody is waited for, until half of it is regained."""
        self.spent = False
        self._most = self._left = seconds
        self._clock = clock
        self._at = clock()
        self._given_up: dict[bytes, None] = {}
        self._known: dict[bytes, None] = {}
        self._asked: dict[str, set[bytes]] = {}

    def begin(self) -> None:
        """Another batch: what was unknown is asked for again."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * REGAINED)
        # Not for every second that is regained: a wait so short helps nobody.
        self.spent = self.spent and self._left < self._most / 2
        self._at = now
        self._asked.clear()

    def asks(self, prefix: bytes, expected: str) -> bool:
        """Whether the registry is to be asked for this one: each question takes its time, and a batch may hold tens of
        thousands of ids that were made up. They take questions from others of the same record alone."""
        asked = self._asked.setdefault(expected, set())
        most = _MOST_ASKED_IN_HASTE if self.spent else _MOST_ASKED
        return prefix in self._known or prefix in asked or len(asked) < most

    def unknown(self, prefix: bytes, expected: str, seconds: float) -> bool:
        """The registry does not know it, and so long went by asking and waiting. Whether to go on waiting for it."""
        self._asked.setdefault(expected, set()).add(prefix)
        if prefix not in self._given_up:
            self._left = max(0.0, self._left - seconds)
            self.spent = self.spent or self._left < _LEAST
            if not self.spent:
                return True
            _keep(self._given_up, prefix)
        return False

    def learned(self, prefix: bytes, waited: float) -> None:
        """It is known now: what it was waited for is taken from nobody."""
        _keep(self._known, prefix)
        self._given_up.pop(prefix, None)
        self._left = min(self._most, self._left + waited)
        self.spent = self.spent and self._left < self._most / 2

    @property
    def pause(self) -> float:
        """Seconds until the one that is waited for is asked for again."""
        return max(_LEAST, min(1.0, self._most / 10, self._left))


def _keep(kept: dict[bytes, None], prefix: bytes) -> None:
    """The newest of them."""
    kept.pop(prefix, None)
    while len(kept) >= _KEPT:
        del kept[next(iter(kept))]
    kept[prefix] = None

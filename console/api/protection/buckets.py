"""How often something may be done: token buckets, one for each who does it. In memory that is bounded."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable


class Buckets:
    """Each key may take `burst` at once and `rate` a second in the long run. Safe from several threads.

    At most `most` keys are known: of more, the one that longest did nothing starts anew with a full bucket.
    """

    def __init__(
        self, rate: float, burst: float, most: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._most, self._clock = rate, burst, most, clock
        # How much is in it, and when that was.
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def wait(self, key: str, amount: float = 1.0) -> float:
        """Seconds until the key may take so much, 0 now, infinite if that is more than a full bucket. Takes nothing."""
        with self._lock:
            return self._wait(self._level(key), amount)

    def take(self, key: str, amount: float = 1.0) -> float:
        """As `wait`; takes it where it is 0."""
        with self._lock:
            level = self._level(key)
            seconds = self._wait(level, amount)
            self._known[key] = (level - amount if not seconds else level), self._clock()
            self._known.move_to_end(key)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
            return seconds

    def _level(self, key: str) -> float:
        level, then = self._known.get(key, (self._burst, self._clock()))
        return min(self._burst, level + max(0.0, self._clock() - then) * self._rate)

    def _wait(self, level: float, amount: float) -> float:
        if amount > self._burst:
            return math.inf
        return max(0.0, (amount - level) / self._rate)

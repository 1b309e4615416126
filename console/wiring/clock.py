"""The clock that everything is recorded by. It does not go back: what is recorded later is later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from sinks.ports.upkeep import Upkeep

# What the index keeps of a moment.
_STEP = timedelta(milliseconds=1)
# A clock that is set right after it was further off than this would stand for a day; its order is given up instead.
_LONGEST = timedelta(hours=24)
_NOTICED = timedelta(seconds=1)
_WAITS = "set it right; until it has caught up everything is recorded as of the later time"
_GIVEN_UP = (
    "too far to wait for: what is recorded now has earlier times than what was before, so of what was learnt meanwhile"
    " late findings may be missing"
)
_log = structlog.get_logger(__name__)


class Forward:
    """A clock over one that may jump back: it goes on by milliseconds until that one has caught up. Thread-safe."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._last = datetime.min.replace(tzinfo=UTC)
        self._behind = timedelta()
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        """The time, aware, not before any time before."""
        with self._lock:
            now = self._clock()
            behind = max(self._last - now, timedelta())
            if behind > _LONGEST:
                _log.error("clock.set_back", by=_rounded(behind), meaning=_GIVEN_UP)
                behind = timedelta()
            elif behind >= _NOTICED > self._behind:
                _log.warning("clock.behind", by=_rounded(behind), meaning=_WAITS)
            self._behind = behind
            self._last = self._last + _STEP if behind else now
            return self._last

    def after(self, moment: datetime) -> None:
        """What was recorded before this process is no later than what it records."""
        with self._lock:
            self._last = max(self._last, moment)

    def problems(self) -> Sequence[str]:
        """One sentence while the clock is behind what was recorded by it."""
        self()
        if self._behind < _NOTICED:
            return ()
        return (
            f"the clock of this machine is {_rounded(self._behind)} behind what was recorded by it: {_WAITS}",
        )


def _rounded(length: timedelta) -> str:
    return str(timedelta(seconds=round(length.total_seconds())))


CLOCK = Forward(lambda: datetime.now(UTC))


def now() -> datetime:
    """The time, in UTC."""
    return CLOCK()


def go_on_after(upkeep: Upkeep) -> None:
    """Let the clock go on where the index was written last. Raises IndexUnavailable."""
    CLOCK.after(upkeep.newest())

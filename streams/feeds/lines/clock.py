"""Whether a time that a server wrote can be right: by when the record arrived, and by now.

A clock that is off gives an address to somebody else. Reports come late, so one may lie before its arrival, within the
bound of its source; none comes before it happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Set
from dataclasses import dataclass

from schemas.entries import IdentitySource
from schemas.errors import DecodeError
from streams.feeds.lines.reader import Read, Reader
from streams.feeds.lines.reasons import CLOCK_OFF, FUTURE_TIME
from streams.feeds.lines.record import Numbered, Record

# A date without a zone may be any zone's.
ANY_ZONE_MS = 14 * 3_600_000


def wall_clock() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Clock:
    """Bounds in milliseconds, None: no bound. `now` gives milliseconds since 1970."""

    now: Callable[[], int]
    ahead: int | None
    behind: int | None

    @classmethod
    def of(cls, source: IdentitySource, now: Callable[[], int]) -> Clock:
        ahead, behind = (
            None if seconds is None else 1_000 * seconds
            for seconds in (source.clock_ahead_seconds, source.clock_behind_seconds)
        )
        return cls(now, ahead, behind)

    def event_time(
        self, stamp: int | None, arrival: int | None, delay: int, *, zoned: bool
    ) -> tuple[int, str | None]:
        """When something happened that is dated `stamp` and arrived at `arrival`, after it was under way for `delay`.

        The stamp, unless it is beyond the bounds: then arrival less delay, and CLOCK_OFF says so. Without arrival the
        stamp stands. `zoned`: the zone of the arrival is known. All in milliseconds. Raises DecodeError bad_time
        where there is neither.
        """
        if arrival is None:
            if stamp is None:
                raise DecodeError("bad_time")
            return stamp, None
        slow = self.behind is not None and delay > self.behind
        sent = arrival if slow else arrival - delay
        if stamp is None:
            return sent, CLOCK_OFF if slow else None
        spread = 0 if zoned else ANY_ZONE_MS
        early = self.ahead is not None and stamp - sent > self.ahead + spread
        late = self.behind is not None and sent - stamp > self.behind + spread
        return (sent, CLOCK_OFF) if early or late else (stamp, None)

    def in_future(self, at: int) -> bool:
        return self.ahead is not None and at > self.now() + self.ahead


class ClockedReader:
    """Another reader, of whose events none may lie in the future."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock

    def read(self, record: Record) -> Read:
        """Raises DecodeError future_time, and what the reader raises."""
        found = self._reader.read(record)
        if any(self._clock.in_future(event["occurred_at"]) for event in found.events):
            raise DecodeError(FUTURE_TIME)
        return found

    def recall(self, record: Record) -> None:
        self._reader.recall(record)

    def look(self, lines: Numbered) -> None:
        self._reader.look(lines)

    @property
    def remarks(self) -> Set[str]:
        return self._reader.remarks

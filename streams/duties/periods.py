"""Periods in which something is in force, and the moments that none of them covers. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from schemas.calendars import Calendar

Period = tuple[datetime, datetime]
"""From the first moment on, before the second."""
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


def period(first: date, last: date | None, calendar: Calendar) -> Period:
    """From the begin of the first day to the end of the last one, as the company's days are; None, and the year that
    registers write for it (9999): no end."""
    ends = last is not None and last < FOREVER.date()
    return _begin(first, calendar), _begin(last + timedelta(days=1), calendar) if last and ends else FOREVER


def gaps(periods: Iterable[Period], first: datetime, last: datetime) -> list[Period]:
    """What of the time from `first` to `last`, both included, none of the periods covers; in order."""
    found: list[Period] = []
    end, open_from = last + timedelta(milliseconds=1), first
    for since, until in sorted(periods):
        if since > open_from:
            found.append((open_from, min(since, end)))
        open_from = max(open_from, until)
        if open_from >= end:
            return [item for item in found if item[0] < item[1]]
    return [item for item in [*found, (open_from, end)] if item[0] < item[1]]


def _begin(day: date, calendar: Calendar) -> datetime:
    return datetime.combine(day, time(), calendar.zone)

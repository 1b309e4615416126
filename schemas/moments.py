"""Moments in ISO 8601, as people and other systems write them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

EARLIEST, LATEST = 631_152_000_000, 4_102_444_800_000
"""1990-01-01 to 2100-01-01 UTC in milliseconds: a time outside is an upstream fault, not an event of ours."""

# A leap second ends a UTC day: in minute 59, or in another in zones that are quarters of an hour off.
_LEAP = re.compile(r"(.*[T ]\d\d:?(?:14|29|44|59)):?60(.*)", re.ASCII)


def from_iso(text: str) -> datetime:
    """As `datetime.fromisoformat`, and a leap second (23:59:60) is the second after it, as clocks of computers count.

    Raises ValueError, OverflowError.
    """
    found = _LEAP.fullmatch(text)
    if found is None:
        return datetime.fromisoformat(text)
    colon = ":" if ":" in found[1] else ""
    return datetime.fromisoformat(f"{found[1]}{colon}59{found[2]}") + timedelta(seconds=1)


def leap_second(given: object) -> object:
    """The same for what a library parses afterwards: a text with a leap second is turned into a moment it knows."""
    if isinstance(given, str) and _LEAP.fullmatch(given):
        try:
            return from_iso(given)
        except (ValueError, OverflowError):
            return given
    return given


def in_zone(text: str, zone: str | None) -> datetime:
    """As `from_iso`; a text without an offset is a time of the zone, and none where there is no zone.

    Raises ValueError, OverflowError.
    """
    moment = from_iso(text)
    return moment.replace(tzinfo=ZoneInfo(zone or "")) if moment.tzinfo is None else moment


def since_1970(moment: datetime) -> int:
    """Whole milliseconds; exact, in integers."""
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds) // 1_000

"""The spellings of times in network logs, as milliseconds since 1970. All raise DecodeError bad_time, and unknown_zone
for a zone by a name that means several or none.

A time without zone is refused: an hour off gives an address to somebody else. So is one before 2000, which a clock
that was never set shows.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from schemas.days import is_open_moment
from schemas.errors import DecodeError
from schemas.moments import from_iso

_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}
# Only names that have meant one offset everywhere since 2015 (IANA time zone database): CST, IST or BST are several
# zones, and MSK has moved.
_ZONES = {
    "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "MET": 1, "MEST": 2, "MEZ": 1, "MESZ": 2,
    "EET": 2, "EEST": 3, "EST": -5, "EDT": -4, "AKST": -9, "AKDT": -8, "HST": -10, "SAST": 2, "JST": 9, "HKT": 8,
    "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13,
}  # fmt: skip
ZONE_NAMES = "|".join(_ZONES)
_OFFSET = re.compile(r"([+-])(\d\d):?([0-5]\d)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z][A-Za-z_/+-]*", re.ASCII)
_CLOCK = r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.\d{1,9})?"
_SPELLED = re.compile(
    rf"(?:[A-Z][a-z]{{2}},? )?([A-Z][a-z]{{2}}) +(\d{{1,2}}),? +(\d{{4}}) +{_CLOCK} *(\S+)", re.ASCII
)
_CTIME = re.compile(rf"[A-Z][a-z]{{2}} ([A-Z][a-z]{{2}}) +(\d{{1,2}}) {_CLOCK} (\d{{4}})", re.ASCII)
_ISO = re.compile(rf"(\d{{4}})-(\d\d)-(\d\d)[T ]{_CLOCK} ?(\S+)", re.ASCII)
_LOCAL = re.compile(rf"([A-Z][a-z]{{2}}) +(\d{{1,2}})(?: (\d{{4}}))? {_CLOCK}(?: (\d{{4}}))?", re.ASCII)
_DOTTED = re.compile(r"\d\d\.\d\d\.\d{4}", re.ASCII)
_EPOCH = re.compile(r"\d{1,11}", re.ASCII)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EARLIEST = 946_684_800
_LATEST = 4_102_444_800


def ctime_like(line: str) -> bool:
    return _CTIME.fullmatch(line) is not None


@lru_cache(maxsize=20_000)
def ctime(text: str) -> int:
    """`Sun May 17 10:00:00 2015`, which is UTC here: the form has no zone."""
    found = _CTIME.fullmatch(text)
    if found is None:
        raise DecodeError("bad_time")
    month, day, hour, minute, second, year = found.groups()
    return _checked(_day(int(year), MONTHS.get(month, 0), int(day)) + _seconds(hour, minute, second))


@lru_cache(maxsize=20_000)
def timestamp(text: str) -> int:
    """`May 17 2015 10:00:00 UTC`, ISO 8601 with zone (a space for the T too), or seconds since 1970."""
    if _EPOCH.fullmatch(text):
        return _checked(int(text))
    if found := _SPELLED.fullmatch(text):
        month, day, year, hour, minute, second, zone = found.groups()
        start = _day(int(year), MONTHS.get(month, 0), int(day))
    elif found := _ISO.fullmatch(text):
        year, month, day, hour, minute, second, zone = found.groups()
        start = _day(int(year), int(month), int(day))
    else:
        raise DecodeError("bad_time")
    return _checked(start + _seconds(hour, minute, second) - _offset(zone))


def named_zone(name: str) -> tzinfo:
    """A zone as logs write it behind a time: CET, +01:00. Raises DecodeError unknown_zone, bad_time."""
    return timezone(timedelta(seconds=_offset(name)))


def local(text: str, zone: tzinfo, *, after: int | None = None) -> int:
    """`Mar  2 10:00:00 2026`, `Mar  2 2026 10:00:00` or `Mar  2 10:00:00` (RFC 3164) by a clock of that zone. Without a
    year it is the first such moment that is not before `after` (milliseconds), give or take the day that a zone makes.

    Raises DecodeError bad_time; no_year if nothing tells it; clock_change for an hour that comes twice or not at all.
    """
    found = _LOCAL.fullmatch(text)
    if found is None:
        raise DecodeError("bad_time")
    month, day, before, hour, minute, second, behind = found.groups()
    year = before or behind
    if year is None and after is None:
        raise DecodeError("no_year")
    clock = _seconds(hour, minute, second)
    if year is not None or after is None:
        return _in_zone(_day(int(year), MONTHS.get(month, 0), int(day)) + clock, zone)
    earliest = after // 1000 - 86_400
    first = datetime.fromtimestamp(earliest, UTC).year
    # A leap day comes again after eight years at the most.
    for number in range(first, first + 9):
        with suppress(DecodeError):
            moment = _in_zone(_day(number, MONTHS.get(month, 0), int(day)) + clock, zone)
            if moment // 1000 >= earliest:
                return moment
    raise DecodeError("bad_time")


def formatted(text: str, form: str, zone: tzinfo) -> int:
    """In a format of strptime, in that zone if it names none."""
    try:
        moment = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is looked at below
    except ValueError:
        moment = _leap_second(text, form)
    counted = int(moment.replace(tzinfo=UTC).timestamp())
    if moment.tzinfo is None:
        return _in_zone(counted, zone)
    return _checked(int(moment.timestamp()))


def _leap_second(text: str, form: str) -> datetime:
    """A time that is written with second 60: the one after it."""
    before = re.sub(r"(?<=(?:14|29|44|59):)60", "59", text)
    try:
        if before == text:
            raise ValueError(text)
        return datetime.strptime(before, form) + timedelta(seconds=1)  # noqa: DTZ007 - the caller looks at the zone
    except ValueError:
        raise DecodeError("bad_time") from None


def _in_zone(seconds: int, zone: tzinfo) -> int:
    """Milliseconds, of seconds as a clock of that zone counts them."""
    if zone is not UTC:
        moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=zone)
        offset, other = moment.utcoffset(), moment.replace(fold=1).utcoffset()
        if offset is None or offset != other:
            raise DecodeError("clock_change")
        seconds -= int(offset.total_seconds())
    return _checked(seconds)


def day_or_time(text: str) -> int:
    """A calendar day, meaning its midnight in UTC, or ISO 8601 with zone. Any year."""
    try:
        # The short forms of ISO 8601 that Python also takes are easily something else, such as 20150517.
        if len(text) == 10 and text[4] == text[7] == "-":
            moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
        else:
            moment = from_iso(text)
        if moment.tzinfo is None or len(text) < 10:
            raise DecodeError("bad_time")
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise DecodeError("bad_time") from None


def end(text: str) -> int | None:
    """As `day_or_time`, of the end of a period; None for what stands for "no end": nothing, 9999-12-31, 31.12.9999."""
    if not text:
        return None
    with suppress(ValueError):
        dotted = "-".join(reversed(text.split("."))) if _DOTTED.fullmatch(text) else text
        if is_open_moment(datetime.fromisoformat(dotted)):
            return None
    return day_or_time(text)


def _day(year: int, month: int, day: int) -> int:
    try:
        return (date(year, month, day).toordinal() - _EPOCH_DAY) * 86_400
    except ValueError:
        raise DecodeError("bad_time") from None


def _seconds(hour: str, minute: str, second: str) -> int:
    return int(hour) * 3600 + int(minute) * 60 + int(second)


def _offset(zone: str) -> int:
    if (hours := _ZONES.get(zone)) is not None:
        return hours * 3600
    found = _OFFSET.fullmatch(zone)
    if found is None:
        raise DecodeError("unknown_zone" if _NAME.fullmatch(zone) else "bad_time")
    sign, hour, minute = found.groups("0")
    return (-1 if sign == "-" else 1) * (int(hour) * 3600 + int(minute) * 60)


def _checked(seconds: int) -> int:
    if not _EARLIEST <= seconds < _LATEST:
        raise DecodeError("bad_time")
    return seconds * 1000

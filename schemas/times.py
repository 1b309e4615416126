"""How answers and the case file write moments and days. Pure."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from schemas.days import FIRST_DAY, LAST_DAY, OPEN
from schemas.errors import InputError
from schemas.policy import RetentionAnchors


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with Z, to the millisecond where there are any."""
    moment = moment.astimezone(UTC)
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def iso_or_none(moment: datetime | None) -> str | None:
    """As `iso`; None stays None."""
    return None if moment is None else iso(moment)


def read(text: str | None) -> datetime | None:
    """The moment that `iso_or_none` wrote."""
    return None if text is None else datetime.fromisoformat(text)


def whole_milliseconds(moment: datetime) -> datetime:
    """The moment as the index keeps it: in UTC, without what is smaller than a millisecond."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def days_make_sense(anchors: RetentionAnchors, received_at: datetime, now: datetime) -> None:
    """Raises InputError for a day that cannot be meant, and for a request that came in tomorrow or later."""
    for name, day in asdict(anchors).items():
        if day not in (None, OPEN) and not FIRST_DAY <= day <= LAST_DAY:
            raise InputError(f"{name}: is no day that can be meant; give one from {FIRST_DAY} to {LAST_DAY}")
    if received_at.utcoffset() is None:
        raise InputError("the time of receipt has no zone: pass an aware time, such as UTC")
    if received_can_be_no_day(received_at, now):
        raise InputError(
            "received_at: has not come yet, or is no day that can be meant; give when it came in"
        )


def received_can_be_no_day(received_at: datetime, now: datetime) -> bool:
    """Whether nothing can have come in then: before anybody means, or tomorrow or later."""
    return received_at.date() < FIRST_DAY or received_at > now + timedelta(days=1)

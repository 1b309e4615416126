"""How answers and the case file write moments and days. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime

from schemas.policy import NORWAY


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


def local_day(moment: datetime) -> date:
    """The Norwegian calendar day."""
    return moment.astimezone(NORWAY).date()

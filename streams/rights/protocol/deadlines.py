"""When a request has to be answered: calendar months, weekends and public holidays of the company's country. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from dateutil.relativedelta import relativedelta

from schemas.calendars import NORWEGIAN, Calendar
from schemas.errors import InputError

MONTHS = 1
"""In which a request is answered (GDPR Art. 12(3))."""
MOST_MONTHS_MORE = 2
"""By which that may be extended (GDPR Art. 12(3))."""


@dataclass(frozen=True)
class Pause:
    """The person was asked who they are at `since`, and answered at `until`; None: not yet."""

    since: datetime
    until: datetime | None = None


def due_at(
    received_at: datetime,
    calendar: Calendar = NORWEGIAN,
    *,
    more: int = 0,
    pauses: Iterable[Pause] = (),
    now: datetime | None = None,
) -> date:
    """The last day to answer a request: one month from receipt, and `more` months (GDPR Art. 12(3)), counted as
    Regulation (EEC, Euratom) No 1182/71 art. 3 counts: the same date a month later, or the last day of a shorter month;
    a Saturday, Sunday or public holiday moves it to the next working day.

    Days on which the clock stood are added first (EDPB Guidelines 01/2022, 5.3). One `pause` that lasts counts until
    `now`. The day of receipt is that of the calendar. Raises InputError for a time without zone.
    """
    if received_at.utcoffset() is None:
        raise InputError("the time of receipt has no zone: pass an aware time, such as UTC")
    last = calendar.day(received_at) + relativedelta(months=MONTHS + more)
    return calendar.working_day(last + sum((_stood(item, calendar, now) for item in pauses), timedelta()))


def half_time(received_at: datetime, due: date, calendar: Calendar = NORWEGIAN) -> date:
    """The first day on which half of the time or more is gone."""
    begun = calendar.day(received_at)
    return begun + timedelta(days=-(-(due - begun).days // 2))


def asked_at_once(received_at: datetime, asked_at: datetime, days: int, calendar: Calendar) -> bool:
    """Whether somebody was asked who they are so soon after the receipt that the clock may stand meanwhile."""
    return calendar.day(asked_at) <= calendar.day(received_at) + timedelta(days=days)


def _stood(pause: Pause, calendar: Calendar, now: datetime | None) -> timedelta:
    until = pause.until or now
    if until is None:
        return timedelta()
    return max(calendar.day(until) - calendar.day(pause.since), timedelta())

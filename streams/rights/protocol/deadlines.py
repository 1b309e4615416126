"""When a request has to be answered: calendar months, weekends and Norwegian public holidays. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from dateutil.easter import easter
from dateutil.relativedelta import relativedelta

from schemas.errors import InputError
from schemas.policy import NORWAY

# Days after Easter Sunday: Maundy Thursday, Good Friday, Easter Sunday and Monday, Ascension, Whit Sunday and Monday.
_MOVABLE = (-3, -2, 0, 1, 39, 49, 50)
_FIXED = ((1, 1), (5, 1), (5, 17), (12, 25), (12, 26))
_SATURDAY = 5


def due_at(received_at: datetime) -> date:
    """The last day to answer a request: one month from receipt (GDPR Art. 12(3)), counted as Regulation (EEC,
    Euratom) No 1182/71 art. 3 counts: the same date a month later, or the last day of a shorter month; a Saturday,
    Sunday or public holiday moves it to the next working day.

    The day of receipt is the Norwegian one. Raises InputError for a time without zone.
    """
    if received_at.utcoffset() is None:
        raise InputError("the time of receipt has no zone: pass an aware time, such as UTC")
    day = received_at.astimezone(NORWAY).date() + relativedelta(months=1)
    while day.weekday() >= _SATURDAY or is_public_holiday(day):
        day += timedelta(days=1)
    return day


def is_public_holiday(day: date) -> bool:
    """Norwegian public holidays (lov om helligdager og helligdagsfred § 2; lov om 1 og 17 mai som høgtidsdagar § 1)."""
    movable = {easter(day.year) + timedelta(days=offset) for offset in _MOVABLE}
    return (day.month, day.day) in _FIXED or day in movable

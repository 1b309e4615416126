"""When a request has to be answered: calendar months, weekends and public holidays of the company's country. Pure."""

from __future__ import annotations

from datetime import date, datetime

from dateutil.relativedelta import relativedelta

from schemas.calendars import NORWEGIAN, Calendar
from schemas.errors import InputError


def due_at(received_at: datetime, calendar: Calendar = NORWEGIAN) -> date:
    """The last day to answer a request: one month from receipt (GDPR Art. 12(3)), counted as Regulation (EEC,
    Euratom) No 1182/71 art. 3 counts: the same date a month later, or the last day of a shorter month; a Saturday,
    Sunday or public holiday moves it to the next working day.

    The day of receipt is that of the calendar. Raises InputError for a time without zone.
    """
    if received_at.utcoffset() is None:
        raise InputError("the time of receipt has no zone: pass an aware time, such as UTC")
    return calendar.working_day(calendar.day(received_at) + relativedelta(months=1))

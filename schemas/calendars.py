"""Where the days of a company begin, and which of them are public holidays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from dateutil.easter import easter

from schemas.errors import InputError

# Days after Easter Sunday: Maundy Thursday, Good Friday, Easter Sunday and Monday, Ascension, Whit Sunday and Monday.
_MOVABLE = (-3, -2, 0, 1, 39, 49, 50)
_FIXED = ((1, 1), (5, 1), (5, 17), (12, 25), (12, 26))
_SATURDAY = 5


@dataclass(frozen=True)
class Calendar:
    """`country`: ISO 3166 letters."""

    zone: ZoneInfo
    country: str

    def day(self, moment: datetime) -> date:
        """The calendar day of a moment there. Raises InputError for a time without zone."""
        if moment.utcoffset() is None:
            raise InputError("an event time has no zone: pass an aware time, such as UTC")
        return moment.astimezone(self.zone).date()

    def is_public_holiday(self, day: date) -> bool:
        """There are none in a country that nobody keeps a list of: deadlines there end too early, never too late."""
        if self.country == "NO":
            return _is_norwegian_holiday(day)
        return day in _holidays(self.country, day.year)

    def working_day(self, day: date) -> date:
        """The day itself, or the next one that is no Saturday, Sunday or public holiday."""
        while day.weekday() >= _SATURDAY or self.is_public_holiday(day):
            day += timedelta(days=1)
        return day


NORWEGIAN = Calendar(ZoneInfo("Europe/Oslo"), "NO")


def _is_norwegian_holiday(day: date) -> bool:
    """Lov om helligdager og helligdagsfred § 2; lov om 1 og 17 mai som høgtidsdagar § 1."""
    movable = {easter(day.year) + timedelta(days=offset) for offset in _MOVABLE}
    return (day.month, day.day) in _FIXED or day in movable


@lru_cache(maxsize=64)
def _holidays(country: str, year: int) -> frozenset[date]:
    # Not at the top: it takes a second, which a Norwegian company need not wait for.
    from holidays import country_holidays

    try:
        return frozenset(country_holidays(country, years=year))
    except NotImplementedError:
        return frozenset()

"""The days of a company: they begin in its time zone, and its country says which are holidays."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import copytree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendars import NORWEGIAN, Calendar
from schemas.company import Company, load_company
from schemas.errors import CatalogueError, InputError
from schemas.identifiers import canonical
from schemas.layers import COMPANIES
from schemas.policy import RetentionAnchors, delete_after
from streams.rights.protocol.deadlines import due_at

FINNISH = Calendar(ZoneInfo("Europe/Helsinki"), "FI")
LATE = datetime(2026, 12, 31, 22, 30, tzinfo=UTC)


def company_in(folder: Path, country: str, zone: str) -> Company:
    made = copytree(COMPANIES / "minimal", folder / "shop")
    profile = made / "company.yaml"
    text = profile.read_text("utf-8").replace('"NO"', f'"{country}"').replace("Europe/Oslo", zone)
    profile.write_text(text, "utf-8")
    return load_company(made)


def test_a_company_counts_days_where_it_is(tmp_path: Path) -> None:
    """At half past eleven in Oslo on New Year's Eve a Finnish company has another financial year."""
    company = company_in(tmp_path, "FI", "Europe/Helsinki")
    assert company.catalogue.calendar == FINNISH
    assert (NORWEGIAN.day(LATE), FINNISH.day(LATE)) == (date(2026, 12, 31), date(2027, 1, 1))
    rule = company.catalogue.retention_rules["T50"].model_copy(update={"clock": "financial_year_end"})
    ends = [
        delete_after(rule, LATE, RetentionAnchors(), calendar)
        for calendar in (NORWEGIAN, company.catalogue.calendar)
    ]
    assert ends[1] is not None
    assert ends[0] == ends[1].replace(year=ends[1].year - 1)


def test_a_deadline_moves_over_the_holidays_of_the_country() -> None:
    """Independence Day of Finland on a Monday is a working day in Norway; 17 May the other way round."""
    assert due_at(datetime(2027, 11, 6, 12, tzinfo=UTC), FINNISH) == date(2027, 12, 7)
    assert due_at(datetime(2027, 11, 6, 12, tzinfo=UTC), NORWEGIAN) == date(2027, 12, 6)
    assert due_at(datetime(2028, 4, 17, 12, tzinfo=UTC), NORWEGIAN) == date(2028, 5, 18)
    assert due_at(datetime(2028, 4, 17, 12, tzinfo=UTC), FINNISH) == date(2028, 5, 17)


def test_of_a_country_without_a_list_only_weekends_are_free() -> None:
    """Too early is never too late."""
    nowhere = Calendar(ZoneInfo("UTC"), "AC")
    assert not nowhere.is_public_holiday(date(2026, 12, 25))
    assert due_at(datetime(2026, 11, 25, 12, tzinfo=UTC), nowhere) == date(2026, 12, 25)


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.sampled_from([NORWEGIAN, FINNISH]))
def test_a_working_day_is_the_next_one(day: date, calendar: Calendar) -> None:
    """Itself where it is one; and none between."""
    found = calendar.working_day(day)
    assert found.weekday() < 5
    assert not calendar.is_public_holiday(found)
    free = [day + timedelta(days=number) for number in range((found - day).days)]
    assert all(item.weekday() >= 5 or calendar.is_public_holiday(item) for item in free)


def test_a_time_without_zone_has_no_day() -> None:
    """It could be a day off."""
    with pytest.raises(InputError, match="no zone"):
        FINNISH.day(LATE.replace(tzinfo=None))


def test_phone_numbers_are_dialled_where_the_company_is(tmp_path: Path) -> None:
    """Digits alone by the plan of its country; with a country code they are the same number everywhere."""
    phone = company_in(tmp_path, "SE", "Europe/Stockholm").kinds["phone"]
    for text in ("070-174 06 05", "+46 70 174 06 05", "0046 701740605", "+46 (0)70 174 06 05"):
        assert canonical(phone, text) == "+46701740605"
    assert canonical(phone, "+47 400 00 909") == "+4740000909"
    assert canonical(phone, "46701740605", "e164") == "+46701740605"


def test_a_country_that_is_none_is_refused(tmp_path: Path) -> None:
    """With file, key and mend, as all of a company."""
    with pytest.raises(CatalogueError, match=r"company\.yaml: country: unknown country; write its ISO 3166"):
        company_in(tmp_path, "XX", "UTC")

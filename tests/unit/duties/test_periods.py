"""Which moments no period covers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.calendars import NORWEGIAN
from streams.duties.periods import FOREVER, gaps, period

ZERO = datetime(2026, 1, 1, tzinfo=UTC)


def at(hours: int) -> datetime:
    return ZERO + timedelta(hours=hours)


def test_a_period_is_of_whole_days_of_the_company() -> None:
    """Also in the night in which the clocks change; without a last day it has no end."""
    assert period(date(2026, 3, 29), date(2026, 3, 29), NORWEGIAN) == (
        datetime(2026, 3, 28, 23, tzinfo=UTC),
        datetime(2026, 3, 29, 22, tzinfo=UTC),
    )
    for last in (None, date(9999, 12, 31), date(9999, 1, 1)):
        assert period(date(2026, 1, 1), last, NORWEGIAN)[1] == FOREVER


def test_one_moment_may_be_uncovered() -> None:
    """The end of a period is not in it, its begin is."""
    assert gaps([(at(0), at(5))], at(5), at(5)) == [(at(5), at(5) + timedelta(milliseconds=1))]
    assert gaps([(at(5), at(9))], at(5), at(5)) == []


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=6),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_gaps_are_the_moments_of_no_period(ends: list[tuple[int, int]], one: int, other: int) -> None:
    first, last = min(one, other), max(one, other)
    periods = [(at(min(pair)), at(max(pair))) for pair in ends]
    found = gaps(periods, at(first), at(last))
    for hour in range(22):
        covered = any(since <= at(hour) < until for since, until in periods)
        within = first <= hour <= last
        assert any(since <= at(hour) < until for since, until in found) is (within and not covered)

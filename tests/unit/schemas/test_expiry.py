"""From when back events have run out, held against the days that rules give each event."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendars import NORWEGIAN
from schemas.catalogue import load_catalogue
from schemas.days import FIRST_DAY, OPEN
from schemas.entries import RetentionRule
from schemas.expiry import clocks_of_people, decided, end_of, kept_from, last_day, started_before
from schemas.policy import MOMENTS, ClockPeriod, ClocksOfEvents, RetentionAnchors

RULES = load_catalogue().retention_rules
NOBODY: frozenset[str] = frozenset()
DAY = timedelta(days=1)
some_days = st.dates(date(1999, 1, 1), date(2060, 12, 31))


def rules(*ids: str) -> list[RetentionRule]:
    return [RULES[name] for name in ids]


@pytest.mark.parametrize(
    ("ids", "on", "first"),
    [
        # 90 days: the event of 1 March may be kept on 30 May.
        (["T30"], date(2026, 5, 30), date(2026, 3, 1)),
        (["T30"], date(2026, 5, 31), date(2026, 3, 2)),
        # Five years after the financial year.
        (["T01"], date(2026, 12, 31), date(2021, 1, 1)),
        (["T01"], date(2027, 1, 1), date(2022, 1, 1)),
        # The longest of several counts.
        (["T18", "T01"], date(2027, 1, 1), date(2022, 1, 1)),
        # Calendar months: 31 January and one month end on 28 February, as 28 January does.
        (["T23"], date(2026, 2, 28), date(2026, 1, 28)),
        (["T23"], date(2026, 3, 1), date(2026, 2, 1)),
        # A session that nobody ends has ended with its event.
        (["T09"], date(2026, 6, 22), date(2026, 6, 1)),
        # What forces deletion from the withdrawal on is not waited for.
        (["T29", "T30"], date(2026, 5, 30), date(2026, 3, 1)),
    ],
)
def test_what_is_before_that_day_has_run_out(ids: list[str], on: date, first: date) -> None:
    assert clocks_of_people(rules(*ids), NOBODY) == ()
    assert kept_from(rules(*ids), on, NORWEGIAN) == first


@pytest.mark.parametrize(
    ("ids", "told", "clocks"),
    [
        (["T20"], [], ("contract_end",)),
        (["T20", "T18"], [], ("contract_end",)),
        (["T05"], [], ()),
        (["T05"], ["invoice_settled"], ("invoice_settled",)),
        (["T05", "T04"], ["invoice_settled"], ("invoice_settled",)),
        (["T04"], [], ("need_end",)),
        (["T13", "T29"], [], ("withdrawal",)),
        (["T27"], ["invoice_settled"], ()),
        (["T03", "T16"], [], ()),
        (["T10", "T30"], [], ()),
    ],
)
def test_clocks_of_people_are_waited_for(ids: list[str], told: list[str], clocks: tuple[str, ...]) -> None:
    """Those of a state always, those of a moment once any event tells it; rules that are off decide nothing."""
    assert clocks_of_people(rules(*ids), told) == clocks


def test_rules_that_say_nothing_decide_nothing() -> None:
    """Neither one that is off, nor the order of a freeze that nobody gave."""
    assert not decided([])
    assert not decided(rules("T03", "T07", "T16", "T10"))
    assert decided(rules("T03", "T30"))


@given(st.lists(st.sampled_from(sorted(RULES)), min_size=1, max_size=4, unique=True), some_days, st.data())
def test_each_event_is_on_the_right_side_of_the_day(ids: list[str], on: date, data: st.DataObject) -> None:
    """For any rules that run for everybody: an event is before it just where its last day is past."""
    chosen = rules(*ids)
    if not decided(chosen) or clocks_of_people(chosen, NOBODY):
        return
    first = kept_from(chosen, on, NORWEGIAN)
    near = st.integers(-400, 400).map(lambda number: first + number * DAY)
    for day in [first - DAY, first, data.draw(near), data.draw(st.dates(FIRST_DAY, on))]:
        if FIRST_DAY <= day <= on:
            _, until = last_day(chosen, day, NORWEGIAN)
            assert (day < first) == (until is not None and until < on), (day, until)


ENDED = date(2026, 1, 31)
SETTLED = ClockPeriod("invoice_settled", date(2026, 1, 1), date(2026, 2, 10))
UNPAID = ClockPeriod("invoice_settled", date(2026, 2, 1), OPEN)


@pytest.mark.parametrize(
    ("ids", "anchors", "on", "first"),
    [
        # Three months after the contract: all of its time on the day after, and nothing before.
        (["T20"], RetentionAnchors(contract_end=ENDED), date(2026, 4, 30), FIRST_DAY),
        (["T20"], RetentionAnchors(contract_end=ENDED), date(2026, 5, 1), date(2026, 2, 1)),
        # What comes after the end has three months of its own.
        (["T20"], RetentionAnchors(contract_end=ENDED), date(2026, 6, 11), date(2026, 3, 11)),
        (["T20"], RetentionAnchors(contract_end=OPEN), date(2030, 1, 1), FIRST_DAY),
        (["T20"], RetentionAnchors(), date(2030, 1, 1), FIRST_DAY),
        # A claim runs longer than the contract.
        (["T20", "T18"], RetentionAnchors(contract_end=ENDED), date(2027, 1, 1), date(2024, 1, 1)),
        # Of what an invoice bills, five months after its settlement; what nobody paid stays, and so does what is later.
        (["T05"], ClocksOfEvents(periods=(SETTLED,)), date(2026, 7, 10), date(2026, 1, 1)),
        (["T05"], ClocksOfEvents(periods=(SETTLED,)), date(2026, 7, 11), date(2026, 2, 11)),
        (["T05"], ClocksOfEvents(periods=(SETTLED, UNPAID)), date(2029, 1, 1), date(2026, 2, 1)),
        # Consent that was withdrawn is proved for three years.
        (["T26"], RetentionAnchors(withdrawal=ENDED), date(2029, 2, 1), date(2026, 2, 1)),
    ],
)
def test_of_a_person_it_counts_from_the_days_of_their_clocks(
    ids: list[str], anchors: RetentionAnchors, on: date, first: date
) -> None:
    assert kept_from(rules(*ids), on, NORWEGIAN, anchors) == first


@st.composite
def clocks(draw: st.DrawFn) -> RetentionAnchors:
    """What events may say: states that started or run, and things that moments ended or that go on."""
    starts = st.none() | st.just(OPEN) | some_days
    states = {name: draw(starts) for name in ("contract_end", "need_end", "withdrawal")}
    things = st.builds(ClockPeriod, st.sampled_from(sorted(MOMENTS)), some_days, st.just(OPEN) | some_days)
    periods = tuple(item for item in draw(st.lists(things, max_size=6)) if item.since <= item.until)
    return ClocksOfEvents(**states, periods=periods)


@given(
    st.lists(st.sampled_from(sorted(RULES)), min_size=1, max_size=4, unique=True),
    some_days,
    clocks(),
    st.data(),
)
def test_each_event_of_a_person_is_on_the_right_side_of_the_day(
    ids: list[str], on: date, anchors: RetentionAnchors, data: st.DataObject
) -> None:
    """For any rules and clocks: before it just where the last day is past, and by no rule before that rule's own."""
    chosen = rules(*ids)
    if not decided(chosen):
        return
    first = kept_from(chosen, on, NORWEGIAN, anchors)
    near = st.integers(-400, 400).map(lambda number: first + number * DAY)
    for day in [first - DAY, first, data.draw(near), data.draw(st.dates(FIRST_DAY, on))]:
        if FIRST_DAY <= day <= on:
            rule, until = last_day(chosen, day, NORWEGIAN, anchors)
            assert (day < first) == (until is not None and until < on), (day, until)
            assert until == end_of(rule, day, NORWEGIAN, anchors)
            assert until is None or until >= day


def halved(chosen: list[RetentionRule], on: date, anchors: RetentionAnchors) -> date:
    """The same day by halving the time, without a guess."""
    low, high = FIRST_DAY, on
    while low < high:
        middle = low + (high - low) // 2
        _, until = last_day(chosen, middle, NORWEGIAN, anchors)
        low, high = (middle + DAY, high) if until is not None and until < on else (low, middle)
    return low


@given(
    st.lists(st.sampled_from(sorted(RULES)), min_size=1, max_size=5, unique=True),
    st.one_of(some_days, st.dates(FIRST_DAY, date(1901, 1, 1))),
    clocks(),
)
def test_the_day_is_that_which_halving_the_time_finds(
    ids: list[str], on: date, anchors: RetentionAnchors
) -> None:
    chosen = rules(*ids)
    if decided(chosen):
        assert kept_from(chosen, on, NORWEGIAN, anchors) == halved(chosen, on, anchors)


def test_whose_clock_started_too_late_is_not_looked_at() -> None:
    """By the shortest of the rules of a clock; a withdrawal also counts from the end of the contract."""
    day = date(2026, 11, 22)
    assert started_before(rules("T20", "T25"), day) == {"contract_end": date(2026, 8, 26)}
    assert started_before(rules("T20", "T12"), day) == {"contract_end": day}
    assert started_before(rules("T26"), day) == dict.fromkeys(
        ("withdrawal", "contract_end"), date(2023, 11, 26)
    )
    assert started_before(rules("T30", "T16", "T10", "T17", "T27"), day) == {}

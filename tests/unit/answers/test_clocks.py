"""When clocks start, as events tell it: of one thing or of several, corrected by what is typed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendars import NORWEGIAN
from schemas.catalogue import load_catalogue
from schemas.days import OPEN
from schemas.policy import ClockPeriod, ClocksOfEvents, RetentionAnchors, delete_after, governing
from sinks.memory.index import MemoryIndex
from sinks.ports.lineage import Span
from streams.answers.clocks import ClockEvent, Clocks, anchors_of_shown, known_anchors
from tests.support.index import NOW, Row, Said, batch, clock_table, moment, tags, token

NOBODY = RetentionAnchors()
RULES = load_catalogue().retention_rules
some_events = st.lists(
    st.tuples(st.integers(0, 9), st.none() | st.integers(0, 9), st.sampled_from("abc")), max_size=9
)


def day(number: int) -> datetime:
    return datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=number)


def said(
    at: int,
    started: int | None,
    thing: str = "a",
    clock: str = "contract_end",
    offset: int | None = None,
    partition: int = 0,
) -> ClockEvent:
    return ClockEvent(
        clock=clock,
        thing=thing.encode(),
        event_time=day(at),
        since=day(at),
        started=None if started is None else day(started),
        topic="orders",
        partition=partition,
        offset=at if offset is None else offset,
        part=0,
    )


def ended(*events: ClockEvent, typed: RetentionAnchors = NOBODY) -> date | None:
    return known_anchors(events, NORWEGIAN, typed).anchors.contract_end


def test_nothing_is_said() -> None:
    """Then nothing is known, and nothing shown."""
    known = known_anchors((), NORWEGIAN, NOBODY)
    assert known.anchors == ClocksOfEvents()
    assert known.shown() == []


def test_a_clock_runs_once_all_things_have_ended() -> None:
    """From the day on which the last one ended; a return stops it again."""
    first, second = said(1, 1), said(2, None, "b")
    assert ended(first) == date(2026, 1, 2)
    assert ended(first, second) == OPEN
    assert ended(first, second, said(5, 5, "b")) == date(2026, 1, 6)
    assert ended(first, said(9, None)) == OPEN
    assert ended(first, said(9, None), said(12, 12)) == date(2026, 1, 13)


def test_of_one_moment_the_last_in_its_partition_decides() -> None:
    """In different partitions nobody knows which came last, and what goes on is not taken for ended."""
    assert ended(said(1, None, offset=4), said(1, 1, offset=5)) == date(2026, 1, 2)
    assert ended(said(1, None, offset=5), said(1, 1, offset=4)) == OPEN
    assert ended(said(1, None, offset=4, partition=1), said(1, 1, offset=5)) == OPEN


@given(some_events, st.permutations(range(18)))
def test_the_order_in_which_events_are_read_is_of_no_matter(
    events: list[tuple[int, int | None, str]], order: list[int]
) -> None:
    """And an event that is read twice, under two identifiers, counts once."""
    made = [said(at, start, thing, offset=place) for place, (at, start, thing) in enumerate(events)]
    twice = [*made, *made]
    shuffled = [twice[place] for place in order if place < len(twice)]
    assert known_anchors(shuffled, NORWEGIAN, NOBODY) == known_anchors(made, NORWEGIAN, NOBODY)


@given(some_events)
def test_a_clock_never_starts_while_something_goes_on(events: list[tuple[int, int | None, str]]) -> None:
    """Whatever was said before: the last word of each thing counts."""
    made = [said(at, start, thing, offset=place) for place, (at, start, thing) in enumerate(events)]
    last = {event.thing: event for event in sorted(made, key=lambda item: item.place)}
    starts = [event.started for event in last.values()]
    expected = (
        None if not starts else OPEN if None in starts else max(map(NORWEGIAN.day, filter(None, starts)))
    )
    assert ended(*made) == expected


def test_what_is_typed_corrects_and_both_are_shown() -> None:
    """With the event that says otherwise; a typed day that nobody contradicts stands alone."""
    typed = RetentionAnchors(contract_end=date(2026, 3, 1), delivery=date(2026, 2, 1))
    known = known_anchors([said(1, 1), said(2, None, "b")], NORWEGIAN, typed)
    assert known.anchors.contract_end == date(2026, 3, 1)
    assert known.shown() == [
        {
            "clock": "contract_end",
            "day": "2026-03-01",
            "from": "given",
            "given": "2026-03-01",
            "events": {
                "day": None, "things": 2, "going_on": 1, "topic": "orders", "partition": 0, "offset": 2,
                "at": "2026-01-03T12:00:00Z",
            },
            "differs": True,
        },
        {
            "clock": "delivery", "day": "2026-02-01", "from": "given", "given": "2026-02-01", "events": None,
            "differs": False,
        },
    ]  # fmt: skip


def test_a_moment_starts_for_each_thing_by_itself() -> None:
    """An invoice that is open holds its own data, not those of one that was settled, and not those of later ones."""
    settled = replace(said(40, 45, "a", "invoice_settled"), since=day(10))
    unpaid = replace(said(70, None, "b", "invoice_settled"), since=day(41))
    known = known_anchors([settled, unpaid], NORWEGIAN, NOBODY).anchors
    assert known == ClocksOfEvents(
        periods=(
            ClockPeriod("invoice_settled", date(2026, 1, 11), date(2026, 2, 15)),
            ClockPeriod("invoice_settled", date(2026, 2, 11), OPEN),
        )
    )
    rule = RULES["T05"]
    assert delete_after(rule, day(20), known) == date(2026, 7, 15)
    assert delete_after(rule, day(60), known) is None
    # Before the first of them the event itself is the last that is known.
    assert delete_after(rule, day(2), known) == date(2026, 6, 3)
    # Of events from before and after, the one that stays longest counts.
    assert delete_after(rule, day(60), known, first=day(2)) is None
    assert delete_after(rule, day(20), known, first=day(2)) == date(2026, 7, 15)
    assert delete_after(rule, day(60), replace(known, invoice_settled=date(2026, 3, 1))) == date(2026, 8, 1)


def test_a_range_of_events_is_kept_as_long_as_any_of_them() -> None:
    """An old case that is open again is not passed over because newer ones are closed."""
    reopened = replace(said(0, None, "a", "case_closed", offset=7), since=day(0))
    newer = replace(said(30, 31, "b", "case_closed"), since=day(30))
    known = known_anchors([reopened, newer], NORWEGIAN, NOBODY).anchors
    assert governing([RULES["T27"]], day(30), known)[1] is None
    alone = known_anchors([newer], NORWEGIAN, NOBODY).anchors
    assert governing([RULES["T27"]], day(30), alone, first=day(0))[1] == date(2027, 2, 1)


@pytest.mark.parametrize(
    ("since", "until", "expected"), [(None, None, 2), (4, None, 1), (None, 4, 1), (5, 9, 0)]
)
def test_only_what_was_the_persons_counts(since: int | None, until: int | None, expected: int) -> None:
    """An identifier that was somebody else's before says nothing of the person's contracts then."""
    index = MemoryIndex()
    rows = [Row(1, 0, tags(), at=0), Row(1, 4, tags(), at=4)]
    events = clock_table([Said(1, 0, started=0, thing=5, at=0), Said(1, 4, started=4, thing=6, at=4)])
    index.write(replace(batch(rows), clocks=events), lambda: NOW)
    span = Span(token(1), None if since is None else moment(since), None if until is None else moment(until))
    known = Clocks(index, NORWEGIAN).anchors_of_each({"one": [span], "nobody": []})
    assert sum(item.things for item in known["one"].said) == expected
    assert known["nobody"].said == ()


def test_a_plan_tells_again_which_days_it_counted_from() -> None:
    """States and typed days; a moment of events has no one day."""
    events = [said(1, 1), said(2, None, "b", "withdrawal"), said(3, 3, "c", "case_closed")]
    typed = RetentionAnchors(delivery=date(2026, 2, 1))
    known = known_anchors(events, NORWEGIAN, typed)
    expected = RetentionAnchors(contract_end=date(2026, 1, 2), withdrawal=OPEN, delivery=date(2026, 2, 1))
    assert anchors_of_shown(known.shown()) == expected
    assert anchors_of_shown([]) == NOBODY

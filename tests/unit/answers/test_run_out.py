"""What of a person has run out, and the plan by which it goes: up to which day each category of a record goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.days import OPEN
from schemas.expiry import clocks_said
from schemas.policy import ClockPeriod, ClocksOfEvents, RetentionAnchors
from schemas.tags import TagSet, tag_set
from schemas.vocabulary import ErasureAction, Role
from sinks.ports.lineage import Found, Holding, Others, Span
from streams.answers.plan import Plan, plan_from_json, plan_json
from streams.answers.recategorised import versions_by_schema
from streams.answers.run_out import Cut, Terms, cut_spans, cuts_of, expiry_plan, somebody_elses, start_of
from tests.support.company import model

COMPANY = model()
RECORDS = COMPANY.every_record
TODAY = date(2026, 6, 1)
TERMS = Terms(COMPANY.catalogue, RECORDS, clocks_said(RECORDS.values()), TODAY)
LEFT = RetentionAnchors(contract_end=date(2026, 1, 15))
some_days = st.dates(date(2015, 1, 1), TODAY)


def tags(record: str, role: str = "owner") -> TagSet:
    topic = next(name for name, topic in COMPANY.topics.items() if topic.record == record)
    return tag_set(RECORDS[record], topic, role, catalogue_version="v1", key_id="k1")


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def held(of: TagSet, *days: date) -> Holding:
    return Holding(of, len(days), noon(min(days)), noon(max(days)))


def before(cuts: list[Cut]) -> dict[date, set[str]]:
    return {cut.before: set(cut.categories) for cut in cuts}


OLD, NEW = date(2019, 5, 1), date(2026, 1, 10)
CONTRACT, DETAILS, CHAT = tags("ContractEvent"), tags("CustomerDetails"), tags("ChatMessage")


def test_each_category_goes_up_to_a_day_of_its_own() -> None:
    """What proves a claim is kept for three years from its event, all else for three months from the end."""
    found = Found([held(CONTRACT, OLD, NEW)], 2)
    assert before(cuts_of(found, LEFT, TERMS)) == {
        date(2023, 6, 1): {"C-01", "C-09"},
        date(2026, 3, 1): {"C-01"},
    }


def test_nothing_goes_of_whoever_has_a_contract_or_of_whom_nobody_knows() -> None:
    found = Found([held(CONTRACT, OLD, NEW), held(DETAILS, OLD)], 3)
    for anchors in (RetentionAnchors(), RetentionAnchors(contract_end=OPEN)):
        assert cuts_of(found, anchors, TERMS) == []


def test_what_runs_out_for_everybody_on_one_day_is_not_a_matter_of_a_person() -> None:
    """Television and web pages are old enough, and no clock of the person says so."""
    found = Found([held(tags("TvViewing"), OLD), held(tags("WebVisit"), OLD)], 2)
    assert cuts_of(found, LEFT, TERMS) == []


def test_an_event_of_somebody_else_goes_by_that_persons_clocks() -> None:
    """The other end of a call; and where the rows of old do not say whose they are, what names both."""
    theirs = tags("TrafficRecord", "counterparty")
    assert cuts_of(Found([held(theirs, OLD)], 1), LEFT, TERMS) == []
    mine = tags("TrafficRecord")
    found = Found([held(mine, OLD)], 1)
    assert cuts_of(found, LEFT, TERMS)
    party = frozenset({Role.COUNTERPARTY}), frozenset({Role.OWNER})
    named = somebody_elses([Others(mine.id, *party, frozenset(), 1)])
    assert cuts_of(found, LEFT, TERMS, named) == []
    own = somebody_elses([Others(mine.id, *party[::-1], frozenset(), 1)])
    assert cuts_of(found, LEFT, TERMS, own)


def test_an_open_case_keeps_what_was_said_since_it_was_opened() -> None:
    found = Found([held(CHAT, OLD, date(2020, 1, 1))], 2)
    case = ClockPeriod("case_closed", date(2019, 12, 1), OPEN)
    assert before(cuts_of(found, ClocksOfEvents(periods=(case,)), TERMS)) == {date(2019, 12, 1): {"C-12"}}


def plan_of(holdings: list[Holding], anchors: RetentionAnchors, days: list[date], **more: Any) -> Plan:
    """The plan where each of the holdings has events on these days."""
    cuts = cuts_of(Found(holdings, len(days)), anchors, TERMS)
    founds = {
        cut.before: Found(
            [
                replace(item, events=count)
                for item in holdings
                if (count := sum(day < cut.before for day in days))
            ],
            0,
        )
        for cut in cuts
    }
    return expiry_plan(cuts, founds, anchors, TERMS, topics=COMPANY.topics, **more)


def test_the_plan_deletes_what_is_old_and_narrows_what_is_newer() -> None:
    """By two orders of one record: all of it before one day, the address before another one."""
    days = [OLD, NEW]
    plan = plan_of([held(CONTRACT, *days)], LEFT, days)
    assert plan_from_json(plan_json(plan)) == plan
    whole, some = plan.commands[0].orders
    assert (whole.before, some.before) == (
        datetime(2023, 5, 31, 22, tzinfo=UTC),
        datetime(2026, 2, 28, 23, tzinfo=UTC),
    )
    assert some.fields == ("ContractEvent.address",)
    assert set(some.fields) < set(whole.fields)
    first, second = plan.segments
    assert (first.since, first.until, second.since, second.until) == (
        *(None, whole.before),
        *(whole.before, some.before),
    )
    assert first.kept == {CONTRACT.id: None}
    left = second.kept[CONTRACT.id]
    assert left is not None
    # What is past keeps nothing any more, so that the rest goes with the day of its event.
    assert (left.categories, left.retention) == (("C-09",), ("T18",))
    means = {(part.category, part.before): part.means for part in plan.parts}
    assert means == {
        ("C-01", whole.before): ErasureAction.DELETE,
        ("C-09", whole.before): ErasureAction.DELETE,
        ("C-01", some.before): ErasureAction.REDACT,
    }


@given(st.lists(some_days, min_size=1, max_size=8), st.none() | st.just(OPEN) | some_days, some_days)
def test_what_is_planned_is_what_each_event_says(days: list[date], ended: date | None, other: date) -> None:
    """For any days of events and ends of contracts: an event is in a segment just where something of it has run out,
    and each event is in one segment at most."""
    anchors = ClocksOfEvents(contract_end=ended, periods=(ClockPeriod("case_closed", min(days), other),))
    holdings = [held(of, *days) for of in (CONTRACT, DETAILS, CHAT)]
    plan = plan_of(holdings, anchors, days)
    cuts = cuts_of(Found(holdings, len(days)), anchors, TERMS)
    for of in (CONTRACT, DETAILS, CHAT):
        gone = sum(any(day < cut.before for cut in cuts if of.id in cut.tag_sets) for day in days)
        planned = sum(item.events.get(of.id, 0) for item in plan.segments)
        assert planned == gone


def test_spans_are_cut_on_both_sides() -> None:
    day = timedelta(days=1)
    start = start_of(TODAY, COMPANY.catalogue.calendar)
    token = bytes(16)
    spans = [Span(token), Span(token, start - 2 * day, start + 2 * day), Span(token, start + day)]
    assert cut_spans(spans, start, start + day) == [Span(token, start, start + day)] * 2
    assert cut_spans(spans, None, None) == spans


def test_a_field_that_changed_its_category_goes_once_both_have_run_out() -> None:
    """The address was taken for what proves a claim when the contract was tagged: it is kept as long."""
    contract = RECORDS["ContractEvent"]
    fields = tuple(
        item.model_copy(update={"category": "C-09"}) if item.name == "address" else item
        for item in contract.fields
    )
    then = versions_by_schema([*RECORDS.values(), replace(contract, fields=fields)])
    found = Found([held(CONTRACT, OLD, NEW)], 2)
    assert before(cuts_of(found, LEFT, replace(TERMS, versions=then))) == {date(2023, 6, 1): {"C-01", "C-09"}}


def test_a_field_that_is_of_a_category_by_now_which_no_event_has_is_told_with_the_one_it_was_of() -> None:
    """The index forgot it as what it was, and no system was told."""
    contract = RECORDS["ContractEvent"]
    fields = tuple(
        item.model_copy(update={"category": "C-10"}) if item.name == "address" else item
        for item in contract.fields
    )
    records = {**RECORDS, "ContractEvent": replace(contract, fields=fields)}
    terms = replace(
        TERMS, records=records, versions=versions_by_schema([*RECORDS.values(), *records.values()])
    )
    found = Found([held(CONTRACT, NEW)], 1)
    cuts = cuts_of(found, LEFT, terms)
    assert before(cuts) == {date(2026, 3, 1): {"C-01", "C-10"}}
    made = expiry_plan(cuts, {date(2026, 3, 1): found}, LEFT, terms, topics={})
    (order,) = made.commands[0].orders
    assert (order.categories, order.fields) == (("C-01",), ("ContractEvent.address",))

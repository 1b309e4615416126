"""What a system is told beside what goes: what is kept, what ends, and up to when records are meant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given

from schemas.catalogue import load_catalogue
from schemas.policy import RetentionAnchors
from sinks.ports.lineage import Found
from streams.answers.plan import Plan, plan_from_json, plan_json
from streams.answers.telling import beyond, counted_aloud, cut_off, telling_of, with_telling
from tests.support.company import model, planned
from tests.unit.answers.test_erasure_plan import found, holding, several

CATALOGUE = load_catalogue()
NOW = datetime(2026, 11, 22, 12, 0, 0, 123_000, tzinfo=UTC)
MARCH = datetime(2026, 3, 5, 9, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def told(what: Found, now: datetime = NOW) -> Plan:
    """The plan of what was found, with what systems are told beside."""
    plan = planned(what, CATALOGUE, now.date(), RetentionAnchors())
    return with_telling(plan, what, model().every_record, now)


def test_what_is_kept_is_told_by_record_field_rule_and_day() -> None:
    """Of an invoice: what book-keeping asks for, and until the end of which day; and what of it ends."""
    plan = told(found(holding("billing.invoices")))
    telling = telling_of(plan, "billing")
    held = [part for part in plan.parts if part.action == "hold_until"]
    assert {(item.record, item.rule, item.until) for item in telling.kept} == {
        (part.record, part.rule, part.until) for part in held
    }
    (order,) = plan.commands
    assert not {name for item in telling.kept for name in item.fields} & {*order.fields}
    assert not {*telling.purposes} & {name for item in telling.kept for name in item.purposes}
    assert telling.purposes
    assert {name.partition(".")[0] for item in telling.kept for name in item.fields} == {"Invoice"}


@given(several)
def test_nothing_that_is_kept_for_the_police_alone_is_told(what: Found) -> None:
    """Neither a rule, nor a purpose, nor a count; whatever else is held and erased there."""
    plan = told(what)
    for command in plan.commands:
        telling = telling_of(plan, command.system)
        parts = [part for part in plan.parts if part.system == command.system]
        aloud = [part for part in parts if not part.locked]
        assert {item.rule for item in telling.kept} <= {part.rule for part in aloud}
        assert {*telling.purposes} <= {name for part in aloud for name in part.ended}
        secret = {part.record for part in parts if part.locked and part.action == "erase_now"}
        counts = {part.record: part.events for part in parts}
        assert not counted_aloud(plan, command.system, counts).keys() & secret


@given(several)
def test_a_command_reaches_every_event_that_was_planned(what: Found) -> None:
    """Also one that is dated ahead; and a stored plan says the same."""
    plan = told(what)
    assert plan_from_json(plan_json(plan)) == plan
    for command in plan.commands:
        moment = cut_off(plan, command.system)
        assert moment is not None
        assert moment >= NOW
        going = {
            part.tag_set
            for part in plan.parts
            if part.system == command.system and part.action == "erase_now"
        }
        assert all(item.last_seen < moment for item in what.holdings if item.tags.id in going)


def test_the_cut_off_is_the_plan_s_moment_or_after_the_last_event() -> None:
    """In whole milliseconds, rounded up: a record within that millisecond was counted."""
    assert cut_off(told(found(holding("web.visits"))), "web") == NOW
    odd = NOW + timedelta(microseconds=1)
    assert cut_off(told(found(holding("web.visits")), odd), "web") == NOW + MILLISECOND
    ahead = NOW + timedelta(days=900)
    assert cut_off(told(found(holding("web.visits", MARCH, ahead))), "web") == ahead + MILLISECOND
    old = replace(told(found(holding("web.visits"))), made_at=None, telling=())
    assert cut_off(old, "web") is None


def test_an_event_that_an_earlier_command_did_not_reach_is_told_anew() -> None:
    """As many as before, but one of them later than the cut-off of then."""
    before, later = told(found(holding("web.visits"))), NOW + timedelta(hours=2)
    now = told(found(holding("web.visits", MARCH, NOW + timedelta(hours=1))), later)
    assert beyond(now, before, "web")
    assert not beyond(told(found(holding("web.visits")), later), before, "web")
    assert not beyond(now, replace(before, made_at=None), "web")

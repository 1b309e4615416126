"""Checks over rights requests: in time, by every system, by one clock, and an objection respected."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from schemas.times import iso
from schemas.vocabulary import CommandState, Right
from sinks.ports.lineage import Span
from streams.duties.check import Evidence, Verdict
from streams.duties.findings import Standing
from streams.rights.protocol.command import Command
from streams.rights.protocol.deadlines import Pause, due_at
from streams.rights.protocol.events import LateFound
from streams.rights.protocol.request import RequestState, State
from streams.rights.protocol.scope import Scope
from tests.support.index import NOW, Row, moment, token
from tests.support.looking import Watched
from tests.unit.duties.test_tag_checks import of

DAY = timedelta(days=1)


def request(type: Right, days: int = 0, **other: object) -> RequestState:
    """One that came in so many days ago."""
    received = NOW - days * DAY
    made = RequestState("r-1", type.value, "letter", received, due_at(received))
    return replace(made, **other)  # type: ignore[arg-type]


@pytest.mark.parametrize("right", [Right.ACCESS, Right.ERASURE, Right.RECTIFICATION])
def test_a_request_that_is_late_breaks_it_until_it_is_answered(right: Right) -> None:
    watched, name = Watched(), f"{right}_overdue"
    assert watched.check(name).verdict is Verdict.NOT_OBSERVABLE
    watched.requests = [request(right, 20)]
    assert watched.check(name).verdict is Verdict.KEPT
    watched.requests = [request(right, 40)]
    (found,) = watched.run(name)
    assert (found.key, found.evidence) == ("r-1", (Evidence(note="request r-1"),))
    assert found.since.date() <= (due_at(NOW - 40 * DAY) + DAY)
    watched.requests = [request(right, 40, state=State.COMPLETED, completed_at=NOW)]
    assert [item.standing for item in watched.run(name, NOW + 89 * DAY)] == [Standing.OPEN]
    assert [item.standing for item in watched.run(name, NOW + 90 * DAY)] == [Standing.MENDED]


@pytest.mark.parametrize(
    ("days", "said", "broken"),
    [
        (400, {"state": State.COMPLETED, "completed_at": NOW - DAY}, "was answered on 2026-05-31"),
        (400, {"state": State.COMPLETED, "completed_at": NOW - 100 * DAY}, None),
        (50, {"state": State.COMPLETED, "completed_at": NOW - 30 * DAY}, None),
        (50, {"state": State.COMPLETED, "completed_at": NOW - DAY, "more": 2}, None),
        (50, {"state": State.CLOSED, "ended_at": NOW - DAY}, "was answered on 2026-05-31"),
        (50, {"state": State.CANCELLED, "ended_at": NOW - DAY}, None),
        (50, {"state": State.CLOSED, "ended_at": NOW, "pauses": (Pause(NOW - 48 * DAY),)}, None),
        (50, {"state": State.ANSWERED, "answered_at": NOW - 40 * DAY}, "has no answer"),
        (400, {"state": State.REOPENED, "completed_at": NOW - 390 * DAY}, "is open again"),
        (20, {"state": State.REOPENED, "completed_at": NOW - 10 * DAY}, None),
    ],
)
def test_an_answer_is_in_time_by_the_deadline_as_it_was(
    days: int, said: dict[str, Any], broken: str | None
) -> None:
    """With extensions and pauses; what is ready and not sent is no answer, and what is open again is not over."""
    watched, due = Watched(), due_at(NOW - days * DAY, more=said.get("more", 0))
    watched.requests = [request(Right.ACCESS, days, due=due, **said)]
    checked = watched.check("access_overdue")
    assert (checked.verdict is Verdict.BROKEN) == (broken is not None)
    assert all(broken is not None and broken in item.says for item in checked.violations)


def test_what_came_to_light_later_breaks_it_since_then() -> None:
    found = LateFound(NOW - 3 * DAY, 1, 0, ("crm",), (), "")
    watched = Watched()
    watched.requests = [
        request(Right.ACCESS, 90, state=State.REOPENED, completed_at=NOW - 80 * DAY, late_findings=(found,))
    ]
    assert [item.since for item in watched.run("access_overdue")] == [NOW - 3 * DAY]


@pytest.mark.parametrize("state", [CommandState.SENT, CommandState.ACCEPTED, CommandState.FAILED])
def test_a_system_that_does_not_answer_breaks_it_until_it_does(state: CommandState) -> None:
    watched = Watched()

    def told(days: int, state: CommandState) -> None:
        command = Command(
            "r-1/crm", "crm", state, attempt=1, sent_at=iso(NOW - days * DAY), planned=1, erased=1
        )
        watched.requests = [request(Right.ERASURE, 10, commands={"r-1/crm": command})]

    assert watched.check("commands_unanswered").verdict is Verdict.NOT_OBSERVABLE
    told(6, state)
    assert watched.check("commands_unanswered").verdict is Verdict.KEPT
    told(8, state)
    (found,) = watched.run("commands_unanswered")
    assert (found.key, found.since) == ("r-1/crm", NOW - DAY)
    (waits,) = watched.requests
    for other, verdict in (
        (State.REOPENED, Verdict.BROKEN),
        (State.COMPLETED, Verdict.KEPT),
        (State.CLOSED, Verdict.KEPT),
    ):
        watched.requests = [replace(waits, state=other, completed_at=NOW)]
        assert watched.check("commands_unanswered").verdict is verdict
    told(8, CommandState.DONE)
    assert [item.standing for item in watched.run("commands_unanswered")] == [Standing.MENDED]


def test_a_deadline_that_the_law_does_not_count_breaks_it_until_it_is_right() -> None:
    watched = Watched()
    assert watched.check("one_clock").verdict is Verdict.NOT_OBSERVABLE
    watched.requests = [request(Right.ACCESS, 3, more=1, due=due_at(NOW - 3 * DAY, more=1))]
    assert watched.check("one_clock").verdict is Verdict.KEPT
    watched.requests = [request(Right.ACCESS, 3, due=date(2027, 1, 1))]
    (found,) = watched.run("one_clock")
    assert (found.key, found.since) == ("r-1", NOW - 3 * DAY)
    watched.requests = [request(Right.ACCESS, 3)]
    assert [item.standing for item in watched.run("one_clock")] == [Standing.MENDED]
    watched.requests = [request(Right.ACCESS, 3, channel="")]
    assert watched.check("one_clock").verdict is Verdict.BROKEN


def test_use_after_an_objection_breaks_it_until_it_is_erased() -> None:
    """By the place of the event; what came before, serves another purpose as well, or is somebody else's, does not."""
    watched, web = Watched(), of("web.visits")
    both = replace(web, purposes=("P-WEB", "P-SECURITY"))
    alone = replace(web, purposes=("P-WEB",), legal_basis={"P-WEB": "f"})
    assert watched.check("used_after_objection").verdict is Verdict.NOT_OBSERVABLE
    watched.requests = [
        request(
            Right.OBJECTION,
            5,
            state=State.COMPLETED,
            completed_at=moment(0),
            subjects=frozenset([token(1).hex()]),
            scope=Scope(("P-WEB",)),
        )
    ]
    watched.write(Row(1, 1, alone, at=-1), Row(1, 2, both, at=5), Row(2, 3, alone, at=5))
    assert watched.check("used_after_objection").verdict is Verdict.KEPT
    watched.write(Row(1, 4, alone, at=7))
    (found,) = watched.run("used_after_objection")
    assert (found.key, found.since) == ("r-1/web.visits", moment(7))
    assert found.evidence[0] == Evidence("web.visits", 0, 4, token(1).hex(), moment(7))
    watched.sinks.eraser.forget([Span(token(1))], {alone.id: None})
    assert [item.standing for item in watched.run("used_after_objection")] == [Standing.MENDED]


def test_an_objection_to_everything_reaches_what_rests_on_interests_alone() -> None:
    watched, web = Watched(), of("web.visits")
    watched.requests = [
        request(
            Right.OBJECTION,
            5,
            state=State.COMPLETED,
            completed_at=moment(0),
            subjects=frozenset([token(1).hex()]),
        )
    ]
    watched.write(Row(1, 1, of("crm.customers"), at=3))
    assert watched.check("used_after_objection").verdict is Verdict.KEPT
    watched.write(Row(1, 2, web, at=3))
    assert watched.check("used_after_objection").verdict is Verdict.BROKEN

"""Answers held against what was planned by kind of record, after late events, and for requests that nobody counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.vocabulary import CommandState
from sinks.ports.erasure import Forgotten
from sinks.ports.requests import RequestEvent
from streams.rights.protocol.command import Command
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.states import State, fold, summary
from tests.support.index import memory_index
from tests.support.office import NOW, Office
from tests.support.receipts import hear
from tests.unit.rights.test_short import COOKIE, GONE, LAST_WEEK, LOGIN, NUMBER, USERNAME, answer, visit


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A login under Kari's user name ties a cookie to it; three visits carry the cookie alone."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        person = {"customer_number": NUMBER[1], "username": USERNAME[1], "name": "Kari Nordlie"}
        made.put("crm.customers", {**person, "updated_at": LAST_WEEK - timedelta(days=30)})
        made.put("web.logins", LOGIN)
        made.put("web.visits", visit(1), visit(2), visit(3))
        yield made


def test_more_of_one_record_do_not_make_up_for_another(office: Office) -> None:
    """The web kept three logins more than the index knows; as many visits, which only the cookie names, still stand."""
    office.stores["web"].put_many([("Login", {**LOGIN, "cookie_id": None})] * 3)
    request = office.erase(NUMBER, USERNAME, anchors=GONE)
    web = request.commands[f"{request.request_id}/web"]
    assert (web.planned, web.erased, office.stored("web", COOKIE)) == (4, 4, 3)
    assert request.state is State.ATTENTION
    assert "web: planned 3 WebVisit, reported 0 erased: 3 of them are" in "".join(request.problems)
    assert office.events(*COOKIE) == 4
    assert "records" not in summary(request)["commands"][0]


class LateVisits:
    """An eraser during whose first run some visits reach the index: before rows go, or after."""

    def __init__(self, office: Office, *visits: dict[str, Any], before: bool) -> None:
        self._office, self._eraser, self._visits = office, office.index.eraser, visits
        self._before = before

    def going(self, *given: Any) -> Forgotten:
        return self._eraser.going(*given)

    def forget(self, *given: Any) -> Forgotten:
        if self._before:
            self._arrive()
        forgotten = self._eraser.forget(*given)
        self._arrive()
        return forgotten

    def _arrive(self) -> None:
        if self._visits:
            self._office.now += timedelta(seconds=1)
            self._office.deaf = {"web"}
            self._office.put("web.visits", *self._visits)
            self._visits = ()


@pytest.mark.parametrize("before", [True, False])
def test_what_came_while_the_index_forgot_is_told_before_it_is_forgotten(
    office: Office, before: bool
) -> None:
    """One event, fewer than were planned: the system is told of it, and its answers add up."""
    office.erasure._eraser = LateVisits(office, visit(9), before=before)
    request = office.erase(NUMBER, USERNAME, COOKIE, anchors=GONE)
    assert (request.state, request.waiting_for) == (State.WAITING, ("web",))
    assert (office.events(*COOKIE), office.stored("web", COOKIE)) == (1, 1)
    # It counts what it erased at both attempts, and no more: the visit is still there.
    request = answer(office, request, 4)
    assert request.state is State.ATTENTION
    assert "planned 5, 1 of them since an earlier answer, reported 4 erased" in "".join(request.problems)
    assert office.events(*COOKIE) == 1
    office.deaf = set()
    office.service.resend(request.request_id)
    office.deliver()
    request = office.service.get(request.request_id)
    assert (request.state, office.events(*COOKIE), office.stored("web", COOKIE)) == (State.COMPLETED, 0, 0)


def test_a_plan_that_nobody_counted_is_counted_before_the_end(office: Office) -> None:
    """As recorded before answers were held against a plan: done with nothing erased is not completed."""
    office.deaf = {"web", "crm"}
    request_id = office.erase(NUMBER, anchors=GONE).request_id
    log = office.ledger.stored[request_id]
    for number, event in enumerate(log):
        if event.kind == "planned":
            bare = [
                {name: item[name] for name in ("command_id", "system")} for item in event.content["commands"]
            ]
            log[number] = replace(event, content={**event.content, "commands": bare})
    assert all(item.planned is None for item in office.service.get(request_id).commands.values())
    request = answer(office, office.service.get(request_id), 0)
    assert request.waiting_for == ("crm",)
    crm = {"command_id": f"{request_id}/crm", "system": "crm", "state": "done", "erased": 1, "held": 0}
    rest = {"ground": None, "review_date": None, "reason": None, "reported_at": NOW}
    taken = hear(office.service, {"request_id": request_id, **crm, **rest})
    assert taken is not None
    assert taken.state is State.ATTENTION
    assert "web: planned 4, reported 0 erased: 4 of them are" in "".join(taken.problems)
    assert office.events(*COOKIE) == 4
    closed = office.service.close(request_id, "the web does not know her")
    assert (closed.state, office.events(*COOKIE), office.events(*NUMBER)) == (State.CLOSED, 4, 0)


def test_a_plan_that_nobody_counted_is_no_leave_to_erase_others(office: Office) -> None:
    """More than there can be is looked at, also where the number planned is counted afterwards."""
    office.deaf = {"web", "crm"}
    request_id = office.erase(COOKIE, anchors=GONE).request_id
    for number, event in enumerate(log := office.ledger.stored[request_id]):
        if event.kind == "planned":
            bare = [
                {name: item[name] for name in ("command_id", "system")} for item in event.content["commands"]
            ]
            log[number] = replace(event, content={**event.content, "commands": bare})
    request = office.service.get(request_id)
    for system in [item.system for item in request.commands.values()]:
        said = {"command_id": f"{request_id}/{system}", "request_id": request_id, "system": system, "held": 0}
        rest = {"ground": None, "review_date": None, "reason": None, "reported_at": NOW}
        hear(office.service, {**said, **rest, "state": "done", "erased": 2**50})
    request = office.service.get(request_id)
    assert request.state is State.ATTENTION
    assert "see that no other person's are gone" in "".join(request.problems)


def test_an_answer_to_a_request_that_a_person_ends_leaves_it_to_be_ended() -> None:
    """It comes between the decision and the end, and whoever resumes goes on with the end."""
    commands = {
        "r/web": Command("r/web", "web", CommandState.SENT, 1),
        "r/crm": Command("r/crm", "crm", CommandState.SENT, 1),
    }
    received = {"type": "erasure", "channel": "test", "received_at": "2026-11-22T12:00:00Z"}
    said = {"command_id": "r/web", "state": "failed", "erased": 0, "held": 0, "ground": None}
    more = {"review_date": None, "reason": None, "reported_at": "2026-11-22T12:00:00Z"}
    told = [{"command_id": item.command_id, "system": item.system} for item in commands.values()]
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("received", received),
        ("planned", {"plan": {}, "commands": told}),
        ("closing", {"sealed": ""}),
        ("receipt", {**said, **more}),
    ]
    request = fold(
        RequestEvent("r", number, kind, NOW, content) for number, (kind, content) in enumerate(kinds)
    )
    assert request is not None
    assert (request.state, request.movable) == (State.FORGETTING, True)


def test_what_stood_at_attention_and_waits_for_another_is_resumed() -> None:
    """Else nobody goes on with it when the announcement of the other one's end is lost."""
    received = {"type": "erasure", "channel": "test", "received_at": "2026-11-22T12:00:00Z"}
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("received", received),
        ("attention", {"reason": "who?"}),
        ("behind", {"behind": ["r-1"]}),
    ]
    request = fold(
        RequestEvent("r", number, kind, NOW, content) for number, (kind, content) in enumerate(kinds)
    )
    assert isinstance(request, RequestState)
    assert (request.state, request.waiting_for, request.movable) == (State.RECEIVED, ("r-1",), True)

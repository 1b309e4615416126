"""A restriction ends at every system that may have been told of it, whatever became of the request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.errors import InputError
from schemas.vocabulary import CommandKind, CommandState, Right, ToldBy
from streams.rights.protocol.command import Command
from streams.rights.protocol.command_lines import problem
from streams.rights.protocol.states import RequestState, State, summary
from tests.support.index import memory_index
from tests.support.office import Office
from tests.support.receipts import answer
from tests.unit.rights.test_restriction import COOKIE, NUMBER, asked, told
from tests.unit.rights.test_short import LAST_WEEK, visit


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A person in the register and on the web, whose jobs carry out restrictions."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.jobs_answer = True
        made.put("crm.customers", {"customer_number": NUMBER[1], "name": "Kari", "updated_at": LAST_WEEK})
        made.put("web.visits", visit(1), visit(2))
        yield made


def usable(office: Office, system: str, record: str, purpose: str) -> int:
    return len(list(office.stores[system].usable(record, purpose)))


def lifted(office: Office, request: RequestState) -> RequestState:
    office.service.lift(request.request_id, ToldBy.LETTER, "it was right")
    office.deliver()
    return office.service.get(request.request_id)


def test_what_a_system_was_told_is_not_cancelled_but_lifted(office: Office) -> None:
    """One has restricted, the other was told and never answered: both are told of the end."""
    office.deaf = {"web"}
    request = asked(office)
    assert usable(office, "crm", "CustomerDetails", "P-CONTRACT") == 0
    with pytest.raises(InputError, match=f"innsyn requests lift {request.request_id}"):
        office.service.cancel(request.request_id, "taken back")
    office.deaf = set()
    done = lifted(office, request)
    assert told(office)[-2:] == ["lift restriction.crm", "lift restriction.web"]
    assert (done.state, done.restricts, done.problems) == (State.COMPLETED, False, ())
    assert usable(office, "crm", "CustomerDetails", "P-CONTRACT") == 1
    web = done.commands[f"{request.request_id}/web"]
    assert (web.state, web.settled, web.urgent, web.pending) == (CommandState.TAKEN_BACK, True, False, False)


def test_a_restriction_that_was_closed_half_way_stands_and_can_be_lifted(office: Office) -> None:
    """Closing ends the waiting for the others, not what one of them does."""
    office.deaf = {"web"}
    request = asked(office)
    closed = office.service.close(request.request_id, "the web is shut down")
    assert (closed.state, closed.restricts, summary(closed)["restricts"]) == (State.CLOSED, True, True)
    access = asked(office, Right.ACCESS, (NUMBER,))
    assert any(request.request_id in line for line in access.remarks)
    office.deaf = set()
    done = lifted(office, closed)
    assert (done.state, done.restricts) == (State.COMPLETED, False)
    assert usable(office, "crm", "CustomerDetails", "P-CONTRACT") == 1
    assert [note.what for note in done.notes if note.what != "notified"] == ["closed", "lifted"]


def test_the_late_answer_to_a_restriction_that_was_lifted_changes_nothing(office: Office) -> None:
    office.jobs_answer = False
    request = asked(office)
    crm, web = list(office.others)
    answer(office, crm)
    office.service.lift(request.request_id, ToldBy.LETTER, "it was right")
    office.deliver()
    length = answer(office, web).length
    assert answer(office, web).length == length
    for command in office.others[2:]:
        done = answer(office, command)
    assert (done.state, done.set_aside) == (State.COMPLETED, ())


def test_nobody_was_told_so_nothing_is_lifted_and_it_can_be_cancelled(office: Office) -> None:
    """What only people do is lifted when they said that they did it."""
    request = office.service.create(
        Right.RESTRICTION, [NUMBER], reason=None, channel="web", received_at=office.now
    )
    with pytest.raises(InputError, match="no system restricts"):
        office.service.lift(request.request_id, ToldBy.LETTER, "it was right")
    assert office.service.cancel(request.request_id, None).state is State.CANCELLED


@pytest.mark.parametrize(
    ("command", "restricts"),
    [
        (Command("r/crm", "crm", kind=CommandKind.RESTRICT), False),
        (Command("r/crm", "crm", CommandState.SENT, 1, kind=CommandKind.RESTRICT), True),
        (Command("r/crm", "crm", CommandState.FAILED, 2, kind=CommandKind.RESTRICT), True),
        (Command("r/crm", "crm", CommandState.SENT, kind=CommandKind.RESTRICT, by_hand=True), False),
        (
            Command(
                "r/crm", "crm", CommandState.SENT, kind=CommandKind.RESTRICT, by_hand=True, accepted=True
            ),
            True,
        ),
        (Command("r/crm", "crm", CommandState.SENT, 1, kind=CommandKind.RECTIFICATION), False),
        (Command("r/crm", "crm", CommandState.DONE, 1), False),
    ],
)
def test_who_restricts(command: Command, restricts: bool) -> None:
    """Whoever was told: that it says it failed does not mean that it did nothing."""
    assert command.restricts is restricts


def test_what_was_taken_back_waits_for_nobody() -> None:
    for by_hand in (False, True):
        command = Command("r/crm", "crm", CommandState.TAKEN_BACK, 1, kind=CommandKind.RESTRICT)
        command = replace(command, by_hand=by_hand, escalated=True)
        assert command.settled
        assert not any([command.pending, command.doubtful, command.refused, command.urgent])
        assert problem(command) is None


def test_the_key_of_a_restriction_is_there_until_it_has_ended(office: Office) -> None:
    """Else nobody could tell systems of whom the restriction ends."""
    request = asked(office, given=(NUMBER, COOKIE))
    assert request.state is State.COMPLETED
    office.now += timedelta(days=400)
    assert office.service.destroy_keys(office.now) == []
    done = lifted(office, request)
    assert usable(office, "crm", "CustomerDetails", "P-CONTRACT") == 1
    office.now += timedelta(days=91)
    assert office.service.destroy_keys(office.now) == [done.request_id]

"""What a person does to a request that stands still: resend, close, cancel; and what systems still say afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import BrokerUnavailable, InputError
from streams.rights.case import Recorded
from streams.rights.protocol.states import RequestState, State, summary
from tests.support.index import memory_index
from tests.support.office import Office, systems_told
from tests.support.receipts import hear
from tests.unit.rights.test_receipts import receipt
from tests.unit.rights.test_short import GONE, LAST_WEEK, visit

NUMBER, COOKIE = ("customer_number", "k-100200"), ("cookie_id", "c-1")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A person in the register and on the web; neither system hears of commands until it listens."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.put("crm.customers", {"customer_number": NUMBER[1], "name": "Kari", "updated_at": LAST_WEEK})
        made.put("web.visits", visit(1), visit(2))
        made.deaf = {"crm", "web"}
        yield made


def asked(office: Office) -> RequestState:
    return office.erase(NUMBER, COOKIE, anchors=GONE)


def say(office: Office, request_id: str, system: str, state: str, **more: Any) -> RequestState:
    names = {"command_id": f"{request_id}/{system}", "request_id": request_id, "system": system}
    taken = hear(office.service, receipt(state, **{**names, "reported_at": office.now, **more}))
    assert taken is not None
    return taken


def lines(request: RequestState) -> list[str]:
    return [" ".join(line.split()[:8]) for line in request.problems]


def test_refusals_come_before_everything_else(office: Office) -> None:
    """Then what is in doubt, then what only has to be known."""
    request_id = asked(office).request_id
    say(office, request_id, "crm", "done", erased=0)
    say(office, request_id, "web", "accepted", erased=-1)
    request = say(office, request_id, "web", "withheld", held=2, ground="T18")
    assert [line.partition(" ")[0] + line.split()[1] for line in request.problems] == [
        "web:withheld",
        "crm:planned",
        "web:an",
    ]


def test_resending_tells_whoever_is_not_done(office: Office) -> None:
    """The refused, the silent and the doubtful, each with its next attempt; not the one that was done."""
    request_id = asked(office).request_id
    say(office, request_id, "crm", "done", erased=1)
    say(office, request_id, "web", "failed", reason="store_unavailable")
    office.deaf = set()
    assert office.service.resend(request_id).state is State.WAITING
    office.deliver()
    assert office.service.get(request_id).state is State.COMPLETED
    assert systems_told(office.commands) == ["crm", "web", "web"]
    assert [command["attempt"] for command in office.commands] == [1, 1, 2]
    with pytest.raises(InputError, match="completed already"):
        office.service.resend(request_id)


def test_resending_tries_anew_what_could_not_be_planned(office: Office) -> None:
    """Nobody is to be told yet: the request is announced again, and its next step is tried."""
    made = office.service.create(
        "access", [("ip", "192.0.2.7")], reason=None, channel="test", received_at=office.now
    )
    office.sent.clear()
    office.service.resend(made.request_id)
    assert office.service.get(made.request_id).state is State.RECEIVED
    office.deliver()
    assert office.service.get(made.request_id).state is State.COMPLETED


def test_a_closed_request_forgets_what_was_done_and_keeps_what_was_not(office: Office) -> None:
    """crm erased all, the web refused: the index goes on showing the web's events, and says why the request ended."""
    request_id = asked(office).request_id
    say(office, request_id, "crm", "done", erased=1)
    say(office, request_id, "web", "withheld", held=2, ground="T18")
    request = office.service.close(request_id, "Kari goes to the supervisory authority")
    assert (request.state, request.waiting_for, request.completed_at) == (State.CLOSED, (), None)
    assert (office.events(*NUMBER), office.events(*COOKIE)) == (0, 2)
    assert lines(request) == ["web: withheld 2 records held by T18 (2"]
    (note,) = summary(request)["notes"]
    assert (note["what"], note["reason"]) == ("closed", "Kari goes to the supervisory authority")
    assert summary(request)["ended_at"] is not None
    assert "authority" not in repr(office.ledger.stored)
    # It ended as it is: the events that stayed are no finding, and nothing moves any more.
    office.now += timedelta(days=1)
    assert office.service.recheck(office.now) == []
    assert office.service.resume() == []
    for act in (office.service.resend, office.service.cancel):
        with pytest.raises(InputError, match="closed already"):
            act(request_id)
    with pytest.raises(InputError, match="closed already"):
        office.service.close(request_id, "again")


def test_a_closed_request_leaves_what_came_after_its_plan(office: Office) -> None:
    """The web had answered, and holds the visit that came then: nobody told it of that one."""
    request_id = asked(office).request_id
    say(office, request_id, "web", "done", erased=2)
    office.now += timedelta(minutes=1)
    office.put("web.visits", visit(3))
    office.now += timedelta(minutes=1)
    closed = office.service.close(request_id, "the register is being moved")
    assert (closed.state, closed.forgotten) == (
        State.CLOSED,
        {"rows_removed": 2, "rows_narrowed": 0, "rows_ended": 2},
    )
    assert (office.events(*COOKIE), office.events(*NUMBER)) == (1, 1)
    # Whoever asks again is told of it.
    again = asked(office)
    assert again.commands[f"{again.request_id}/web"].planned == 1


def test_a_closed_request_forgets_what_was_done_by_the_newest_plan(office: Office) -> None:
    """The web and the contact centre were told again of what had come: the web erased that too, the other one never
    answered."""
    office.deaf |= {"contact_centre"}
    chat = {"session_id": "c-1", "customer_number": NUMBER[1], "sender": "person", "text": "?"}
    office.put("support.chats", {**chat, "sent_at": LAST_WEEK})
    request_id = asked(office).request_id
    say(office, request_id, "web", "done", erased=2)
    say(office, request_id, "contact_centre", "done", erased=1)
    office.now += timedelta(minutes=1)
    office.put("web.visits", visit(3))
    office.put("support.chats", {**chat, "sent_at": LAST_WEEK})
    office.now += timedelta(minutes=1)
    again = say(office, request_id, "crm", "done", erased=1)
    assert again.waiting_for == ("contact_centre", "web")
    say(office, request_id, "web", "done", erased=3, attempt=2)
    office.now += timedelta(minutes=1)
    office.put("web.visits", visit(4))
    office.now += timedelta(minutes=1)
    office.service.close(request_id, "the contact centre is closed")
    assert (office.events(*COOKIE), office.events(*NUMBER)) == (1, 2)


def test_what_systems_say_after_the_end_is_shown(office: Office) -> None:
    """Told before the end, they may still erase: the index keeps showing it, and the request says both."""
    for end, word in ((office.service.close, "closed"), (office.service.cancel, "cancelled")):
        request_id = asked(office).request_id
        request = end(request_id, "asked by mistake")
        assert [line.partition(",")[0] for line in request.problems] == [
            "crm: was told to erase and has not answered; it may still do so",
            "web: was told to erase and has not answered; it may still do so",
        ]
        assert office.events(*COOKIE) == 2
        say(office, request_id, "web", "done", erased=2)
        say(office, request_id, "crm", "failed", reason="locked")
        request = office.service.get(request_id)
        assert request.state.value == word
        assert [line.partition(";")[0] for line in request.problems] == [
            f"crm: failed, 0 records erased: answered after the request was {word}",
            f"web: done, 2 records erased: answered after the request was {word}",
        ]
        say(office, request_id, "web", "failed")
        assert office.service.get(request_id).problems[-1].endswith("set aside")
        assert office.events(*COOKIE) == 2


def test_a_cancelled_request_says_what_was_erased_before(office: Office) -> None:
    """Nothing is forgotten; what a system did is not undone, and a new request brings the index in line."""
    request_id = asked(office).request_id
    say(office, request_id, "web", "done", erased=2)
    request = office.service.cancel(request_id)
    assert request.state is State.CANCELLED
    assert "web: done, 2 records erased before the request was cancelled" in request.problems[1]
    assert (office.events(*NUMBER), office.events(*COOKIE)) == (1, 2)
    assert summary(request)["notes"] == [
        {"what": "cancelled", "at": summary(request)["ended_at"], "system": None, "reason": None}
    ]
    office.deaf = set()
    office.stores["web"].erase([COOKIE], ["C-21", "C-22", "C-23"], [])
    again = asked(office)
    assert "web: planned 2, reported 0 erased" in again.problems[0]
    office.service.accept(again.request_id, "web", "erased for the request before")
    office.deliver()
    assert office.service.get(again.request_id).state is State.COMPLETED


def test_a_request_that_was_never_planned_may_end(office: Office) -> None:
    """An access request of an ambiguous address, an erasure behind another: closed or cancelled as they stand."""
    first, second = asked(office), asked(office)
    assert second.behind == (first.request_id,)
    ended = office.service.cancel(second.request_id, "asked twice")
    assert (ended.state, ended.behind, ended.problems) == (State.CANCELLED, (), ())
    made = office.service.create("access", [NUMBER], reason=None, channel="test", received_at=office.now)
    assert office.service.close(made.request_id, "nobody there").state is State.CLOSED
    office.deliver()
    assert office.service.get(made.request_id).report is None


def test_late_findings_may_be_closed_without_a_follow_up(office: Office) -> None:
    """With a reason; nothing is looked for afterwards."""
    made = office.service.create("access", [COOKIE], reason=None, channel="test", received_at=office.now)
    office.deliver()
    office.now += timedelta(hours=1)
    office.put("web.visits", visit(5))
    (opened,) = office.service.recheck(office.now)
    assert opened.state is State.REOPENED
    closed = office.service.close(made.request_id, "told by telephone")
    assert (closed.state, len(closed.late_findings)) == (State.CLOSED, 1)
    office.put("web.visits", visit(6))
    assert office.service.recheck(office.now + timedelta(hours=1)) == []
    with pytest.raises(InputError, match="nothing to follow up"):
        office.service.follow_up(made.request_id)


def test_a_crash_while_closing_is_taken_up(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice is in the ledger: whoever comes next forgets what is to be forgotten, and closes."""
    request_id = asked(office).request_id
    say(office, request_id, "crm", "done", erased=1)

    def away(*_: Any) -> Any:
        raise BrokerUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(office.index.eraser, "forget", away)
        with pytest.raises(Recorded):
            office.service.close(request_id, "no answer from the web")
    assert office.service.get(request_id).state is State.FORGETTING
    with pytest.raises(InputError, match="forgetting"):
        office.service.cancel(request_id)
    (request,) = office.service.resume()
    assert (request.state, office.events(*NUMBER), office.events(*COOKIE)) == (State.CLOSED, 0, 2)

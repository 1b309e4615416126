"""What time alone brings: systems told again with growing pauses, people asked to look, holds reviewed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.calendars import NORWEGIAN
from schemas.errors import BrokerUnavailable, InputError
from schemas.rights_rules import load_rights_rules
from schemas.vocabulary import CommandState
from streams.rights.protocol.answering import Commanded
from streams.rights.protocol.command import Command
from streams.rights.protocol.schedule import next_attempt_at, to_escalate, to_tell_again
from streams.rights.protocol.states import RequestState, State, summary
from tests.support.index import memory_index
from tests.support.office import NOW, Office
from tests.support.receipts import hear
from tests.unit.rights.test_receipts import receipt
from tests.unit.rights.test_short import GONE, LAST_WEEK, visit

NUMBER, COOKIE = ("customer_number", "k-100200"), ("cookie_id", "c-1")
RULES = load_rights_rules()
CITED = "bokføringsloven § 13"
UNTIL = date(2031, 12, 31)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A person in the register and on the web; neither system hears of commands until it listens."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.put("crm.customers", {"customer_number": NUMBER[1], "name": "Kari", "updated_at": LAST_WEEK})
        made.put("web.visits", visit(1), visit(2))
        made.deaf = {"crm", "web"}
        yield made


def say(office: Office, request: RequestState, system: str, state: str, **more: Any) -> RequestState:
    names = {
        "command_id": f"{request.request_id}/{system}",
        "request_id": request.request_id,
        "system": system,
    }
    taken = hear(office.service, receipt(state, **{**names, "reported_at": office.now, **more}))
    assert taken is not None
    return taken


def later(office: Office, **passed: float) -> list[RequestState]:
    office.now += timedelta(**passed)
    done = office.service.on_time(office.now)
    office.deliver()
    return done


def attempts(office: Office, request: RequestState) -> dict[str, int]:
    return {item.system: item.attempt for item in office.service.get(request.request_id).commands.values()}


def test_the_pauses_grow_and_end() -> None:
    """One for each attempt; after the last nothing is sent by itself."""
    told = Command("r/web", "web", CommandState.SENT, 1, sent_at=NOW.isoformat())
    whens = [next_attempt_at(replace(told, attempt=n), RULES.pauses) for n in range(10)]
    assert whens[0] is None
    assert whens[1] == NOW + timedelta(hours=1)
    assert whens[7] == NOW + timedelta(hours=168)
    assert whens[8:] == [None, None]
    for settled in (CommandState.DONE, CommandState.PARTIAL, CommandState.UNSENT):
        assert next_attempt_at(replace(told, state=settled), RULES.pauses) is None
    failed = replace(told, state=CommandState.FAILED)
    assert next_attempt_at(failed, RULES.pauses) is None
    assert next_attempt_at(replace(failed, retryable=True), RULES.pauses) == whens[1]


def test_a_system_that_never_answers_is_told_again_escalated_and_overdue(office: Office) -> None:
    """By time alone; each pause once; the certificate of a completion never comes."""
    request = office.erase(NUMBER, COOKIE, anchors=GONE)
    assert later(office, minutes=59) == []
    sent = []
    for hours in (1, 4, 24, 48):
        later(office, hours=hours)
        sent.append(attempts(office, request))
    assert [item["web"] for item in sent] == [2, 3, 4, 5]
    assert office.service.get(request.request_id).state is State.COMMANDED
    later(office, hours=96)
    escalated = office.service.get(request.request_id)
    assert escalated.state is State.ATTENTION
    assert any(line.startswith("web: told 6 times") for line in escalated.problems)
    assert attempts(office, request)["web"] == 6
    for _ in range(5):
        later(office, days=7)
    end = office.service.get(request.request_id)
    assert (end.state, attempts(office, request)["web"]) == (State.ATTENTION, 8)
    assert summary(end, office.now)["overdue"]
    assert summary(end, office.now)["days_left"] < 0


def test_an_answer_ends_the_resending(office: Office) -> None:
    request = office.erase(NUMBER, COOKIE, anchors=GONE)
    for _ in range(6):
        later(office, days=4)
    office.deaf = set()
    later(office, days=7)
    done = office.service.get(request.request_id)
    assert done.state is State.COMPLETED
    count = len(office.commands)
    assert later(office, days=30) == []
    assert len(office.commands) == count


def test_half_of_the_time_gone_a_person_is_asked(office: Office) -> None:
    """Also after few attempts: the request came in long before it was entered."""
    office.now -= timedelta(days=20)
    came = office.now
    office.now += timedelta(days=20)
    made = office.service.create(
        "erasure", [NUMBER], reason=None, channel="web", received_at=came, anchors=GONE
    )
    office.deliver()
    assert office.service.get(made.request_id).state is State.COMMANDED
    later(office, hours=1)
    assert office.service.get(made.request_id).state is State.ATTENTION


def test_what_may_be_tried_again_is_and_what_is_final_waits_for_a_person(office: Office) -> None:
    request = office.erase(NUMBER, COOKIE, anchors=GONE)
    waits = say(office, request, "web", "failed", reason="store_unavailable", retryable=True)
    assert (waits.state, set(waits.waiting_for)) == (State.WAITING, {"crm", "web"})
    assert not [line for line in waits.problems if line.startswith("web: failed")]
    final = say(office, request, "crm", "failed", reason="unknown_field", retryable=False)
    assert final.state is State.ATTENTION
    later(office, hours=1)
    assert attempts(office, request) == {"crm": 1, "web": 2}
    office.deaf = {"crm"}
    later(office, hours=4)
    assert office.service.get(request.request_id).commands[f"{request.request_id}/web"].settled


def test_two_workers_at_once_tell_an_attempt_once(office: Office) -> None:
    """Whoever comes second finds it done; of what both sent the ledger keeps one, and jobs take an attempt once."""
    request = office.erase(NUMBER, COOKIE, anchors=GONE)
    office.now += timedelta(hours=1)
    service, stale = office.service, office.service.get(request.request_id)
    office.service.on_time(office.now)
    for command in to_tell_again(stale, office.now, RULES):
        service._sending.command(stale, command.command_id)
    assert service.on_time(office.now) == []
    kinds = [event.content for event in office.ledger.events(request.request_id) if event.kind == "commanded"]
    assert sorted((item["command_id"][-3:], item["attempt"]) for item in kinds) == [
        ("crm", 1), ("crm", 2), ("web", 1), ("web", 2),
    ]  # fmt: skip
    office.deaf = set()
    office.deliver()
    assert service.get(request.request_id).state is State.COMPLETED


def test_a_broker_that_is_away_loses_no_attempt(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    request = office.erase(NUMBER, COOKIE, anchors=GONE)

    def away(*_: object) -> None:
        raise BrokerUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(office.service._sending, "_send", away)
        with pytest.raises(BrokerUnavailable):
            later(office, hours=2)
    assert attempts(office, request) == {"crm": 1, "web": 1}
    later(office, minutes=1)
    assert attempts(office, request) == {"crm": 2, "web": 2}


def test_a_request_that_was_ended_is_left_alone(office: Office) -> None:
    request = office.erase(NUMBER, COOKIE, anchors=GONE)
    office.service.cancel(request.request_id)
    assert later(office, days=60) == []
    assert list(to_escalate(office.service.get(request.request_id), office.now, RULES, NORWEGIAN)) == []


def withheld(office: Office, until: date = UNTIL, **more: Any) -> RequestState:
    """An erasure whose register withholds what it has; the web erased."""
    office.deaf = {"crm"}
    request = office.erase(NUMBER, COOKIE, anchors=GONE)
    said = {"held": 1, "ground": "T98", "review_date": until, "citation": CITED, **more}
    say(office, request, "crm", "withheld", **said)
    return office.service.get(request.request_id)


def test_what_the_law_lets_a_system_withhold_ends_its_command(office: Office) -> None:
    """The request is completed and names it with rule, citation and day; the index goes on showing it."""
    done = withheld(office)
    assert (done.state, done.problems, done.waiting_for) == (State.COMPLETED, (), ())
    assert {(part["system"], part["rule"], part["citation"], part["until"]) for part in done.held} == {
        ("crm", "T98", CITED, "2031-12-31")
    }
    assert {item.tags.system for item in office.found(NUMBER, COOKIE).holdings} == {"crm"}
    office.now += timedelta(hours=1)
    office.put("web.visits", {**visit(3), "cookie_id": "another"})
    assert office.service.recheck(office.now) == []


def test_what_comes_later_to_a_system_that_withholds_is_found(office: Office) -> None:
    """The answer spoke of one event there, not of two."""
    withheld(office)
    office.now += timedelta(hours=1)
    office.put("crm.customers", {"customer_number": NUMBER[1], "name": "K", "updated_at": LAST_WEEK})
    (opened,) = office.service.recheck(office.now)
    assert [item.events for item in opened.late_findings] == [1]


@pytest.mark.parametrize(
    "more",
    [
        {"citation": None},
        {"citation": ""},
        {"citation": "bokf"},
        {"citation": "our own terms"},
        {"review_date": None},
        {"ground": None},
    ],
)
def test_what_is_withheld_without_a_ground_waits_for_a_person(office: Office, more: dict[str, Any]) -> None:
    """Nothing that a system made up itself is kept, either."""
    request = withheld(office, **more)
    assert request.state is State.ATTENTION
    assert "our own terms" not in str(office.ledger.stored)


def test_on_its_day_a_hold_is_reviewed(office: Office) -> None:
    """The request is shown again; asked anew the system erases, and nothing is left."""
    request = withheld(office, date(2026, 12, 24))
    assert later(office, days=31) == []
    (opened,) = later(office, days=1)
    assert opened.state is State.REOPENED
    assert opened.problems[0].startswith(
        "crm: withholds 1 record by T98 until 2026-12-24, and that day has come"
    )
    assert later(office, days=1) == []
    with pytest.raises(InputError, match="nothing came to light"):
        office.service.follow_up(request.request_id)
    office.deaf = set()
    office.service.resend(request.request_id)
    office.deliver()
    done = office.service.get(request.request_id)
    assert (done.state, done.held, done.reviews, done.problems) == (State.COMPLETED, (), (), ())
    assert not office.found(NUMBER, COOKIE).holdings


def test_a_hold_that_is_reviewed_may_go_on(office: Office) -> None:
    """Until another day; or a person ends it with a reason."""
    request = withheld(office, date(2026, 12, 24))
    later(office, days=33)
    office.service.resend(request.request_id)
    office.deliver()
    said = {"held": 1, "ground": "T98", "review_date": date(2027, 6, 1), "citation": CITED}
    again = say(office, request, "crm", "withheld", attempt=2, **said)
    assert (again.state, {part["until"] for part in again.held}) == (State.COMPLETED, {"2027-06-01"})
    assert {item.tags.system for item in office.found(NUMBER, COOKIE).holdings} == {"crm"}
    later(office, days=200)
    assert office.service.get(request.request_id).state is State.REOPENED
    assert office.service.close(request.request_id, "kept for the audit").state is State.CLOSED


def test_what_the_person_gave_can_be_read_until_the_review(office: Office) -> None:
    """The system is asked by it; without that it goes 90 days after the end."""
    request = withheld(office, date(2027, 6, 1))
    assert office.service.destroy_keys(office.now + timedelta(days=200)) == []
    assert office.service.destroy_keys(datetime(2027, 8, 30, tzinfo=office.now.tzinfo)) == [
        request.request_id
    ]


def test_nothing_found_where_something_was_planned_is_looked_at(office: Office) -> None:
    """A person may accept it; the numbers are said."""
    office.deaf = {"crm"}
    request = office.erase(NUMBER, COOKIE, anchors=GONE)
    looked = say(office, request, "crm", "not_found", erased=0)
    assert looked.state is State.ATTENTION
    assert looked.problems[0].startswith("crm: found nothing of the 1 planned; `innsyn requests resend")
    office.service.accept(request.request_id, "crm", "looked there by hand")
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED


def test_nothing_found_where_nothing_was_planned_settles() -> None:
    """And where nobody counted, nobody knows."""
    nothing = Command("r/web", "web", CommandState.NOT_FOUND, 1)
    assert replace(nothing, planned=0).settled
    assert not replace(nothing, planned=0, records={"Visit": 1}).settled
    assert not nothing.settled


@pytest.mark.parametrize(
    "said",
    [("accepted", {}), ("failed", {"reason": "store_unavailable", "retryable": True})],
    ids=["accepted", "failed"],
)
def test_a_system_whose_command_nobody_wrote_down_is_told_again(
    office: Office, monkeypatch: pytest.MonkeyPatch, said: tuple[str, dict[str, Any]]
) -> None:
    """Killed between Kafka and the ledger, and the system answers that it is on its way: it is still waited for."""
    file = office.service._file
    note = file.note

    def killed(request_id: str, event: Any) -> RequestState:
        if isinstance(event, Commanded):
            raise KeyboardInterrupt
        return note(request_id, event)

    monkeypatch.setattr(file, "note", killed)
    with pytest.raises(KeyboardInterrupt):
        office.erase(NUMBER, COOKIE, anchors=GONE)
    monkeypatch.undo()
    office.sent.clear()
    (request,) = office.service.requests()
    (first, *_) = request.commands.values()
    names = {"command_id": first.command_id, "request_id": request.request_id, "system": first.system}
    state, more = said
    hear(office.service, receipt(state, **{**names, "reported_at": office.now, **more}), attempt=1)
    office.service.resume()
    assert office.service.get(request.request_id).waiting_for == ("crm", "web")
    told = office.service.get(request.request_id).commands[first.command_id]
    assert (told.attempt, told.sent_at is not None) == (1, True)
    assert next_attempt_at(told, RULES.pauses) is not None

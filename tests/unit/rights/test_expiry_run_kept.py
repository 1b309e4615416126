"""Whose data stay although they have run out, and what systems and the index are told of them."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.vocabulary import Right
from sinks.ports.lineage import Span
from streams.answers.frozen import Frozen
from streams.answers.keeping import NOTHING_KEPT, Keeping
from streams.rights.frozen import commands_out
from streams.rights.protocol.messages import Named, kept_of
from streams.rights.protocol.request import RequestState, State
from streams.rights.protocol.scope import Scope
from streams.tagging.scan import Scanner
from tests.support.company import model
from tests.support.index import memory_index
from tests.support.kinds import KINDS
from tests.support.office import NOW, Office
from tests.support.receipts import job_key
from tests.support.suppressing import KARI, OLA
from tests.unit.rights.test_expiry_run import (
    BY,
    LONG_AGO,
    answered,
    approved,
    begun,
    held,
    office,
    through,
    view,
)
from tests.unit.rights.test_short import LOGIN, USERNAME

__all__ = ["office"]


def asked(office: Office, right: str, customer: str, **more: Any) -> RequestState:
    given = [("customer_number", customer)]
    return office.service.create(
        right, given, reason=None, channel="web", received_at=office.now, scope=Scope(**more)
    )


def named(office: Office, command: dict[str, Any]) -> list[Named]:
    return kept_of(command, job_key(office.keyring, command["system"]))


def test_whoever_has_an_open_request_keeps_theirs(office: Office) -> None:
    """The system is told whose records stay; once the request has ended the next run takes them."""
    office.tells = False
    request = asked(office, "access", KARI)
    run = approved(office, begun(office))
    (command,) = office.expiries
    assert [item["expected"] for item in command["records"]] == [1]
    assert ("customer_number", KARI) in {item[:2] for item in named(office, command)}
    run = answered(office, command)
    assert (run.state, held(office)) == (State.COMPLETED, 4)
    office.service.cancel(request.request_id)
    again = through(office)
    assert (again.state, again.awaits_approval, held(office)) == (State.COMPLETED, False, 2)


def test_an_answer_that_tells_of_more_while_somebody_is_kept_is_looked_at(office: Office) -> None:
    """The record of whoever is kept may be among them: the index forgets nothing before a person has looked."""
    office.tells = False
    asked(office, "access", KARI)
    run = approved(office, begun(office))
    (command,) = office.expiries
    run = answered(office, command, erased=2)
    assert (run.state, held(office), run.commands[command["command_id"]].doubtful) == (
        State.ATTENTION,
        5,
        True,
    )
    assert any("see that nobody's who is kept are gone" in line for line in run.problems)
    office.service.accept(run.request_id, command["system"], "two records of one event")
    office.deliver()
    assert (office.service.get(run.request_id).state, held(office)) == (State.COMPLETED, 4)


def test_an_answer_that_tells_of_more_where_nobody_is_kept_is_a_line(office: Office) -> None:
    """A system may have several records of an event."""
    run = approved(office, begun(office))
    (command,) = office.expiries
    run = answered(office, command, erased=4)
    assert (run.state, held(office)) == (State.COMPLETED, 2)
    assert any("more than" in line for line in run.problems)


def test_whoever_came_after_the_plan_is_kept_as_well(office: Office) -> None:
    """Named to the system when it was told; its answer says more than is left without their records."""
    office.tells = False
    run = begun(office)
    asked(office, "access", OLA)
    approved(office, run)
    (command,) = office.expiries
    assert answered(office, command, erased=3).state is State.ATTENTION
    assert held(office) == 5


def test_what_is_kept_begins_no_run(office: Office) -> None:
    """A run would take nothing, and the next one after it, time and again."""
    office.tells = False
    asked(office, "access", KARI)
    assert (through(office).state, held(office)) == (State.COMPLETED, 4)
    assert office.service.run_retention(office.now, "web.token").run is None
    assert office.service.retention_on_clock(office.now, 13) is None


def test_a_first_run_that_takes_nothing_is_approved_as_well(office: Office) -> None:
    """All of it is kept by the time that it is planned. Else the next one went by rules that nobody had seen."""
    office.tells = False
    looked = office.service.run_retention(office.now, BY)
    requests = [asked(office, "access", customer) for customer in (KARI, OLA)]
    office.deliver()
    assert looked.run is not None
    run = office.service.get(looked.run.request_id)
    assert ((run.plan or {})["run"]["index"], run.awaits_approval) == ([], True)
    office.service.cancel(run.request_id)
    for request in requests:
        office.service.cancel(request.request_id)
    second = begun(office)
    assert (second.awaits_approval, office.expiries) == (True, [])


@pytest.mark.parametrize(("right", "kept"), [("objection", 0), ("withdrawal", 0), ("restriction", 2)])
def test_an_objection_that_has_ended_is_no_ground_to_store(office: Office, right: str, kept: int) -> None:
    """Nor is a withdrawn consent; what restricts processing until it is lifted is (GDPR Art. 18(2))."""
    request = asked(office, right, KARI)
    office.deliver()
    for item in office.service.get(request.request_id).commands.values():
        if item.doubtful:
            office.service.accept(request.request_id, item.system, "done by hand")
    if not office.service.get(request.request_id).ended:
        office.service.close(request.request_id, "answered by letter")
    assert office.service.get(request.request_id).ended
    due = office.service._runs.due(office.now)
    assert sum(item.kept for item in due.records) == kept


def test_whose_request_ends_after_the_plan_keeps_theirs_until_the_next_run(office: Office) -> None:
    """The plan counts without them, so systems are told of them too."""
    office.tells = False
    request = asked(office, "access", KARI)
    run = begun(office)
    office.service.cancel(request.request_id)
    run = approved(office, run)
    (command,) = office.expiries
    assert [item[:2] for item in named(office, command)] == [("customer_number", KARI)]
    run = answered(office, command)
    assert (run.state, held(office)) == (State.COMPLETED, 4)
    assert through(office).state is State.COMPLETED
    assert held(office) == 2


def test_whoever_comes_after_the_plan_keeps_theirs_in_the_index(office: Office) -> None:
    """The system was told already, and that is said."""
    run = approved(office, begun(office))
    asked(office, "access", OLA)
    run = answered(office, office.expiries[0])
    assert (run.state, held(office)) == (State.COMPLETED, 3)
    assert run.forgotten == {"events_removed": 2, "events_narrowed": 0}
    assert ["1 event of people who came in after the plan" in line for line in run.problems] == [True]


def test_whoever_comes_before_a_system_is_told_stays_there_and_in_the_index(office: Office) -> None:
    """Also once the request has ended before the system answers: it was told to keep the records, and expects no more
    of them; else the index would know nothing of what the system holds."""
    office.tells = False
    run = begun(office)
    request = asked(office, "access", OLA)
    run = approved(office, run)
    (command,) = office.expiries
    assert [item[:2] for item in named(office, command)] == [("customer_number", OLA)]
    assert [item["expected"] for item in command["records"]] == [2]
    office.service.cancel(request.request_id)
    run = answered(office, command)
    assert (run.state, held(office)) == (State.COMPLETED, 3)
    assert run.forgotten == {"events_removed": 2, "events_narrowed": 0}
    assert through(office).state is State.COMPLETED
    assert held(office) == 2


def test_whoever_comes_before_a_system_is_told_again_is_named_to_it(office: Office) -> None:
    approved(office, begun(office))
    asked(office, "access", OLA)
    office.service.resend("x-20261122-1")
    office.deliver()
    assert [len(named(office, command)) > 0 for command in office.expiries] == [False, True]


def test_whoever_is_still_to_be_checked_keeps_what_links_lead_to(tmp_path: Path) -> None:
    """Who makes the request is asked first, which takes days: no plan knows yet where the person's data lie."""
    rules = model().rights.model_copy(update={"unchecked": {Right.ACCESS: "waits"}})
    with ExitStack() as stack:
        office = Office(tmp_path, memory_index(), stack, rules=rules)
        named = {"customer_number": KARI, "username": USERNAME[1]}
        office.put("crm.customers", {**named, "updated_at": NOW - timedelta(days=900)})
        office.put("web.logins", {**LOGIN, "occurred_at": NOW - timedelta(days=200)})
        request = asked(office, "access", KARI)
        office.deliver()
        assert office.service.get(request.request_id).state is State.UNCHECKED
        assert [item.kept for item in office.service._runs.due(office.now).records] == [1]
        office.service.cancel(request.request_id)
        assert [item.kept for item in office.service._runs.due(office.now).records] == [0]


class Orders:
    """Preservation orders that hold these spans."""

    def __init__(self, *spans: Span) -> None:
        self.spans = spans

    def frozen(self, _: Any) -> Frozen:
        return Frozen(dict.fromkeys(self.spans, date(2026, 12, 31)))

    def destroy_keys(self, _: Any) -> list[str]:
        return []


def span(office: Office, customer: str) -> Span:
    return Span(office.keyring.tokenizer().token(model().kinds.parse("customer_number"), customer))


def test_an_order_that_comes_while_a_run_is_out_names_it(office: Office) -> None:
    """Its command may take what the order holds, until the system has answered; not where it names whom it holds."""
    order = Frozen({span(office, KARI): date(2026, 12, 31)})

    def out() -> list[tuple[str, str]]:
        return commands_out(office.service.requests(), order)

    run = approved(office, begun(office))
    assert out() == [(run.request_id, "tv_middleware")]
    request = asked(office, "access", KARI)
    office.service.resend(run.request_id)
    assert out() == []
    office.service.cancel(request.request_id)
    answered(office, office.expiries[0])
    assert out() == []


def test_a_system_to_which_somebody_kept_cannot_be_named_is_told_nothing(office: Office) -> None:
    """Nobody knows the number that an order holds by its token; the run says so, and goes on once the order ended."""
    view(office, KARI, LONG_AGO)
    orders = Orders(span(office, KARI))
    office.serve(Keeping(orders=orders))
    run = approved(office, begun(office))
    assert (run.state, office.expiries) == (State.ATTENTION, [])
    assert "people whose data are kept" in run.problems[0]
    assert len(office.service.resume()) == 1
    length = office.service.get(run.request_id).length
    office.service.resume()
    assert office.service.get(run.request_id).length == length, "the same is said once"
    assert held(office) == 6


def test_an_open_request_of_which_nobody_knows_whom_it_is_about_makes_it_wait(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ValueError

    with monkeypatch.context() as patched:
        patched.setattr(office.service._beside, "record", fails)
        patched.setattr(type(office.service._subjects), "of", fails)
        request = asked(office, "access", KARI)
        office.deliver()
    assert office.service.get(request.request_id).identity is None
    run = begun(office)
    assert (run.plan, run.waiting_for) == (None, (request.request_id,))
    assert "nothing that has run out is deleted until that is known" in run.problems[0]
    office.service.cancel(request.request_id)
    office.deliver()
    assert office.service.get(run.request_id).plan is not None


def test_no_system_is_told_while_nobody_knows_whom_an_open_request_is_about(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came between the plan and its approval; no record of it can be named to the system."""
    run = begun(office)

    def fails(*_: object) -> None:
        raise ValueError

    with monkeypatch.context() as patched:
        patched.setattr(office.service._beside, "record", fails)
        patched.setattr(type(office.service._subjects), "of", fails)
        request = asked(office, "access", KARI)
        office.deliver()
        run = approved(office, run)
    assert (run.state, office.expiries) == (State.ATTENTION, [])
    assert f"it is not known yet whom {request.request_id} is about" in run.problems[0]
    office.service.cancel(request.request_id)
    office.service.resume()
    office.deliver()
    assert len(office.expiries) == 1


def test_a_system_in_which_somebody_kept_is_mentioned_in_a_text_is_told_nothing(tmp_path: Path) -> None:
    """No job looks into texts: the record of whoever wrote it would go."""
    with ExitStack() as stack:
        office = Office(tmp_path, memory_index(), stack, scanner=Scanner(KINDS), sealing=True)
        office.serve(NOTHING_KEPT)
        email = "kari.nordlie@example.no"
        office.put(
            "crm.customers",
            {"customer_number": KARI, "email": email, "updated_at": LONG_AGO - timedelta(days=9)},
        )
        watched = {"kind": "live", "customer_number": OLA, "device_serial": "STB1", "started_at": LONG_AGO}
        office.put("tv.viewings", {**watched, "search_text": email}, watched)
        office.tells = False
        asked(office, "access", KARI)
        run = approved(office, begun(office))
        assert [item["system"] for item in office.expiries] == []
        assert run.state is State.ATTENTION
        assert any("mention people whose data are kept in a text" in line for line in run.problems)

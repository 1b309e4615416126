"""When people are looked at of whom something may have run out, and of whom nobody can say who they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.rights_rules import ApprovalRule
from schemas.vocabulary import Right
from sinks.memory.requests import MemoryRequests
from sinks.ports.lineage import Span
from streams.rights.other_rules import OtherRules
from streams.rights.protocol.request import RequestState, State
from tests.support.approved_rules import keep_longer
from tests.support.company import model
from tests.support.office import NOW
from tests.unit.rights.test_expiry_run import answered, approved, begun
from tests.unit.rights.test_people_expiry import DAY, KARI, LONG_AGO, OLA, Expiring, office

__all__ = ["office"]


def test_the_clock_begins_at_its_hour(office: Expiring) -> None:
    """By the company's zone: it is 13 o'clock in Oslo."""
    office.left()
    assert office.service.people_on_clock(office.now, 14, 10) is None
    begun = office.service.people_on_clock(office.now, 13, 10)
    assert begun is not None
    assert len(begun.requests) == 1


def test_what_may_be_anybodys_is_counted_and_does_not_go(office: Expiring) -> None:
    """Two customers share an address, and a chat of long ago says no port."""
    at = NOW - 500 * DAY
    for number, low, high in ((KARI, 1024, 2047), (OLA, 2048, 3071)):
        office.customer(number)
        office.contract("started", LONG_AGO, f"A-{number}", number)
        block = {"kind": "start", "address": "192.0.2.7", "customer_number": number, "nas": "cgn-1"}
        block |= {"session_id": f"s-{number}", "source": "cgnat", "purpose": "operations"}
        office.put("network.assignments", {**block, "port_from": low, "port_to": high, "occurred_at": at})
    said = {"session_id": "c-1", "text": "", "sender": "person", "client_address": "192.0.2.7"}
    office.put("support.chats", {**said, "sent_at": at + timedelta(hours=1)})
    address = office.token("ip", "192.0.2.7")
    begun = office.service.expire_people(office.now, 10)
    office.deliver()
    assert (begun.through, begun.unclear) == (True, 1)
    chats = [
        item
        for item in office.index.reader.find([Span(address)]).holdings
        if item.tags.record == "ChatMessage"
    ]
    assert len(chats) == 1


@pytest.fixture
def unseen(office: Expiring) -> Expiring:
    """An office in which no run was begun yet."""
    office.ledger = MemoryRequests()
    office.serve(office.keeping)
    return office


def test_nothing_of_people_goes_before_a_first_run_was_approved(unseen: Expiring) -> None:
    """It is begun for that also where nothing has run out by the day of its event."""
    unseen.left()
    looked = unseen.service.expire_people(unseen.now, 10)
    assert (looked.requests, looked.through) == ((), False)
    assert (looked.why or "").startswith("no retention run has been approved yet")
    clock = unseen.service.retention_on_clock(unseen.now, 0)
    assert clock is not None
    unseen.deliver()
    run = unseen.service.get(clock.request_id)
    assert ((run.plan or {})["run"]["index"], run.awaits_approval) == ([], True)
    assert unseen.service.expire_people(unseen.now, 10).requests == ()
    # Whoever takes it back has not approved the rules.
    unseen.service.cancel(run.request_id)
    assert unseen.service.expire_people(unseen.now, 10).requests == ()
    assert approved(unseen, begin(unseen)).state is State.COMPLETED
    assert len(unseen.service.expire_people(unseen.now, 10).requests) == 1


def test_nothing_of_people_goes_while_the_rules_await_approval(office: Expiring) -> None:
    """A run shows what they do first."""
    office.now += 36 * DAY
    office.left()
    seen = {"kind": "live", "customer_number": OLA, "device_serial": "S-1", "started_at": LONG_AGO}
    office.put("tv.viewings", seen)
    run = office.service.run_retention(office.now, "dpo").run
    office.deliver()
    assert run is not None
    begun = office.service.expire_people(office.now, 10)
    assert (begun.requests, begun.why) == (
        (),
        f"{run.request_id} awaits approval of the rules by which data run out",
    )
    assert approved(office, office.service.get(run.request_id)).state is State.COMPLETED
    assert len(office.service.expire_people(office.now, 10).requests) == 1


@pytest.mark.parametrize("days", [36, 60, 3650])
def test_nothing_of_people_goes_by_a_clock_that_may_be_ahead(office: Expiring, days: int) -> None:
    """Three months after the end of the contract have not passed. A run is begun for a person to see the clock, also
    where nothing else has run out; once the clock is set right it is as if it had not been wrong."""
    office.left(ended=office.now - 80 * DAY)
    office.expire()
    kept, right = office.categories(), office.now
    assert office.service.run_retention(office.now, "dpo").run is None
    office.now += days * DAY
    looked = office.service.expire_people(office.now, 10)
    assert (looked.requests, looked.through) == ((), False)
    assert "the clock of this machine may be wrong" in (looked.why or "")
    clock = office.service.retention_on_clock(office.now, 0)
    assert clock is not None
    office.deliver()
    run = office.service.get(clock.request_id)
    assert run.awaits_approval
    assert office.expire_now() == []
    assert office.categories() == kept
    office.now = right
    office.service.cancel(run.request_id)
    assert office.service.expire_people(office.now, 10).why is None
    assert office.categories() == kept


def test_what_went_of_people_says_that_the_clock_is_right(office: Expiring) -> None:
    """Where runs have nothing to take; and after a pause what was approved."""
    office.left()
    office.now += 30 * DAY
    (first,) = office.expire_now()
    assert first.state is State.COMPLETED
    office.left(OLA)
    office.now += 30 * DAY
    assert len(office.expire_now()) == 1
    office.left("k-100203")
    office.now += 40 * DAY
    assert office.expire_now() == []
    assert approved(office, begin(office)).state is State.COMPLETED
    assert len(office.expire_now()) == 1


def test_nobody_is_looked_at_while_nobody_knows_whose_an_open_request_is(
    office: Expiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be of one of those whose data would go."""

    def fails(*_: object) -> None:
        raise ValueError

    office.left()
    with monkeypatch.context() as patched:
        patched.setattr(office.service._beside, "record", fails)
        patched.setattr(type(office.service._subjects), "of", fails)
        given = [("customer_number", OLA)]
        asked = office.service.create("access", given, reason=None, channel="test", received_at=office.now)
        office.deliver()
    begun = office.service.expire_people(office.now, 10)
    assert (begun.requests, begun.why) == (
        (),
        f"nobody knows yet whom {asked.request_id} is about, whose data stay",
    )
    office.service.cancel(asked.request_id)
    assert len(office.service.expire_people(office.now, 10).requests) == 1


def test_nothing_of_people_goes_before_a_run_of_the_same_hour_is_planned(office: Expiring) -> None:
    """It is then that it is known whether the rules need approval; both begin at once."""
    office.left()
    seen = {"kind": "live", "customer_number": OLA, "device_serial": "S-1", "started_at": LONG_AGO}
    office.put("tv.viewings", seen)
    run = office.service.retention_on_clock(office.now, 0)
    looked = office.service.people_on_clock(office.now, 0)
    assert run is not None
    assert looked is not None
    assert (looked.requests, looked.through) == ((), False)
    assert (looked.why or "").startswith(f"{run.request_id} is not planned yet")


def test_nothing_of_people_goes_by_rules_that_changed_before_they_are_approved(office: Expiring) -> None:
    """Also where nothing runs out by the day of its event: a run is begun all the same, for its approval."""
    office.put(
        "tv.viewings",
        {"kind": "live", "customer_number": OLA, "device_serial": "S-1", "started_at": LONG_AGO},
    )
    begin(office, approve=True)
    office.left(ended=office.now - timedelta(days=1))
    rules = office.catalogue.retention_rules
    shorter = {
        name: rule.model_copy(update={"period": "P0D"}) if rule.clock == "contract_end" else rule
        for name, rule in rules.items()
    }
    office.catalogue = replace(office.catalogue, retention_rules=shorter)
    office.serve(office.keeping)
    waits = office.service.expire_people(office.now, 10)
    assert (waits.requests, (waits.why or "")[:27]) == ((), "the retention rules are oth")
    run = begin(office)
    assert (run.plan or {})["run"]["index"] == []
    assert run.awaits_approval
    assert office.service.expire_people(office.now, 10).requests == ()
    assert approved(office, run).state is State.COMPLETED
    assert len(office.service.expire_people(office.now, 10).requests) == 1


def awaiting(office: Expiring) -> RequestState:
    """What has run out of a customer who left, planned and not approved."""
    rules = model().rights.model_copy(update={"approval": (ApprovalRule(right=Right.RETENTION),)})
    office._rules = rules
    office.serve(office.keeping)
    office.left()
    (request,) = office.expire()
    assert request.awaits_approval
    return request


def approve(office: Expiring, request: RequestState) -> RequestState:
    """By two people, as nobody made it."""
    for by in ("one.token", "other.token"):
        office.service.approve(request.request_id, request.digest or "", by)
    office.deliver()
    return office.service.get(request.request_id)


def test_who_restricts_before_the_approval_keeps_theirs(office: Expiring) -> None:
    """GDPR Art. 18(2): what was planned before tells nobody."""
    request = awaiting(office)
    given = [("customer_number", KARI)]
    made = office.service.create(
        "restriction", given, reason=None, channel="test", received_at=office.now
    ).request_id
    office.deliver()
    request = approve(office, request)
    assert (request.state, office.commands) == (State.ATTENTION, [])
    assert f"{made} restricts the processing" in request.problems[0]
    assert office.records_of("crm") == 1


def test_a_contract_that_ends_later_than_was_planned_keeps_its_data(office: Expiring) -> None:
    """The customer came back for a while before it was approved: three months begin anew."""
    request = awaiting(office)
    office.now += 2 * DAY
    office.contract("started", office.now - DAY, "A-2")
    office.contract("ended", office.now - timedelta(hours=1), "A-2")
    request = approve(office, request)
    assert (request.state, office.commands) == (State.ATTENTION, [])
    assert "events say since that it started on 2026-11-24" in request.problems[0]


def other_rules(office: Expiring) -> None:
    """By a rule of today what follows the end of a contract is kept for five years."""
    keep_longer(office, "T20", office.keeping)


def test_nobody_is_told_again_by_rules_that_changed_since(office: Expiring) -> None:
    """Systems are silent; what they would erase by the command is kept by the rules of today."""
    office.left()
    office.deaf |= set(office.stores)
    (request,) = office.expire()
    told = len(office.commands)
    other_rules(office)
    office.now += DAY
    office.service.on_time(office.now)
    request = office.service.get(request.request_id)
    assert (request.state, len(office.commands)) == (State.ATTENTION, told)
    assert f"changed since {request.request_id} was planned" in request.problems[0]
    with pytest.raises(OtherRules, match=f"innsyn requests close {request.request_id}"):
        office.service.resend(request.request_id)
    kept = office.categories()
    request = office.service.close(request.request_id, "the rules have changed")
    assert (request.state, office.categories()) == (State.CLOSED, kept)


def test_nothing_is_forgotten_by_rules_that_changed_before_anybody_was_told(office: Expiring) -> None:
    """It waited for approval."""
    request = awaiting(office)
    kept = office.categories()
    other_rules(office)
    request = approve(office, request)
    assert (request.state, office.commands, office.categories()) == (State.ATTENTION, [], kept)


def begin(office: Expiring, *, approve: bool = False) -> RequestState:
    run = begun(office)
    if approve:
        run = approved(office, run) if run.awaits_approval else run
        run = answered(office, office.expiries[0])
        assert run.state is State.COMPLETED
    return run

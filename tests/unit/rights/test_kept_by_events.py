"""Requests where events say when clocks started, and where a preservation order holds everything of the person."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.calendars import NORWEGIAN
from schemas.codec import encode
from schemas.policy import RetentionAnchors
from sinks.memory.preservation import MemoryPreservation
from streams.answers.clocks import Clocks
from streams.answers.frozen import HeldByLaw
from streams.answers.keeping import Keeping
from streams.answers.preservation import Preservation
from streams.answers.question import Identifier
from streams.identity.identities import Identities
from streams.rights.frozen import commands_out
from streams.rights.protocol.states import RequestState, State
from tests.support.index import memory_index
from tests.support.kinds import KINDS
from tests.support.office import NOW, Office
from tests.unit.rights.test_short import visit

KARI, OLA = "k-100201", "k-100202"
NUMBER = ("customer_number", KARI)
CONTRACTS, CUSTOMERS = "orders.contracts", "crm.customers"
LONG_AGO = datetime(2019, 5, 1, tzinfo=UTC)


class Kept(Office):
    """An office that goes by what events say of clocks, and by preservation orders."""

    def __init__(self, folder: Path, stack: ExitStack, index: Any = None, records: Any = None) -> None:
        super().__init__(folder, index or memory_index(), stack, records)
        people = Identities(self.index.claims, self.catalogue.identity_sources)
        self.log = MemoryPreservation()
        self.orders = Preservation(self.log, self.keyring, people, self.keyring.tokenizer, KINDS, NORWEGIAN)
        self.serve(Keeping(Clocks(self.index.clocks, NORWEGIAN), self.orders))

    def contract(self, kind: str, at: datetime, number: str = "A-1", customer: str = KARI) -> None:
        said = {"contract_id": number, "customer_number": customer, "product": "Fiber", "kind": kind}
        self.put(CONTRACTS, {**said, "occurred_at": at})

    def handle(self, command: dict[str, Any]) -> None:
        """The job of a system gets a command late."""
        self._jobs[command["system"]].handle(encode(self.records["ErasureCommand"], command), self._send)

    def freeze(self, number: str = "p-1", kind: str = "customer_number", value: str = KARI) -> None:
        about = [Identifier(KINDS[kind], value)]
        self.orders.add(number, about, (self.now + timedelta(days=60)).date(), "case 4711", self.now)


@pytest.fixture
def office(tmp_path: Path) -> Any:
    with ExitStack() as stack:
        made = Kept(tmp_path, stack)
        made.put(CUSTOMERS, {"customer_number": KARI, "name": "Invented", "updated_at": LONG_AGO})
        yield made


def again(office: Kept, request: RequestState) -> RequestState:
    office.service.resend(request.request_id)
    office.deliver()
    return office.service.get(request.request_id)


def decisions(request: RequestState) -> dict[str, set[str]]:
    """By record, what was decided."""
    found: dict[str, set[str]] = {}
    for part in (request.plan or {})["parts"]:
        found.setdefault(part["record"], set()).add(part["action"])
    return found


def test_a_customer_whose_contracts_have_ended_is_erased_without_a_typed_day(office: Kept) -> None:
    """The day is the last event's; the request says which event it was."""
    office.contract("started", LONG_AGO)
    office.contract("ended", LONG_AGO + timedelta(days=300))
    request = office.erase(NUMBER)
    assert decisions(request)["CustomerDetails"] == {"erase_now"}
    (clock,) = (request.plan or {})["clocks"]
    assert (clock["clock"], clock["day"], clock["from"]) == ("contract_end", "2020-02-25", "events")
    assert clock["events"]["topic"] == CONTRACTS


def test_whoever_came_back_is_a_customer(office: Kept) -> None:
    """So is whoever has another contract that has not ended; a typed day goes before, and the plan says so."""
    office.contract("ended", LONG_AGO)
    office.contract("returned", LONG_AGO + timedelta(days=10))
    held = office.erase(NUMBER)
    assert decisions(held)["CustomerDetails"] == {"hold_until"}
    assert (held.plan or {})["clocks"][0]["events"]["going_on"] == 1
    typed = office.erase(NUMBER, anchors=RetentionAnchors(contract_end=date(2020, 1, 31)))
    assert decisions(typed)["CustomerDetails"] == {"erase_now"}
    assert (typed.plan or {})["clocks"][0]["differs"]


def test_an_order_holds_everything_as_it_is(office: Kept) -> None:
    """No system is told, nothing is narrowed, and the answer has the rule and not the order's reference."""
    office.contract("ended", LONG_AGO)
    before = office.found(NUMBER)
    office.freeze()
    request = office.erase(NUMBER)
    assert request.state is State.COMPLETED
    assert {action for found in decisions(request).values() for action in found} == {"hold_until"}
    assert {part["rule"] for part in (request.plan or {})["parts"]} == {"T10"}
    assert {part["until"] for part in (request.plan or {})["parts"]} == {"2027-01-21"}
    assert office.commands == []
    assert office.found(NUMBER) == before
    assert "4711" not in repr(request)
    assert "p-1" not in repr(request)


def test_an_order_that_comes_after_the_plan_stops_the_request(office: Kept) -> None:
    """No system is told again and the index forgets nothing; once it is lifted the request goes on."""
    office.contract("ended", LONG_AGO)
    office.deaf |= set(office.stores)
    request = office.erase(NUMBER)
    told = len(office.commands)
    assert (request.state, told > 0) == (State.COMMANDED, True)
    office.freeze()
    office.deaf.clear()
    with pytest.raises(HeldByLaw, match="held by law"):
        again(office, request)
    office.now += timedelta(days=20)
    office.service.on_time(office.now)
    office.deliver()
    assert len(office.commands) == told
    assert office.found(NUMBER).total_events
    office.orders.lift("p-1", NOW)
    assert again(office, request).state is State.COMPLETED


def test_an_answer_that_comes_while_an_order_runs_makes_the_index_forget_nothing(office: Kept) -> None:
    """The system erased before it could be told; what the index knows of it stays, and the request says why."""
    office.contract("ended", LONG_AGO)
    office.deaf |= set(office.stores)
    request = office.erase(NUMBER)
    office.freeze()
    office.deaf.clear()
    for command in list(office.commands):
        office.handle(command)
    office.deliver()
    stopped = office.service.get(request.request_id)
    assert stopped.state is State.ATTENTION
    assert any("held by law" in problem for problem in stopped.problems)
    assert office.found(NUMBER).total_events
    office.orders.lift("p-1", NOW)
    assert again(office, request).state is State.COMPLETED


def corrected(office: Kept) -> RequestState:
    corrections = {"CustomerDetails.name": "Another"}
    made = office.service.create(
        "rectification",
        [NUMBER],
        reason=None,
        channel="test",
        received_at=office.now,
        corrections=corrections,
    )
    office.deliver()
    return office.service.get(made.request_id)


def names(office: Kept) -> list[str | None]:
    return [row["name"] for row in office.stores["crm"].usable("CustomerDetails", "P-CONTRACT")]


def test_an_order_stops_a_correction_which_would_overwrite_what_it_holds(office: Kept) -> None:
    """Planned under it nobody is told, also not people; once it is lifted the correction goes on."""
    office.jobs_answer = True
    office.freeze()
    stopped = corrected(office)
    assert (stopped.state, dict(stopped.commands), office.others) == (State.ATTENTION, {}, [])
    assert any("held by law" in problem for problem in stopped.problems)
    office.orders.lift("p-1", NOW)
    again(office, stopped)
    assert names(office) == ["Another"]


def test_an_order_that_comes_after_the_plan_of_a_correction_stops_it(office: Kept) -> None:
    """Not told again, neither by a person nor by time."""
    office.deaf.add("crm")
    office.jobs_answer = True
    planned = corrected(office)
    told = len(office.others)
    office.freeze()
    office.deaf.clear()
    with pytest.raises(HeldByLaw):
        again(office, planned)
    office.now += timedelta(days=20)
    office.service.on_time(office.now)
    office.deliver()
    assert (len(office.others), names(office)) == (told, ["Invented"])


def test_a_person_under_an_order_is_restricted_all_the_same(office: Kept) -> None:
    office.jobs_answer = True
    office.freeze()
    office.service.create("restriction", [NUMBER], reason=None, channel="test", received_at=office.now)
    office.deliver()
    assert names(office) == []


def test_who_gets_an_address_of_mail_after_the_order_is_not_held_and_who_had_it_is(tmp_path: Path) -> None:
    """An order is about whom its identifiers meant when it was ordered."""
    mail = "post@example.no"
    with ExitStack() as stack:
        office = Kept(tmp_path, stack)
        first = {"customer_number": KARI, "name": "Invented", "email": mail, "updated_at": LONG_AGO}
        office.put(CUSTOMERS, first, {**first, "customer_number": OLA, "email": "ola@example.no"})
        for number, customer in (("A-1", KARI), ("A-2", OLA)):
            office.contract("ended", LONG_AGO, number, customer)
        office.freeze(kind="email", value=mail)
        office.now += timedelta(days=2)
        moved = office.now - timedelta(hours=2)
        office.put(CUSTOMERS, {**first, "email": "kari@example.no", "updated_at": moved})
        passed = {"customer_number": OLA, "email": mail, "updated_at": moved + timedelta(hours=1)}
        office.put(CUSTOMERS, {**first, **passed})
        office.now += timedelta(days=1)
        held, gone = office.erase(NUMBER), office.erase(("customer_number", OLA))
        assert {part["rule"] for part in (held.plan or {})["parts"]} == {"T10"}
        assert decisions(gone)["CustomerDetails"] == {"erase_now"}
        assert (office.stored("crm", NUMBER), office.stored("crm", ("customer_number", OLA))) == (2, 0)


def test_an_identifier_that_nobody_is_linked_to_is_held_as_it_is_met_later(tmp_path: Path) -> None:
    """A cookie without a login: what comes under it after the order is held too."""
    cookie = ("cookie_id", "c-1")
    with ExitStack() as stack:
        office = Kept(tmp_path, stack)
        office.put("web.visits", visit(1))
        office.freeze(kind=cookie[0], value=cookie[1])
        office.put("web.visits", visit(2))
        office.now += timedelta(days=1)
        office.put("web.visits", {**visit(3), "occurred_at": office.now - timedelta(hours=1)})
        request = office.erase(cookie)
        assert {part["rule"] for part in (request.plan or {})["parts"]} == {"T10"}
        assert office.stored("web", cookie) == 3


def test_which_commands_are_out_when_an_order_comes_is_said(office: Kept) -> None:
    """Of the person whom it holds, until each is answered: no message takes a command back."""
    office.contract("ended", LONG_AGO)
    office.put(CUSTOMERS, {"customer_number": OLA, "name": "Invented", "updated_at": LONG_AGO})
    office.contract("ended", LONG_AGO, "A-2", OLA)
    office.deaf |= set(office.stores)
    mine, _ = office.erase(NUMBER), office.erase(("customer_number", OLA))
    office.freeze()

    def out() -> list[tuple[str, str]]:
        (order,) = office.orders.orders()
        return commands_out(office.service.requests(), office.orders.held_by(order))

    told = sorted(
        (mine.request_id, command["system"])
        for command in office.commands
        if command["request_id"] == mine.request_id
    )
    assert told
    assert sorted(out()) == told
    for command in list(office.commands):
        office.handle(command)
    office.deliver()
    assert out() == []


def test_others_are_erased_meanwhile(office: Kept) -> None:
    """An order holds one person."""
    office.put(CUSTOMERS, {"customer_number": OLA, "name": "Invented", "updated_at": LONG_AGO})
    office.contract("ended", LONG_AGO, "A-2", OLA)
    office.freeze()
    request = office.erase(("customer_number", OLA))
    assert request.state is State.COMPLETED
    assert decisions(request)["CustomerDetails"] == {"erase_now"}

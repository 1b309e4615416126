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
from streams.rights.protocol.states import RequestState, State
from tests.support.index import memory_index
from tests.support.kinds import KINDS
from tests.support.office import NOW, Office

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


def test_others_are_erased_meanwhile(office: Kept) -> None:
    """An order holds one person."""
    office.put(CUSTOMERS, {"customer_number": OLA, "name": "Invented", "updated_at": LONG_AGO})
    office.contract("ended", LONG_AGO, "A-2", OLA)
    office.freeze()
    request = office.erase(("customer_number", OLA))
    assert request.state is State.COMPLETED
    assert decisions(request)["CustomerDetails"] == {"erase_now"}

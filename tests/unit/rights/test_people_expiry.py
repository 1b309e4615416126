"""What has run out for a person by their own clocks goes by itself: from systems, then from the index, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from schemas.calendars import NORWEGIAN
from sinks.clickhouse.claims import ClickHouseClaims
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.retained import ClickHouseRetained
from sinks.memory.identity import RetainedMemoryClaims
from sinks.memory.index import MemoryIndex
from sinks.memory.preservation import MemoryPreservation
from sinks.memory.retained import MemoryRetained
from sinks.ports.identity import ClaimReader
from sinks.ports.retained import RetainedSessions
from streams.answers.clocks import Clocks
from streams.answers.keeping import Keeping
from streams.answers.preservation import Preservation
from streams.answers.question import Identifier
from streams.identity.identities import Identities
from streams.rights.protocol.request import RequestState, State
from streams.rights.returned import Returned
from tests.support.approved_rules import approve_rules
from tests.support.index import Index, memory_index, running, sql_index
from tests.support.kinds import KINDS
from tests.support.office import NOW, Office

KARI, OLA = "k-100201", "k-100202"
DAY = timedelta(days=1)
LONG_AGO = datetime(2019, 5, 1, 12, tzinfo=UTC)
ENDED = NOW - 100 * DAY


class Expiring(Office):
    """An office with a register of customers, their contracts and cases, and preservation orders."""

    def __init__(
        self,
        folder: Path,
        stack: ExitStack,
        index: Index,
        retained: ClaimReader,
        sessions: RetainedSessions,
    ) -> None:
        self.retained, self.sessions = retained, sessions
        super().__init__(folder, index, stack, sealing=True, retained=retained, sessions=sessions)
        people = Identities(self.index.claims, self.catalogue.identity_sources)
        log = MemoryPreservation()
        self.orders = Preservation(log, self.keyring, people, self.keyring.tokenizer, KINDS, NORWEGIAN)
        self.keeping = Keeping(Clocks(self.index.clocks, NORWEGIAN), self.orders)
        self.serve(self.keeping)
        self.jobs_answer = True
        self.approve_rules()

    def approve_rules(self) -> None:
        """People have seen by which rules data run out."""
        approve_rules(self.service, self.now)
        self.rules_seen = self.now

    def customer(self, number: str = KARI, at: datetime = LONG_AGO, **more: Any) -> None:
        said = {"customer_number": number, "name": "Invented", "email": f"{number}@example.no"}
        self.put("crm.customers", {**said, "updated_at": at, **more})

    def contract(self, kind: str, at: datetime, number: str = "A-1", customer: str = KARI) -> None:
        said = {"contract_id": number, "customer_number": customer, "product": "Fiber", "kind": kind}
        self.put("orders.contracts", {**said, "occurred_at": at})

    def left(self, number: str = KARI, ended: datetime = ENDED) -> None:
        """A customer whose only contract has ended."""
        self.customer(number)
        self.contract("started", LONG_AGO, f"A-{number}", number)
        self.contract("ended", ended, f"A-{number}", number)

    def freeze(self, value: str = KARI) -> None:
        about = [Identifier(KINDS["customer_number"], value)]
        self.orders.add("p-1", about, (self.now + 60 * DAY).date(), "case 4711", self.now)

    def expire(self, limit: int = 100) -> list[RequestState]:
        """All that begins by itself on this day, as far as it comes; as it stands then."""
        if self.now - self.rules_seen > 30 * DAY:
            # Runs went on meanwhile.
            self.approve_rules()
        return self.expire_now(limit)

    def expire_now(self, limit: int = 100) -> list[RequestState]:
        """The same, whenever people looked at a run last."""
        made = [item.request_id for item in self.service.expire_people(self.now, limit).requests]
        self.deliver()
        return [self.service.get(name) for name in made]

    def of_people(self) -> list[RequestState]:
        """Requests but for runs."""
        return [item for item in self.service.requests() if not item.of_everybody]

    def categories(self, number: str = KARI) -> dict[str, set[str]]:
        """What the index holds under the customer's number, by record."""
        found: dict[str, set[str]] = {}
        for item in self.found(("customer_number", number)).holdings:
            found.setdefault(item.tags.record, set()).update(item.tags.every_category)
        return found

    def token(self, kind: str, value: str) -> bytes:
        return self.keyring.tokenizer().token(KINDS[kind], value)

    def retained_claims(self) -> int:
        """How many are kept for the police alone under the customer's number."""
        return int(self.retained.claims([self.token("customer_number", KARI)], of="subject").num_rows)

    def records_of(self, system: str, number: str = KARI) -> int:
        return self.stored(system, ("customer_number", number))


@pytest.fixture(params=["memory", "chdb"])
def office(request: Any, tmp_path: Path) -> Iterator[Expiring]:
    with ExitStack() as stack:
        if request.param == "memory":
            index = memory_index()
            memory = cast("MemoryIndex", index.writer)
            retained: ClaimReader = RetainedMemoryClaims(memory)
            sessions: RetainedSessions = MemoryRetained(memory)
        else:
            database, _ = stack.enter_context(running("chdb", tmp_path / "index"))
            migrate(database, NOW)
            index, retained = sql_index(database), ClickHouseClaims(database, "retained_claims")
            sessions = ClickHouseRetained(database)
        yield Expiring(tmp_path / "office", stack, index, retained, sessions)


def test_a_customer_who_left_is_forgotten_and_what_a_rule_keeps_longer_is_not(office: Expiring) -> None:
    """Three months after the end the register goes; of the contract what proves a claim is kept for three years."""
    office.left()
    (request,) = office.expire()
    assert (request.type, request.state, request.channel) == ("retention", State.COMPLETED, "clock")
    assert office.records_of("crm") == 0
    assert office.categories() == {"ContractEvent": {"C-09"}}
    told = {command["system"]: command for command in office.commands}
    assert set(told) == {"crm", "orders"}
    assert {command["reason"] for command in office.commands} == {"retention"}
    whole, identity = sorted(told["crm"]["orders"], key=lambda order: order["before"])
    assert whole["before"] == datetime(2026, 8, 21, 22, tzinfo=UTC)
    assert {"CustomerDetails.name", "CustomerDetails.fodselsnummer"} <= set(whole["fields"])
    assert identity["fields"] == ["CustomerDetails.fodselsnummer"]
    # Nothing is due any more: the next day makes no request.
    office.now += DAY
    assert office.expire() == []


def test_nothing_goes_on_the_last_day(office: Expiring) -> None:
    """On the day after it does."""
    office.left(ended=datetime(2026, 8, 22, 12, tzinfo=UTC))
    kept = office.categories()
    office.now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    office.expire()
    assert office.categories()["CustomerDetails"] == kept["CustomerDetails"] - {"C-02"}
    office.now += DAY
    office.expire()
    assert "CustomerDetails" not in office.categories()


def test_a_customer_stays_who_came_back_or_has_another_contract(office: Expiring) -> None:
    office.left()
    office.contract("started", LONG_AGO, "A-2")
    office.left(OLA)
    office.contract("returned", ENDED + DAY, f"A-{OLA}", OLA)
    assert office.expire() == []
    assert office.commands == []


def test_what_came_after_the_contract_has_its_own_time(office: Expiring) -> None:
    """Equipment that came back last week is not deleted since the contract ended long ago."""
    office.left()
    office.put(
        "provisioning.equipment",
        {"customer_number": KARI, "device_serial": "S-1", "event": "returned", "occurred_at": NOW - 5 * DAY},
    )
    office.expire()
    assert office.categories()["Equipment"]
    assert office.records_of("provisioning") == 1


def test_an_open_request_of_the_person_keeps_what_they_asked_about(office: Expiring) -> None:
    office.left()
    office.deaf |= {"crm"}
    office.service.create(
        "access", [("customer_number", KARI)], reason=None, channel="test", received_at=office.now
    )
    assert office.expire() == []


def test_a_restriction_keeps_it_until_it_is_lifted(office: Expiring) -> None:
    """GDPR Art. 18(2): it may be stored, and nothing else."""
    office.left()
    office.left(OLA)
    made = office.service.create(
        "restriction", [("customer_number", KARI)], reason=None, channel="test", received_at=office.now
    )
    office.deliver()
    assert office.service.get(made.request_id).restricts
    (request,) = office.expire()
    assert office.records_of("crm") == 1
    assert office.records_of("crm", OLA) == 0
    assert request.state is State.COMPLETED


def test_a_preservation_order_keeps_it(office: Expiring) -> None:
    office.left()
    office.freeze()
    assert office.expire() == []
    assert office.categories()["CustomerDetails"]


def test_a_request_of_the_person_comes_first(office: Expiring) -> None:
    """One that came after the person was found waits for what they ask; what is left of it then is nothing."""
    office.left()
    made = office.service.expire_people(office.now, 10).requests
    asked = office.service.create(
        "erasure", [("customer_number", KARI)], reason=None, channel="test", received_at=office.now
    )
    office.deliver()
    office.service.resume()
    office.deliver()
    assert office.service.get(asked.request_id).state is State.COMPLETED
    assert office.service.get(made[0].request_id).state is State.COMPLETED
    assert {command["request_id"] for command in office.commands} == {asked.request_id}


def test_a_second_look_on_the_same_day_makes_no_second_request(office: Expiring) -> None:
    """Neither of the same process nor of another one."""
    office.left()
    office.deaf |= set(office.stores)
    (first,) = office.expire()
    assert office.expire() == []
    office.serve(office.keeping)
    assert office.expire() == []
    assert [item.request_id for item in office.of_people()] == [first.request_id]


def test_two_lookers_at_once_make_one_request(office: Expiring) -> None:
    """The id is that of the person and the day."""
    office.left()
    one = office.service
    office.serve(office.keeping)
    names = {item.request_id for item in one.expire_people(office.now, 10).requests}
    names |= {item.request_id for item in office.service.expire_people(office.now, 10).requests}
    assert len(names) == 1
    assert len(office.of_people()) == 1


def test_so_many_are_under_way_at_once_and_the_rest_follows(office: Expiring) -> None:
    numbers = [f"k-20020{number}" for number in range(7)]
    for number in numbers:
        office.left(number)
    office.deaf |= {"orders"}
    begun = office.service.expire_people(office.now, 3)
    assert (len(begun.requests), begun.through) == (3, False)
    assert office.service.expire_people(office.now, 3).requests == []
    office.deaf.clear()
    office.deliver()
    count = 3
    while not (begun := office.service.expire_people(office.now, 3)).through:
        count += len(begun.requests)
        office.deliver()
    office.deliver()
    assert count + len(begun.requests) == 7
    assert [office.records_of("crm", number) for number in numbers] == [0] * 7


def test_who_cannot_be_named_to_a_system_waits_for_a_person(office: Expiring) -> None:
    """No event says anything of this customer but the number, and that is in no link."""
    office.contract("ended", ENDED)
    (request,) = office.expire()
    assert request.state is State.ATTENTION
    assert "can be named to orders" in request.problems[0]
    assert office.commands == []
    assert office.categories() == {"ContractEvent": {"C-01", "C-09"}}
    # Nobody makes another request while that one waits.
    office.now += DAY
    assert office.expire() == []


def test_a_late_row_goes_by_the_days_of_before(office: Expiring) -> None:
    """What said that the contract had ended went with it: three years and a half later nothing of it is there."""
    office.left(ended=LONG_AGO + DAY)
    office.expire()
    office.now += DAY
    office.expire()
    assert office.events("customer_number", KARI) == 0
    office.customer(at=LONG_AGO)
    office.now += DAY
    (request,) = office.expire()
    assert request.state is State.COMPLETED
    assert (office.events("customer_number", KARI), office.records_of("crm")) == (0, 0)


def test_a_chat_goes_a_year_after_the_case_was_closed(office: Expiring) -> None:
    """By the case for whoever has one, by its own day for everybody else; an open case keeps it."""
    case = {"reason": "fault", "opened_at": NOW - 500 * DAY}
    chat = {"text": "it does not work", "sender": "person", "agent_handle": "a-7", "sent_at": NOW - 499 * DAY}
    for number in (KARI, OLA, "k-100203"):
        office.customer(number)
        office.contract("started", LONG_AGO, f"A-{number}", number)
        office.put("support.chats", {**chat, "customer_number": number, "session_id": f"c-{number}"})
    office.put("support.cases", {**case, "customer_number": KARI, "case_number": "S-1", "closed_at": None})
    office.put(
        "support.cases", {**case, "customer_number": OLA, "case_number": "S-2", "closed_at": NOW - 366 * DAY}
    )
    office.expire()
    chats = {number: "ChatMessage" in office.categories(number) for number in (KARI, OLA, "k-100203")}
    assert chats == {KARI: True, OLA: False, "k-100203": False}
    # Whose record is gone, so is whoever answered in it.
    assert office.events("chat_handle", "a-7") == 1


def test_what_a_system_holds_stays_in_the_index_until_a_person_looks(office: Expiring) -> None:
    office.left()
    lent = {"customer_number": KARI, "device_serial": "S-1", "event": "delivered", "occurred_at": LONG_AGO}
    office.put("provisioning.equipment", lent)
    until = (NOW + 400 * DAY).date()
    office.stores["provisioning"].hold([("customer_number", KARI)], "Equipment", "T98", until)
    (request,) = office.expire()
    assert request.state is State.ATTENTION
    assert (
        f"provisioning: partial 1 record held by T98 review on {until} (1 Equipment)" in request.problems[0]
    )
    assert set(office.categories()) == {"Equipment", "ContractEvent", "CustomerDetails"}


def test_a_customer_who_returns_while_a_system_is_silent_is_not_asked_for_again(office: Expiring) -> None:
    """What was counted from the end of the contract has not run out any more."""
    office.left()
    office.deaf |= set(office.stores)
    (request,) = office.expire()
    told = len(office.commands)
    office.now += DAY
    office.contract("returned", office.now - timedelta(hours=1), f"A-{KARI}")
    with pytest.raises(Returned, match="contract_end was counted from 2026-08-14"):
        office.service.resend(request.request_id)
    assert len(office.commands) == told


def test_two_people_of_one_household_are_two_people(office: Expiring) -> None:
    """They share an address of mail and a case; whose contract ended goes, the other is a customer."""
    case = {"case_number": "S-1", "reason": "fault", "opened_at": LONG_AGO, "closed_at": LONG_AGO + DAY}
    for number in (KARI, OLA):
        office.customer(number, email=None, phone="+4740000001")
        office.put("support.cases", {**case, "customer_number": number})
    office.contract("ended", ENDED, "A-1", KARI)
    office.contract("started", LONG_AGO, "A-2", OLA)
    office.expire()
    assert "CustomerDetails" not in office.categories(KARI)
    assert "CustomerDetails" in office.categories(OLA)
    assert (office.records_of("crm", KARI), office.records_of("orders", OLA)) == (0, 1)
    # The case itself goes for both: it was closed long ago.
    assert "SupportCase" not in {*office.categories(KARI), *office.categories(OLA)}


def test_what_comes_while_systems_answer_is_asked_for_as_well(office: Expiring) -> None:
    """A record that was late is erased by the same order before the index forgets it."""
    office.left()
    office.deaf |= {"crm"}
    (request,) = office.expire()
    office.customer(at=LONG_AGO + DAY)
    office.deaf.clear()
    office.service.resend(request.request_id)
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED
    assert (office.records_of("crm"), "CustomerDetails" in office.categories()) == (0, False)


def test_what_happened_since_is_not_counted_among_what_goes(office: Expiring) -> None:
    """A customer again, whose new details come while a system is silent, keeps those."""
    office.left()
    office.deaf |= {"orders"}
    (request,) = office.expire()
    office.customer(at=office.now)
    office.deaf.clear()
    office.service.resend(request.request_id)
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED
    assert "CustomerDetails" in office.categories()


def test_what_a_topic_gives_again_is_forgotten_again(office: Expiring) -> None:
    """The system has none of it any more, and says so: it was told of all that before."""
    office.left()
    office.expire()
    office.replay()
    assert "CustomerDetails" in office.categories()
    office.now += DAY
    (request,) = office.expire()
    assert (request.state, request.problems) == (State.COMPLETED, ())
    assert "CustomerDetails" not in office.categories()

"""An identifier that changes hands, or proves to have been another's, after a request was made by it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import decode
from schemas.errors import InputError
from schemas.records import load_records
from sinks.memory.requests import MemoryRequests
from streams.rights.protocol.messages import Identifiers, Named, opened, told_json
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.states import State
from streams.rights.service import RightsService
from tests.support.company import copies_by_hand
from tests.support.desk import Desk, event, moment
from tests.support.telling import advance_and_tell

KARI, OLA = "10042", "10043"
MOVED, NEW, OWN = "felles@example.no", "kari@example.no", "ola@example.no"
JANUARY, FEBRUARY, MARCH, APRIL, MAY = (moment(f"2026-0{n}-01T09:00:00Z") for n in range(1, 6))
CUSTOMER = partial(event, "CustomerDetails", name="Invented")
CHAT = partial(event, "ChatMessage", session_id="s1", sender="person")


class Office:
    """A request is `asked` and carried out at a moment; what the world says is learnt at another."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder)
        self.now = FEBRUARY
        self.sent: list[tuple[str, bytes]] = []
        self._number = 0
        desk = self.desk
        self.service = RightsService(
            MemoryRequests(), desk.index, desk.index, desk.identities, desk.keyring, copies_by_hand(),
            lambda topic, message, _: self.sent.append((topic, message)), lambda: self.now, self._id,
        )  # fmt: skip
        self.register(JANUARY, (KARI, MOVED), (OLA, OWN))
        self.chats(JANUARY, MOVED, OWN)

    def _id(self, length: int) -> bytes:
        self._number += 1
        return self._number.to_bytes(length, "big")

    def register(
        self, at: datetime, *entries: tuple[str, str], learnt: datetime | None = None, since: Any = None
    ) -> None:
        known = [
            CUSTOMER(customer_number=number, email=address, updated_at=at, valid_from=since)
            for number, address in entries
        ]
        self.desk.tell("crm.customers", known, learnt=learnt or at)

    def chats(self, at: datetime, *addresses: str, learnt: datetime | None = None) -> None:
        written = [CHAT(sent_at=at, text=f"Skriv til {address}") for address in addresses]
        self.desk.tell("support.chats", written, learnt=learnt or at)

    def asked(self, type: str, identifiers: Identifiers, received: datetime | None = None) -> RequestState:
        at = received or self.now
        made = self.service.create(type, identifiers, reason=None, channel="email", received_at=at)
        return advance_and_tell(self.service, made.request_id)

    def told(self) -> list[Any]:
        """What systems were told to erase by, in the last command."""
        topic, message = next(item for item in reversed(self.sent) if item[0].startswith("deletion."))
        command = decode(load_records()["ErasureCommand"], message)
        key = self.desk.keyring.systems.job(topic.removeprefix("deletion.")).current
        return told_json(opened(command, key))


def handed_over(office: Office, at: datetime = MARCH) -> None:
    """The address is Ola's from then on."""
    office.register(at, (KARI, NEW), (OLA, MOVED))
    office.chats(at, MOVED, MOVED)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "keys")


def total(request: RequestState) -> int:
    assert request.report is not None
    count: int = request.report["total_events"]
    return count


BY_ADDRESS: Identifiers = [("email", MOVED)]
BOTH: Identifiers = [("customer_number", KARI), ("email", MOVED)]


@pytest.mark.parametrize("identifiers", [BY_ADDRESS, BOTH])
def test_an_answer_stays_its_persons_when_the_address_is_handed_over(
    office: Office, identifiers: Identifiers
) -> None:
    """Nothing came to light; what does later is Kari's, and so is the follow-up by the same address."""
    made = office.asked("access", identifiers)
    assert (made.state, total(made)) == (State.COMPLETED, 2)
    handed_over(office)
    office.now = APRIL
    assert office.service.recheck(APRIL) == []
    office.chats(JANUARY, MOVED, learnt=APRIL)
    (opened,) = office.service.recheck(APRIL)
    assert [(item.events, item.no_longer) for item in opened.late_findings] == [(1, 0)]
    followed = office.service.follow_up(made.request_id)
    answered = advance_and_tell(office.service, followed.request_id)
    # Kari's entries of the register and her chats of January.
    assert (answered.state, total(answered)) == (State.COMPLETED, 4)


@pytest.mark.parametrize("identifiers", [BY_ADDRESS, BOTH])
def test_a_request_that_is_carried_out_late_is_of_whose_it_was_when_it_came(
    office: Office, identifiers: Identifiers
) -> None:
    """Received in February, entered in April."""
    handed_over(office)
    office.now = APRIL
    request = office.asked("access", identifiers, received=FEBRUARY)
    assert (request.state, request.resolution, total(request)) == (State.COMPLETED, "unique", 3)
    today = office.asked("access", [("email", MOVED)])
    # Ola's two entries, his own chat and two under the address since March.
    assert total(today) == 5


@pytest.mark.parametrize("identifiers", [BY_ADDRESS, BOTH])
def test_an_address_that_was_never_theirs_takes_back_and_gives_nothing_of_the_other(
    office: Office, identifiers: Identifiers
) -> None:
    """The register was wrong all along: what was answered too much is said, and Ola's events are nobody's finding."""
    made = office.asked("access", identifiers)
    office.now = APRIL
    office.register(APRIL, (KARI, NEW), (OLA, MOVED), since=JANUARY)
    (opened,) = office.service.recheck(APRIL)
    (finding,) = opened.late_findings
    assert (finding.no_longer, finding.because) == (1, "correction")
    assert finding.events == 0
    if identifiers is BY_ADDRESS:
        with pytest.raises(InputError, match="lead to somebody else by now"):
            office.service.follow_up(made.request_id)
        assert office.service.close(made.request_id, "register mended").state is State.CLOSED
    else:
        followed = office.service.follow_up(made.request_id)
        assert office.service.advance(followed.request_id).state is State.ATTENTION


@pytest.mark.parametrize(
    ("identifiers", "told"),
    [
        # Kari's before it was Ola's: a system knows the address, not whose it was when.
        ([("customer_number", OLA), ("email", MOVED)], [["customer_number", OLA]]),
        ([("customer_number", KARI), Named("email", MOVED, JANUARY)], [["customer_number", KARI]]),
        ([("customer_number", KARI), ("email", NEW)], [["customer_number", KARI], ["email", NEW]]),
    ],
)
def test_no_system_is_told_to_erase_by_what_was_anothers(
    office: Office, identifiers: Identifiers, told: Sequence[Sequence[str]]
) -> None:
    """It would erase the other's as well."""
    handed_over(office)
    office.now = APRIL
    request = office.asked("erasure", identifiers)
    assert request.resolution == "unique"
    assert office.told() == told


def test_an_erasure_by_nothing_but_what_was_anothers_needs_the_customer_number(office: Office) -> None:
    """Nobody is told, nothing is forgotten, and the request says what to give."""
    handed_over(office)
    office.now, before = APRIL, len(office.desk.index)
    request = office.asked("erasure", BY_ADDRESS)
    assert (request.state, request.plan) == (State.ATTENTION, None)
    assert "make a request by the customer number" in request.problems[0]
    assert not [topic for topic, _ in office.sent if topic.startswith("deletion.")]
    assert len(office.desk.index) == before


def test_an_erasure_that_is_under_way_keeps_to_its_person(office: Office) -> None:
    """Told again after the address was handed over, systems get the customer number alone."""
    request = office.asked("erasure", BOTH)
    assert sorted(office.told()) == [["customer_number", KARI], ["email", MOVED]]
    handed_over(office)
    office.now = APRIL
    office.service.resend(request.request_id)
    assert office.told() == [["customer_number", KARI]]


UNHEARD, JOINED = "ingen@example.no", "10049"
WITH_UNHEARD: Identifiers = [("customer_number", KARI), ("email", UNHEARD)]


def invoice(customer: str, at: datetime) -> dict[str, Any]:
    given = {"invoice_number": "F1", "amount_ore": 100, "lines": [], "due_date": at.date(), "issued_at": at}
    return event("Invoice", customer_number=customer, email=UNHEARD, **given)


def test_an_address_that_proves_to_be_on_anothers_invoice_takes_nothing_else_back(office: Office) -> None:
    """What was answered stays Kari's; the invoice is said to have come, and a person decides about both."""
    office.chats(JANUARY, UNHEARD)
    made = office.asked("access", WITH_UNHEARD)
    assert total(made) == 3
    office.now = APRIL
    office.desk.tell("billing.invoices", [invoice(OLA, JANUARY)], learnt=APRIL)
    (opened,) = office.service.recheck(APRIL)
    assert [(item.events, item.no_longer) for item in opened.late_findings] == [(1, 0)]
    followed = office.service.follow_up(made.request_id)
    assert office.service.advance(followed.request_id).state is State.ATTENTION


def test_an_answer_stays_its_persons_when_their_records_are_merged(office: Office) -> None:
    """Asked for together with an address that no link speaks of, all that was answered was said not to be Kari's."""
    office.chats(JANUARY, UNHEARD)
    made = office.asked("access", WITH_UNHEARD)
    office.now = APRIL
    merged = CUSTOMER(customer_number=KARI, email=MOVED, updated_at=APRIL, merged_into=JOINED)
    office.desk.tell("crm.customers", [merged], learnt=APRIL)
    assert office.service.recheck(APRIL) == []
    assert office.service.get(made.request_id).state is State.COMPLETED

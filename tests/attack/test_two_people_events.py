"""An identifier that no link leads anywhere from, given beside another person's: the events it stands in say whose."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from streams.rights.protocol.states import State
from tests.support.api import NOW
from tests.support.desk import Desk, event, moment

KARI, OLA, NOBODY = "10042", "10043", "10044"
MOBILE, OTHER = "+4799999901", "+4799999902"
UNHEARD, TOO = "ingen@example.no", "heller.ikke@example.no"
ADDRESS = "192.0.2.7"
FNR, D_NUMBER = "01817000173", "41817000167"
MARCH, APRIL = moment("2026-03-01T09:00:00Z"), moment("2026-04-01T09:00:00Z")
CUSTOMER = partial(event, "CustomerDetails", name="Invented")
BY_KARI, BY_OLA, BY_EMAIL = ("customer_number", KARI), ("customer_number", OLA), ("email", UNHEARD)
DISAGREE = [["customer_number"], ["email"]]


def invoice(customer: str, *, at: datetime = APRIL, **said: Any) -> dict[str, Any]:
    given = {"invoice_number": "F1", "amount_ore": 100, "lines": [], "due_date": at.date(), "issued_at": at}
    return event("Invoice", customer_number=customer, **given, **said)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Kari and Ola are in the register, with phones; the e-mail addresses are in no register."""
    desk = Desk(tmp_path / "keys")
    details = [
        CUSTOMER(customer_number=KARI, phone=MOBILE, fodselsnummer=FNR, updated_at=MARCH),
        CUSTOMER(customer_number=OLA, phone=OTHER, updated_at=MARCH),
    ]
    desk.tell("crm.customers", details)
    return desk


@pytest.mark.parametrize("path", ["access", "lineage/query", "requests/plan"])
def test_an_address_on_somebody_elses_invoices_is_not_taken_for_ones_own(desk: Desk, path: str) -> None:
    """It was only said that no link speaks for it, and Ola's invoice was in Kari's answer."""
    desk.tell("billing.invoices", [invoice(OLA, email=UNHEARD)])
    answer = desk.ask(path, BY_KARI, BY_EMAIL)
    assert (answer["resolution"], answer["disagree"], answer["candidates"]) == ("ambiguous", DISAGREE, 2)
    assert answer["total_events"] == 0
    own = desk.ask(path, BY_OLA, BY_EMAIL)
    assert (own["resolution"], own["unlinked"]) == ("unique", ["email"])


@pytest.mark.parametrize("type", ["access", "erasure"])
def test_a_request_by_both_waits_for_a_person(desk: Desk, type: str) -> None:
    """It says which kinds and what to do; nothing is answered or planned."""
    desk.tell("billing.invoices", [invoice(OLA, email=UNHEARD)])
    made = desk.rights.create(type, [BY_KARI, BY_EMAIL], reason=None, channel="email", received_at=NOW)
    request = desk.rights.advance(made.request_id)
    assert (request.state, request.plan, request.report) == (State.ATTENTION, None, None)
    assert "(the customer number to one; the email to one)" in request.problems[0]


def test_what_stands_with_both_is_nobodys_alone(desk: Desk) -> None:
    """A family's address: some of its events are Ola's."""
    desk.tell("billing.invoices", [invoice(KARI, email=UNHEARD), invoice(OLA, email=UNHEARD)])
    assert desk.ask("access", BY_KARI, BY_EMAIL)["disagree"] == DISAGREE


def test_what_stands_with_ones_own_or_alone_counts_as_given(desk: Desk) -> None:
    """As it did: no link speaks for it, and nothing speaks against it."""
    for told in ([], [invoice(KARI, email=UNHEARD)]):
        desk.tell("billing.invoices", told)
        answer = desk.ask("access", BY_KARI, BY_EMAIL)
        assert (answer["resolution"], answer["unlinked"], answer["disagree"]) == ("unique", ["email"], [])


def test_another_identifier_than_a_number_names_somebody_too(desk: Desk) -> None:
    """By its links at the time of the event: the phone is Ola's from March on, and was nobody's before."""
    desk.tell(
        "billing.invoices", [invoice(NOBODY, email=UNHEARD, phone=OTHER, at=moment("2026-02-01T09:00:00Z"))]
    )
    assert desk.ask("access", BY_KARI, BY_EMAIL)["resolution"] == "unique"
    desk.tell("billing.invoices", [invoice(NOBODY, email=UNHEARD, phone=OTHER)])
    assert desk.ask("access", BY_KARI, BY_EMAIL)["disagree"] == DISAGREE


def test_a_record_that_was_merged_is_the_same_person(desk: Desk) -> None:
    """Whichever of the two numbers stands on the invoice, and whichever is asked for."""
    desk.tell("billing.invoices", [invoice(KARI, email=UNHEARD), invoice(NOBODY, email=UNHEARD)])
    assert desk.ask("access", BY_KARI, BY_EMAIL)["resolution"] == "unique"
    desk.tell("crm.customers", [CUSTOMER(customer_number=NOBODY, updated_at=APRIL)])
    assert desk.ask("access", BY_KARI, BY_EMAIL)["resolution"] == "ambiguous"
    desk.tell("crm.customers", [CUSTOMER(customer_number=KARI, updated_at=APRIL, merged_into=NOBODY)])
    for number in (KARI, NOBODY):
        assert desk.ask("access", ("customer_number", number), BY_EMAIL)["resolution"] == "unique"


def test_two_that_nobody_is_linked_to_disagree_by_their_events(desk: Desk) -> None:
    """There is no customer number in the question."""
    desk.tell("billing.invoices", [invoice(OLA, email=UNHEARD), invoice(KARI, email=TOO)])
    answer = desk.ask("access", BY_EMAIL, ("email", TOO))
    assert (answer["resolution"], answer["disagree"]) == ("ambiguous", [["email"], ["email"]])
    assert desk.ask("access", BY_EMAIL)["resolution"] == "unique"


def test_who_is_mentioned_is_not_who_writes(desk: Desk) -> None:
    """Ola names the address in a chat: that does not make it his."""
    chat = event("ChatMessage", session_id="s1", sender="person", sent_at=APRIL, text=f"Skriv til {UNHEARD}")
    desk.tell("support.chats", [chat | {"customer_number": OLA}])
    assert desk.ask("access", BY_KARI, BY_EMAIL)["resolution"] == "unique"


def test_a_guest_on_somebodys_line_is_not_that_person(desk: Desk) -> None:
    """Kari wrote from Ola's line, under a handle that no link knows: the address says whose line it was."""
    start = {
        "kind": "start", "address": ADDRESS, "customer_number": OLA, "session_id": "s", "nas": "bras1",
        "source": "radius", "purpose": "operations", "occurred_at": MARCH,
    }  # fmt: skip
    assert desk.tell("network.assignments", [event("AddressAssignment", **start)]) == []
    chat = event("ChatMessage", session_id="s1", sender="person", sent_at=APRIL, text="Hei")
    assert desk.tell("support.chats", [chat | {"chat_handle": "gjest", "client_address": ADDRESS}]) == []
    assert desk.ask("access", BY_KARI, ("chat_handle", "gjest"))["resolution"] == "unique"
    desk.tell("support.chats", [chat | {"chat_handle": "gjest", "customer_number": OLA}])
    assert desk.ask("access", BY_KARI, ("chat_handle", "gjest"))["resolution"] == "ambiguous"


def test_a_d_number_beside_a_national_identity_number_is_decided_by_a_person(desk: Desk) -> None:
    """Both may be one person's, the D-number from before; nothing says so, and each can be asked about alone."""
    both = [("fodselsnummer", FNR), ("fodselsnummer", D_NUMBER)]
    answer = desk.ask("access", *both)
    assert (answer["resolution"], answer["disagree"]) == ("ambiguous", [["fodselsnummer"], ["fodselsnummer"]])
    assert {desk.ask("access", item)["resolution"] for item in both} == {"unique", "none"}
    register = [
        CUSTOMER(
            customer_number=KARI,
            phone=MOBILE,
            fodselsnummer=D_NUMBER,
            updated_at=moment("2026-02-01T09:00:00Z"),
        )
    ]
    desk.tell("crm.customers", register)
    assert desk.ask("access", BY_KARI, *both)["resolution"] == "unique"

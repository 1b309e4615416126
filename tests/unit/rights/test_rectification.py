"""Rectification: every system with data of the category is told what is right, and every recipient of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError, KeyUnavailable
from schemas.vocabulary import ToldBy
from streams.rights.protocol.messages import Named
from streams.rights.protocol.rights_commands import opened_command
from streams.rights.protocol.states import RequestState, State, summary
from tests.support.index import memory_index
from tests.support.office import Office
from tests.support.receipts import answer, job_key
from tests.unit.rights.test_short import LAST_WEEK, visit

NUMBER = ("customer_number", "k-100200")
RIGHT = {"CustomerDetails.name": "Kåre Eksempel"}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.put("crm.customers", {"customer_number": NUMBER[1], "name": "Kari", "updated_at": LAST_WEEK})
        made.put("web.visits", visit(1))
        yield made


def asked(office: Office, corrections: Mapping[str, Any] | None = None) -> RequestState:
    made = office.service.create(
        "rectification",
        [NUMBER],
        reason=None,
        channel="web",
        received_at=office.now,
        corrections=RIGHT if corrections is None else corrections,
    )
    office.deliver()
    return office.service.get(made.request_id)


def tell(office: Office, request: RequestState) -> RequestState:
    for name in request.to_notify:
        office.service.notify(request.request_id, name, ToldBy.EMAIL)
    office.deliver()
    return office.service.get(request.request_id)


def test_whoever_holds_the_category_is_told_what_is_right(office: Office) -> None:
    asked(office)
    (crm,) = office.others
    assert (crm["topic"], crm["kind"], crm["fields"]) == (
        "rectification.crm", "rectification", ["CustomerDetails.name"],
    )  # fmt: skip
    bare = {name: value for name, value in crm.items() if name != "topic"}
    named, content = opened_command(bare, job_key(office.keyring, "crm"))
    assert ([(item.kind, item.value) for item in named if isinstance(item, Named)], content) == (
        [NUMBER],
        RIGHT,
    )
    with pytest.raises(KeyUnavailable):
        opened_command({**bare, "sealed_content": b"x" * 80}, job_key(office.keyring, "crm"))
    corrected = answer(office, crm, records=[{"record": "CustomerDetails", "count": 1}])
    assert (corrected.state, corrected.settled) == (State.WAITING, True)
    assert tell(office, corrected).state is State.COMPLETED


def test_no_value_is_kept_or_shown_in_clear(office: Office) -> None:
    """Which field was corrected, and when: the value is under the request's key and the system's alone."""
    request = asked(office)
    kept = repr(office.ledger.events(request.request_id)) + repr(summary(request)) + repr(request)
    assert "CustomerDetails.name" in kept
    assert "Eksempel" not in kept
    assert "Eksempel" not in repr(office.others)
    assert office.service._file.corrections(request.request_id) == RIGHT


def test_recipients_are_told_one_by_one_or_it_is_said_why_not(office: Office) -> None:
    request = asked(office)
    waits = answer(office, office.others[0])
    first, *rest = waits.to_notify
    assert waits.state is State.WAITING
    assert any(line.startswith(f"{first} was given such data") for line in waits.problems)
    for how, why in ((None, None), (ToldBy.EMAIL, "gone")):
        with pytest.raises(InputError, match="not both"):
            office.service.notify(request.request_id, first, how, why)
    with pytest.raises(InputError, match="no such recipient"):
        office.service.notify(request.request_id, "nobody_known", ToldBy.EMAIL)
    office.service.notify(request.request_id, first, None, "the firm is no more")
    for name in rest:
        office.service.notify(request.request_id, name, ToldBy.LETTER)
    office.deliver()
    done = office.service.get(request.request_id)
    assert (done.state, done.notified) == (State.COMPLETED, frozenset({first, *rest}))
    assert ("cannot notify", first, "the firm is no more") in [
        (n.what, n.system, n.reason) for n in done.notes
    ]


@pytest.mark.parametrize(
    "corrections", [{"CustomerDetails.nothing": "x"}, {"Nothing.name": "x"}, {"Kari Eksempel": "x"}, {}]
)
def test_what_is_no_field_of_a_person_is_refused_without_being_quoted(
    office: Office, corrections: dict[str, Any]
) -> None:
    with pytest.raises(InputError) as caught:
        asked(office, corrections)
    assert "Eksempel" not in str(caught.value)
    assert office.service.requests() == []


def test_a_system_without_the_person_is_for_somebody_to_look_at(office: Office) -> None:
    """It has the row by the index: that it finds none is no correction."""
    request = asked(office)
    found = answer(office, office.others[0], state="not_found", records=[])
    assert found.state is State.ATTENTION
    office.service.accept(request.request_id, "crm", "merged into k-100201 and corrected there")
    assert tell(office, office.service.get(request.request_id)).state is State.COMPLETED


@pytest.mark.parametrize("records", [[], [{"record": "ContractEvent", "count": 1}]])
def test_an_answer_that_tells_of_no_corrected_record_is_for_somebody_to_look_at(
    office: Office, records: list[dict[str, Any]]
) -> None:
    """Done, and nothing of the record that is wrong: no number says that it was corrected."""
    request = tell(office, asked(office))
    found = answer(office, office.others[0], records=records)
    assert found.state is State.ATTENTION
    assert "planned 1" in " ".join(found.problems)
    office.service.resend(request.request_id)
    office.deliver()
    assert answer(office, office.others[-1]).state is State.COMPLETED


def test_a_row_of_which_many_events_told_is_corrected_once(office: Office) -> None:
    more = [
        {"customer_number": NUMBER[1], "name": name, "updated_at": LAST_WEEK} for name in ("Kari A", "Kari B")
    ]
    office.put("crm.customers", *more)
    tell(office, asked(office))
    done = answer(office, office.others[0], records=[{"record": "CustomerDetails", "count": 1}])
    assert done.state is State.COMPLETED


def test_a_system_gets_corrections_of_categories_that_it_holds_and_no_others(office: Office) -> None:
    """Billing has the name on invoices: it learns nothing of a birth date."""
    invoice = {"invoice_number": "I-1", "customer_number": NUMBER[1], "name": "Kari", "amount_ore": 100}
    office.put("billing.invoices", {**invoice, "due_date": LAST_WEEK.date(), "issued_at": LAST_WEEK})
    both = {**RIGHT, "CustomerDetails.birth_date": "1970-01-02"}
    asked(office, both)
    told = {}
    for command in office.others:
        bare = {name: value for name, value in command.items() if name != "topic"}
        told[command["system"]] = opened_command(bare, job_key(office.keyring, command["system"]))[1]
    assert told == {"crm": both, "billing": RIGHT}


def test_a_request_from_kafka_that_says_nothing_waits_for_a_person(office: Office) -> None:
    """A portal may announce one without what is to be corrected."""
    made = office.service.create("access", [NUMBER], reason=None, channel="web", received_at=office.now)
    file = office.service._file
    file.receive(
        "r-00aa",
        "rectification",
        "web",
        office.now,
        file.sealed(made.request_id),
        file.anchors(made.request_id),
    )
    stands = office.service.advance("r-00aa")
    assert (stands.state, office.others) == (State.ATTENTION, [])
    assert "what is to be corrected was not given" in stands.problems[0]

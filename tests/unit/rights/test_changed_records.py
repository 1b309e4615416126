"""A system counts its records, the index the events that tell of them: one contract, made, changed and ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.policy import RetentionAnchors
from streams.rights.protocol.states import RequestState, State
from tests.support.index import memory_index
from tests.support.office import Office
from tests.support.receipts import hear

NUMBER = ("customer_number", "k-100200")
DAY = datetime(2018, 11, 15, 9, tzinfo=UTC)
GONE = RetentionAnchors(contract_end=date(2020, 1, 31))


def contract(day: int, kind: str, contract_id: str = "A-1") -> dict[str, Any]:
    blank = dict.fromkeys(("binding", "address", "end_reason"))
    at = DAY + timedelta(days=day)
    said = {"contract_id": contract_id, "product": "Fiber 500", "kind": kind, "occurred_at": at}
    return {"customer_number": NUMBER[1], **said, **blank}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """One contract of Kari's, of which three events tell; the team of the orders has not answered yet."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.put("orders.contracts", contract(1, "started"), contract(2, "changed"), contract(3, "ended"))
        made.deaf = {"orders"}
        yield made


def answer(office: Office, request: RequestState, erased: int) -> RequestState:
    """That of the orders, made by hand."""
    said = {"state": "done", "erased": erased, "held": 0, "reported_at": office.now}
    blank = dict.fromkeys(("ground", "review_date", "reason"))
    who = {"command_id": f"{request.request_id}/orders", "request_id": request.request_id, "system": "orders"}
    taken = hear(office.service, {**who, **said, **blank})
    assert taken is not None
    return taken


def test_one_record_erased_is_all_that_three_events_tell_of(office: Office) -> None:
    """Three events are planned to go from the index, and one record is asked for."""
    request = office.erase(NUMBER, anchors=GONE)
    assert request.commands[f"{request.request_id}/orders"].planned == 1
    assert answer(office, request, 1).state is State.COMPLETED
    assert office.events(*NUMBER) == 0


def test_a_second_record_is_missed(office: Office) -> None:
    """Of two contracts one is not enough, however many events tell of the one."""
    office.put("orders.contracts", contract(4, "started", "A-2"))
    request = answer(office, office.erase(NUMBER, anchors=GONE), 1)
    assert (request.state, office.events(*NUMBER)) == (State.ATTENTION, 4)
    assert "orders: planned 2, reported 1 erased" in request.problems[0]


def test_a_record_that_changed_since_is_erased_again(office: Office) -> None:
    """It is one record as before, but the system has it again: forgetting the event untold would hide that."""
    request = office.erase(NUMBER, anchors=GONE)
    office.put("orders.contracts", contract(5, "returned"))
    request = answer(office, request, 1)
    assert (request.state, office.events(*NUMBER)) == (State.COMMANDED, 4)
    assert request.commands[f"{request.request_id}/orders"].attempt == 2
    assert answer(office, request, 1).state is State.COMPLETED
    assert office.events(*NUMBER) == 0

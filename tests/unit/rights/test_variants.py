"""Assignments that only operation needed go, beside those that are kept for the police: the whole road."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streams.rights.protocol.states import State, summary
from tests.support.index import memory_index
from tests.support.office import Office, systems_told
from tests.support.receipts import hear

KARI = ("customer_number", "k-100200")
LAST_WEEK = datetime(2026, 11, 15, 9, tzinfo=UTC)


def report(session: str, purpose: str) -> dict[str, Any]:
    """A RADIUS start of Kari's session."""
    return {
        "kind": "start",
        "address": "192.0.2.7",
        "customer_number": KARI[1],
        "username": "kari",
        "session_id": session,
        "nas": "bng-1",
        "source": "radius",
        "purpose": purpose,
        "occurred_at": LAST_WEEK,
    }


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.put("network.assignments", report("s-1", "operations"), report("s-2", "retention"))
        yield made


def test_what_only_operation_needed_is_erased_and_the_police_s_copy_stays(office: Office) -> None:
    """aaa is told by the selector, deletes its own and keeps the other; index and request say the same."""
    request = office.erase(KARI, ("username", "kari"))
    assert request.state is State.COMPLETED, request.problems
    assert systems_told(office.commands) == ["aaa"]
    (command,) = office.commands
    assert (command["categories"], command["fields"]) == ([], [])
    assert command["orders"][0]["where"] == {"field": "purpose", "values": ["operations"], "or_empty": False}
    assert (command["kept"], command["expected"]) == ([], [{"record": "AddressAssignment", "count": 1}])
    assert command["purposes"]
    assert "P-IPRET" not in command["purposes"]
    assert (command["cut_off"], command["deadline"]) == (request.planned_at, request.due)
    assert [receipt["erased"] for receipt in office.receipts if receipt["state"] == "done"] == [1]
    assert office.stored("aaa", KARI) == 1
    assert office.events("ip", "192.0.2.7") == 0
    left = office.found(KARI).holdings
    assert [(item.tags.retention, item.tags.held_only) for item in left] == [(("T06",), True)]
    told = summary(request)
    assert {(part["action"], part["events"], tuple(part["where"]["values"])) for part in told["parts"]} == {
        ("erase_now", 1, ("operations",)),
        ("hold_until", None, ("retention",)),
    }
    assert {(part["rule"], part["until"], part["locked"]) for part in told["held"]} == {("T06", None, True)}


def test_the_police_s_copy_alone_tells_nobody(office: Office) -> None:
    """Asked again, nothing is left that operation needed, so no system gets a command."""
    office.erase(KARI)
    told = len(office.commands)
    again = office.erase(KARI)
    assert (again.state, len(office.commands)) == (State.COMPLETED, told)
    assert office.stored("aaa", KARI) == 1


def test_the_police_s_copy_past_its_time_is_compared_and_not_counted_aloud(office: Office) -> None:
    """Its year is over: aaa is told, and nothing erased is no end, though nobody is shown how many there are."""
    old = datetime(2024, 9, 13, 12, tzinfo=UTC)
    ola = {"customer_number": None, "username": "ola", "occurred_at": old}
    office.put("network.assignments", {**report("s-3", "retention"), **ola})
    office.deaf = {"aaa"}
    request = office.erase(("username", "ola"))
    assert [(part["action"], part["locked"]) for part in (request.plan or {})["parts"]] == [
        ("erase_now", True)
    ]
    assert [(item["expected"], item["purposes"]) for item in office.commands] == [([], [])]
    said = {"command_id": f"{request.request_id}/aaa", "request_id": request.request_id, "system": "aaa"}
    counts = {"state": "done", "erased": 0, "held": 0, "ground": None, "review_date": None, "reason": None}
    taken = hear(office.service, {**said, **counts, "reported_at": office.now})
    assert taken is not None
    assert taken.state is State.ATTENTION
    (problem,) = taken.problems
    assert problem.startswith("aaa: reported 0 erased, fewer than planned: ")
    assert summary(taken)["commands"][0]["planned"] == 0
    office.deaf = set()
    office.service.resend(request.request_id)
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED
    assert office.stored("aaa", ("username", "ola")) == 0

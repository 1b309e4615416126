"""A customer who comes back while an erasure waits for a system: what is told late would erase the new relationship."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.errors import InputError
from streams.rights.protocol.states import State
from tests.support.index import memory_index
from tests.support.office import NOW
from tests.unit.rights.test_kept_by_events import LONG_AGO, Kept

DAY = timedelta(days=1)
NUMBER = "k-100201"
KARI = ("customer_number", NUMBER)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Kept]:
    """Kari, whose contract ended long ago, is to be erased; neither system has a job that runs."""
    with ExitStack() as stack:
        made = Kept(tmp_path, stack, memory_index())
        made.put("crm.customers", {"customer_number": NUMBER, "name": "Kari", "updated_at": LONG_AGO})
        made.contract("started", LONG_AGO)
        made.deaf = {"crm", "orders"}
        yield made


def stands(office: Kept) -> dict[str, int]:
    return {system: office.stored(system, KARI) for system in ("crm", "orders")}


def returns(office: Kept) -> None:
    """Ten days later, under the same number."""
    office.now += 10 * DAY
    office.contract("started", office.now - timedelta(hours=5))
    office.deaf = set()
    office.now += DAY


def test_whoever_is_told_late_is_not_told_to_erase_a_new_relationship(office: Kept) -> None:
    """Neither by time nor by a person who sends it again: both are told what to do, once."""
    office.contract("ended", LONG_AGO + 300 * DAY)
    request = office.erase(KARI)
    assert request.state is State.COMMANDED
    returns(office)
    before, told = stands(office), len(office.commands)
    for _ in range(2):
        office.service.on_time(office.now)
        office.deliver()
    found = office.service.get(request.request_id)
    assert found.state is State.ATTENTION
    assert (
        "a new relationship began after the erasure was planned (ContractEvent in orders" in found.problems[0]
    )
    assert f"innsyn requests close {request.request_id}" in found.problems[0]
    with pytest.raises(InputError, match="a new relationship began"):
        office.service.resend(request.request_id)
    office.deliver()
    assert (stands(office), len(office.commands)) == (before, told)
    # A person may end it: what is there then is for a new request, whose plan knows that the contract runs.
    office.service.close(request.request_id, "came back")
    again = office.erase(KARI)
    assert again.plan is not None
    assert {part["action"] for part in again.plan["parts"]} == {"hold_until"}
    assert stands(office) == before


def test_what_is_told_late_all_the_same(office: Kept) -> None:
    """Nothing began: what was planned is told again as ever."""
    office.contract("ended", LONG_AGO + 300 * DAY)
    request = office.erase(KARI)
    office.deaf = set()
    office.now += 11 * DAY
    office.service.on_time(office.now)
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED
    assert stands(office) == {"crm": 0, "orders": 0}


def test_a_contract_that_ran_on_is_no_new_relationship(office: Kept) -> None:
    """Of a customer who stays, events go on coming; what the plan takes of them is told again."""
    viewing = {"customer_number": NUMBER, "device_serial": "STB1", "kind": "live"}
    office.put("tv.viewings", {**viewing, "started_at": NOW - 400 * DAY})
    office.deaf.add("tv_middleware")
    request = office.erase(KARI)
    assert request.state is State.COMMANDED
    returns(office)
    office.service.on_time(office.now)
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED

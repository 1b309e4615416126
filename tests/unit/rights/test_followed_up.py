"""A follow-up erases what its first request asked for, and nothing of a relationship that began since."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

import pytest

from schemas.calendars import NORWEGIAN
from schemas.policy import RetentionAnchors
from streams.answers.clocks import Clocks
from streams.answers.keeping import Keeping
from streams.rights.protocol.states import State
from tests.support.index import memory_index
from tests.support.office import NOW
from tests.support.suppressing import KARI, Watchful
from tests.unit.rights.test_kept_by_events import LONG_AGO

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NUMBER = ("customer_number", KARI)
TYPED = RetentionAnchors(contract_end=date(2020, 2, 25))


def contract(office: Watchful, number: str, kind: str, at: object) -> None:
    said = {"contract_id": number, "customer_number": KARI, "product": "fibre", "kind": kind}
    office.put("orders.contracts", {**said, "occurred_at": at})


def customer(office: Watchful, at: object) -> None:
    office.put("crm.customers", {"customer_number": KARI, "name": "Kari", "updated_at": at})


def stands(office: Watchful) -> dict[str, int]:
    return {system: office.stored(system, NUMBER) for system in ("crm", "orders", "tv_middleware")}


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("typed", [None, TYPED])
def test_a_customer_who_came_back_keeps_what_is_new(
    tmp_path: Path, typed: RetentionAnchors | None, times: int
) -> None:
    """Also by the follow-up of a follow-up; the request says so before anybody decides."""
    with ExitStack() as stack:
        office = Watchful(tmp_path, memory_index(), stack)
        office.serve(Keeping(Clocks(office.index.clocks, NORWEGIAN), None))
        customer(office, LONG_AGO)
        contract(office, "K-1", "started", LONG_AGO)
        contract(office, "K-1", "ended", LONG_AGO + 300 * DAY)
        office.viewing(KARI, NOW - DAY)
        request = office.erase(NUMBER, anchors=typed)
        planned = request.planned_at
        office.later(5 * DAY)
        customer(office, office.now - 5 * HOUR)
        contract(office, "K-9", "started", office.now - 5 * HOUR)
        for hours in (1, 2, 3):
            office.viewing(KARI, office.now - hours * HOUR)
        new, held = stands(office), office.events(*NUMBER)
        for turn in range(times):
            office.later(DAY)
            office.viewing(KARI, NOW - DAY)
            office.look()
            opened = office.service.get(request.request_id)
            if turn == 0:
                assert opened.state is State.REOPENED
                said = f"erases what is dated before {planned:%Y-%m-%d %H:%M} UTC and nothing later"
                assert any(said in line for line in opened.problems)
                made = office.service.follow_up(request.request_id).request_id
            else:
                # Nothing new began since the last one: by itself.
                made = opened.follow_up or ""
            office.deliver()
            request = office.service.get(made)
            assert request.state is State.COMPLETED, request.problems
            assert {part["record"] for part in (request.plan or {})["parts"]} == {"TvViewing"}
            assert (stands(office), office.events(*NUMBER)) == (new, held)

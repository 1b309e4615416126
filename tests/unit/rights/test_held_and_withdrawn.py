"""Rights that meet: what a preservation order holds is neither narrowed nor forgotten, and a withdrawal suppresses
nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sinks.clickhouse.migrate import migrate
from sinks.ports.lineage import Found
from streams.answers.frozen import HeldByLaw
from streams.rights.protocol.scope import Scope
from streams.rights.protocol.states import RequestState, State
from tests.support.index import Index, memory_index, running, sql_index
from tests.support.office import NOW
from tests.support.suppressing import Watchful
from tests.unit.rights.test_kept_by_events import Kept
from tests.unit.rights.test_short import COOKIE, visit
from tests.unit.rights.test_withdrawal import annotated

CONSENTED = {"P-ANALYTICS": "a", "P-SECURITY": "f"}
"""Narrowed by a withdrawal; what rests on the consent alone goes by one."""


@pytest.fixture(params=["memory", "chdb"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    with ExitStack() as stack:
        if request.param == "memory":
            yield memory_index()
            return
        database, _ = stack.enter_context(running("chdb", tmp_path / "index"))
        migrate(database, NOW)
        yield sql_index(database)


def withdrawn(office: Kept) -> RequestState:
    scope = Scope(("P-ANALYTICS",))
    made = office.service.create(
        "withdrawal", [COOKIE], reason=None, channel="web", received_at=office.now, scope=scope
    )
    office.deliver()
    return office.service.get(made.request_id)


def rows(found: Found) -> list[tuple[int, tuple[str, ...], tuple[str, ...], int]]:
    """Every tag set as it is, so that one purpose or category less shows."""
    return sorted((one.tags.id, one.tags.purposes, one.tags.categories, one.events) for one in found.holdings)


@pytest.mark.parametrize("basis", [CONSENTED, {"P-ANALYTICS": "a"}], ids=["narrows", "erases"])
def test_an_order_that_runs_leaves_every_row_as_it_is(
    tmp_path: Path, index: Index, basis: dict[str, str]
) -> None:
    """A withdrawal and an erasure that are planned under it hold everything, tell nobody and change no tag."""
    with ExitStack() as stack:
        office = Kept(tmp_path, stack, index, annotated(basis))
        office.jobs_answer = True
        office.put("web.visits", visit(1), visit(2))
        before = rows(office.found(COOKIE))
        office.freeze("p-1", *COOKIE)
        for done in (withdrawn(office), office.erase(COOKIE)):
            assert (done.state, office.commands) == (State.COMPLETED, []), done.problems
            assert rows(office.found(COOKIE)) == before
            assert {part["action"] for part in (done.plan or {})["parts"]} <= {"hold_until", "stays"}
        assert office.stored("web", COOKIE) == 2
        office.orders.lift("p-1", office.now)
        assert withdrawn(office).state is State.COMPLETED
        assert rows(office.found(COOKIE)) != before


def test_an_order_after_the_plan_stops_a_withdrawal_before_it_narrows(tmp_path: Path) -> None:
    with ExitStack() as stack:
        office = Kept(tmp_path, stack, None, annotated({"P-ANALYTICS": "a"}))
        office.put("web.visits", visit(1), visit(2))
        before = rows(office.found(COOKIE))
        office.deaf.add("web")
        request = withdrawn(office)
        assert request.state is State.COMMANDED
        office.freeze("p-1", *COOKIE)
        office.deaf.clear()
        with pytest.raises(HeldByLaw):
            office.service.resend(request.request_id)
        for command in list(office.commands):
            office.handle(command)
        office.deliver()
        assert office.service.get(request.request_id).state is State.ATTENTION
        assert rows(office.found(COOKIE)) == before
        office.orders.lift("p-1", office.now)
        office.service.resend(request.request_id)
        office.deliver()
        assert office.service.get(request.request_id).state is State.COMPLETED
        assert office.events(*COOKIE) == 0


def test_a_withdrawal_enters_nothing_into_the_suppression_ledger(tmp_path: Path) -> None:
    """The person stays and may consent again: only what an erasure took is looked out for."""
    with ExitStack() as stack:
        office = Watchful(tmp_path, memory_index(), stack, records=annotated({"P-ANALYTICS": "a"}))
        office.put("web.visits", visit(1), visit(2))
        scope = Scope(("P-ANALYTICS",))
        made = office.service.create(
            "withdrawal", [COOKIE], reason=None, channel="web", received_at=office.now, scope=scope
        )
        office.deliver()
        assert office.service.get(made.request_id).state is State.COMPLETED
        assert office.events(*COOKIE) == 0
        assert office.service.looked_out_for() == []
        office.put("web.visits", visit(3))
        office.erase(COOKIE)
        assert len(office.service.looked_out_for()) == 1

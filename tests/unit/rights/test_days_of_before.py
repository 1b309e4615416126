"""An erasure takes along the events that say when clocks started: its plan goes on saying it, until events say more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.calendars import NORWEGIAN
from schemas.days import OPEN
from schemas.policy import RetentionAnchors
from sinks.clickhouse.migrate import migrate
from streams.answers.clocks import ClockEvent, Clocks, EarlierDays, known_anchors
from streams.answers.keeping import Keeping
from streams.rights.protocol.request import RequestState, State
from tests.support.index import memory_index, running, sql_index
from tests.support.office import NOW
from tests.support.suppressing import KARI, Watchful
from tests.unit.rights.test_kept_by_events import LONG_AGO, Kept, decisions

NUMBER = ("customer_number", KARI)
ENDED = LONG_AGO + timedelta(days=300)
TYPED = RetentionAnchors(contract_end=ENDED.date())
HOUR = timedelta(hours=1)


class Kari:
    """A customer until 2020, by events, whose erasure leaves nothing of them."""

    def __init__(self, office: Kept | Watchful) -> None:
        self.office = office
        self.written()
        for kind, at in (("started", LONG_AGO), ("ended", ENDED)):
            self.contract(kind, at)

    def written(self, at: datetime = LONG_AGO) -> None:
        self.office.put("crm.customers", {"customer_number": KARI, "name": "Kari", "updated_at": at})

    def contract(self, kind: str, at: datetime) -> None:
        said = {"contract_id": "A-1", "customer_number": KARI, "product": "Fiber", "kind": kind}
        self.office.put("orders.contracts", {**said, "occurred_at": at})

    def erased(self, anchors: RetentionAnchors | None = None) -> RequestState:
        request = self.office.erase(NUMBER, anchors=anchors)
        assert (request.state, self.office.events(*NUMBER)) == (State.COMPLETED, 0)
        self.office.now += HOUR
        return request


@pytest.fixture(params=["memory", "chdb"])
def kari(request: Any, tmp_path: Path) -> Iterator[Kari]:
    with ExitStack() as stack:
        index = memory_index()
        if request.param == "chdb":
            database, _ = stack.enter_context(running("chdb", tmp_path / "index"))
            migrate(database, NOW)
            index = sql_index(database)
        yield Kari(Kept(tmp_path / "office", stack, index))


@pytest.mark.parametrize("typed", [None, TYPED])
def test_a_follow_up_and_a_new_request_count_from_the_day_of_before(
    kari: Kari, typed: RetentionAnchors | None
) -> None:
    """Of a row that arrives late, no event says any more that the contract ended."""
    first = kari.erased(typed)
    kari.written()
    kari.office.service.recheck(kari.office.now)
    made = kari.office.service.follow_up(first.request_id)
    kari.office.deliver()
    follow_up = kari.office.service.get(made.request_id)
    assert decisions(follow_up) == {"CustomerDetails": {"erase_now"}}
    assert [(item["day"], item["from"]) for item in (follow_up.plan or {})["clocks"]] == [
        ("2020-02-25", "earlier")
    ]
    kari.written()
    again = kari.office.erase(NUMBER)
    assert decisions(again) == {"CustomerDetails": {"erase_now"}}
    assert kari.office.stored("crm", NUMBER) == 0


def test_events_of_a_new_contract_say_otherwise(kari: Kari) -> None:
    kari.erased()
    kari.contract("started", kari.office.now - HOUR / 2)
    kari.written(kari.office.now)
    assert decisions(kari.office.erase(NUMBER))["CustomerDetails"] == {"hold_until"}
    assert kari.office.stored("crm", NUMBER) == 1


def test_an_old_event_that_comes_back_says_nothing_new(kari: Kari) -> None:
    """A backup brings the contract back without its end."""
    kari.erased()
    kari.contract("started", LONG_AGO)
    assert decisions(kari.office.erase(NUMBER)) == {"ContractEvent": {"erase_now"}}


def watched(folder: Path, stack: ExitStack) -> Watchful:
    office = Watchful(folder, memory_index(), stack)
    office.serve(Keeping(Clocks(office.index.clocks, NORWEGIAN), None))
    return office


def test_what_comes_back_is_erased_again_by_the_day_of_before(tmp_path: Path) -> None:
    with ExitStack() as stack:
        kari = Kari(watched(tmp_path, stack))
        first = kari.erased()
        kari.written()
        kari.office.look()  # type: ignore[union-attr]
        kari.office.deliver()
        follow_up = kari.office.service.get(kari.office.service.get(first.request_id).follow_up or "")
        assert (follow_up.state, kari.office.stored("crm", NUMBER)) == (State.COMPLETED, 0)
        assert kari.office.events(*NUMBER) == 0


def test_what_comes_back_and_nobody_knows_of_a_contract_waits_for_a_person(tmp_path: Path) -> None:
    """A backup brings a row that the erasure never saw: held for a contract that nobody knows, it would stay."""
    with ExitStack() as stack:
        office = watched(tmp_path, stack)
        office.viewing(KARI, NOW - timedelta(days=400))
        first = office.erase(NUMBER)
        office.later(HOUR)
        office.put("crm.customers", {"customer_number": KARI, "name": "Kari", "updated_at": LONG_AGO})
        office.viewing(KARI, NOW - timedelta(days=400))
        office.look()
        office.deliver()
        follow_up = office.service.get(office.service.get(first.request_id).follow_up or "")
        assert follow_up.state is State.ATTENTION
        assert "in crm would be held for as long as the contract runs" in follow_up.problems[0]
        assert "--clock contract_end=DAY" in follow_up.problems[0]


def said(started: datetime | None, at: datetime) -> ClockEvent:
    return ClockEvent("contract_end", b"A-1", at, LONG_AGO, started, "orders.contracts", 0, 1, 0)


@pytest.mark.parametrize(
    ("day", "event", "counts"),
    [
        (ENDED.date(), None, ENDED.date()),
        (ENDED.date(), said(None, LONG_AGO), ENDED.date()),
        (ENDED.date(), said(None, ENDED + timedelta(days=2)), OPEN),
        (ENDED.date(), said(ENDED, ENDED), ENDED.date()),
        (date(2027, 1, 1), said(None, NOW), date(2027, 1, 1)),
        (date(2027, 1, 1), said(None, NOW + HOUR), OPEN),
        (OPEN, None, OPEN),
        (OPEN, said(ENDED, ENDED), ENDED.date()),
    ],
)
def test_which_day_counts(day: date, event: ClockEvent | None, counts: date) -> None:
    """Events that are later than the day, or than the plan, go before it; what was running says nothing of an end."""
    earlier = EarlierDays({"contract_end": day}, NOW)
    events = [event] if event else []
    known = known_anchors(events, NORWEGIAN, RetentionAnchors(), earlier)
    assert known.anchors.contract_end == counts
    typed = RetentionAnchors(contract_end=date(2021, 1, 1))
    assert known_anchors(events, NORWEGIAN, typed, earlier).anchors.contract_end == date(2021, 1, 1)

"""What has run out, with those whose data are kept all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.vocabulary import ToldBy
from sinks.ports.lineage import Span
from streams.answers.expiry import RunningOut
from streams.answers.frozen import Frozen
from streams.answers.keeping import Keeping
from streams.rights.kept import kept_by_requests
from streams.rights.protocol.scope import Scope
from streams.rights.protocol.states import RequestState
from streams.rights.retention import preview
from tests.support.company import model
from tests.support.index import memory_index
from tests.support.office import NOW, Office
from tests.support.suppressing import KARI, OLA
from tests.unit.rights.test_expiry_run import answered, approved, begun

LONG_AGO = NOW - timedelta(days=60)


class Orders:
    """Preservation orders that hold these spans."""

    def __init__(self, *spans: Span) -> None:
        self._frozen = Frozen(dict.fromkeys(spans, date(2026, 12, 31)))

    def frozen(self, _: Any) -> Frozen:
        return self._frozen

    def destroy_keys(self, _: Any) -> list[str]:
        return []


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Kari's two viewings and Ola's one have run out (T31: six weeks); one of each is of yesterday."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        for customer, times in ((KARI, (LONG_AGO, LONG_AGO)), (OLA, (LONG_AGO,))):
            for at in (*times, NOW - timedelta(days=1)):
                seen = {"kind": "live", "customer_number": customer, "device_serial": f"STB{customer}0001"}
                made.put("tv.viewings", {**seen, "started_at": at})
        yield made


def viewings(office: Office) -> RunningOut:
    service = office.service
    found = preview(office.index.expiry, model(), service.requests(), service.kept_spans(), office.now, 3)
    (item,) = found.items
    assert item.rule == "T31"
    return item


def asked(office: Office, right: str, customer: str, **more: Any) -> RequestState:
    given = [("customer_number", customer)]
    return office.service.create(
        right, given, reason=None, channel="web", received_at=office.now, scope=Scope(**more)
    )


def test_nobody_is_kept_without_a_ground(office: Office) -> None:
    assert (viewings(office).overdue, viewings(office).kept) == (3, 0)
    assert sum(viewings(office).months) == 2


def test_whoever_has_an_open_request_is_kept_until_it_has_ended(office: Office) -> None:
    """From its receipt on, before anything is planned; Ola has none."""
    request = asked(office, "access", KARI)
    assert (viewings(office).overdue, viewings(office).kept) == (3, 2)
    office.service.cancel(request.request_id)
    assert viewings(office).kept == 0


def test_whoever_restricted_is_kept_until_that_is_lifted(office: Office) -> None:
    """The request itself has ended by then."""
    request = asked(office, "restriction", OLA)
    office.deliver()
    for item in office.service.get(request.request_id).commands.values():
        office.service.accept(request.request_id, item.system, "done by hand")
    for name in office.service.get(request.request_id).to_notify:
        office.service.notify(request.request_id, name, ToldBy.EMAIL)
    office.deliver()
    assert office.service.get(request.request_id).ended
    assert viewings(office).kept == 1
    office.service.lift(request.request_id, ToldBy.EMAIL, "settled")
    office.deliver()
    for item in office.service.get(request.request_id).commands.values():
        if item.doubtful:
            office.service.accept(request.request_id, item.system, "done by hand")
    office.deliver()
    assert office.service.get(request.request_id).ended
    assert viewings(office).kept == 0


def test_whoever_an_order_holds_is_kept(office: Office) -> None:
    tokenizer = office.keyring.tokenizer()
    span = Span(tokenizer.token(model().kinds.parse("customer_number"), KARI))
    office.serve(Keeping(orders=Orders(span)))
    assert viewings(office).kept == 2


def test_what_a_system_withholds_from_a_run_is_kept(office: Office) -> None:
    """Of what runs out later nobody knows it."""
    run = approved(office, begun(office))
    said = {"state": "withheld", "erased": 0, "held": 3, "ground": "T98", "citation": "bokføringsloven § 13"}
    review = (office.now + timedelta(days=60)).date()
    assert answered(office, office.expiries[0], review_date=review, **said).ended
    assert (run.of_everybody, viewings(office).overdue, viewings(office).kept) == (True, 3, 3)
    office.now += timedelta(days=43)
    assert (viewings(office).overdue, viewings(office).kept) == (5, 3)


def test_requests_that_have_ended_keep_nobody(office: Office) -> None:
    request = asked(office, "access", KARI)
    assert len(kept_by_requests(office.service.requests())) >= 1
    office.service.close(request.request_id, "answered by letter")
    assert kept_by_requests(office.service.requests()) == []

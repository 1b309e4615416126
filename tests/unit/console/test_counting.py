"""What the views of the index are fed with, and how often."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import pyarrow as pa

from console.wiring.counting import ViewFeed
from schemas.in_force import InForce
from sinks.ports.views import RequestRow
from streams.rights.protocol.request import RequestState, State
from tests.support.company import model

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
REQUEST = RequestState("r-1", "erasure", "letter", NOW, date(2026, 7, 1), length=1)


@dataclass
class Tables:
    """Remembers what it was told. `slow`: how long a count takes."""

    slow: float = 0.0
    versions: list[str] = field(default_factory=list)
    zones: list[str] = field(default_factory=list)
    rows: list[RequestRow] = field(default_factory=list)
    seconds: float = 0.0

    def put_in_force(self, said: InForce, now: datetime) -> bool:
        self.versions.append(said.version)
        return True

    def count_held(self, zone: str, now: datetime) -> None:
        self.zones.append(zone)
        self.seconds += self.slow

    def note_found(self, rows: pa.Table) -> None:
        raise AssertionError("taggers do this")

    def note_requests(self, rows: Sequence[RequestRow]) -> None:
        self.rows += rows


def feed(tables: Tables, requests: list[RequestState]) -> ViewFeed:
    return ViewFeed(tables, model(), lambda: requests, lambda: NOW, lambda: tables.seconds)


def test_what_is_held_is_counted_every_quarter_of_an_hour_or_a_twentieth_of_the_time() -> None:
    tables = Tables(slow=90.0)
    fed = feed(tables, [])
    fed.turn()
    assert tables.zones == ["Europe/Oslo"]
    for later, counts in ((1_799.0, 1), (1.0, 2)):
        tables.seconds += later
        fed.turn()
        assert len(tables.zones) == counts
    tables.slow = 1.0
    tables.seconds += 1_800
    fed.turn()
    tables.seconds += 900
    fed.turn()
    assert len(tables.zones) == 4


def test_a_request_is_noted_when_it_moved() -> None:
    """One that is not answered yet has a deadline that runs; a cancelled one has none, and no day of an answer."""
    tables, requests = Tables(), [REQUEST]
    fed = feed(tables, requests)
    fed.turn()
    fed.turn()
    requests[0] = replace(REQUEST, length=2, state=State.CANCELLED, ended_at=NOW)
    fed.turn()
    first, second = tables.rows
    assert (first.state, first.due, first.running, first.ended_at) == (
        "received",
        date(2026, 7, 1),
        True,
        None,
    )
    assert (second.state, second.running, second.answered_at, second.ended_at) == (
        "cancelled",
        False,
        None,
        NOW,
    )


def test_the_catalogue_is_in_force_from_the_start_of_the_role() -> None:
    tables, stop = Tables(), threading.Event()
    stop.set()
    feed(tables, [REQUEST]).run(stop)
    assert len(tables.versions) == len(tables.zones) == len(tables.rows) == 1

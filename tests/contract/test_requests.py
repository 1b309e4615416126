"""The ledger of requests, the same on the embedded engine and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from schemas.errors import IndexUnavailable
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.requests import RequestEvent, RequestLedger
from tests.support.clickhouse_http import ClickHouseHttpServer

NOON = datetime(2026, 3, 9, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.fixture(scope="module", params=["chdb", "http"])
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    folder = tmp_path_factory.mktemp("index")
    if request.param == "chdb":
        embedded = ClickHouse(f"chdb://{folder / 'db'}")
        migrate(embedded, NOON)
        yield embedded
        embedded.close()
        return
    with ClickHouseHttpServer(folder / "db") as server:
        url = f"http://{server.host}:{server.port}/default"
        remote = ClickHouse(url, user=server.user, password=server.password)
        migrate(remote, NOON)
        yield remote
        remote.close()


@pytest.fixture
def ledger(index: ClickHouse) -> RequestLedger:
    index.command("TRUNCATE TABLE request_events")
    return RequestLedger(index)


def test_events_come_back_in_order_as_they_went_in(ledger: RequestLedger) -> None:
    """Kind, moment to the millisecond and content survive; the order is the sequence, not the time of writing."""
    content = {"reason": 'sitat " og \\ og linje\nskift, æøå', "counts": {"rows": 3}, "held": [None, True]}
    assert ledger.append("r-1", 1, "planned", NOON + timedelta(seconds=1), content)
    assert ledger.append("r-1", 0, "received", NOON, {})
    assert ledger.append("r-2", 0, "received", NOON, {})
    assert ledger.events("r-1") == [
        RequestEvent("r-1", 0, "received", NOON, {}),
        RequestEvent("r-1", 1, "planned", NOON + timedelta(seconds=1), content),
    ]
    assert ledger.events("r-3") == []


def test_a_sequence_number_is_given_once(ledger: RequestLedger) -> None:
    """The second event of the same number changes nothing, whatever it says."""
    assert ledger.append("r-1", 0, "received", NOON, {"type": "erasure"})
    assert not ledger.append("r-1", 0, "received", NOON, {"type": "erasure"})
    assert not ledger.append("r-1", 0, "completed", NOON, {"type": "access"})
    assert [(event.kind, event.content) for event in ledger.events("r-1")] == [
        ("received", {"type": "erasure"})
    ]


def test_every_request_is_listed_oldest_first(ledger: RequestLedger) -> None:
    """Requests by the time of their first event, each with all its events."""
    ledger.append("r-b", 0, "received", NOON, {})
    ledger.append("r-a", 0, "received", NOON + timedelta(days=1), {})
    ledger.append("r-b", 1, "planned", NOON + timedelta(days=2), {})
    listed = ledger.requests()
    assert [(name, [event.kind for event in events]) for name, events in listed.items()] == [
        ("r-b", ["received", "planned"]),
        ("r-a", ["received"]),
    ]


def test_an_index_that_is_away_is_said_to_be(ledger: RequestLedger) -> None:
    """One error of ours, which names the index and not the statement."""
    away = RequestLedger(ClickHouse("http://127.0.0.1:9/default"))
    with pytest.raises(IndexUnavailable, match=r"127\.0\.0\.1") as caught:
        away.append("r-1", 0, "received", NOON, {"secret": "K-100200"})
    assert "K-100200" not in str(caught.value)

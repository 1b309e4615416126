"""What happens to a writer and a reader when the connection to ClickHouse fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.errors import IndexUnavailable
from sinks.clickhouse.client import ClickHouse
from sinks.ports import Span
from tests.support.clickhouse_engine import FaultKind
from tests.support.clickhouse_http import ClickHouseHttpServer
from tests.support.index import NOW, Index, Row, batch, connect, empty, sql_index, tags, token

ROWS = [Row(1, offset, tags(), at=offset) for offset in range(50)]
PERSON = [Span(token(1))]
PARTITION = ("web.visits", 0)


@pytest.fixture
def connection(http_server: ClickHouseHttpServer) -> Iterator[ClickHouse]:
    connected = connect(http_server)
    yield empty(connected)
    connected.close()


@pytest.mark.parametrize("kind", ["disconnect", "http500_after_write"])
@pytest.mark.parametrize("insert", [1, 2, 3])
def test_a_write_whose_answer_was_lost_is_repeated_without_harm(
    http_server: ClickHouseHttpServer, connection: ClickHouse, kind: FaultKind, insert: int
) -> None:
    """Whichever of the inserts (tag sets, rows, ledger) was stored unheard: written again, the index is the same."""
    index = sql_index(connection)
    index.write(ROWS[:20])
    http_server.inject_fault(insert, kind)
    # A tag set of its own, so that the batch has all three inserts.
    fresh = [Row(1, 100 + insert, tags("C-3", version=f"00000000000{insert}"))]
    # The driver itself repeats a small insert after a lost connection, never one of Arrow rows.
    if kind == "http500_after_write" or insert == 2:
        with pytest.raises(IndexUnavailable):
            index.write(fresh)
        if insert < 3:
            assert index.writer.positions([PARTITION]) == {PARTITION: 20}
    index.write(fresh)
    found = index.reader.find(PERSON)
    assert found.total_events == 21
    assert sorted(holding.events for holding in found.holdings) == [1, 20]
    assert index.writer.positions([PARTITION]) == {PARTITION: 101 + insert}
    assert connection.query("SELECT sum(events) FROM v_daily") == [(21,)]
    assert connection.query("SELECT count() FROM ingest_ledger FINAL") == [(2,)]


def test_a_lost_claim_ends_in_a_higher_epoch(
    http_server: ClickHouseHttpServer, connection: ClickHouse
) -> None:
    """A claim whose answer was lost may have been stored: the next one is above it all the same."""
    index = sql_index(connection)
    first = index.writer.claim([PARTITION], "worker-a", NOW)[PARTITION]
    http_server.inject_fault(1, "http500_after_write")
    with pytest.raises(IndexUnavailable):
        index.writer.claim([PARTITION], "worker-b", NOW)
    assert index.writer.claim([PARTITION], "worker-b", NOW)[PARTITION] == first + 2


CALLS: list[Callable[[Index], object]] = [
    lambda index: index.writer.write(batch(ROWS), NOW),
    lambda index: index.writer.claim([PARTITION], "worker-a", NOW),
    lambda index: index.writer.positions([PARTITION]),
    lambda index: index.reader.find(PERSON),
    lambda index: index.eraser.forget(PERSON, {tags().id: None}),
]


def test_a_missing_index_is_said_in_one_line_without_values(tmp_path: Path) -> None:
    """With the server gone every call raises IndexUnavailable, and its text holds no token, login or row."""
    with ClickHouseHttpServer(tmp_path) as server:
        connection = connect(server)
        index = sql_index(empty(connection))
        index.write(ROWS)
    for call in CALLS:
        with pytest.raises(IndexUnavailable) as caught:
            call(index)
        said = str(caught.value)
        assert "\n" not in said
        for value in (token(1).hex(), token(1).hex().upper(), server.password, "SELECT", "INSERT"):
            assert value not in said
    with pytest.raises(IndexUnavailable):
        sql_index(connect(server)).reader.find(PERSON)
    connection.close()


def test_a_refused_statement_is_said_in_one_line_without_values(connection: ClickHouse) -> None:
    """The server quotes the statement in its error; ours names the place and the code only."""
    with pytest.raises(IndexUnavailable) as caught:
        connection.query("SELECT unhex({t:String}) FROM missing", {"t": token(1).hex()})
    assert "60" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert token(1).hex() not in str(caught.value)
    assert "missing" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "clickhouse://host/db", "http:///db", "localhost:8123"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """A wrong setting is named before anything is opened."""
    with pytest.raises(IndexUnavailable, match="INNSYN_CLICKHOUSE_URL"):
        ClickHouse(url)

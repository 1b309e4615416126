"""What happens to a writer and a reader when the connection to ClickHouse fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import IndexUnavailable
from sinks.clickhouse.client import ClickHouse
from sinks.ports.dead_letters import DeadRow
from sinks.ports.identity import OpenClaims, RetainedClaims
from sinks.ports.lineage import Span
from tests.support.clickhouse_engine import FaultKind
from tests.support.clickhouse_http import ClickHouseHttpServer
from tests.support.index import (
    NOW,
    Claim,
    Index,
    Row,
    Said,
    batch,
    claim_table,
    clock_table,
    connect,
    empty,
    fact_row,
    fact_table,
    finding_table,
    identifier_table,
    prefix_table,
    record_key_table,
    sql_index,
    tags,
    token,
)

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


EVERYTHING = replace(
    batch([Row(1, 200, tags("C-4"))]),
    claims=OpenClaims(claim_table([Claim(200, topic="web.visits")])),
    retained=RetainedClaims(claim_table([Claim(200, topic="web.visits", token=7)])),
    identifiers=identifier_table([(1, "ip", "k", b"sealed")]),
    prefixes=prefix_table([(8, 56, 1)]),
    findings=finding_table([("web.visits", 200, "email")]),
    clocks=clock_table([Said(1, 200)]),
    facts=fact_table(fact_row(1, 200)),
    record_keys=record_key_table([(200, "sealed")]),
    dead=[DeadRow("web.visits", 0, 201, "truncated", "c301", 17, NOW)],
)
CONTENT = {
    "lineage": "* EXCEPT tag_set",
    "lineage_by_event": "*",
    "identity_claims": "* EXCEPT learnt_at",
    "retained_claims": "* EXCEPT learnt_at",
    "sealed_identifiers": "* EXCEPT written_at",
    "address_prefixes": "*",
    "findings": "*",
    "clock_events": "*",
    "fact_events": "*",
    "record_keys": "*",
    "dead_letters": "*",
    "ingest_ledger": "* EXCEPT written_at",
    "ingest_known": "* EXCEPT written_at",
}


@pytest.mark.parametrize("insert", range(1, 14))
def test_a_write_that_failed_anywhere_leaves_the_same_when_repeated(
    http_server: ClickHouseHttpServer, connection: ClickHouse, insert: int
) -> None:
    """Whichever of its thirteen inserts was the last: written again, every table holds it once.

    What is known since the first attempt stays known since then.
    """
    index = sql_index(connection)
    http_server.inject_fault(insert, "http500_after_write")
    with pytest.raises(IndexUnavailable):
        index.writer.write(EVERYTHING, lambda: NOW)
    later = NOW + timedelta(hours=1)
    index.writer.write(EVERYTHING, lambda: later)
    content = [
        connection.query(f"SELECT {what} FROM {name} FINAL ORDER BY ALL") for name, what in CONTENT.items()
    ]
    assert [len(rows) for rows in content] == [1, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    assert _learnt(connection, "identity_claims") == (NOW if insert >= 4 else later)
    assert _learnt(connection, "retained_claims") == (NOW if insert >= 5 else later)
    known = connection.query("SELECT min(written_at) FROM ingest_known")
    assert known == [(NOW if insert == 13 else later,)]
    assert index.reader.find(PERSON, known_at=later).total_events == 1
    assert index.reader.find(PERSON, known_at=NOW).total_events == (1 if insert == 13 else 0)


def _learnt(connection: ClickHouse, table: str) -> object:
    ((first, last),) = connection.query(f"SELECT min(learnt_at), max(learnt_at) FROM {table} FINAL")
    assert first == last
    return first


def test_an_erasure_that_stopped_half_way_is_finished_by_the_next(
    connection: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it stopped before, the same call again ends where a whole one ends."""
    command = ClickHouse.command
    for survived in range(4):
        index = sql_index(empty(connection))
        index.writer.write(EVERYTHING, lambda: NOW)
        done = 0

        def crash(self: ClickHouse, sql: str, *values: Any, limit: int = survived, **options: Any) -> None:
            nonlocal done
            if sql.startswith("DELETE") and done == limit:
                raise IndexUnavailable("gone")
            done += sql.startswith("DELETE")
            command(self, sql, *values, **options)

        with monkeypatch.context() as patch:
            patch.setattr(ClickHouse, "command", crash)
            with pytest.raises(IndexUnavailable):
                index.eraser.forget(PERSON, {tags("C-4").id: None})
        index.eraser.forget(PERSON, {tags("C-4").id: None})
        left = {name: connection.query(f"SELECT count() FROM {name} FINAL")[0][0] for name in CONTENT}
        assert [name for name, rows in left.items() if rows] == [
            "dead_letters",
            "ingest_ledger",
            "ingest_known",
        ]


def test_a_lost_claim_ends_in_a_higher_epoch(
    http_server: ClickHouseHttpServer, connection: ClickHouse
) -> None:
    """A claim whose answer was lost may have been stored: the next one is above it all the same."""
    index = sql_index(connection)
    first = index.writer.take_over([PARTITION], "worker-a", NOW)[PARTITION]
    http_server.inject_fault(1, "http500_after_write")
    with pytest.raises(IndexUnavailable):
        index.writer.take_over([PARTITION], "worker-b", NOW)
    assert index.writer.take_over([PARTITION], "worker-b", NOW)[PARTITION] == first + 2


CALLS: list[Callable[[Index], object]] = [
    lambda index: index.writer.write(batch(ROWS), lambda: NOW),
    lambda index: index.writer.take_over([PARTITION], "worker-a", NOW),
    lambda index: index.writer.positions([PARTITION]),
    lambda index: index.reader.find(PERSON),
    lambda index: index.reader.find(PERSON, known_at=NOW),
    lambda index: index.claims.claims([token(1)], of="token"),
    lambda index: index.claims.prefixes([token(1)]),
    lambda index: index.claims.addresses([token(1)]),
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

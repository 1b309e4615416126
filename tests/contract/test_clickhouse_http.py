"""The ordinary HTTP client of clickhouse-connect against the chdb-backed test server."""

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import chdb
import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from tests.support.clickhouse_engine import FaultKind
from tests.support.clickhouse_http import ClickHouseHttpServer
from tests.support.time_bounds import HANGING_SECONDS

COLUMNS = ("token", "kind", "seen_at", "position")
SEEN_AT = datetime(2026, 5, 4, 12, 30, 15, 250_000, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseHttpServer]:
    with ClickHouseHttpServer(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture
def client(server: ClickHouseHttpServer) -> Iterator[Client]:
    """A client whose database `lab` holds one empty table `sightings`."""
    connected = _connect(server)
    connected.command("DROP DATABASE IF EXISTS lab")
    connected.command("CREATE DATABASE lab")
    connected.command(_table("sightings"))
    yield connected
    connected.close()


def _connect(server: ClickHouseHttpServer, **options: Any) -> Client:
    arguments = {"username": server.user, "password": server.password, "tz_mode": "aware"} | options
    return clickhouse_connect.get_client(host=server.host, port=server.port, **arguments)


def _table(name: str) -> str:
    return (
        f"CREATE TABLE lab.{name} (token FixedString(16), kind LowCardinality(String),"
        " seen_at DateTime64(3, 'UTC'), position UInt64) ENGINE = MergeTree ORDER BY (token, position)"
        " SETTINGS non_replicated_deduplication_window = 100"
    )


def _arrow(rows: int) -> pa.Table:
    return pa.table(
        {
            "token": pa.array([os.urandom(16) for _ in range(rows)], pa.binary(16)),
            "kind": pa.array(["ip"] * rows, pa.string()),
            "seen_at": pa.array([SEEN_AT] * rows, pa.timestamp("ms", tz="UTC")),
            "position": pa.array(range(rows), pa.uint64()),
        }
    )


def _rows(count: int) -> list[tuple[bytes, str, datetime, int]]:
    return [(bytes([n]) * 16, "cookie_id", SEEN_AT, n) for n in range(count)]


def _count(client: Client, table: str = "sightings") -> int:
    return int(str(client.command(f"SELECT count() FROM lab.{table}")))


def test_ping_and_version(server: ClickHouseHttpServer, client: Client) -> None:
    """The client connects, sees a server version and the UTC zone, and pings."""
    assert client.ping()
    assert str(client.server_version)[0].isdigit()
    assert str(client.server_tz) == "UTC"


@pytest.mark.parametrize("compression", [False, "lz4", "zstd", "gzip"])
def test_native_insert_survives_every_compression(
    server: ClickHouseHttpServer, client: Client, compression: str
) -> None:
    """Rows come back as they went in, whatever Content-Encoding the client uses in either direction."""
    packed = _connect(server, compress=compression)
    written = packed.insert("sightings", _rows(200), COLUMNS, database="lab").written_rows
    assert written == 200
    stored = packed.query(
        "SELECT token, kind, seen_at, position FROM lab.sightings ORDER BY position"
    ).result_rows
    assert list(stored) == _rows(200)


@pytest.mark.parametrize("width", [9, 10, 13, 32])
def test_native_block_header_is_not_taken_for_white_space(client: Client, width: int) -> None:
    """A Native block whose first byte (the column count) is a white-space character is stored whole."""
    names = [f"c{n}" for n in range(width)]
    columns = ", ".join(f"{name} UInt8" for name in names)
    client.command(f"CREATE TABLE lab.wide ({columns}) ENGINE = MergeTree ORDER BY c0")
    client.insert("lab.wide", [list(range(width))], names)
    assert client.query("SELECT * FROM lab.wide").result_rows == [tuple(range(width))]


def test_arrow_insert_and_query_round_trip(client: Client) -> None:
    """Fixed-size binaries, millisecond times and 64-bit numbers survive insert_arrow and query_arrow."""
    table = _arrow(5_000)
    summary = client.insert_arrow("lab.sightings", table)
    assert summary.written_rows == 5_000
    stored = client.query_arrow("SELECT * FROM lab.sightings ORDER BY position")
    assert stored.column("token").to_pylist() == table.column("token").to_pylist()
    assert stored.column("seen_at").to_pylist() == table.column("seen_at").to_pylist()
    assert stored.column("position").to_pylist() == table.column("position").to_pylist()


def test_arrow_insert_of_wrong_bytes_stores_nothing(client: Client) -> None:
    """A truncated Arrow body is an error of the server with its code, and no row is stored."""
    body = b"ARROW1\x00\x00;\x00truncated"
    with pytest.raises(DatabaseError) as caught:
        client.raw_insert("lab.sightings", COLUMNS, body, fmt="Arrow")
    assert caught.value.code == 117
    assert _count(client) == 0


def test_text_formats_and_insert_from_select(client: Client) -> None:
    """Inserts by JSONEachRow, VALUES and SELECT report the rows they wrote."""
    line = '{"token":"aaaaaaaaaaaaaaaa","kind":"ip","seen_at":"2026-05-04 12:30:15.250","position":1}\n'
    assert client.raw_insert("lab.sightings", COLUMNS, line * 3, fmt="JSONEachRow").written_rows == 3
    client.command(
        "INSERT INTO lab.sightings VALUES ('bbbbbbbbbbbbbbbb', 'mac', '2026-05-04 12:30:15.250', 2)"
    )
    copied = client.command("INSERT INTO lab.sightings SELECT * FROM lab.sightings")
    assert getattr(copied, "written_rows", None) == 4
    assert _count(client) == 8


def test_parameters_are_bound_by_the_server(client: Client) -> None:
    """Server-side parameters keep quotes, tabs and line breaks, also when they are too long for a URL."""
    for text in ("it's\ta \\ line\nbreak", "x" * 40_000):
        rows = client.query(
            "SELECT {text:String} AS t, {n:UInt64} + 1", parameters={"text": text, "n": 41}
        ).result_rows
        assert rows == [(text, 42)]


def test_a_parameter_beyond_the_limit_of_a_server_is_refused(client: Client) -> None:
    """One value takes 128 KiB; more of them take any amount."""
    with pytest.raises(DatabaseError):
        client.query("SELECT length({text:String})", parameters={"text": "x" * 131_073})
    many = {f"text{number}": "x" * 131_072 for number in range(20)}
    lengths = " + ".join(f"length({{{name}:String}})" for name in many)
    assert client.query(f"SELECT {lengths}", parameters=many).result_rows == [(20 * 131_072,)]


def test_settings_hold_for_one_query_only(client: Client) -> None:
    """A setting given with a query is in force for it and gone after it; an unknown one is refused."""
    question = "SELECT getSetting('max_block_size')"
    before = client.command(question)
    assert client.command(question, settings={"max_block_size": 77}) == 77
    assert client.command(question) == before
    with pytest.raises(DatabaseError) as caught:
        client.command("SELECT 1", settings={"no_such_setting_here": 1})
    assert caught.value.code == 115


def test_a_session_keeps_its_own_settings_and_temporary_tables(
    server: ClickHouseHttpServer, client: Client
) -> None:
    """SET and temporary tables live as long as the session and are invisible to another one."""
    other = _connect(server)
    client.command("SET max_block_size = 99")
    client.command("CREATE TEMPORARY TABLE scratch (n UInt8)")
    client.command("SELECT 1", settings={"max_block_size": 5})
    assert client.command("SELECT getSetting('max_block_size')") == 99
    assert client.command("EXISTS TEMPORARY TABLE scratch") == 1
    assert other.command("SELECT getSetting('max_block_size')") != 99
    assert other.command("EXISTS TEMPORARY TABLE scratch") == 0


def test_database_of_the_client_is_the_default(server: ClickHouseHttpServer, client: Client) -> None:
    """Unqualified names resolve in the client's database; an unknown database is error 81."""
    inside = _connect(server, database="lab")
    inside.insert_arrow("sightings", _arrow(3))
    assert inside.command("SELECT count() FROM sightings") == 3
    with pytest.raises(DatabaseError) as caught:
        _connect(server, database="nowhere").query("SELECT 1")
    assert caught.value.code == 81


@pytest.mark.parametrize("user", ["innsyn", "stranger", "default"])
def test_wrong_credentials_are_refused(server: ClickHouseHttpServer, user: str) -> None:
    """A wrong password or user is error 516, as on a server."""
    with pytest.raises(DatabaseError) as caught:
        _connect(server, username=user, password="not-this-one")
    assert caught.value.code == 516


@pytest.mark.parametrize(
    ("sql", "code"), [("SELEC 1", 62), ("SELECT * FROM lab.missing", 60), ("SELECT nofn(1)", 46)]
)
def test_errors_carry_the_code_of_the_server(client: Client, sql: str, code: int) -> None:
    """A failing query raises DatabaseError with ClickHouse's code, and the client stays usable."""
    with pytest.raises(DatabaseError) as caught:
        client.query(sql)
    assert caught.value.code == code
    assert client.command("SELECT 1") == 1


def test_two_clients_in_two_threads(server: ClickHouseHttpServer, client: Client) -> None:
    """Clients in parallel threads, each with its own table and setting, do not disturb each other."""
    failures: list[str] = []

    def work(name: str, block: int) -> None:
        own = _connect(server, database="lab")
        own.command(_table(name))
        for turn in range(1, 11):
            own.insert_arrow(name, _arrow(100))
            seen = own.command("SELECT getSetting('max_block_size')", settings={"max_block_size": block})
            if own.command(f"SELECT count() FROM {name}") != 100 * turn or seen != block:
                failures.append(f"{name} in turn {turn}")

    threads = [threading.Thread(target=work, args=(f"own_{n}", 1_000 + n)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=HANGING_SECONDS)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []
    assert (_count(client, "own_0"), _count(client, "own_1")) == (1_000, 1_000)


@pytest.mark.parametrize(
    ("kind", "error"), [("disconnect", OperationalError), ("http500_after_write", DatabaseError)]
)
def test_a_fault_loses_the_answer_but_not_the_write(
    server: ClickHouseHttpServer, client: Client, kind: FaultKind, error: type[DatabaseError]
) -> None:
    """The insert is stored although its caller sees an error; a retry with its token changes nothing."""
    tables = [_arrow(10) for _ in range(3)]
    server.inject_fault(2, kind)
    client.insert_arrow("lab.sightings", tables[0], settings={"insert_deduplication_token": "t0"})
    with pytest.raises(error):
        client.insert_arrow("lab.sightings", tables[1], settings={"insert_deduplication_token": "t1"})
    assert _count(client) == 20
    client.insert_arrow("lab.sightings", tables[1], settings={"insert_deduplication_token": "t1"})
    assert _count(client) == 20
    client.insert_arrow("lab.sightings", tables[2], settings={"insert_deduplication_token": "t2"})
    assert _count(client) == 30


def test_the_client_repeats_a_native_insert_by_itself(server: ClickHouseHttpServer, client: Client) -> None:
    """After a lost connection Client.insert sends its data again: without deduplication, rows double."""
    client.command("ALTER TABLE lab.sightings MODIFY SETTING non_replicated_deduplication_window = 0")
    server.inject_fault(1, "disconnect")
    client.insert("lab.sightings", _rows(10), COLUMNS)
    assert _count(client) == 20


def test_the_test_process_may_hold_an_engine_of_its_own(client: Client, tmp_path: Path) -> None:
    """The server's engine lives in another process, so this one can open a directory of its own."""
    own = chdb.connect(str(tmp_path / "own"))
    try:
        assert own.query("SELECT count() FROM system.databases WHERE name = 'lab'").bytes() == b"0\n"
    finally:
        own.close()
    assert client.command("EXISTS DATABASE lab") == 1


def test_rows_are_there_after_a_restart(tmp_path: Path) -> None:
    """The server ends cleanly and a second one on the same directory finds the rows."""
    with ClickHouseHttpServer(tmp_path / "db") as first:
        started = _connect(first)
        started.command("CREATE DATABASE lab")
        started.command(_table("sightings"))
        started.insert_arrow("lab.sightings", _arrow(7))
    with ClickHouseHttpServer(tmp_path / "db") as second:
        assert _count(_connect(second)) == 7

"""Indexes of every kind for the contract suite, and short ways to spell batches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import pyarrow as pa

from schemas.tags import TagSet
from schemas.vocabulary import ClaimForm, Mark, Proof
from sinks.clickhouse.claims import ClickHouseClaims
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.clocks import ClickHouseClocks
from sinks.clickhouse.erase import ClickHouseEraser
from sinks.clickhouse.expire import ClickHouseExpirer
from sinks.clickhouse.expiry import ClickHouseExpiry
from sinks.clickhouse.exposed import ClickHouseExposed
from sinks.clickhouse.facts import ClickHouseFacts
from sinks.clickhouse.identifiers import ClickHouseIdentifiers
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.record_keys import ClickHouseRecordKeys
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.memory.index import MemoryIndex
from sinks.ports.clocks import CLOCK_SCHEMA, ClockIndex
from sinks.ports.erasure import IndexEraser
from sinks.ports.expiry import ExpiryReader, IndexExpirer
from sinks.ports.exposed import ExposedReader
from sinks.ports.facts import FACT_SCHEMA, FactReader
from sinks.ports.identifiers import IDENTIFIER_SCHEMA, IdentifierReader
from sinks.ports.identity import CLAIM_SCHEMA, NOTHING, PREFIX_SCHEMA, ClaimReader, Rank
from sinks.ports.lineage import (
    FINDING_SCHEMA,
    ROW_SCHEMA,
    BesideReader,
    IndexReader,
    IndexWriter,
    LineageBatch,
)
from sinks.ports.offsets import OffsetRange
from sinks.ports.record_keys import RECORD_KEY_SCHEMA, RecordKeyReader
from tests.support.clickhouse_http import ClickHouseHttpServer

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
SQL_KINDS = ("chdb", "http", *(("server",) if os.environ.get("INNSYN_TEST_CLICKHOUSE") else ()))
"""A ClickHouse server joins by INNSYN_TEST_CLICKHOUSE=http://user:password@host:port/database.

The database is the tests' own: its tables are dropped.
"""


@dataclass(frozen=True)
class Index:
    """The contracts of one index."""

    writer: IndexWriter
    reader: IndexReader
    eraser: IndexEraser
    claims: ClaimReader
    beside: BesideReader
    identifiers: IdentifierReader
    clocks: ClockIndex
    facts: FactReader
    record_keys: RecordKeyReader
    expiry: ExpiryReader
    expirer: IndexExpirer
    exposed: ExposedReader

    def write(self, rows: Sequence[Row], *, epoch: int = 1, now: datetime = NOW) -> None:
        self.writer.write(batch(rows, epoch=epoch), lambda: now)


@dataclass(frozen=True)
class Row:
    """A lineage row; `token` by number, `at` in milliseconds after NOW."""

    token: int
    offset: int
    tags: TagSet
    at: int = 0
    partition: int = 0
    role: int = 1
    port: int = 0
    record: int = 0
    customer: int | None = None


@dataclass(frozen=True)
class Said:
    """What an event says of a clock: of whom and of what thing by number (None: the person), times in ms after the
    epoch of `moment`; `started` None: it is going on."""

    token: int
    offset: int
    started: int | None = None
    clock: str = "contract_end"
    thing: int | None = 7
    at: int = 0
    since: int | None = None
    topic: str = "web.visits"
    part: int = 0


@dataclass(frozen=True)
class Claim:
    """A claim; tokens by number, None for none, times in milliseconds after NOW."""

    offset: int
    token: int | None = 1
    subject: int | None = 2
    group: int | None = 3
    line: int | None = None
    server: int | None = 9
    form: ClaimForm = ClaimForm.SESSION
    mark: Mark = Mark.SEEN
    at: int = 0
    since: int | None = None
    until: int | None = None
    part: int = 0
    partition: int = 0
    topic: str = "network.assignments"
    ports: tuple[int, int] = (0, 65_535)
    length: int = 0


def memory_index(memory: MemoryIndex | None = None) -> Index:
    """Of one in memory, a new one if none is given."""
    memory = MemoryIndex() if memory is None else memory
    return Index(*[memory] * 12)


def sql_index(database: ClickHouse) -> Index:
    reader = ClickHouseReader(database)
    return Index(
        ClickHouseWriter(database),
        reader,
        ClickHouseEraser(database),
        ClickHouseClaims(database),
        reader,
        ClickHouseIdentifiers(database),
        ClickHouseClocks(database),
        ClickHouseFacts(database),
        ClickHouseRecordKeys(database),
        ClickHouseExpiry(database),
        ClickHouseExpirer(database),
        ClickHouseExposed(database),
    )


@contextmanager
def running(kind: str, folder: Path) -> Iterator[tuple[ClickHouse, ClickHouseHttpServer | None]]:
    """An empty ClickHouse of the kind, and the test server behind it if it is one.

    The embedded engine takes one folder per process: it is free again afterwards.
    """
    if kind == "chdb":
        with _closing(ClickHouse(f"chdb://{folder}")) as database:
            yield database, None
    elif kind == "http":
        with ClickHouseHttpServer(folder) as server, _closing(connect(server)) as database:
            yield database, server
    else:
        parts = urlsplit(os.environ["INNSYN_TEST_CLICKHOUSE"])
        user, password = unquote(parts.username or "default"), unquote(parts.password or "")
        url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        with _closing(ClickHouse(url, user=user, password=password)) as database:
            yield database, None


@contextmanager
def _closing(database: ClickHouse) -> Iterator[ClickHouse]:
    try:
        yield database
    finally:
        database.close()


def connect(server: ClickHouseHttpServer) -> ClickHouse:
    """One more connection to the test server."""
    url = f"http://{server.host}:{server.port}/default"
    return ClickHouse(url, user=server.user, password=server.password)


def tables(database: ClickHouse, engine: str = "%MergeTree") -> list[str]:
    """Names of the tables, or of the views (engine `%View`)."""
    rows = database.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE {engine:String}"
        " ORDER BY name",
        {"engine": engine},
    )
    return [str(row[0]) for row in rows]


def drop_all(database: ClickHouse) -> None:
    for engine in ("%View", "%MergeTree"):
        for name in tables(database, engine):
            database.command(f"DROP TABLE {name} SYNC")


def empty(database: ClickHouse) -> ClickHouse:
    """The index in its current shape and without a row."""
    migrate(database, NOW)
    for name in tables(database):
        if name != "schema_migrations":
            database.command(f"TRUNCATE TABLE {name} SYNC")
    return database


def token(number: int) -> bytes:
    """A token; every fourth ends in a zero byte, which fixed strings may not lose."""
    return number.to_bytes(4, "big") * 3 + (number // 4).to_bytes(3, "big") + bytes([number % 4])


def moment(millis: int) -> datetime:
    return NOW + timedelta(milliseconds=millis)


def tags(
    *categories: str,
    topic: str = "web.visits",
    system: str = "web",
    purposes: Sequence[str] = ("P-WEB",),
    version: str = "000000000001",
) -> TagSet:
    """A tag set with the categories, C-21 if none is given."""
    return TagSet(
        topic=topic,
        record="WebVisit",
        schema="0123456789abcdef",
        catalogue_version=version,
        key_id="k1",
        system=system,
        subject_type="site_visitor",
        categories=categories or ("C-21",),
        purposes=tuple(purposes),
        legal_basis=dict.fromkeys(purposes, "f"),
        origin="auto_generated",
        operation="collect",
        recipients=("cloud_provider",),
        retention=("T30",),
    )


def table(rows: Sequence[Row]) -> pa.Table:
    columns = {
        "token": [token(row.token) for row in rows],
        "topic": [row.tags.topic for row in rows],
        "partition": [row.partition for row in rows],
        "offset": [row.offset for row in rows],
        "role": [row.role for row in rows],
        "tag_set": [row.tags.id for row in rows],
        "event_time": [moment(row.at).replace(tzinfo=None) for row in rows],
        "port": [row.port for row in rows],
        "record": [row.record for row in rows],
        "customer": [NOTHING if row.customer is None else token(row.customer) for row in rows],
    }
    return pa.table({name: pa.array(columns[name], ROW_SCHEMA.field(name).type) for name in columns})


def claim_table(claims: Sequence[Claim]) -> pa.Table:
    def of(number: int | None) -> bytes:
        return NOTHING if number is None else token(number)

    def when(millis: int | None) -> datetime | None:
        return None if millis is None else moment(millis).replace(tzinfo=None)

    rows = [
        {
            "form": item.form.code,
            "mark": item.mark.code,
            "token": of(item.token),
            "length": item.length,
            "port_from": item.ports[0],
            "port_to": item.ports[1],
            "subject": of(item.subject),
            "group": of(item.group),
            "line": of(item.line),
            "server": of(item.server),
            "at": when(item.at),
            "since": when(item.since),
            "until": when(item.until),
            "proof": Proof.SUBSCRIBER.code,
            "rank": Rank.USERNAME,
            "source": "radius",
            "topic": item.topic,
            "partition": item.partition,
            "offset": item.offset,
            "part": item.part,
        }
        for item in claims
    ]
    return pa.Table.from_pylist(rows, CLAIM_SCHEMA)


def prefix_table(rows: Sequence[tuple[int, int, int]]) -> pa.Table:
    """From prefix by number, its length, address by number."""
    values = [{"prefix": token(prefix), "length": length, "token": token(to)} for prefix, length, to in rows]
    return pa.Table.from_pylist(values, PREFIX_SCHEMA)


def identifier_table(rows: Sequence[tuple[int, str, str, bytes]]) -> pa.Table:
    """From token by number, kind, name of the sealing key and what is sealed."""
    values = [
        {"token": token(number), "kind": kind, "length": 0, "key": key, "sealed": sealed}
        for number, kind, key, sealed in rows
    ]
    return pa.Table.from_pylist(values, IDENTIFIER_SCHEMA)


def clock_table(rows: Sequence[Said]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "token": token(row.token),
                "clock": row.clock,
                "thing": NOTHING if row.thing is None else token(row.thing),
                "event_time": moment(row.at),
                "since": moment(row.at if row.since is None else row.since),
                "started": None if row.started is None else moment(row.started),
                "topic": row.topic,
                "partition": 0,
                "offset": row.offset,
                "part": row.part,
            }
            for row in rows
        ],
        CLOCK_SCHEMA,
    )


def fact_row(
    number: int, offset: int, fact: str = "consent", says: str = "given", **more: Any
) -> dict[str, Any]:
    """What an event says of a duty to the owner of a token, by number; what is left out is empty."""
    blank = dict.fromkeys(("recipient", "instrument", "version", "occasion"), "")
    place = {"topic": "web.visits", "partition": 0, "offset": offset, "part": 0}
    told = {"token": token(number), "fact": fact, "says": says, "about": [], "name": 0, "evidence": False}
    return {**blank, **place, **told, "event_time": moment(0), **more}


def fact_table(*rows: Mapping[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], FACT_SCHEMA)


def record_key_table(rows: Sequence[tuple[int, str]], topic: str = "web.visits") -> pa.Table:
    """From offset and what is sealed."""
    said = {"topic": topic, "partition": 0, "record": "WebVisit", "field": "id", "key": "identifiers-2026-06"}
    values = [{**said, "offset": offset, "sealed": sealed.encode()} for offset, sealed in rows]
    return pa.Table.from_pylist(values, RECORD_KEY_SCHEMA)


def finding_table(rows: Sequence[tuple[str, int, str]]) -> pa.Table:
    """From topic, offset and kind."""
    values = [
        {
            "topic": topic,
            "partition": 0,
            "offset": offset,
            "field": "text",
            "start": 4,
            "end": 15,
            "kind": kind,
            "category": "C-02",
            "score": 0.5,
        }
        for topic, offset, kind in rows
    ]
    return pa.Table.from_pylist(values, FINDING_SCHEMA)


def batch(rows: Sequence[Row], *, epoch: int = 1) -> LineageBatch:
    """The rows, their tag sets, and one range for each partition from its first to its last offset."""
    offsets: dict[tuple[str, int], list[int]] = {}
    for row in rows:
        offsets.setdefault((row.tags.topic, row.partition), []).append(row.offset)
    ranges = [
        OffsetRange(*where, min(taken), max(taken), epoch, events=len(set(taken)), rows=len(taken))
        for where, taken in offsets.items()
    ]
    return LineageBatch(
        table(rows), tag_sets=list({row.tags.id: row.tags for row in rows}.values()), ranges=ranges
    )

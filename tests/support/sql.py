"""The SQL endpoint of an index, served on a loopback port."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from console.api.protection.doors import Doors
from console.api.protection.pool import QuestionLimits
from console.api.protection.recorder import Recorder
from console.sql.door import SqlDoor, SqlServices
from console.wiring.serving import ApiServer
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.sql import ClickHouseSql
from sinks.memory.audit import MemoryAudit
from sinks.ports.audit import AuditEntry, Looked
from sinks.ports.sql import SqlLimits, SqlReader
from tests.support.index import Row, empty, sql_index, tags

USER, TOKEN = "analyst", "sql-token-" + "x" * 32
ROWS = 12


@dataclass(frozen=True)
class Endpoint:
    """Where it answers, and what stands on record of it."""

    address: str
    audit: MemoryAudit
    recorder: Recorder

    def ask(self, query: str, **fields: str) -> httpx.Response:
        """POST the query as its body."""
        with httpx.Client(trust_env=False, timeout=60) as http:
            return http.post(self.address, params=fields, content=query.encode(), auth=(USER, TOKEN))

    @property
    def entries(self) -> Sequence[AuditEntry]:
        """What is on record, oldest first."""
        return [*reversed(self.audit.find(Looked(), 10_000))]


def filled(database: ClickHouse) -> ClickHouse:
    """An index of a few rows: two categories, three people."""
    index = sql_index(empty(database))
    kinds = (tags(), tags("C-01", topic="crm.customers", system="crm"))
    index.write([Row(1 + number % 3, number, kinds[number % 2], at=number) for number in range(ROWS)])
    return database


@contextmanager
def serving(
    reader: SqlReader, limits: QuestionLimits | None = None, doors: Doors | None = None
) -> Iterator[Endpoint]:
    """The endpoint until the context ends."""
    audit = MemoryAudit()
    recorder = Recorder(audit)
    services = SqlServices(
        reader=reader,
        user=USER,
        token=TOKEN,
        recorder=recorder,
        doors=doors or Doors(),
        clock=lambda: datetime.now(UTC),
        key_id=lambda: "k1",
        limits=limits or QuestionLimits(30.0, 2, 8),
    )
    server = ApiServer(SqlDoor(services), "127.0.0.1", 0, variable="INNSYN_SQL_PORT")
    stop = threading.Event()
    thread = threading.Thread(target=server.run, args=(stop,))
    thread.start()
    try:
        yield Endpoint(server.address, audit, recorder)
    finally:
        stop.set()
        thread.join()
        recorder.stop()


@contextmanager
def endpoint(folder: Path, limits: SqlLimits | None = None) -> Iterator[Endpoint]:
    """Over an embedded index of a few rows."""
    database = ClickHouse(f"chdb://{folder}")
    try:
        with serving(ClickHouseSql(filled(database), limits or SqlLimits())) as found:
            yield found
    finally:
        database.close()

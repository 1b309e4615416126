"""Stores of the reference jobs with the same rows in each: tables, files and a compacted topic."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from innsyn_sdk.compacted import CompactedStore
from innsyn_sdk.compacted_log import Log
from innsyn_sdk.compacted_values import Format
from innsyn_sdk.files import FilesStore
from innsyn_sdk.mapping import Column, RecordMapping
from innsyn_sdk.postgresql import PostgresqlStore
from innsyn_sdk.protocol import Identifier
from innsyn_sdk.running import Store

from tests.sdk.mapped import TODAY
from tests.support.time_bounds import HANGING_SECONDS

KARI, OLA = "700101", "700102"
NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)
CALL = RecordMapping(
    "Call",
    "",
    (
        Column("customer", "customer_number", "customer_number", person=True, customer=True),
        Column("callee", "callee", "phone", person=True, role="counterparty"),
        Column("name", "name"),
        Column("callee_name", "callee_name", about="counterparty"),
        Column("address", "client_address", "ip", "address"),
    ),
    time="at",
    other=frozenset({"id"}),
    restricted="restricted",
)
WHO = [
    Identifier("customer_number", KARI),
    Identifier("phone", "+4740000909"),
    Identifier("ip", "192.0.2.7", since=NINE, until=NINE + timedelta(hours=1), proof="user"),
]
Row = dict[str, Any]


def row(number: int, customer: str | None = None, **said: Any) -> Row:
    blank = {"callee": None, "name": f"name {number}", "callee_name": f"other {number}", "address": None}
    return {"id": str(number), "customer": customer, **blank, "at": NINE, "restricted": None, **said}


ROWS = [
    row(1, KARI),
    row(2, OLA, callee="+4740000909"),
    row(3, address="192.0.2.7"),
    row(4, address="192.0.2.7", at=NINE + timedelta(hours=1)),
    row(5, OLA, address="192.0.2.7"),
]
"""Of Kari by her number, as whom Ola called, and at her address in its hour; an hour later, and Ola at her address."""
HERS = ["1", "2", "3"]


def written(item: Row) -> Row:
    """As JSON has it."""
    return item | {"at": item["at"] and item["at"].isoformat()}


class Shelf(Protocol):
    """A store with rows in it."""

    @property
    def store(self) -> Store: ...

    mapping: RecordMapping

    def put(self, rows: Sequence[Row]) -> None: ...

    def rows(self) -> dict[str, Row]: ...


class Tables:
    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        server = request.getfixturevalue("postgresql")
        self.connection = server.connect()
        request.addfinalizer(self.connection.close)
        self.mapping = replace(CALL, at="shop.call")
        self.connection.execute(
            "DROP SCHEMA IF EXISTS shop CASCADE; DROP SCHEMA IF EXISTS innsyn_job CASCADE; CREATE SCHEMA shop;"
            "CREATE TABLE shop.call (id text, customer text, callee text, name text, callee_name text, address text,"
            " at timestamptz, restricted text)"
        )
        self.store = PostgresqlStore(server.dsn, [self.mapping], today=lambda: TODAY)
        request.addfinalizer(self.store.close)

    def put(self, rows: Sequence[Row]) -> None:
        for item in rows:
            holes = ", ".join(["%s"] * len(item))
            self.connection.execute(
                f"INSERT INTO shop.call ({', '.join(item)}) VALUES ({holes})", [*item.values()]
            )

    def rows(self) -> dict[str, Row]:
        found = self.connection.execute(f"SELECT {', '.join(ROWS[0])} FROM shop.call").fetchall()
        return {item[0]: dict(zip(ROWS[0], item, strict=True)) for item in found}


class Folder:
    """Lines in one file, and Parquet in another."""

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        self.folder = folder / "calls"
        self.folder.mkdir()
        self.mapping = replace(CALL, at="*")
        self.store = FilesStore(
            self.folder, [self.mapping], folder / "state.sqlite", quiet_seconds=0, today=lambda: TODAY
        )
        request.addfinalizer(self.store.close)

    def put(self, rows: Sequence[Row]) -> None:
        number = len([*self.folder.iterdir()])
        lines = [json.dumps(written(item)) for item in rows[:2]]
        (self.folder / f"{number}.ndjson").write_text("\n".join(lines) + "\n")
        if len(rows) > 2:
            kinds = [(name, pa.timestamp("us", "UTC") if name == "at" else pa.string()) for name in rows[0]]
            packed = [
                (name, pa.dictionary(pa.int32(), kind) if name == "name" else kind) for name, kind in kinds
            ]
            table = pa.Table.from_pylist(list(rows[2:]), schema=pa.schema(packed))
            pq.write_table(table, self.folder / f"{number}.parquet")

    def rows(self) -> dict[str, Row]:
        found = []
        for path in self.folder.iterdir():
            if path.suffix == ".parquet":
                found += pq.read_table(path).to_pylist()
                continue
            for line in path.read_text().splitlines():
                said = json.loads(line)
                found.append(said | {"at": said["at"] and datetime.fromisoformat(said["at"])})
        return {item["id"]: item for item in found}


class Topic:
    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        self.kafka: Any = {"bootstrap.servers": request.getfixturevalue("kafka_bootstrap")}
        name = f"calls-{uuid.uuid4().hex[:12]}"
        topic = NewTopic(name, num_partitions=2, replication_factor=1, config={"cleanup.policy": "compact"})
        admin = AdminClient(self.kafka)
        admin.create_topics([topic])[name].result(HANGING_SECONDS)
        self.mapping = replace(CALL, at=name, other=CALL.other | {"_key"})
        self.store = CompactedStore(
            self.kafka, [self.mapping], folder / "state.sqlite", Format(), today=lambda: TODAY
        )
        request.addfinalizer(self.store.close)

    def put(self, rows: Sequence[Row]) -> None:
        producer = Producer(self.kafka)
        for item in rows:
            body = json.dumps(written(item)).encode()
            producer.produce(self.mapping.at, body, item["id"].encode())
        assert producer.flush(HANGING_SECONDS) == 0

    def rows(self) -> dict[str, Row]:
        consumer = Consumer({**self.kafka, "group.id": "test", "enable.partition.eof": True})
        found: dict[str, Row] = {}
        with closing(consumer):
            begin = {0: OFFSET_BEGINNING, 1: OFFSET_BEGINNING}
            for (_, key), message in Log.messages(consumer, self.mapping.at, begin, {}):
                found.pop(key.decode(), None)
                if message.value is not None:
                    said = json.loads(message.value)
                    found[key.decode()] = said | {"at": said["at"] and datetime.fromisoformat(said["at"])}
        return found

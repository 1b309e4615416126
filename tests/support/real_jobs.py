"""The jobs of the SDK as processes of their own, over three kinds of stores: PostgreSQL, files, a compacted topic.

What is in the stores is searched byte by byte: the databases' files (tables, indexes, statistics; not the write-ahead
log), the folder of files, and the topic's segments on the broker's disk.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.records import load_records
from streams.rights.protocol.columns import columns
from tests.support.kinds import KINDS
from tests.support.pages import ROOT
from tests.support.postgresql import Server
from tests.support.product import Up, innsyn
from tests.support.time_bounds import HANGING_SECONDS

RECORDS = load_records()
Event = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Stores:
    """What which system has. `tables`: records in tables of PostgreSQL; `lines`, `parquet`: in a file of the system
    `web`; `compacted`: of one record in the topic, and at which system."""

    tables: Mapping[str, Sequence[str]]
    lines: str
    parquet: str
    compacted: tuple[str, str]
    topic: str = "state.of.a.job"
    nobodys: Mapping[str, Any] = field(default_factory=dict)

    @property
    def systems(self) -> tuple[str, ...]:
        return (*self.tables, "web", self.compacted[0])


def whole(record: str, said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: said.get(name) for name in columns(RECORDS[record])}


def toml(record: str, place: str, *, lacking: Sequence[str] = (), other: Sequence[str] = ()) -> str:
    """A record's part of a job's file, by its schema."""
    schema = RECORDS[record]
    named = {item.field: item for item in schema.identifiers}
    lines = []
    for name in columns(schema):
        found = schema.find(name)
        assert found is not None
        said: dict[str, Any] = {"field": name} | ({} if found.personal else {"personal": False})
        if (one := named.get(name)) is not None:
            names = {"person": "person", "device": "device"}.get(KINDS[one.kind].names, "place")
            names = "customer" if one.kind == "customer_number" else names
            said |= {"kind": one.kind, "role": one.role, "names": names}
            # A case number is told in capitals, and the store has it as somebody wrote it.
            forms = {"ip": "address", "case_number": "lower"}
            said |= {"form": forms[one.kind]} if one.kind in forms else {}
            said |= {"port": one.port_field} if one.port_field else {}
        lines.append(
            f"{name} = {{{', '.join(f'{key} = {json.dumps(value)}' for key, value in said.items())}}}"
        )
    nested = [f"{record}.{item.name}" for item in schema.fields if "." in item.name]
    head = [f'record = "{record}"', f'at = "{place}"', f'time = "{schema.annotation.event_time}"']
    head += [f"other = {json.dumps(list(other))}", f"absent = {json.dumps([*nested, *lacking])}"]
    return "\n".join(["[[records]]", *head, "[records.columns]", *lines, ""])


class Jobs:
    """The job processes of all systems."""

    def __init__(self, folder: Path, running: Up, database: Server, stores: Stores) -> None:
        self.folder, self.running, self.database, self.stores = folder, running, database, stores
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        keys = running.home / "keys" / "jobs"
        for system in stores.systems:
            key = next(path for path in keys.iterdir() if path.stem == system)
            text = f"keys = [{json.dumps(str(key))}]\n"
            if system not in stores.tables:
                text += f'state = "{system}.sqlite"\n'
            text += (
                f'[kafka]\n"bootstrap.servers" = "{running.run["bootstrap"]}"\n"session.timeout.ms" = 6000\n'
            )
            text += self._own(system)
            (folder / f"{system}.toml").write_text(text)

    def _own(self, system: str) -> str:
        stores = self.stores
        if system in stores.tables:
            own = f'[postgresql]\ndsn = "{self.database.dsn}"\nschema = "job_{system}"\nvacuum = "full"\n'
            return own + "".join(toml(record, f"{system}.{record}") for record in stores.tables[system])
        if system == "web":
            own = f'[files]\nfolder = "{self.folder}/web"\nquiet_seconds = 0\n'
            return own + toml(stores.lines, "*.ndjson") + toml(stores.parquet, "*.parquet")
        return "[compacted]\n" + toml(stores.compacted[1], stores.topic, other=["_key"])

    def start(self, system: str) -> None:
        stores = self.stores
        module = "postgresql" if system in stores.tables else "files" if system == "web" else "compacted"
        with (self.folder / f"{system}.log").open("ab") as log:
            self.processes[system] = subprocess.Popen(
                [sys.executable, "-m", f"innsyn_sdk.{module}", str(self.folder / f"{system}.toml")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT / "sdk")},
            )  # fmt: skip

    def kill(self, system: str, number: int = signal.SIGKILL) -> int:
        self.processes[system].send_signal(number)
        return self.processes[system].wait(HANGING_SECONDS)

    def end(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait(HANGING_SECONDS)


def ingested(folder: Path, home: Path, events: Sequence[Event]) -> None:
    """Every event is read in by `innsyn ingest`."""
    for record in sorted({record for record, _ in events}):
        lines = folder / f"{record}.ndjson"
        lines.write_text("".join(json.dumps(value) + "\n" for name, value in events if name == record))
        done = innsyn(home, "ingest", "--format", "ndjson", "--record", record, str(lines))
        assert done.status == 0, done.err


def fill(folder: Path, running: Up, database: Server, stores: Stores, events: Sequence[Event]) -> None:
    """What each system has: tables, files and a compacted topic of the same events."""
    with database.connect() as connection:
        for system, record in ((system, record) for system, some in stores.tables.items() for record in some):
            names = columns(RECORDS[record])
            time_column = RECORDS[record].annotation.event_time
            kinds = ", ".join(
                f'"{name}" {"timestamptz" if name == time_column else "text"}' for name in names
            )
            connection.execute(
                f'CREATE SCHEMA IF NOT EXISTS {system}; CREATE TABLE {system}."{record}" ({kinds})'
            )
            for said in (whole(record, value) for name, value in events if name == record):
                texts = [None if value is None else str(value) for value in said.values()]
                connection.execute(
                    f'INSERT INTO {system}."{record}" VALUES ({", ".join(["%s"] * len(texts))})', texts
                )
    (folder / "web").mkdir()
    lines = [json.dumps(whole(stores.lines, value)) for name, value in events if name == stores.lines]
    (folder / "web" / "lines.ndjson").write_text("\n".join(lines) + "\n")
    rows = [whole(stores.parquet, value) for name, value in events if name == stores.parquet]
    for row in rows:
        row["occurred_at"] = datetime.fromisoformat(row["occurred_at"])
    pq.write_table(pa.Table.from_pylist(rows), folder / "web" / "rows.parquet", compression="none")
    kafka: dict[str, Any] = {"bootstrap.servers": running.run["bootstrap"]}
    settings = {
        "cleanup.policy": "compact", "segment.ms": "200", "min.cleanable.dirty.ratio": "0.01",
        "max.compaction.lag.ms": "500", "delete.retention.ms": "100", "file.delete.delay.ms": "1000",
    }  # fmt: skip
    admin = AdminClient(kafka)
    admin.create_topics([NewTopic(stores.topic, 1, 1, config=settings)])[stores.topic].result(HANGING_SECONDS)
    record = stores.compacted[1]
    for nth, value in enumerate(value for name, value in events if name == record):
        put(kafka, stores.topic, f"record-{nth}", whole(record, value))


def put(kafka: Mapping[str, Any], topic: str, key: str, value: Mapping[str, Any]) -> None:
    producer = Producer(dict(kafka))
    producer.produce(topic, json.dumps(value).encode(), key.encode())
    assert producer.flush(HANGING_SECONDS) == 0


def state(running: Up, request: str) -> str:
    answer = running.http.get(f"/v1/requests/{request}")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["state"])


def anywhere(database: Server, folder: Path, texts: Sequence[str]) -> set[str]:
    """Which of the texts a file of the databases or of the folder has."""
    with database.connect() as connection:
        connection.execute("VACUUM FULL")
        connection.execute("CHECKPOINT")
    files = [*(database.data / "base").rglob("*"), *folder.rglob("*")]
    contents = [path.read_bytes() for path in files if path.is_file()]
    return {text for text in texts if any(text.encode() in content for content in contents)}


def rolled(home: Path, kafka: Mapping[str, Any], stores: Stores, text: str) -> bool:
    """Write something of nobody, so that the segment before it is closed and compacted; whether the text is gone."""
    put(kafka, stores.topic, "nobody", whole(stores.compacted[1], stores.nobodys))
    return not on_disk(home, stores, text)


def on_disk(home: Path, stores: Stores, text: str) -> bool:
    """Whether any file of the topic's folder has these bytes, also one that the broker is about to delete."""
    (folder,) = home.rglob(f"{stores.topic}-0")
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if text.encode() in path.read_bytes():
                return True
    return False

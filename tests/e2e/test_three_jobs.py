"""A person erased from PostgreSQL, files and a compacted topic by the SDK's jobs, each a process, some of them killed.
Some stores know the person by an address at a time, a cookie, a phone or a case number alone.

Searched byte by byte: the databases' files (tables, indexes, statistics; not the write-ahead log), the folder of files,
and the compacted topic's segments on the broker's disk. INNSYN_TEST_KILLS=50 kills fifty times instead of three.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.errors import BrokerUnavailable
from schemas.records import load_records
from streams.kafka.brokers.local import LocalBroker
from streams.rights.protocol.columns import columns
from tests.support.kinds import KINDS
from tests.support.pages import ROOT
from tests.support.postgresql import Server, server
from tests.support.product import Up, innsyn, naming, up
from tests.support.time_bounds import HANGING_SECONDS, await_that

pytestmark = pytest.mark.kafka

RECORDS = load_records()
DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
KARI, OLA = "700104", "700105"
SHARED = "203.0.113.24"
PEOPLE = {KARI: ("kari", "+4740000101", "cookie-of-kari"), OLA: ("ola", "+4740000202", "cookie-of-ola")}
TOPIC = "traffic.state"
TABLES = {
    "crm": ("CustomerDetails", "SupportCase"),
    "aaa": ("AddressAssignment",),
    "billing": ("Invoice",),
    "contact_centre": ("CaseNote",),
}
SYSTEMS = (*TABLES, "web", "flow_collector")
KILLS = int(os.environ.get("INNSYN_TEST_KILLS", "3"))


def at(hour: int, minute: int = 0) -> str:
    return (DAY + timedelta(hours=hour, minutes=minute)).isoformat().replace("+00:00", "Z")


def events() -> Iterator[tuple[str, dict[str, Any]]]:
    """The two, an address that was the one's and an hour later the other's, and what each left without a number."""
    for number, (name, phone, cookie) in PEOPLE.items():
        hour = 9 if number == KARI else 11
        person = {"customer_number": number, "username": name, "name": f"Name-{name}", "phone": phone}
        yield "CustomerDetails", {**person, "updated_at": at(0)}
        session = {"nas": "bras1", "session_id": f"s-{name}", "source": "radius", "purpose": "operations"}
        session |= {"username": name, "address": SHARED}
        yield "AddressAssignment", {**session, "kind": "start", "occurred_at": at(hour)}
        yield (
            "AddressAssignment",
            {**session, "kind": "stop", "session_seconds": 3600, "occurred_at": at(hour + 1)},
        )
        login = {"username": name, "cookie_id": cookie, "client_address": "192.0.2.99", "result": "ok"}
        yield "Login", {**login, "occurred_at": at(1)}
        visit = {"method": "GET", "cookie_consent": "all", "status": 200}
        yield (
            "WebVisit",
            {**visit, "page": f"/at-address-{name}", "client_address": SHARED, "occurred_at": at(hour, 30)},
        )
        yield "WebVisit", {
            **visit, "page": f"/with-cookie-{name}", "client_address": "192.0.2.1", "cookie_id": cookie,
            "occurred_at": at(13),
        }  # fmt: skip
        yield (
            "TrafficRecord",
            {"kind": "sms", "caller": phone, "callee": "+4740000909", "occurred_at": at(14)},
        )
        case = f"S-of-{name}"
        opened = {"case_number": case, "customer_number": number, "reason": "fault", "notes": "-"}
        yield "SupportCase", {**opened, "opened_at": at(3)}
        note = {"note_id": f"N-{name}", "case_number": case, "text": f"/noted-on-case-of-{name}"}
        yield "CaseNote", {**note, "written_at": at(4)}
        invoice = {"invoice_number": f"F-{name}", "customer_number": number, "amount_ore": 100, "lines": []}
        yield "Invoice", {**invoice, "due_date": DAY.date().isoformat(), "issued_at": at(2)}


def whole(record: str, said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: said.get(name) for name in columns(RECORDS[record])}


def toml(record: str, place: str, *, lacking: Sequence[str] = (), other: Sequence[str] = ()) -> str:
    """A record's part of a job's file, by its schema."""
    schema = RECORDS[record]
    named = {item.field: item for item in schema.identifiers}
    lines = []
    for name in columns(schema):
        field = schema.find(name)
        assert field is not None
        said: dict[str, Any] = {"field": name} | ({} if field.personal else {"personal": False})
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

    def __init__(self, folder: Path, running: Up, database: Server) -> None:
        self.folder, self.running, self.database = folder, running, database
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        keys = running.home / "keys" / "jobs"
        for system in SYSTEMS:
            key = next(path for path in keys.iterdir() if path.stem == system)
            text = f"keys = [{json.dumps(str(key))}]\n"
            if system not in TABLES:
                text += f'state = "{system}.sqlite"\n'
            text += (
                f'[kafka]\n"bootstrap.servers" = "{running.run["bootstrap"]}"\n"session.timeout.ms" = 6000\n'
            )
            text += self._own(system)
            (folder / f"{system}.toml").write_text(text)

    def _own(self, system: str) -> str:
        if system in TABLES:
            own = f'[postgresql]\ndsn = "{self.database.dsn}"\nschema = "job_{system}"\nvacuum = "full"\n'
            return own + "".join(toml(record, f"{system}.{record}") for record in TABLES[system])
        if system == "web":
            own = f'[files]\nfolder = "{self.folder}/web"\nquiet_seconds = 0\n'
            return own + toml("Login", "*.ndjson") + toml("WebVisit", "*.parquet")
        return "[compacted]\n" + toml("TrafficRecord", TOPIC, other=["_key"])

    def start(self, system: str) -> None:
        module = "postgresql" if system in TABLES else "files" if system == "web" else "compacted"
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


def fill(folder: Path, running: Up, database: Server) -> None:
    """What each system has: tables, files and a compacted topic of the same events."""
    with database.connect() as connection:
        for system, record in ((system, record) for system, some in TABLES.items() for record in some):
            names = columns(RECORDS[record])
            time_column = RECORDS[record].annotation.event_time
            kinds = ", ".join(
                f'"{name}" {"timestamptz" if name == time_column else "text"}' for name in names
            )
            connection.execute(
                f'CREATE SCHEMA IF NOT EXISTS {system}; CREATE TABLE {system}."{record}" ({kinds})'
            )
            for said in (whole(record, value) for name, value in events() if name == record):
                texts = [None if value is None else str(value) for value in said.values()]
                connection.execute(
                    f'INSERT INTO {system}."{record}" VALUES ({", ".join(["%s"] * len(texts))})', texts
                )
    (folder / "web").mkdir()
    logins = [json.dumps(whole("Login", value)) for name, value in events() if name == "Login"]
    (folder / "web" / "logins.ndjson").write_text("\n".join(logins) + "\n")
    visits = [whole("WebVisit", value) for name, value in events() if name == "WebVisit"]
    for visit in visits:
        visit["occurred_at"] = datetime.fromisoformat(visit["occurred_at"])
    pq.write_table(pa.Table.from_pylist(visits), folder / "web" / "visits.parquet", compression="none")
    kafka: dict[str, Any] = {"bootstrap.servers": running.run["bootstrap"]}
    settings = {
        "cleanup.policy": "compact", "segment.ms": "200", "min.cleanable.dirty.ratio": "0.01",
        "max.compaction.lag.ms": "500", "delete.retention.ms": "100", "file.delete.delay.ms": "1000",
    }  # fmt: skip
    admin = AdminClient(kafka)
    admin.create_topics([NewTopic(TOPIC, 1, 1, config=settings)])[TOPIC].result(HANGING_SECONDS)
    for nth, value in enumerate(value for name, value in events() if name == "TrafficRecord"):
        put(kafka, f"record-{nth}", whole("TrafficRecord", value))


def put(kafka: Mapping[str, Any], key: str, value: Mapping[str, Any]) -> None:
    producer = Producer(dict(kafka))
    producer.produce(TOPIC, json.dumps(value).encode(), key.encode())
    assert producer.flush(HANGING_SECONDS) == 0


@pytest.fixture
def home(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    try:
        LocalBroker.prepare()
    except BrokerUnavailable:
        request.getfixturevalue("kafka_bootstrap")  # says so, in the one way
        pytest.skip("not run: no Java or Maven for a broker of its own")
    (tmp_path / "temporary").mkdir()
    yield tmp_path / "home"
    await_that(lambda: not naming(tmp_path / "home"), "the broker of this home ends")


def test_a_person_goes_from_three_kinds_of_stores(home: Path) -> None:
    """But for the held invoice; the neighbour on the same address an hour later has everything."""
    folder = home.parent / "jobs"
    folder.mkdir()
    rng = random.Random(20261127)
    with ExitStack() as stack:
        database = stack.enter_context(server())
        running = stack.enter_context(up(home))
        told = {record for record, _ in events()}
        for record in sorted(told):
            lines = folder / f"{record}.ndjson"
            lines.write_text("".join(json.dumps(value) + "\n" for name, value in events() if name == record))
            done = innsyn(home, "ingest", "--format", "ndjson", "--record", record, str(lines))
            assert done.status == 0, done.err
        fill(folder, running, database)
        person = {number: {"kind": "customer_number", "value": number} for number in PEOPLE}
        await_that(
            lambda: running.events(person[KARI]) == running.events(person[OLA]) == 10, "all events tagged"
        )
        jobs = Jobs(folder, running, database)
        stack.callback(jobs.end)
        for system in SYSTEMS:
            jobs.start(system)
        words = ("erase", "--yes", "--json", "--id", f"customer_number={KARI}")
        asked = innsyn(home, *words, "--clock", "contract_end=2020-01-31")
        assert asked.status in (0, 1), asked.err
        request = json.loads(asked.out)["request_id"]
        for _ in range(KILLS):
            system = rng.choice(SYSTEMS)
            time.sleep(rng.uniform(0.0, 1.0))
            jobs.kill(system)
            jobs.start(system)
        await_that(lambda: state(home, request) == "completed", "the request completes")
        assert running.events(person[OLA]) == 10
        found = json.loads(innsyn(home, "lookup", "--json", "--id", f"customer_number={KARI}").out)
        assert {(item["topic"], item["system"]) for item in found["items"]} == {
            ("billing.invoices", "billing")
        }, found
        kafka = {"bootstrap.servers": running.run["bootstrap"]}
        for name, phone, cookie in PEOPLE.values():
            marks = (
                f"/at-address-{name}",
                f"/with-cookie-{name}",
                f"/noted-on-case-of-{name}",
                f"S-of-{name}",
            )
            for mark in (*marks, cookie, f"Name-{name}", phone):
                assert anywhere(database, folder / "web", mark) == (name == "ola"), mark
        await_that(lambda: rolled(home, kafka, PEOPLE[KARI][1]), "the topic is compacted")
        assert on_disk(home, PEOPLE[OLA][1])
        with database.connect() as connection:
            query = 'SELECT invoice_number FROM billing."Invoice" ORDER BY 1'
            assert [row[0] for row in connection.execute(query).fetchall()] == ["F-kari", "F-ola"]
        assert all(jobs.kill(system, signal.SIGTERM) == 0 for system in SYSTEMS)
        assert running.end(signal.SIGTERM) == 0, running.output.read_text()


def state(home: Path, request: str) -> str:
    return str(json.loads(innsyn(home, "requests", "show", "--json", request).out)["state"])


def anywhere(database: Server, folder: Path, text: str) -> bool:
    """Whether a file of the databases or of the folder has these bytes."""
    with database.connect() as connection:
        connection.execute("VACUUM FULL")
        connection.execute("CHECKPOINT")
    files = [*(database.data / "base").rglob("*"), *folder.rglob("*")]
    return any(text.encode() in path.read_bytes() for path in files if path.is_file())


def rolled(home: Path, kafka: Mapping[str, Any], text: str) -> bool:
    """Write something of nobody, so that the segment before it is closed and compacted; whether the text is gone."""
    put(kafka, "nobody", whole("TrafficRecord", {"kind": "dns", "occurred_at": at(15)}))
    return not on_disk(home, text)


def on_disk(home: Path, text: str) -> bool:
    """Whether any file of the topic's folder has these bytes, also one that the broker is about to delete."""
    (folder,) = home.rglob(f"{TOPIC}-0")
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if text.encode() in path.read_bytes():
                return True
    return False

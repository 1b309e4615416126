"""What it costs to keep the identifiers that claims mention: `python -m bench.identifiers [--events N]`.

Reports of an access server (each address a subscriber's for a while, seen again and again) and web visits (which claim
nothing), prepared with and without a keyring in turn, by the processor time of this process; and the bytes on disk.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from schemas.codec import encode
from schemas.company import load_company
from schemas.keys import Keyring
from schemas.tokens import Tokenizer
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.writer import ClickHouseWriter
from streams.kafka.batches import TopicBatch
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Prepared, Preparer
from streams.tagging.tag import Tagger

_NOW = datetime(2026, 11, 1, tzinfo=UTC)
_BATCH = 65_536
_RUNS = 5


def main() -> int:
    wanted = argparse.ArgumentParser(prog="python -m bench.identifiers", description=__doc__)
    wanted.add_argument("--events", type=int, default=262_144, help="events of each topic")
    asked = wanted.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(measure(Path(temporary), asked.events), indent=1))
    return 0


def measure(folder: Path, count: int) -> dict[str, Any]:
    """Microseconds of processor time per event, median of the runs; bytes on disk once merged."""
    keyring = Keyring(folder / "keys").made()
    found: dict[str, Any] = {"events": count}
    for topic, batches in (("network.assignments", _reports(count)), ("web.visits", _visits(count))):
        taken: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(_RUNS):
            for kept, times in taken.items():
                started = time.process_time()
                _prepared(keyring if kept else None, topic, batches)
                times.append((time.process_time() - started) / count * 1e6)
        without, with_ = (round(median(taken[kept]), 2) for kept in (False, True))
        found[topic] = {"without": without, "with": with_}
    found["disk"] = _on_disk(folder, _prepared(keyring, "network.assignments", _reports(count)))
    return found


def _on_disk(folder: Path, prepared: list[Prepared]) -> dict[str, Any]:
    with closing(ClickHouse(f"chdb://{folder / 'index'}")) as index:
        migrate(index, _NOW)
        writer = ClickHouseWriter(index)
        for item in prepared:
            writer.write(item.batch, lambda: _NOW)
        claims = sum(item.batch.claims.table.num_rows for item in prepared)
        found: dict[str, Any] = {"claims": claims}
        for table in ("identity_claims", "sealed_identifiers"):
            index.command(f"OPTIMIZE TABLE {table} FINAL")
            rows, size = index.query(
                "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND table = {table:String}",
                {"table": table},
            )[0]
            found[table] = {
                "rows": int(rows),
                "bytes_a_row": round(int(size) / int(rows), 1),
                "bytes_a_claim": round(int(size) / claims, 1),
            }
        return found


def _prepared(keyring: Keyring | None, topic: str, batches: list[TopicBatch]) -> list[Prepared]:
    company = load_company()
    tokenizer = Tokenizer(b"\1" * 32, "bench")
    tagger = Tagger(
        tokenizer, company.catalogue.version, company.kinds, company.catalogue.placeholders, keyring=keyring
    )
    resolve = WriterSchemas(company.records.values(), company.catalogue).resolve
    preparer = Preparer(tagger, resolve, {topic: company.topics[topic].record})
    return [preparer.prepare([batch], (), {(topic, 0): 1}, _NOW) for batch in batches]


def _reports(count: int) -> list[TopicBatch]:
    """An eighth of the events begins a session, the others show that it goes on."""
    record = load_company().records["AddressAssignment"]
    blank = dict.fromkeys((item.name for item in record.fields), None)
    usual = {**blank, "nas": "bras1", "source": "radius", "purpose": "operations", "interim_seconds": 600}
    messages = []
    for number in range(count):
        who = number % max(count // 8, 1)
        said = {"kind": "start" if number == who else "interim", "session_id": f"s{who}"}
        said |= {"address": f"10.{who >> 16}.{who >> 8 & 255}.{who & 255}", "username": f"user{who // 4}"}
        messages.append(encode(record, {**usual, **said, "occurred_at": _NOW}))
    return _batches("network.assignments", messages)


def _visits(count: int) -> list[TopicBatch]:
    company = load_company()
    usual = company.examples("WebVisit")[0]
    made = [
        encode(company.records["WebVisit"], {**usual, "client_address": f"10.0.{n >> 8 & 255}.{n & 255}"})
        for n in range(65_536)
    ]
    return _batches("web.visits", [made[number % len(made)] for number in range(count)])


def _batches(topic: str, messages: list[bytes]) -> list[TopicBatch]:
    found = []
    for begin in range(0, len(messages), _BATCH):
        some = messages[begin : begin + _BATCH]
        offsets = np.arange(begin, begin + len(some))
        found.append(TopicBatch(topic, some, np.zeros(len(some), np.int32), offsets, -1, sum(map(len, some))))
    return found


if __name__ == "__main__":
    raise SystemExit(main())

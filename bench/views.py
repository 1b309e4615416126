"""How long each view without tokens takes in an index of ten million rows. `python -m bench.views`."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.company import load_company
from schemas.in_force import in_force
from schemas.tags import tag_set
from schemas.tokens import TOKEN_BYTES
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate, migrations
from sinks.clickhouse.processed import ClickHouseProcessed
from sinks.clickhouse.reports import ClickHouseReports
from sinks.clickhouse.views_fed import ClickHouseViewTables
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.dead_letters import DeadRow
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from sinks.ports.offsets import OffsetRange
from sinks.ports.reports import Aggregate, Dimension
from sinks.ports.views import RequestRow
from streams.ropa.asked import ProcessingRecords

Ints = npt.NDArray[np.int64]

_NOW = datetime(2026, 7, 1, tzinfo=UTC)
_START_MS = int(datetime(2025, 7, 1, tzinfo=UTC).timestamp() * 1000)
_YEAR_MS = 365 * 86_400_000
_BATCH = 262_144
_PARTITIONS, _PEOPLE, _DEAD, _REQUESTS = 6, 200_000, 10_000, 2_000
_BY_TOKEN = ("v_lineage", "v_subject_summary", "v_identity_claims", "v_detections", "v_audit")
"""Views that are asked about a token or an event, and not as a whole."""


def main() -> int:
    wanted = argparse.ArgumentParser(prog="python -m bench.views", description=__doc__)
    wanted.add_argument("--rows", type=int, default=10_000_000, help="rows of the index")
    wanted.add_argument("--repeat", type=int, default=5, help="runs of each view; the median counts")
    wanted.add_argument("--folder", type=Path, help="an index made here stays, and is used again")
    asked = wanted.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        there = (folder / "index").exists()
        with closing(ClickHouse(f"chdb://{folder / 'index'}")) as index:
            migrate(index, _NOW)
            if not there:
                fill(index, asked.rows)
            print(json.dumps({"rows": asked.rows, **measure(index, asked.repeat)}, indent=1))
    return 0


def fill(index: ClickHouse, rows: int) -> None:
    """Events of a year on every topic of the model company, of people drawn with a heavy tail (Zipf, 0.8), one in five
    under an address beside the customer number; dead letters and requests."""
    company, chance = load_company(), np.random.default_rng(5)
    names = [name for name, topic in company.topics.items() if topic.tagged]
    sets = [
        tag_set(
            company.records[company.topics[name].record],
            name,
            "owner",
            catalogue_version=company.catalogue.version,
            key_id="bench",
        )
        for name in names
    ]
    # One in a hundred reveals what its schema does not say.
    sets += [replace(item, detected=("C-31",)) for item in sets]
    writer = ClickHouseWriter(index)
    people = chance.integers(0, 256, (_PEOPLE, TOKEN_BYTES), np.uint8)
    weights = 1 / np.arange(1, _PEOPLE + 1) ** 0.8
    share = np.cumsum(weights / weights.sum())
    heavy = np.r_[[6.0, 1.0, 6.0, 2.0], np.full(len(names) - 4, 5.0 / (len(names) - 4))]
    topics = np.cumsum(heavy / heavy.sum())
    following = np.zeros((len(names), _PARTITIONS), np.int64)
    for done in range(0, rows, _BATCH):
        count = min(_BATCH, rows - done)
        person = np.searchsorted(share, chance.random(count))
        topic = np.searchsorted(topics, chance.random(count))
        partition = chance.integers(0, _PARTITIONS, count)
        offset, ranges = _offsets(names, topic, partition, following)
        when = _START_MS + _YEAR_MS * done // rows + chance.integers(0, _YEAR_MS * _BATCH // rows, count)
        by_address = chance.random(count) < 0.2
        token, customer = people[person].copy(), np.zeros((count, TOKEN_BYTES), np.uint8)
        customer[by_address] = token[by_address]
        token[by_address] = token[by_address][:, ::-1]
        revealed = np.where(chance.random(count) < 0.01, len(names), 0)
        columns = {
            "token": _binary(token),
            "topic": pa.DictionaryArray.from_arrays(pa.array(topic.astype(np.int32)), pa.array(names)),
            "partition": pa.array(partition.astype(np.int32)),
            "offset": pa.array(offset),
            "role": pa.array(np.ones(count, np.int8)),
            "tag_set": pa.array(np.array([item.id for item in sets], np.uint64)[topic + revealed]),
            "event_time": pa.array(when.astype("datetime64[ms]")),
            "port": pa.array(np.zeros(count, np.uint16)),
            "record": pa.array(np.zeros(count, np.uint64)),
            "customer": _binary(customer),
        }
        table = pa.Table.from_arrays(list(columns.values()), schema=ROW_SCHEMA)
        writer.write(LineageBatch(table, tag_sets=sets, ranges=ranges), lambda: _NOW)
    _beside(index, writer, names, following)
    views = ClickHouseViewTables(index)
    views.put_in_force(in_force(company), _NOW)
    for table_name in ("lineage", "lineage_daily"):
        index.command(f"OPTIMIZE TABLE {table_name} FINAL")
    views.count_held(company.catalogue.calendar.zone.key, _NOW)


def _offsets(
    names: list[str], topic: Ints, partition: Ints, following: Ints
) -> tuple[Ints, list[OffsetRange]]:
    """The next offsets of each partition, and the ranges that they are."""
    offset, ranges = np.empty(len(topic), np.int64), list[OffsetRange]()
    for at, name in enumerate(names):
        for number in range(_PARTITIONS):
            mine = (topic == at) & (partition == number)
            first, count = int(following[at, number]), int(mine.sum())
            offset[mine] = first + np.arange(count)
            following[at, number] += count
            if count:
                ranges.append(OffsetRange(name, number, first, first + count - 1, 0))
    return offset, ranges


def _beside(index: ClickHouse, writer: ClickHouseWriter, names: list[str], following: Ints) -> None:
    """Dead letters behind the events, and requests of a year."""
    dead = [
        DeadRow(names[at % 3], 0, int(following[at % 3, 0]) + at, "malformed_body", "c301", 99, _NOW)
        for at in range(_DEAD)
    ]
    writer.write(LineageBatch(ROW_SCHEMA.empty_table(), dead=dead), lambda: _NOW)
    rows = []
    for number in range(_REQUESTS):
        received = _NOW - timedelta(hours=4 * number)
        done = received + timedelta(days=3 + number % 20)
        rows.append(
            RequestRow(
                f"r-{number}", 9, ("erasure", "access")[number % 2], "api", "completed", received, done.date(), False,
                done, done, 0, 0,
            )
        )  # fmt: skip
    ClickHouseViewTables(index).note_requests(rows)


def measure(index: ClickHouse, repeat: int) -> dict[str, Any]:
    """Seconds by the clock and of processor time (all threads) of each view as a whole, medians; of a count by two
    dimensions, and of the records of processing. `count_held`: what feeds v_expiry."""
    names = [item.name.removeprefix("views/") for item in migrations() if item.view]
    asked: dict[str, Callable[[], object]] = {
        name: partial(index.query, f"SELECT * FROM {name}") for name in names if name not in _BY_TOKEN
    }
    by = Aggregate((Dimension.PURPOSE, Dimension.SYSTEM))
    asked["aggregate by purpose, system"] = partial(ClickHouseReports(index).aggregate, by)
    asked["records of processing"] = partial(
        ProcessingRecords(ClickHouseProcessed(index), load_company()).record, _NOW
    )
    found = {name: _median(question, repeat) for name, question in sorted(asked.items())}
    zone = load_company().catalogue.calendar.zone.key
    return {
        "views": found,
        "count_held": _median(partial(ClickHouseViewTables(index).count_held, zone, _NOW), 1),
    }


def _median(question: Callable[[], object], repeat: int) -> dict[str, float]:
    question()
    clock, processor = list[float](), list[float]()
    for _ in range(repeat):
        began, used = time.perf_counter(), time.process_time()
        question()
        clock.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
    return {
        "seconds": round(statistics.median(clock), 3),
        "processor_seconds": round(statistics.median(processor), 3),
    }


def _binary(values: npt.NDArray[np.uint8]) -> pa.Array:
    held = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.binary(TOKEN_BYTES), len(values), [None, held])


if __name__ == "__main__":
    sys.exit(main())

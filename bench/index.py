"""Size and speed of the index at ten million rows and a million claims. `python -m bench.index JSON`."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.records import load_records
from schemas.tags import tag_set
from schemas.tokens import TOKEN_BYTES
from schemas.vocabulary import ClaimForm, Mark, Proof
from sinks.clickhouse.claims import ClickHouseClaims
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.identity import CLAIM_SCHEMA, NOTHING, OpenClaims, Rank
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch, Span

_TOPICS = {"web.visits": "WebVisit", "network.traffic": "TrafficRecord", "tv.viewings": "TvViewing"}
_BATCH = 65_536
_REPORTS = 14
_YEAR_MS = 365 * 86_400_000
_START_MS = int(datetime(2025, 7, 1, tzinfo=UTC).timestamp() * 1000)


def measure(rows: int, subjects: int, lookups: int) -> dict[str, Any]:
    """Rows of a year that crosses a new year, in order of time; subjects drawn with a heavy tail (Zipf, 1.1)."""
    chance = np.random.default_rng(11)
    tokens = chance.integers(0, 256, (subjects, TOKEN_BYTES), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        index = ClickHouse(f"chdb://{Path(folder) / 'index'}")
        now = datetime(2026, 7, 1, tzinfo=UTC)
        migrate(index, now)
        writer = ClickHouseWriter(index)
        weights = 1 / np.arange(1, subjects + 1) ** 1.1
        share = np.cumsum(weights / weights.sum())
        next_offset = np.zeros((len(_TOPICS), 6), np.int64)
        for done in range(0, rows, _BATCH):
            writer.write(_batch(done, rows, chance, share, tokens, next_offset), lambda: now)
        unmerged = _bytes_per_row(index)
        fresh = _latency(index, tokens, chance, lookups)
        index.command("OPTIMIZE TABLE lineage FINAL")
        merged = _bytes_per_row(index)
        settled = _latency(index, tokens, chance, lookups)
        heaviest = _time(ClickHouseReader(index), tokens[0].tobytes())
        many = _many_spans(index, tokens, chance)
        return {
            "rows": rows,
            "subjects": subjects,
            "bytes_per_row_as_written": unmerged,
            "bytes_per_row_merged": merged,
            "lookup_ms_as_written": fresh,
            "lookup_ms_merged": settled,
            "heaviest_subject": {"rows": heaviest[1], "ms": heaviest[0]},
            "ten_thousand_spans": {"events": many[1], "ms": many[0]},
            "identity": _identity(index, writer, chance, rows // 10),
        }


def _batch(
    done: int, rows: int, chance: np.random.Generator, share: Any, tokens: Any, next_offset: Any
) -> LineageBatch:
    count = min(_BATCH, rows - done)
    subject = np.searchsorted(share, chance.random(count))
    topic = chance.integers(0, len(_TOPICS), count)
    partition = chance.integers(0, 6, count)
    offset = np.empty(count, np.int64)
    for at in range(len(_TOPICS)):
        for number in range(6):
            mine = (topic == at) & (partition == number)
            offset[mine] = next_offset[at, number] + np.arange(mine.sum())
            next_offset[at, number] += mine.sum()
    when = _START_MS + _YEAR_MS * done // rows + chance.integers(0, 120_000, count)
    sets = [
        tag_set(load_records()[record], name, "owner", catalogue_version="0" * 12, key_id="bench")
        for name, record in _TOPICS.items()
    ]
    columns = {
        "token": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(TOKEN_BYTES), count, [None, pa.py_buffer(tokens[subject].tobytes())]
        ),
        "topic": pa.DictionaryArray.from_arrays(pa.array(topic.astype(np.int32)), pa.array(list(_TOPICS))),
        "partition": pa.array(partition.astype(np.int32)),
        "offset": pa.array(offset),
        "role": pa.array(np.ones(count, np.int8)),
        "tag_set": pa.array(np.array([tags.id for tags in sets], np.uint64)[topic]),
        "event_time": pa.array(when.astype("datetime64[ms]")),
        "port": pa.array(np.where(topic == 1, chance.integers(1_024, 65_536, count), 0).astype(np.uint16)),
        "record": pa.array(np.zeros(count, np.uint64)),
        "customer": pa.repeat(pa.scalar(NOTHING, pa.binary(TOKEN_BYTES)), count),
    }
    return LineageBatch(pa.Table.from_arrays(list(columns.values()), schema=ROW_SCHEMA), tag_sets=sets)


def _bytes_per_row(index: ClickHouse) -> float:
    answer = index.query(
        "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE active AND table = 'lineage'"
    )
    return round(float(answer[0][0]), 2)


def _latency(index: ClickHouse, tokens: Any, chance: np.random.Generator, lookups: int) -> dict[str, float]:
    reader = ClickHouseReader(index)
    _time(reader, tokens[1].tobytes())
    taken = sorted(
        _time(reader, tokens[number].tobytes())[0] for number in chance.integers(0, len(tokens), lookups)
    )
    return {"p50": taken[len(taken) // 2], "p95": taken[int(len(taken) * 0.95)]}


def _many_spans(index: ClickHouse, tokens: Any, chance: np.random.Generator) -> tuple[float, int]:
    """Sessions of an hour to a month, each with a block of ports, on a thousand addresses of many events each."""
    starts = _START_MS + chance.integers(0, _YEAR_MS, 10_000)
    lengths = chance.integers(3_600_000, 30 * 86_400_000, 10_000)
    spans = [
        Span(
            tokens[number % 1_000].tobytes(),
            datetime.fromtimestamp(start / 1000, UTC),
            datetime.fromtimestamp((start + length) / 1000, UTC),
            number % 8 * 8_192,
            number % 8 * 8_192 + 8_191,
            Proof.of(1 + number % 4),
        )
        for number, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True))
    ]
    return _timed(ClickHouseReader(index), spans)


def _identity(index: ClickHouse, writer: ClickHouseWriter, chance: np.random.Generator, claims: int) -> Any:
    """Access sessions of 14 reports each, half an hour apart, on addresses that five sessions had."""
    sessions = claims // _REPORTS + 1
    tokens = chance.integers(0, 256, (2 * sessions, TOKEN_BYTES), np.uint8)
    start = _START_MS + chance.integers(0, _YEAR_MS, sessions)
    session = np.repeat(np.arange(sessions), _REPORTS)[:claims]
    report = np.tile(np.arange(_REPORTS), sessions)[:claims]
    at = start[session] + report * 1_800_000 + chance.integers(0, 5_000, claims)
    order = np.argsort(at, kind="stable")
    now = datetime(2026, 7, 1, tzinfo=UTC)
    began = time.perf_counter()
    for done in range(0, claims, _BATCH):
        taken = order[done : done + _BATCH]
        table = _claims(tokens, session[taken], report[taken], start, at[taken], done)
        writer.write(LineageBatch(ROW_SCHEMA.empty_table(), claims=OpenClaims(table)), lambda: now)
    written = time.perf_counter() - began
    index.command("OPTIMIZE TABLE identity_claims FINAL")
    size = index.query(
        "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'identity_claims'"
    )
    reader = ClickHouseClaims(index)
    rates = {}
    for of, keys in (("token", tokens[: sessions // 5]), ("group", tokens[sessions:])):
        asked = [key.tobytes() for key in keys]
        began = time.perf_counter()
        found = reader.claims(asked, of="token" if of == "token" else "group").num_rows
        rates[of] = {"keys": len(asked), "claims_per_second": round(found / (time.perf_counter() - began))}
    return {
        "claims": claims,
        "bytes_per_claim": round(float(size[0][0]) / claims, 1),
        "written_per_second": round(claims / written),
        "read_by": rates,
    }


def _claims(tokens: Any, session: Any, report: Any, start: Any, at: Any, offset: int) -> pa.Table:
    count, sessions = len(session), len(tokens) // 2

    def of(places: Any) -> pa.Array:
        joined = tokens[places].tobytes()
        return pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(TOKEN_BYTES), count, [None, pa.py_buffer(joined)]
        )

    def same(value: Any) -> Any:
        return pa.repeat(pa.scalar(value), count)

    customer = sessions // 5 + session % (sessions // 100 + 1)
    mark = np.where(
        report == 0, Mark.OPEN.code, np.where(report == _REPORTS - 1, Mark.CLOSE.code, Mark.SEEN.code)
    )
    columns = {
        "form": same(ClaimForm.SESSION.code),
        "mark": pa.array(mark),
        "token": of(session % (sessions // 5)),
        "length": same(0),
        "port_from": same(0),
        "port_to": same(65_535),
        "subject": of(customer),
        "group": of(sessions + session),
        "line": of(customer + sessions // 2),
        "server": of(session % 20),
        "at": pa.array(at.astype("datetime64[ms]")),
        "since": pa.array(start[session].astype("datetime64[ms]")),
        "until": pa.array((at + 3_600_000).astype("datetime64[ms]")),
        "proof": same(Proof.SUBSCRIBER.code),
        "rank": same(int(Rank.LINE)),
        "source": same("radius").dictionary_encode(),
        "topic": same("network.assignments").dictionary_encode(),
        "partition": pa.array(session % 6),
        "offset": pa.array(np.arange(offset, offset + count)),
        "part": same(0),
    }
    return pa.table(columns).cast(CLAIM_SCHEMA)


def _time(reader: ClickHouseReader, token: bytes) -> tuple[float, int]:
    return _timed(reader, [Span(token)])


def _timed(reader: ClickHouseReader, spans: list[Span]) -> tuple[float, int]:
    started = time.perf_counter()
    found = reader.find(spans)
    return round((time.perf_counter() - started) * 1000, 2), found.total_events


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(measure(given["rows"], given["subjects"], given["lookups"])))

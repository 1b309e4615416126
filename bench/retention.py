"""How long a retention run takes over an index of ten million rows. `python -m bench.retention`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import structlog

from bench.erasures import Counting, ReadyKeyring
from schemas.company import Company, load_company
from schemas.own import own_record
from schemas.tags import TagSet, tag_set
from schemas.tokens import TOKEN_BYTES
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.expiry import DayCount
from sinks.ports.identity import NOTHING
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from sinks.ports.offsets import OffsetRange
from sinks.ports.sinks import Sinks
from streams.answers.expiry_plan import make_run_plan
from streams.identity.identities import Identities
from streams.identity.values import SealedValues
from streams.rights.expiry_run import clocks_of
from streams.rights.protocol.messages import DELETION, decoded, receipt_message
from streams.rights.right import Retention
from streams.rights.service import RightsService

_NOW = datetime(2026, 7, 10, 12, tzinfo=UTC)
_BATCH = 1_000_000
_CUSTOMERS = 100_000
_FRESH_DAYS = 400


def main() -> int:
    wanted = argparse.ArgumentParser(prog="python -m bench.retention", description=__doc__)
    wanted.add_argument("--rows", type=int, default=10_000_000, help="rows of the index")
    wanted.add_argument("--days", type=int, default=1_000, help="days that have run out, over all systems")
    wanted.add_argument("--share", type=float, default=0.1, help="of the rows, how many have run out")
    asked = wanted.parse_args()
    structlog.configure(logger_factory=structlog.testing.CapturingLoggerFactory())
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Counting(f"chdb://{Path(folder) / 'index'}")) as index,
    ):
        company, sinks = load_company(), clickhouse_sinks(index)
        migrate(index, _NOW)
        kinds = list(_kinds(company, clocks_of(company, sinks.expiry)))
        _fill(index, kinds, asked.rows, asked.days, asked.share)
        found = _Office(sinks, Path(folder), index, company).run()
        print(
            json.dumps(
                {"rows": asked.rows, "systems": len({kind.tags.system for kind in kinds}), **found}, indent=1
            )
        )
    return 0


@dataclass(frozen=True)
class _Kind:
    """Events with these tags; those before the day have run out."""

    tags: TagSet
    kept_from: date


def _kinds(company: Company, told: frozenset[str]) -> Iterator[_Kind]:
    """What runs out for everybody on the same day, a kind of record for each system."""
    calendar, seen = company.catalogue.calendar, set[str]()
    for topic in company.topics.values():
        if not topic.tagged:
            continue
        record = company.every_record[topic.record]
        tags = tag_set(
            record, topic.name, "owner", catalogue_version=company.catalogue.version, key_id="bench"
        )
        held = [DayCount(tags, date(2000, 1, 3), 1)]
        plan = make_run_plan(held, company.catalogue, company.every_record, calendar.day(_NOW), told, 10**9)
        if plan.records and tags.system not in seen:
            seen.add(tags.system)
            yield _Kind(tags, calendar.day(max(item.before for item in plan.records)))


def _fill(index: Counting, kinds: Sequence[_Kind], rows: int, days: int, share: float) -> None:
    """Rows of customers, as many of each kind; one in `share` lies on the days that have run out."""
    writer, chance = ClickHouseWriter(index), np.random.default_rng(7)
    customers = chance.integers(0, 256, (_CUSTOMERS, TOKEN_BYTES), np.uint8)
    names = [kind.tags.topic for kind in kinds]
    ends = np.array([_millis(kind.kept_from) for kind in kinds])
    for done in range(0, rows, _BATCH):
        count = min(_BATCH, rows - done)
        kind = np.arange(count) % len(kinds)
        old = chance.random(count) < share
        day = np.where(
            old,
            -1 - chance.integers(0, -(-days // len(kinds)), count),
            chance.integers(0, _FRESH_DAYS, count),
        )
        at = np.minimum(ends[kind] + day * 86_400_000 + 43_200_000, int(_NOW.timestamp() * 1000))
        token = customers[chance.integers(0, _CUSTOMERS, count)]
        table = pa.table(
            {
                "token": pa.FixedSizeBinaryArray.from_buffers(
                    pa.binary(TOKEN_BYTES), count, [None, pa.py_buffer(np.ascontiguousarray(token))]
                ),
                "topic": pa.DictionaryArray.from_arrays(pa.array(kind.astype(np.int32)), names),
                "partition": pa.array(np.zeros(count, np.int32)),
                "offset": pa.array(done + np.arange(count)),
                "role": pa.array(np.ones(count, np.int8)),
                "tag_set": pa.array(np.array([item.tags.id for item in kinds], np.uint64)[kind]),
                "event_time": pa.array(at).cast(pa.timestamp("ms")),
                "port": pa.array(np.zeros(count, np.uint16)),
                "record": pa.array(chance.integers(1, 2**63, count).astype(np.uint64)),
                "customer": pa.repeat(pa.scalar(NOTHING, pa.binary(TOKEN_BYTES)), count),
            },
            ROW_SCHEMA,
        )
        ranges = [OffsetRange(name, 0, done, done + count - 1, 0) for name in names]
        writer.write(LineageBatch(table, tag_sets=[item.tags for item in kinds], ranges=ranges), lambda: _NOW)
    index.command("OPTIMIZE TABLE lineage FINAL")


def _millis(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


class _Office:
    """Carries a run out on an index, with systems that answer at once."""

    def __init__(self, sinks: Sinks, folder: Path, index: Counting, company: Company) -> None:
        self._index = index
        self._sent: list[tuple[str, bytes]] = []
        self._keyring = ReadyKeyring(folder / "keys").made()
        self._now = _NOW + timedelta(minutes=1)
        self._service = RightsService(
            sinks.requests,
            sinks.reader,
            sinks.eraser,
            Identities(sinks.claims, company.identity_sources, sinks.beside),
            self._keyring,
            company,
            lambda topic, message, key: self._sent.append((topic, message)),
            lambda: self._now,
            values=SealedValues(sinks.identifiers, self._keyring, claims=sinks.claims),
            copies=sinks.copies,
            retention=Retention(sinks.expiry, sinks.expirer, 10**9),
        )

    def run(self) -> dict[str, Any]:
        """Seconds and statements of each phase, and what became of the run."""
        found: dict[str, Any] = {}

        def phase(name: str, work: Callable[[], object]) -> None:
            before, began, used = self._index.statements, time.perf_counter(), time.process_time()
            work()
            found[name] = {
                "seconds": round(time.perf_counter() - began, 2),
                "processor_seconds": round(time.process_time() - used, 2),
                "statements": self._index.statements - before,
            }

        service = self._service
        phase("begun", lambda: service.run_retention(self._now, "bench"))
        (run,) = service.requests()
        phase("planned", lambda: service.advance(run.request_id))
        run = service.get(run.request_id)
        service.approve(run.request_id, run.digest or "", "other")
        phase("told", lambda: service.advance(run.request_id))
        receipts = list(self._answers())
        phase("invisible", lambda: service.on_receipts(receipts))
        run = service.get(run.request_id)
        found["commands"], found["state"], found["forgotten"] = len(receipts), run.state.value, run.forgotten
        return found

    def _answers(self) -> Iterator[Mapping[str, Any]]:
        for topic, message in self._sent:
            if not topic.startswith(DELETION):
                continue
            command = decoded(own_record("ErasureCommand"), message)
            said = {
                **{name: command[name] for name in ("command_id", "request_id", "system", "attempt")},
                "state": "done",
                "erased": sum(item["expected"] for item in command["records"]),
                "held": 0,
                "reported_at": self._now,
                "outcomes": [],
                **dict.fromkeys(("ground", "review_date", "reason", "citation", "retryable")),
            }
            yield receipt_message(said, self._keyring.systems.job(command["system"]).current)


if __name__ == "__main__":
    sys.exit(main())

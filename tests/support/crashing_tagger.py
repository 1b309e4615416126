"""A tagger that is killed with SIGKILL at chosen steps, again and again, over one topic and one index.

Run as `python -m tests.support.crashing_tagger`: settings as JSON on standard input, the answer as JSON. Each life is
a forked child, so that nothing of the one before survives in memory; this process opens neither Kafka nor chdb.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from prometheus_client import CollectorRegistry

from schemas.keys import Keyring
from schemas.records import load_records
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.lineage import Clock, LineageBatch, Span
from streams.kafka.connection import Connection
from streams.kafka.consumer import SourceConsumer
from streams.kafka.dead_letters import DeadLetters, DeadMessage
from streams.kafka.producer import EventProducer
from streams.metrics import TagMetrics
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Prepared
from streams.tagging.tag import Tagger
from streams.tagging.worker import TagLimits, TagWorker
from tests.support.company import model
from tests.support.kinds import IP, KINDS


class Steps:
    """Counts steps and dies at the one chosen; 0: never."""

    def __init__(self, fatal: int) -> None:
        self._left = fatal

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class SteppingIndex(ClickHouse):
    """Every insert is two steps: before, and after it is on disk."""

    def __init__(self, url: str, step: Steps) -> None:
        super().__init__(url)
        self._step = step

    def insert(self, table: str, rows: pa.Table) -> None:
        self._step()
        super().insert(table, rows)
        self._step()

    def insert_rows(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], once: str | None = None
    ) -> None:
        self._step()
        super().insert_rows(table, columns, rows, once)
        self._step()


class SteppingDeadLetters(DeadLetters):
    def __init__(self, step: Steps, *given: Any) -> None:
        super().__init__(*given)
        self._step = step

    def send(self, messages: Any) -> None:
        kept: list[DeadMessage] = list(messages)
        self._step()
        super().send(kept)
        self._step()


class SteppingWorker(TagWorker):
    def __init__(self, step: Steps, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._crash = step

    def _hand_over(self, consumer: SourceConsumer, prepared: Prepared) -> None:
        """Called between decoding and writing."""
        self._crash()
        super()._hand_over(consumer, prepared)

    def _count(self, stored: Prepared) -> None:
        """Called between the ledger and the commit."""
        self._crash()
        super()._count(stored)


class StoppingWriter(ClickHouseWriter):
    """Ends the run once the ledger has reached the end of every partition."""

    def __init__(self, index: ClickHouse, ends: dict[tuple[str, int], int], stop: threading.Event) -> None:
        super().__init__(index)
        self._ends = ends
        self._stop = stop

    def write(self, batch: LineageBatch, clock: Clock) -> None:
        super().write(batch, clock)
        at = self.positions(list(self._ends))
        if all(at.get(partition, 0) >= end for partition, end in self._ends.items()):
            self._stop.set()


def _now() -> datetime:
    return datetime.now(UTC)


def live(given: dict[str, Any], fatal: int) -> None:
    """One life of the tagger, until it is killed or has read everything."""
    home, topic = Path(given["home"]), str(given["topic"])
    step = Steps(fatal)
    index = SteppingIndex(f"chdb://{home / 'index'}", step)
    records, keyring = load_records(), Keyring(home / "keys").made()
    stop = threading.Event()
    ends = {(topic, int(number)): int(end) for number, end in given["ends"].items()}
    connection = Connection(given["bootstrap"])
    producer = EventProducer(connection, linger_ms=0)
    worker = SteppingWorker(
        step,
        connection,
        f"{topic}-taggers",
        {topic: "WebVisit"},
        tagger=Tagger(keyring.tokenizer(), "0" * 12, KINDS, ()),
        schemas=WriterSchemas(records.values(), model().catalogue),
        index=StoppingWriter(index, ends, stop),
        dead_letters=SteppingDeadLetters(
            step, producer, keyring, records["DeadLetter"], {topic: given["dead_letters"]}
        ),
        metrics=TagMetrics(CollectorRegistry()),
        clock=_now,
        worker="crashing",
        member="crashing",
        limits=TagLimits(batch_events=int(given["batch"]), batch_seconds=0.2),
    )
    worker.run(stop)
    index.close()


def answer(given: dict[str, Any]) -> None:
    """Write what the index says now to answer.json."""
    home = Path(given["home"])
    index = ClickHouse(f"chdb://{home / 'index'}")
    tokenizer = Keyring(home / "keys").made().tokenizer()
    reader = ClickHouseReader(index)
    counts = {
        address: reader.find([Span(tokenizer.token(IP, address))]).total_events
        for address in given["addresses"]
    }
    said = {
        "by_address": counts,
        "rows": index.query("SELECT count() FROM lineage FINAL")[0][0],
        "daily": index.query("SELECT sum(events) FROM v_daily")[0][0],
        "dead": [
            list(row)
            for row in index.query("SELECT partition, offset, reason FROM dead_letters FINAL ORDER BY ALL")
        ],
        "digest": index.query("SELECT hex(groupBitXor(cityHash64(*))) FROM (SELECT * FROM lineage FINAL)")[0][
            0
        ],
    }
    (home / "answer.json").write_text(json.dumps(said))
    index.close()


def forked(call: Callable[[], None]) -> int:
    """Run in a child; its wait status. The child never returns into this process's code."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        call()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a forked child must not run its parent's way out
        traceback.print_exc()
        os._exit(1)


def prepare(given: dict[str, Any]) -> None:
    index = ClickHouse(f"chdb://{Path(given['home']) / 'index'}")
    migrate(index, _now())
    index.close()


def main() -> None:
    given = json.load(sys.stdin)
    chance = random.Random(given["seed"])
    if forked(lambda: prepare(given)):
        raise SystemExit("the index could not be prepared")
    killed = finished = 0
    for _ in range(given["kills"]):
        fatal = chance.randint(1, given["span"])
        status = forked(partial(live, given, fatal))
        killed += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        finished += status == 0
    for run in (lambda: live(given, 0), lambda: answer(given)):
        if status := forked(run):
            raise SystemExit(f"a child ended with {status}")
    said = json.loads((Path(given["home"]) / "answer.json").read_text())
    json.dump({**said, "killed": killed, "finished": finished}, sys.stdout)


if __name__ == "__main__":
    main()

"""A tagger over an offset that ends its process: `python -m tests.support.fatal_offset HOME COUNT POISON STARTS...`.

Each start is a child process of its own over one topic and one index; one line of JSON tells what came of it. The
broker is the in-process one and lives in this process, the index is embedded.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.writer import ClickHouseWriter
from streams.kafka.batches import TopicBatch
from streams.kafka.connection import Connection
from streams.tagging.prepare import Preparer
from tests.support.fatal_value import FATAL, FatalKeyring, die
from tests.support.tagging import Broker, Source, in_process_broker, single_object, to_the_end, utc_now, visit
from tests.support.time_bounds import HANGING_SECONDS


def _fatal_here(how: str, poison: int) -> None:
    """Have the tagger die in the middle of decoding the message, and no process that it starts."""
    usual = Preparer._group

    def group(self: Preparer, batch: TopicBatch, group: Any, where: Any, now: Any) -> Any:
        here = (batch.partition[where] == poison % 2) & (batch.offset[where] == poison // 2)
        if here.any():
            die(how)
        return usual(self, batch, group, where, now)

    Preparer._group = group  # type: ignore[method-assign]


def life(home: Path, bootstrap: str, topic: str, how: str, poison: int) -> None:
    """One start, to the end of the topic. What it tagged stands on the last line.

    `how`: of `tests.support.fatal_value.die`, "well", or with "here-" before it, over which no other process dies.
    """
    keyring = FatalKeyring(home / "keys")
    keyring.made()
    if how.startswith("here-"):
        _fatal_here(how.removeprefix("here-"), poison)
    else:
        keyring.how = how
    index = ClickHouse(f"chdb://{home / 'index'}")
    migrate(index, utc_now())
    before = _dead(index)
    source = Source(Broker(Connection(bootstrap), False, lambda name: None), topic, f"{topic}.dead")
    to_the_end(source.worker(ClickHouseWriter(index), keyring, journals=home / "journals"))
    (events,) = index.query("SELECT uniqExact(partition, offset) FROM lineage FINAL")
    _tell({"events": int(events[0]), "dead": [row for row in _dead(index) if row not in before]})
    index.close()


def _dead(index: ClickHouse) -> list[list[Any]]:
    rows = index.query("SELECT partition, offset, reason FROM dead_letters FINAL ORDER BY ALL")
    return [[int(row[0]), int(row[1]), str(row[2])] for row in rows]


def _tell(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(home: Path, count: int, poison: int, starts: list[str]) -> None:
    frame = single_object()
    with in_process_broker() as broker:
        source = broker.source()
        addresses = ("192.0.2.7" if number != poison else FATAL for number in range(count))
        source.send((number % 2, frame(visit(number, address))) for number, address in enumerate(addresses))
        for how in starts:
            run = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    __spec__.name,
                    "--life",
                    str(home),
                    broker.connection.bootstrap,
                    source.name,
                    how,
                    str(poison),
                ],
                capture_output=True,
                text=True,
                timeout=HANGING_SECONDS,
                check=False,
            )
            lines = run.stdout.splitlines()
            told = json.loads(lines[-1]) if run.returncode == 0 else {}
            _tell({"status": run.returncode, "log": run.stdout + run.stderr, **told})


if __name__ == "__main__":
    if sys.argv[1] == "--life":
        bootstrap, topic, how, poison = sys.argv[3:]
        life(Path(sys.argv[2]), bootstrap, topic, how, int(poison))
    else:
        main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])

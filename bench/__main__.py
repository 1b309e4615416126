"""`make bench`: every contender on the same topic of the same real broker, in one run; then the index at 10M rows.

Writes bench/results/latest.json and prints the table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.load import CHATS, DEAD, FOREIGN, PARTITIONS, TOPIC, fill
from schemas.company import load_company
from schemas.errors import InnsynError
from streams.kafka.brokers.local import LocalBroker
from streams.kafka.connection import Connection
from streams.kafka.topics import create_topics

_RESULTS = Path(__file__).parent / "results" / "latest.json"
_TITLES = {
    "bare": "bare consume loop (reads, decodes nothing)",
    "innsyn": "innsyn tagger, end to end",
    "foreign": "the same visits in JSON, by a contract",
    "with_chats": "innsyn tagger, with chats beside the visits",
    "whose": "and texts scanned, addresses resolved",
    "per_record": "per-record decode + tag, plain loop",
    "faust": "Faust agent, same tagging",
}


def main() -> int:
    wanted = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    wanted.add_argument("--events", type=int, default=2_000_000, help="events in the topic")
    wanted.add_argument("--slow-events", type=int, default=100_000, help="events the slow contenders read")
    wanted.add_argument("--repeat", type=int, default=3, help="runs of each contender; the median counts")
    wanted.add_argument("--rows", type=int, default=10_000_000, help="rows of the index measurement")
    given = wanted.parse_args()
    console = Console()
    with ExitStack() as stack:
        bootstrap = os.environ.get("INNSYN_TEST_KAFKA")
        if not bootstrap:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            bootstrap = stack.enter_context(LocalBroker(home)).bootstrap
        results = measure(bootstrap, given, console)
    _RESULTS.parent.mkdir(exist_ok=True)
    _RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    show(results, console)
    return 0


def measure(bootstrap: str, given: argparse.Namespace, console: Console) -> dict[str, Any]:
    topics = load_company().topics
    made = [
        topics["web.visits"].model_copy(
            update={"name": TOPIC, "partitions": PARTITIONS, "dead_letter": DEAD}
        ),
        topics["web.visits"].model_copy(
            update={"name": FOREIGN, "partitions": PARTITIONS, "dead_letter": DEAD}
        ),
        topics["support.chats"].model_copy(
            update={"name": CHATS, "partitions": PARTITIONS, "dead_letter": DEAD}
        ),
        topics["lineage.dead-letters"].model_copy(update={"name": DEAD, "partitions": 1}),
    ]
    create_topics(Connection(bootstrap), made)
    with console.status("filling the topic"):
        size = fill(bootstrap, given.events)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in _TITLES}
    # In turn, not one after the other: a machine that slows down slows all of them.
    for number in range(given.repeat):
        for name, found in runs.items():
            events = given.slow_events if name in ("per_record", "faust") else given.events
            with console.status(f"{_TITLES[name]}, run {number + 1} of {given.repeat}"):
                found.append(_child("bench.contenders", name, {"bootstrap": bootstrap, "events": events}))
    with console.status("index"):
        index = _child(
            "bench.index", None, {"rows": given.rows, "subjects": given.rows // 25, "lookups": 300}
        )
    rates = {
        name: statistics.median(run["events"] / run["seconds"] for run in found)
        for name, found in runs.items()
    }
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "broker": "Apache Kafka, real, on the same machine",
        "event_bytes": size / given.events,
        "runs": runs,
        "events_per_second": {name: round(rate) for name, rate in rates.items()},
        "innsyn_times_faust": round(rates["innsyn"] / rates["faust"], 1),
        "innsyn_times_per_record": round(rates["innsyn"] / rates["per_record"], 1),
        "json_share_of_avro": round(rates["foreign"] / rates["innsyn"], 2),
        "whose_share_of_rate_without": round(rates["whose"] / rates["with_chats"], 2),
        "index": index,
    }


def _child(module: str, name: str | None, arguments: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", module, *([name] if name else []), json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1_800)
    if done.returncode:
        raise InnsynError(f"{module} {name or ''} failed: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "in_index" in found and found["in_index"] != found["events"]:
        raise InnsynError(f"{name} put {found['in_index']} of {found['events']} events into the index")
    return found


def _machine() -> dict[str, Any]:
    packages = ("confluent-kafka", "faust-streaming", "fastavro", "chdb", "clickhouse-connect", "pyarrow")
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: version(name) for name in packages},
    }


def show(results: dict[str, Any], console: Console) -> None:
    rates = results["events_per_second"]
    table = Table(title=f"One topic, {results['machine']['cores']} cores, broker on the same machine")
    table.add_column("reader")
    table.add_column("events/s", justify="right")
    table.add_column("to Faust", justify="right")
    for name, title in _TITLES.items():
        table.add_row(title, f"{rates[name]:,}", f"{rates[name] / rates['faust']:.1f} x")
    console.print(table)
    index = results["index"]
    sizes = Table(title=f"Index, {index['rows']:,} rows, {index['subjects']:,} subjects")
    for head in ("", "as written", "merged"):
        sizes.add_column(head, justify="left" if not head else "right")
    sizes.add_row("bytes per row", str(index["bytes_per_row_as_written"]), str(index["bytes_per_row_merged"]))
    for mark in ("p50", "p95"):
        written, merged = index["lookup_ms_as_written"][mark], index["lookup_ms_merged"][mark]
        sizes.add_row(f"look-up {mark}", f"{written:.1f} ms", f"{merged:.1f} ms")
    heavy = index["heaviest_subject"]
    sizes.add_row(f"heaviest subject ({heavy['rows']:,} events)", "", f"{heavy['ms']:.1f} ms")
    console.print(sizes)


if __name__ == "__main__":
    sys.exit(main())

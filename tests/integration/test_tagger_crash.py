"""The tagger is killed again and again; no answer shows it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from schemas.codec import encode
from schemas.records import load_records
from streams.kafka.connection import Connection
from streams.kafka.producer import EventProducer
from tests.support.topics import make_topics

KILLS = 50
EVENTS = 16_000
BAD = {100: b"", 2_345: b"\x00\x00\x00\x00\x63junk", 7_777: b"no framing"}


def _visit(number: int, address: str) -> dict[str, Any]:
    return {
        "occurred_at": datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=37 * number),
        "client_address": address,
        "client_port": None,
        "method": "GET",
        "status": 200,
        "page": f"/page/{number}",
        "referrer": None,
        "browser": None,
        "operating_system": None,
        "location": None,
        "cookie_id": None,
        "cookie_consent": "none",
    }


def _fill(connection: Connection, topic: str) -> tuple[Counter[str], dict[str, int]]:
    """Send the events; how many each address has, and where each partition ends."""
    record = load_records()["WebVisit"]
    chance = random.Random(4)
    counts: Counter[str] = Counter()
    ends = {"0": 0, "1": 0}
    with EventProducer(connection) as producer:
        for number in range(EVENTS):
            partition = chance.randrange(2)
            ends[str(partition)] += 1
            if number in BAD:
                producer.send(topic, BAD[number], partition=partition)
                continue
            address = f"203.0.113.{chance.randrange(200)}"
            counts[address] += 1
            producer.send(topic, encode(record, _visit(number, address)), partition=partition)
    return counts, ends


def test_killed_at_fifty_points_every_event_is_counted_once(kafka_bootstrap: str, tmp_path: Path) -> None:
    """SIGKILL at 50 seeded points between decode, insert, ledger and commit, each followed by a restart: every
    address, the row count and the daily rollup show each event exactly once, and each bad message one dead letter."""
    connection = Connection(kafka_bootstrap)
    topic = f"crash.visits-{uuid.uuid4().hex[:8]}"
    dead = f"{topic}.dead-letters"
    make_topics(connection, {topic: 2, dead: 1})
    counts, ends = _fill(connection, topic)
    given = {
        "bootstrap": kafka_bootstrap,
        "home": str(tmp_path),
        "topic": topic,
        "dead_letters": dead,
        "ends": ends,
        "batch": 150,
        "span": 30,
        "kills": KILLS,
        "seed": 20_261_122,
        "addresses": sorted(counts),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.crashing_tagger"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["killed"] == KILLS
    assert said["by_address"] == dict(counts)
    assert said["rows"] == said["daily"] == sum(counts.values())
    assert len(said["dead"]) == len(BAD)
    assert {reason for _, _, reason in said["dead"]} == {"empty_payload", "unknown_schema", "unknown_framing"}

"""Fills a topic with web visits of invented addresses, and counts them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from schemas.codec import encode
from schemas.records import load_records
from streams.kafka.connection import Connection
from streams.kafka.producer import EventProducer

TOPIC = "bench.visits"
DEAD = "bench.dead-letters"
PARTITIONS = 6
# Distinct messages; the topic repeats them. Enough that no cache of tokens is warm by accident.
_DISTINCT = 200_000
_START = datetime(2026, 9, 1, tzinfo=UTC)


def messages(seed: int = 7) -> list[bytes]:
    """Encoded visits, about 100 bytes each: 120,000 addresses, every second with a cookie."""
    record, chance = load_records()["WebVisit"], random.Random(seed)
    return [
        encode(
            record,
            {
                "occurred_at": _START + timedelta(milliseconds=chance.randrange(30 * 86_400_000)),
                "client_address": f"198.{18 + chance.randrange(2)}.{chance.randrange(240)}.{chance.randrange(250)}",
                "client_port": chance.randrange(1_024, 65_536),
                "method": "GET",
                "status": 200,
                "page": f"/kundeservice/{chance.randrange(10_000)}",
                "referrer": None,
                "browser": "Firefox 145",
                "operating_system": "Linux",
                "location": None,
                "cookie_id": f"c{chance.randrange(2**32):08x}" if number % 2 else None,
                "cookie_consent": "necessary",
            },
        )
        for number in range(_DISTINCT)
    ]


def fill(bootstrap: str, events: int) -> int:
    """Send so many events; bytes sent."""
    sample = messages()
    with EventProducer(Connection(bootstrap), linger_ms=50) as producer:
        for number in range(events):
            producer.send(TOPIC, sample[number % len(sample)], partition=number // 1_000 % PARTITIONS)
    return sum(map(len, sample)) * events // len(sample)

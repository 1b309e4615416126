"""The load of the soak: visits at a steady rate, each of a known address, and bad messages in between."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from confluent_kafka import KafkaError, Message, Producer

from schemas.codec import encode
from schemas.records import load_records

VISITS, ASSIGNMENTS = "web.visits", "network.assignments"
_TICK = 0.05
# So many different messages; the stream repeats them in random order.
_VARIANTS = 8


def address(number: int) -> str:
    """Of the range for benchmarks (RFC 2544)."""
    return f"198.18.{number // 250}.{number % 250 + 1}"


def customer(number: int) -> str:
    return f"{700_000 + number}"


class Load(threading.Thread):
    """Sends visits until `finish`. `sent[n]` counts those of address n; they are stored once `finish` returns."""

    def __init__(self, bootstrap: str, people: int, seed: int, began: datetime) -> None:
        super().__init__(name="load", daemon=True)
        self.sent: Counter[int] = Counter()
        self.poison = 0
        self.failed = 0
        self.rate = 0.0
        self._random = random.Random(seed)
        self._halt = threading.Event()
        self._lock = threading.Lock()
        self._people = people
        self._visits = [_visits(number, began) for number in range(people)]
        # Without end: what is queued while the broker is away is sent when it is back, in order and once.
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "message.timeout.ms": 0,
                "linger.ms": 20,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 1_000_000,
                "topic.metadata.refresh.interval.ms": 5_000,
                "metadata.recovery.rebootstrap.trigger.ms": 10_000,
                "log_level": 0,
            }
        )

    @property
    def total(self) -> int:
        return sum(self.sent.values())

    def assign(self, began: datetime) -> None:
        """Every address was its customer's from `began` on."""
        record = load_records()["AddressAssignment"]
        names = [field["name"] for field in record.json["fields"]]
        for number in range(self._people):
            given = {
                "kind": "start",
                "address": address(number),
                "customer_number": customer(number),
                "session_id": f"soak-{number}",
                "nas": "bras1",
                "source": "radius",
                "purpose": "operations",
                "occurred_at": began,
            }
            self._send(ASSIGNMENTS, encode(record, dict.fromkeys(names) | given))
        self._producer.flush()

    def burst(self, count: int) -> None:
        """So many visits as fast as they go."""
        for _ in range(count):
            self._visit()
        self._producer.flush()

    def spoil(self, count: int) -> None:
        """Messages that nobody can read, each another way."""
        good = self._visits[0][0]
        for number in range(count):
            bad = [
                self._random.randbytes(200),
                good[:-3],
                good + b"\x00",
                b"\xc3\x01" + self._random.randbytes(60),
                good[:10] + b"\xff" * 40 + good[10:],
                b"{" * 20_000,
            ][number % 6]
            with self._lock:
                self._send(VISITS, bad)
            self.poison += 1

    def run(self) -> None:
        begun, owed = time.monotonic(), 0.0
        while not self._halt.wait(_TICK):
            now = time.monotonic()
            owed += self.rate * (now - begun)
            begun = now
            with self._lock:
                for _ in range(int(owed)):
                    self._visit()
            owed -= int(owed)

    def finish(self) -> None:
        """No more; returns when all that was sent is stored."""
        self._halt.set()
        self.join()
        self._producer.flush()

    def _visit(self) -> None:
        number = self._random.randrange(self._people)
        self._send(VISITS, self._visits[number][self._random.randrange(_VARIANTS)])
        self.sent[number] += 1

    def _send(self, topic: str, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(topic, value, on_delivery=self._delivered)
                self._producer.poll(0)
                return
            except BufferError:
                self._producer.poll(0.1)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        self.failed += error is not None


def _visits(number: int, began: datetime) -> list[bytes]:
    record = load_records()["WebVisit"]
    return [
        encode(
            record,
            {
                "occurred_at": began + timedelta(seconds=60 + variant),
                "client_address": address(number),
                "client_port": 40_000 + variant,
                "method": "GET",
                "status": 200,
                "page": f"/side/{variant}",
                "referrer": None,
                "browser": "Firefox 145",
                "operating_system": "Linux",
                "location": None,
                "cookie_id": None,
                "cookie_consent": "none",
            },
        )
        for variant in range(_VARIANTS)
    ]


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)

"""What a producer sends small and a reader has to unpack: batches that come to more than a client takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Producer

from schemas.codec import encode
from schemas.keys import Keyring
from schemas.records import load_records
from sinks.memory import MemoryIndex
from streams.kafka.unreadable import behind_unreadable
from streams.rights import agents
from tests.support.tagging import Running, Source, in_process_broker, single_object, to_the_end, visit

ADDRESS = "192.0.2.7"
# librdkafka unpacks zstd to at most 100 MB.
BEYOND = bytes(35_000_000)


def bomb(source: Source, messages: int) -> None:
    """Send one zstd batch of so many messages to partition 0, together beyond what a reader unpacks."""
    producer = Producer(
        source.broker.connection.client(
            compression_type="zstd",
            message_max_bytes=1_000_000_000,
            batch_size=1_000_000_000,
            batch_num_messages=messages,
            linger_ms=10_000,
        )
    )
    for number in range(messages):
        producer.produce(source.name, BEYOND if number < 3 else b"", partition=0)
    assert producer.flush(30) == 0


def test_a_batch_that_unpacks_to_more_than_a_reader_takes_is_a_dead_letter(tmp_path: Path) -> None:
    """It parked its partition for ever, over restarts, and the tagger's log said nothing."""
    messages = 9
    keyring, index, frame = Keyring(tmp_path / "keys").made(), MemoryIndex(), single_object()
    with in_process_broker() as broker:
        source = broker.source()
        good = [(0, frame(visit(number, ADDRESS))) for number in range(20)]
        source.send(good[:5])
        bomb(source, messages)
        source.send(good[5:10])
        to_the_end(source.worker(index, keyring))
        assert behind_unreadable(broker.connection, source.name, 0, 5) == 5 + messages
        bomb(source, messages)
        with Running(source.worker(index, keyring)) as tagger:
            source.send(good[10:])
            tagger.until(
                lambda: index.positions([(source.name, 0)])[source.name, 0] == 20 + 2 * messages,
                "all is read",
            )
        to_the_end(source.worker(index, keyring))
    letters = sorted((letter.offset, letter.reason) for letter in index.dead.values())
    assert letters == [(5, "unreadable_batch"), (10 + messages, "unreadable_batch")]
    ranges = [item for item in index.ranges if item.topic == source.name]
    assert sum(item.events for item in ranges) == 20
    assert sum(item.lost for item in ranges) == 2 * (messages - 1)


def test_a_rights_message_beyond_a_mebibyte_never_reaches_the_ledger() -> None:
    """60 MB of nothing, 2 kB on the wire, were recorded, and read again with every list of the requests."""
    kept: list[tuple[object, ...]] = []
    place = SimpleNamespace(topic="rights.requests", partition=0, offset=7)
    record = load_records()["RightsRequest"]
    value = {
        "request_id": "r-0123",
        "type": "access",
        "sealed_identifiers": bytes(2 << 20),
        "channel": "web",
        "reason": None,
        "received_at": datetime(2026, 3, 1, tzinfo=UTC),
    }

    def step(_: Mapping[str, Any]) -> object:
        pytest.fail("it was looked at")

    agents._take(record, encode(record, value), place, step, lambda *given: kept.append(given[:4]))
    assert kept == [("rights.requests", 0, 7, "oversized")]

"""What a producer sends small and a reader has to unpack: batches that come to more than a client takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from confluent_kafka import Producer

from schemas.codec import encode
from schemas.keys import Keyring
from schemas.records import load_records
from sinks.memory.index import MemoryIndex
from streams.kafka.connection import Connection
from streams.kafka.topics import create_topics
from streams.kafka.unpacking import LARGEST_BATCH, Measured, Unreadable, unpacks
from streams.kafka.unreadable import behind_unreadable
from streams.rights import worker
from streams.rights.inbox import Taken
from streams.rights.service import RightsService
from streams.tagging.crashes.journal import Journal
from tests.support.company import model
from tests.support.tagging import (
    Running,
    Source,
    in_process_broker,
    real_broker,
    single_object,
    to_the_end,
    visit,
)
from tests.support.time_bounds import HANGING_SECONDS, await_that

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
            linger_ms=100_000,
        )
    )
    for number in range(messages):
        producer.produce(source.name, BEYOND if number < 3 else b"", partition=0)
    # Sent once all of them are there. To flush would send what the producer has taken up of them by then.
    await_that(lambda: producer.poll(0.1) >= 0 and not len(producer), "the batch is sent")


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


def amplified(source: Source, codec: str, size: int, times: int = 1) -> None:
    """Send so many batches of one message of nothing to partition 0."""
    producer = Producer(
        source.broker.connection.client(
            compression_type=codec, message_max_bytes=1_000_000_000, batch_size=1_000_000_000, linger_ms=0
        )
    )
    for _ in range(times):
        producer.produce(source.name, bytes(size), partition=0)
        assert producer.flush(HANGING_SECONDS) == 0


@contextmanager
def peak() -> Iterator[Callable[[], int]]:
    """By how many MiB this process grew at most since then."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmHWM")
    yield lambda: (_status("VmHWM") - before) // 1024


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def killed(journals: Path) -> Path:
    """As a tagger leaves its folder that is killed while it fetches."""
    Journal(journals).close(clean=False)
    return journals


def test_what_a_tagger_was_killed_over_while_it_fetched_does_not_kill_the_next(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    """40 messages of 60 MB, 80 kB on the wire, took it to 3.2 GB; 400 would have ended it
    after every start. These ten took 0.8 GB."""
    keyring, index, frame = Keyring(tmp_path / "keys").made(), MemoryIndex(), single_object()
    source = real_broker(kafka_bootstrap).source(1)
    good = [(0, frame(visit(number, ADDRESS))) for number in range(30)]
    source.send(good[:10])
    amplified(source, "zstd", 60_000_000, 10)
    source.send(good[10:20])
    amplified(source, "gzip", LARGEST_BATCH + 1)
    source.send_transaction([value for _, value in good[:5]], abort=True)
    source.send(good[20:])
    worker = source.worker(index, keyring, journals=killed(tmp_path / "journals"))
    with peak() as grown:
        to_the_end(worker)
        assert grown() < 400
    letters = sorted((letter.offset, letter.reason) for letter in index.dead.values())
    assert letters == [
        *((offset, "oversized") for offset in range(10, 20)),
        (30, "unreadable_batch"),
    ]
    assert sum(item.events for item in index.ranges) == 30
    # What comes from now on is read as ever, by a tagger that was closed too.
    source.send(good[:5])
    to_the_end(source.worker(index, keyring, journals=tmp_path / "journals"))
    assert sum(item.events for item in index.ranges) == 35


def test_batches_of_each_codec_are_read_apart_as_they_are_otherwise(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    keyring, frame = Keyring(tmp_path / "keys").made(), single_object()
    source = real_broker(kafka_bootstrap).source(2)
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        producer = Producer(source.broker.connection.client(compression_type=codec, linger_ms=50))
        for number in range(200):
            value = None if number == 7 else frame(visit(number, ADDRESS, page="/" + "a" * (1 + number * 10)))
            producer.produce(source.name, value, partition=number % 2)
        assert producer.flush(HANGING_SECONDS) == 0
    source.send_transaction([frame(visit(1, ADDRESS))], abort=True)
    source.send_transaction([frame(visit(2, ADDRESS))])
    found = []
    for number, journals in enumerate((None, killed(tmp_path / "journals"))):
        index = MemoryIndex()
        to_the_end(source.worker(index, keyring, journals=journals))
        found.append(
            (sum(item.events for item in index.ranges), sum(item.tombstones for item in index.ranges))
        )
        assert not index.dead, number
    assert found == [(996, 5), (996, 5)]


@pytest.mark.parametrize("codec", [1, 2, 3, 4])
def test_what_a_batch_unpacks_to_is_asked_within_bounds(codec: int) -> None:
    packed = memoryview(
        {1: gzip_encode, 2: snappy_encode, 3: lz4_encode, 4: zstd_encode}[codec](bytes(30_000_000))
    )
    with peak() as grown:
        assert unpacks(codec, packed, 30_000_000)
        assert not unpacks(codec, packed, 29_999_999)
        # Of snappy's blocks only what they say of themselves is asked; they are held to it when they are unpacked.
        assert unpacks(codec, packed[:-20], 30_000_000) == (codec == 2)
        assert not unpacks(codec, packed[:1], 1_000)
        assert grown() < 40
    assert not unpacks(2, memoryview(b"\xff\xff\xff\xff\x0f"), LARGEST_BATCH)
    assert not unpacks(7, packed, LARGEST_BATCH)


def test_a_rights_message_beyond_a_mebibyte_never_reaches_the_ledger() -> None:
    """60 MB of nothing, 2 kB on the wire, were recorded, and read again with every list of the requests."""
    kept: list[tuple[object, ...]] = []
    record = load_records()["RightsRequest"]
    value = {
        "request_id": "r-0123",
        "type": "access",
        "sealed_identifiers": bytes(2 << 20),
        "channel": "web",
        "reason": None,
        "received_at": datetime(2026, 3, 1, tzinfo=UTC),
    }

    def steps(_: Sequence[tuple[Mapping[str, Any], bytes]]) -> Sequence[object]:
        pytest.fail("it was looked at")

    message = SimpleNamespace(topic="rights.requests", partition=0, offset=7, value=encode(record, value))
    Taken(record, [message], steps, lambda *given: kept.append(given[:4])).take()
    assert kept == [("rights.requests", 0, 7, "oversized")]


def test_what_comes_to_gigabytes_on_a_rights_topic_ends_no_agent(kafka_bootstrap: str) -> None:
    """aiokafka unpacks a batch whatever it comes to: these 20 kB took it 600 MB up."""
    connection, topic = Connection(kafka_bootstrap), "rights.requests"
    create_topics(connection, [model().topics[name] for name in (topic, "rights.receipts")])
    record = load_records()["RightsRequest"]
    value = {
        "request_id": "r-behind",
        "type": "access",
        "sealed_identifiers": b"?",
        "channel": "web",
        "reason": None,
        "received_at": datetime.now(UTC),
    }
    options = {"compression.type": "zstd", "message.max.bytes": 1_000_000_000, "batch.size": 1_000_000_000}
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "linger.ms": 0, **options})
    bombs, full = 8, 120
    for _ in range(bombs):
        producer.produce(topic, bytes(60_000_000), partition=0)
        assert producer.flush(HANGING_SECONDS) == 0
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "batch.num.messages": 4, **options})
    for _ in range(full):
        # A message as large as one may be.
        producer.produce(topic, bytes(1 << 20), partition=0)
    producer.produce(topic, encode(record, value), partition=0)
    assert producer.flush(HANGING_SECONDS) == 0
    done = threading.Event()
    aside: list[str] = []
    service = create_autospec(RightsService, instance=True, copies_asked=False)

    def hear(given: Sequence[Mapping[str, Any]]) -> Sequence[object]:
        done.set()
        return given

    service.on_requests.side_effect = hear
    role = worker.RightsWorker(connection, service, lambda *given: aside.append(given[3]))
    with peak() as grown:
        role.start()
        try:
            assert done.wait(HANGING_SECONDS)
        finally:
            role.stop()
        assert grown() < 150
    assert aside.count("unreadable_batch") >= bombs
    assert len(aside) >= bombs + full


def test_a_damaged_batch_is_one_message_that_cannot_be_read() -> None:
    """Whatever is wrong with it; those around it are read."""
    batches = []
    for base, codec in enumerate((0, 4, 1, 0)):
        builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, 0, 1 << 20)
        for number in range(3):
            builder.append(number, 1, None, b"value" * 50, [])
        data = builder.build()
        data[:8] = (3 * base).to_bytes(8, "big")
        batches.append(bytearray(data))
    batches[1][-5] ^= 1
    batches[2][70:] = bytes(len(batches[2]) - 70)
    told: list[tuple[int, int]] = []
    records = Measured(b"".join(batches) + batches[0][:40], 1, 1 << 20, lambda *offsets: told.append(offsets))
    found = []
    while records.has_next():
        found += [(record.offset, isinstance(record.value, Unreadable)) for record in records.next_batch()]
    assert found == [
        *((0, False), (1, False), (2, False)),
        *((3, True), (6, True)),
        *((9, False), (10, False), (11, False)),
    ]
    assert told == [(3, 6), (6, 9)]

"""Taggers of tests: a topic on either broker, a worker over it with any index, and what the topic should give."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from prometheus_client import CollectorRegistry

from schemas.codec import confluent_prefix, encode_body, single_object_prefix
from schemas.keys import Keyring
from schemas.records import RecordSchema, load_records
from sinks.ports.lineage import IndexWriter
from streams.kafka.brokers.in_process import InProcessBroker
from streams.kafka.connection import Connection
from streams.kafka.dead_letters import DeadLetters
from streams.kafka.producer import EventProducer
from streams.metrics import TagMetrics
from streams.tagging.decode.schema_lookup import SchemaSource, WriterSchemas
from streams.tagging.tag import Tagger
from streams.tagging.worker import TagLimits, TagWorker
from tests.support.company import model
from tests.support.kinds import KINDS
from tests.support.time_bounds import HANGING_SECONDS, await_that

CATALOGUE = "0123456789ab"
FIRST_VISIT = datetime(2026, 3, 1, tzinfo=UTC)
# Room for a payload of 10 MB, which a broker refuses unless the topic says otherwise.
LARGEST_MESSAGE = 16 * 1024 * 1024


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Broker:
    """A broker of either kind. `real`: Apache Kafka."""

    connection: Connection
    real: bool
    make: Callable[[str], None]

    def source(self, partitions: int = 2) -> Source:
        """A new topic of web visits with its dead-letter topic; four partitions on the in-process broker."""
        name = f"tagger-{uuid.uuid4().hex[:12]}"
        source = Source(self, name, f"{name}.dead")
        if self.real:
            config = {"max.message.bytes": str(LARGEST_MESSAGE)}
            admin = AdminClient({"bootstrap.servers": self.connection.bootstrap})
            wanted = [
                NewTopic(name, partitions, 1, config=config),
                NewTopic(source.dead_letters, 1, 1, config=config),
            ]
            for future in admin.create_topics(wanted).values():
                future.result(HANGING_SECONDS)
        else:
            self.make(source.name)
            self.make(source.dead_letters)
        return source


@contextmanager
def in_process_broker() -> Iterator[Broker]:
    with InProcessBroker() as broker:
        yield Broker(broker.connection, False, broker.make_topic)


def real_broker(bootstrap: str) -> Broker:
    return Broker(Connection(bootstrap), True, lambda name: None)


@dataclass(frozen=True)
class Sent:
    """A message and where it lies."""

    partition: int
    offset: int
    value: bytes | None


@dataclass(frozen=True)
class Source:
    """One topic and its dead letters."""

    broker: Broker
    name: str
    dead_letters: str

    def send(self, messages: Iterable[tuple[int, bytes | None]]) -> list[Sent]:
        """Store (partition, value) in order; None is a tombstone. Gives their coordinates."""
        sent: dict[int, Sent] = {}
        options = self.broker.connection.client(
            message_max_bytes=LARGEST_MESSAGE, linger_ms=5, enable_idempotence=True
        )
        producer = Producer(options)
        for number, (partition, value) in enumerate(messages):

            def stored(
                error: object, message: Any, number: int = number, value: bytes | None = value
            ) -> None:
                assert error is None, error
                sent[number] = Sent(message.partition(), message.offset(), value)

            producer.produce(self.name, value=value, partition=partition, on_delivery=stored)
            producer.poll(0)
        assert producer.flush(HANGING_SECONDS) == 0
        return [sent[number] for number in sorted(sent)]

    def send_transaction(self, values: Iterable[bytes], *, abort: bool = False) -> None:
        """Store messages in partition 0 within one transaction."""
        producer = Producer(
            self.broker.connection.client(transactional_id=f"{self.name}-{uuid.uuid4().hex[:8]}")
        )
        producer.init_transactions(HANGING_SECONDS)
        producer.begin_transaction()
        for value in values:
            producer.produce(self.name, value=value, partition=0)
        producer.flush(HANGING_SECONDS)
        if abort:
            producer.abort_transaction(HANGING_SECONDS)
        else:
            producer.commit_transaction(HANGING_SECONDS)

    def ends(self) -> dict[int, int]:
        """The offset the next message will get, for each partition."""
        with _reader(self.broker.connection) as consumer:
            return {
                number: _bounds(consumer, self.name, number)[1] for number in _numbers(consumer, self.name)
            }

    def worker(
        self,
        index: IndexWriter,
        keyring: Keyring,
        *,
        registry: SchemaSource | None = None,
        limits: TagLimits | None = None,
        replay: bool = False,
        group: str | None = None,
        metrics: TagMetrics | None = None,
        records: Mapping[str, RecordSchema] | None = None,
        made: type[TagWorker] = TagWorker,
        member: str | None = None,
        journals: Path | None = None,
    ) -> TagWorker:
        """A tagger of this topic. A group of its own unless one is named, as the index says where to go on."""
        known = records or load_records()
        return made(
            self.broker.connection,
            group or f"{self.name}-{uuid.uuid4().hex[:8]}",
            {self.name: "WebVisit"},
            tagger=Tagger(keyring.tokenizer(), CATALOGUE, KINDS, placeholders=model().catalogue.placeholders),
            schemas=WriterSchemas(known.values(), model().catalogue, registry),
            index=index,
            dead_letters=DeadLetters(
                EventProducer(self.broker.connection, linger_ms=0),
                keyring,
                load_records()["DeadLetter"],
                {self.name: self.dead_letters},
            ),
            metrics=metrics or TagMetrics(CollectorRegistry()),
            clock=utc_now,
            worker="tests",
            replay=replay,
            member=member,
            journals=journals,
            limits=limits or TagLimits(batch_events=500, batch_seconds=0.1),
        )


def read_topic(connection: Connection, name: str) -> list[tuple[bytes | None, bytes]]:
    """(key, value) of every message of a topic; a tombstone is empty."""
    found: list[tuple[bytes | None, bytes]] = []
    with _reader(connection) as consumer:
        bounds = {number: _bounds(consumer, name, number) for number in _numbers(consumer, name)}
        waiting = {number for number, (low, high) in bounds.items() if low < high}
        consumer.assign([TopicPartition(name, number, bounds[number][0]) for number in sorted(waiting)])
        deadline = time.monotonic() + HANGING_SECONDS
        while waiting:
            assert time.monotonic() < deadline, f"{name} was not read to its end"
            message = consumer.poll(0.2)
            if message is None or message.error():
                continue
            number, offset, value = message.partition(), message.offset(), message.value()
            assert number is not None
            assert offset is not None
            key = message.key()
            found.append((bytes(key) if isinstance(key, bytes) else None, bytes(value or b"")))
            if offset + 1 >= bounds[number][1]:
                waiting.discard(number)
    return found


@contextmanager
def _reader(connection: Connection) -> Iterator[Consumer]:
    options = connection.client(
        group_id="tests-reading", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    consumer = Consumer(options)
    try:
        yield consumer
    finally:
        consumer.close()


def _numbers(consumer: Consumer, name: str) -> list[int]:
    return sorted(consumer.list_topics(name, timeout=HANGING_SECONDS).topics[name].partitions)


def _bounds(consumer: Consumer, name: str, number: int) -> tuple[int, int]:
    low, high = consumer.get_watermark_offsets(TopicPartition(name, number), timeout=HANGING_SECONDS)
    return low, high


def to_the_end(worker: TagWorker) -> None:
    """Run until everything there is in the index; fails when that takes too long."""
    stop = threading.Event()
    guard = threading.Timer(HANGING_SECONDS, stop.set)
    guard.start()
    try:
        worker.run(stop, until_end=True)
    finally:
        guard.cancel()
        guard.join()
    assert not stop.is_set(), "the tagger did not come to the end of its topic"


@dataclass
class Running:
    """A tagger in a thread. `error`: what ended it."""

    worker: TagWorker
    stop: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="tagger-under-test")

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Ask it to stop and wait until it has. Safe to repeat."""
        self.stop.set()
        self._thread.join(HANGING_SECONDS)
        assert not self._thread.is_alive(), "the tagger did not stop"

    def until(self, met: Callable[[], bool], what: str) -> None:
        """Wait for a condition; fails at the deadline, or at once when the tagger ends before it is met."""
        await_that(lambda: met() or not self._thread.is_alive(), what)
        assert met(), f"the tagger ended before {what}: {self.error!r}"

    def _run(self) -> None:
        try:
            self.worker.run(self.stop)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error


def visit(number: int, address: str, **changes: Any) -> dict[str, Any]:
    """The value of a web visit."""
    return {
        "occurred_at": FIRST_VISIT + timedelta(seconds=61 * number),
        "client_address": address,
        "client_port": None,
        "method": "GET",
        "status": 200,
        "page": f"/side/{number}",
        "referrer": None,
        "browser": None,
        "operating_system": None,
        "location": None,
        "cookie_id": None,
        "cookie_consent": "none",
    } | changes


@dataclass(frozen=True)
class Framing:
    """Puts bodies of one record into messages."""

    record: RecordSchema
    prefix: bytes

    def __call__(self, value: Mapping[str, Any]) -> bytes:
        return self.prefix + encode_body(self.record, value)


def single_object(record: str = "WebVisit") -> Framing:
    found = load_records()[record]
    return Framing(found, single_object_prefix(found))


def confluent(schema_id: int, record: RecordSchema | None = None) -> Framing:
    return Framing(record or load_records()["WebVisit"], confluent_prefix(schema_id))


def spread(values: Sequence[bytes | None], partitions: int = 2) -> Iterator[tuple[int, bytes | None]]:
    """Messages over the partitions in turn."""
    return ((number % partitions, value) for number, value in enumerate(values))

"""The same topic read four ways. Each is run in a process of its own: `python -m bench.contenders NAME JSON`.

Every way but the bare loop does the same work: decode each event, take its subject references, keyed token for each,
rows into the same table of the same embedded ClickHouse. What differs is how.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from confluent_kafka import Consumer, TopicPartition
from prometheus_client import CollectorRegistry

from bench.load import CHATS, DEAD, FOREIGN, PARTITIONS, TOPIC, chats_beside, foreign_visits, holders
from schemas.catalogue import load_catalogue
from schemas.codec import decode_body, split_frame
from schemas.company import load_company
from schemas.contracts import Contract
from schemas.keys import Keyring
from schemas.records import load_records
from schemas.tags import tag_set
from schemas.tokens import TokenCache
from schemas.vocabulary import Role
from sinks.clickhouse.claims import ClickHouseClaims
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.identity import NOTHING, OpenClaims
from sinks.ports.lineage import ROW_SCHEMA, Clock, LineageBatch
from streams.identity.identities import Identities
from streams.kafka.connection import Connection
from streams.kafka.dead_letters import DeadLetters
from streams.kafka.fetching import FETCH
from streams.kafka.producer import EventProducer
from streams.metrics import TagMetrics
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.scan import Scanner
from streams.tagging.tag import Tagger
from streams.tagging.worker import TagLimits, TagWorker

_BATCH = 20_000
_VERSION = "0" * 12


def now() -> datetime:
    return datetime.now(UTC)


def bare(bootstrap: str, events: int) -> dict[str, Any]:
    """librdkafka's batches, looked at no further than value, partition and offset."""
    consumer = _reader(bootstrap)
    seen = size = 0
    started: float | None = None
    while seen < events:
        messages = consumer.consume(10_000, timeout=1.0)
        if started is None and messages:
            started = time.perf_counter()
        values = [message.value() for message in messages]
        coordinates = [(message.partition(), message.offset()) for message in messages]
        seen += len(coordinates)
        size += sum(len(value or b"") for value in values)
    seconds = time.perf_counter() - (started or 0)
    consumer.close()
    return {"events": seen, "seconds": seconds, "bytes": size}


class PerRecord:
    """Decode with fastavro, tag, collect; a batch into the index when full. What a careful first version does."""

    def __init__(self, home: Path) -> None:
        self._index = _index(home)
        self._writer = ClickHouseWriter(self._index)
        self._record = load_records()["WebVisit"]
        tokenizer = Keyring(home / "keys").made().tokenizer()
        self._tokens = {name: TokenCache(tokenizer, kind) for name, kind in load_company().kinds.items()}
        self._tags = {
            reference.field: tag_set(
                self._record, TOPIC, reference.role, catalogue_version=_VERSION, key_id=tokenizer.key_id
            )
            for reference in self._record.identifiers
        }
        self._rows: list[tuple[Any, ...]] = []
        self.rows = 0

    def add(self, message: bytes, partition: int, offset: int) -> None:
        value = decode_body(self._record, split_frame(message)[1])
        for reference in self._record.identifiers:
            identifier = value[reference.field]
            if identifier is not None:
                (token,) = self._tokens[reference.kind].tokens([identifier])
                port = (value[reference.port_field] or 0) if reference.port_field else 0
                role = Role(reference.role).code
                tags = self._tags[reference.field].id
                self._rows.append(
                    (token, TOPIC, partition, offset, role, tags, value["occurred_at"], port, 0, NOTHING)
                )
        if len(self._rows) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            columns = [
                pa.array(column, field.type)
                if field.name != "topic"
                else pa.array(column).dictionary_encode()
                for column, field in zip(zip(*self._rows, strict=True), ROW_SCHEMA, strict=True)
            ]
            table = pa.Table.from_arrays(columns, names=ROW_SCHEMA.names)
            self._writer.write(LineageBatch(table, tag_sets=list(self._tags.values())), now)
            self.rows += len(self._rows)
            self._rows.clear()

    def counted(self) -> int:
        """Distinct events in the index: the check that this contender did the work."""
        return int(self._index.query("SELECT uniqExact(partition, offset) FROM lineage")[0][0])


def per_record(bootstrap: str, events: int) -> dict[str, Any]:
    """A plain confluent-kafka loop, record by record."""
    with tempfile.TemporaryDirectory() as home:
        work = PerRecord(Path(home))
        consumer = _reader(bootstrap)
        seen = 0
        started: float | None = None
        while seen < events:
            messages = consumer.consume(5_000, timeout=1.0)
            if started is None and messages:
                started = time.perf_counter()
            for message in messages[: events - seen]:
                work.add(message.value() or b"", message.partition() or 0, message.offset() or 0)
            seen += len(messages[: events - seen])
        work.flush()
        seconds = time.perf_counter() - (started or 0)
        consumer.close()
        return {"events": seen, "seconds": seconds, "in_index": work.counted()}


def faust_agent(bootstrap: str, events: int) -> dict[str, Any]:
    """A Faust agent that does the same for every event of its stream."""
    import asyncio

    import faust

    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as home:
        work = PerRecord(Path(home))
        app = faust.App(
            f"bench-{uuid.uuid4().hex[:8]}",
            broker=f"kafka://{bootstrap}",
            store="memory://",
            datadir=home,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            consumer_auto_offset_reset="earliest",
            broker_max_poll_records=5_000,
            stream_wait_empty=False,
        )
        topic = app.topic(TOPIC, value_type=bytes, value_serializer="raw", key_serializer="raw")
        done = asyncio.Event()

        async def tag(stream: Any) -> None:
            seen, started = 0, 0.0
            async for event in stream.events():
                if not seen:
                    started = time.perf_counter()
                if seen < events:
                    work.add(event.value, event.message.partition, event.message.offset)
                    seen += 1
                    if seen == events:
                        work.flush()
                        result.update(events=seen, seconds=time.perf_counter() - started)
                        done.set()

        app.agent(topic)(tag)

        async def run() -> None:
            async with app:
                await done.wait()

        asyncio.run(run())
        return {**result, "in_index": work.counted()}


def innsyn(bootstrap: str, events: int) -> dict[str, Any]:
    """Our tagger over web visits, with ledger, dead letters and commits; it does not ask whose they are."""
    return _tagged(bootstrap, events, {TOPIC: "WebVisit"}, whose=False)


def foreign(bootstrap: str, events: int) -> dict[str, Any]:
    """Our tagger over the same visits in JSON, by a contract."""
    with tempfile.TemporaryDirectory() as folder:
        contract = foreign_visits(Path(folder))
        topics = {FOREIGN: contract.record.name}
        return _tagged(bootstrap, events, topics, whose=False, contracts={FOREIGN: contract})


def with_chats(bootstrap: str, events: int) -> dict[str, Any]:
    """The same with chats beside the visits, texts unread."""
    return _tagged(
        bootstrap, events + chats_beside(events), {TOPIC: "WebVisit", CHATS: "ChatMessage"}, whose=False
    )


def whose(bootstrap: str, events: int) -> dict[str, Any]:
    """The same with texts scanned and each address resolved among 360,000 claims, as `innsyn tag` runs."""
    return _tagged(
        bootstrap, events + chats_beside(events), {TOPIC: "WebVisit", CHATS: "ChatMessage"}, whose=True
    )


class Timed(ClickHouseWriter):
    """The index's writer, with the moments at which a run begins and ends; `stop` is set once all events are in."""

    def __init__(self, index: ClickHouse, events: int, stop: threading.Event) -> None:
        super().__init__(index)
        self._left = events
        self._stop = stop
        self._first = self._last = 0.0

    def write(self, batch: LineageBatch, clock: Clock) -> None:
        super().write(batch, clock)
        self._left -= sum(item.events for item in batch.ranges)
        self._last = time.perf_counter()
        if self._left <= 0:
            self._stop.set()

    def positions(self, partitions: Any) -> Any:
        self._first = time.perf_counter()
        return super().positions(partitions)

    @property
    def seconds(self) -> float:
        """From the moment the partitions were ours until the last batch was in the ledger."""
        return self._last - self._first


def _tagged(
    bootstrap: str,
    events: int,
    topics: Mapping[str, str],
    *,
    whose: bool,
    contracts: Mapping[str, Contract] | None = None,
) -> dict[str, Any]:
    # Closed before the folder goes: it writes into it as long as it is open.
    with tempfile.TemporaryDirectory() as folder, closing(_index(Path(folder))) as index:
        home, records = Path(folder), load_records()
        keyring = Keyring(home / "keys").made()
        stop, registry = threading.Event(), CollectorRegistry()
        metrics = TagMetrics(registry)
        timed, connection = Timed(index, events, stop), Connection(bootstrap)
        company = load_company()
        dead = DeadLetters(
            EventProducer(connection), keyring, records["DeadLetter"], dict.fromkeys(topics, DEAD)
        )
        worker = TagWorker(
            connection,
            f"bench-{uuid.uuid4().hex[:8]}",
            topics,
            tagger=Tagger(
                keyring.tokenizer(),
                _VERSION,
                company.kinds,
                company.catalogue.placeholders,
                Scanner(company.kinds) if whose else None,
            ),
            schemas=WriterSchemas(records.values(), company.catalogue),
            index=timed,
            dead_letters=dead,
            metrics=metrics,
            clock=now,
            worker="bench",
            journals=home / "journals",
            limits=TagLimits(),
            identities=_holders_known(index, keyring) if whose else None,
            contracts=contracts,
        )
        worker.run(stop)
        counted = index.query("SELECT uniqExact(topic, partition, offset), count() FROM lineage")[0]
        return {
            "events": events,
            "seconds": timed.seconds,
            "in_index": int(counted[0]),
            "rows": int(counted[1]),
            "batches_not_counted": int(registry.get_sample_value("innsyn_batches_not_resolved_total") or 0),
            **_resolved(metrics),
        }


def _holders_known(index: ClickHouse, keyring: Keyring) -> Identities:
    """Who had which address, written to the index."""
    batch = LineageBatch(ROW_SCHEMA.empty_table(), claims=OpenClaims(holders(keyring.tokenizer())))
    ClickHouseWriter(index).write(batch, now)
    return Identities(ClickHouseClaims(index), load_catalogue().identity_sources)


def _resolved(metrics: TagMetrics) -> dict[str, int]:
    """Identifiers by topic and by whom they led to."""
    samples = (sample for family in metrics.resolved.collect() for sample in family.samples)
    return {
        f"{item.labels['topic']} {item.labels['resolution']}": int(item.value)
        for item in samples
        if item.name.endswith("_total")
    }


CONTENDERS: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "bare": bare,
    "per_record": per_record,
    "faust": faust_agent,
    "innsyn": innsyn,
    "foreign": foreign,
    "with_chats": with_chats,
    "whose": whose,
}


def _reader(bootstrap: str) -> Consumer:
    """A consumer with the fetch settings of ours, so that the loops differ in what they do alone."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"bench-{uuid.uuid4().hex[:8]}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            **FETCH,
        }
    )
    consumer.assign([TopicPartition(TOPIC, number, 0) for number in range(PARTITIONS)])
    return consumer


def _index(home: Path) -> ClickHouse:
    index = ClickHouse(f"chdb://{home / 'index'}")
    migrate(index, now())
    return index


if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    print(json.dumps(CONTENDERS[sys.argv[1]](given["bootstrap"], given["events"])))

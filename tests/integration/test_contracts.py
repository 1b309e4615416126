"""Events that somebody else owns, from their topics into the index: JSON, changes of Debezium and nested Avro."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from console.health.untagged import untagged_lines
from schemas.catalogue import load_catalogue
from schemas.codec import confluent_prefix, encode_body
from schemas.contracts import Contract, load_contracts
from schemas.keys import Keyring
from schemas.records import load_records, read_record
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.untagged import ClickHouseUntaggedFields
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.lineage import Span
from sinks.ports.untagged import UntaggedFields
from streams.kafka.dead_letters import DeadLetters
from streams.kafka.producer import EventProducer
from streams.kafka.registry import Registry
from streams.metrics import TagMetrics
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.tag import Tagger
from streams.tagging.worker import TagLimits, TagWorker
from tests.support.contracts import contract, order
from tests.support.kinds import CUSTOMER_NUMBER, KINDS
from tests.support.registry_stub import registry_stub
from tests.support.tagging import (
    CATALOGUE,
    FIRST_VISIT,
    Source,
    in_process_broker,
    spread,
    to_the_end,
    utc_now,
)
from tests.support.time_bounds import HANGING_SECONDS

EVENTS = 900
AT = int(FIRST_VISIT.timestamp() * 1000)
PERSON = {"type": "record", "name": "Person", "fields": [{"name": "number", "type": "string"}]}
NESTED = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "order_id", "type": "string"},
        {"name": "placed_at", "type": "long"},
        {"name": "customer", "type": PERSON},
        {"name": "consignees", "type": {"type": "array", "items": "Person"}},
    ],
}


@dataclass(frozen=True)
class Shop:
    """Three topics that were tagged, and what came of them."""

    json: Source
    changes: Source
    avro: Source
    index: ClickHouse
    keyring: Keyring
    metrics: CollectorRegistry
    fields: UntaggedFields
    contracts: Mapping[str, Contract]

    def operations(self, source: Source, number: str) -> dict[str, int]:
        """Events of a customer number on a topic, by operation."""
        token = self.keyring.tokenizer().token(CUSTOMER_NUMBER, number)
        found: dict[str, int] = {}
        for item in ClickHouseReader(self.index).find([Span(token)]).holdings:
            if item.tags.topic == source.name:
                found[item.tags.operation] = found.get(item.tags.operation, 0) + item.events
        return found


def placed(number: int) -> dict[str, Any]:
    """Order number `number`: of one customer in ten, for two of five others."""
    return {
        "order_id": f"o-{number}",
        "placed_at": AT + number,
        "customer": {"number": f"{700_000 + number % 10}"},
        "consignees": [{"number": f"{710_000 + (number + more) % 5}"} for more in (0, 1)],
    }


def written(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("company")
    with ExitStack() as stack:
        broker = stack.enter_context(in_process_broker())
        url, _ = stack.enter_context(registry_stub())
        registry = stack.enter_context(Registry(url))
        sources = [broker.source() for _ in range(3)]
        told: list[dict[str, Any]] = [
            {"record": "ShopOrder", "message_key": {"field": "customer.number"}},
            {
                "record": "OrderRow",
                "envelope": "debezium",
                "message_key": {"field": "customer.number", "path": "id"},
            },
            {"record": "PartnerOrder", "format": "avro"},
        ]
        for source, said in zip(sources, told, strict=True):
            contract(folder, order(**said), source.name)
        schema = read_record(NESTED, "order.avsc")
        prefix = confluent_prefix(registry.register(f"{sources[2].name}-value", schema))
        _send(sources, [prefix + encode_body(schema, placed(number)) for number in range(EVENTS)])
        index = ClickHouse(f"chdb://{folder / 'index'}")
        stack.callback(index.close)
        migrate(index, utc_now())
        keyring = Keyring(folder / "keys").made()
        metrics, fields = CollectorRegistry(), ClickHouseUntaggedFields(index)
        contracts = load_contracts(folder / "contracts", load_catalogue(), load_records())
        to_the_end(_worker(contracts, sources, registry, index, keyring, TagMetrics(metrics), fields))
        first, second, third = sources
        yield Shop(first, second, third, index, keyring, metrics, fields, contracts)


def _send(sources: Sequence[Source], bodies: Sequence[bytes]) -> None:
    """Orders on each topic; bad messages, new fields, changes and tombstones among them."""
    values: list[bytes | None] = [written(placed(number)) for number in range(EVENTS)]
    values[100:100] = [b"{", b'{"order_id": "o"} x', written({**placed(0), "placed_at": "soon"})]
    values += [written({**placed(0), "nickname": "somebody", "by_phone": {"4700000001": 1}})] * 7
    sources[0].send(spread(values))
    producer = Producer(sources[0].broker.connection.client())
    producer.produce(sources[0].name, key=b"700004", value=None, partition=1)
    assert producer.flush(HANGING_SECONDS) == 0
    changes: list[bytes | None] = [
        written({"op": "c", "before": None, "after": placed(number), "source": {"ts_ms": AT}, "ts_ms": AT})
        for number in range(EVENTS)
    ]
    deleted = {"op": "d", "before": placed(3), "after": None, "source": {"ts_ms": AT + 5_000}, "ts_ms": AT}
    sources[1].send(spread([*changes, written(deleted)]))
    # What a database sends that logs nothing of a row but its key, and the tombstone behind it.
    for gone in (written({**deleted, "before": None}), None):
        producer.produce(sources[1].name, key=b'{"id": 700004}', value=gone, partition=1)
    producer.produce(sources[1].name, key=b'{"other": 1}', value=None, partition=1)
    assert producer.flush(HANGING_SECONDS) == 0
    sources[2].send(spread([*bodies, bodies[0][:-1]]))


def _worker(
    contracts: Mapping[str, Contract],
    sources: Sequence[Source],
    registry: Registry,
    index: ClickHouse,
    keyring: Keyring,
    metrics: TagMetrics,
    fields: UntaggedFields,
) -> TagWorker:
    connection = sources[0].broker.connection
    return TagWorker(
        connection,
        "shop",
        {topic: said.record.name for topic, said in contracts.items()},
        tagger=Tagger(keyring.tokenizer(), CATALOGUE, KINDS, ()),
        schemas=WriterSchemas([], load_catalogue(), registry, contracts.values()),
        index=ClickHouseWriter(index),
        dead_letters=DeadLetters(
            EventProducer(connection, linger_ms=0),
            keyring,
            load_records()["DeadLetter"],
            {source.name: source.dead_letters for source in sources},
        ),
        metrics=metrics,
        clock=utc_now,
        worker="tests",
        limits=TagLimits(batch_events=256, batch_seconds=0.1),
        contracts=contracts,
        untagged=fields,
    )


def test_every_person_of_an_event_finds_it(shop: Shop) -> None:
    """The customer and both consignees, whatever the format; what was bad is nobody's."""
    for source, more in ((shop.json, 7), (shop.changes, 0), (shop.avro, 0)):
        assert shop.operations(source, "700000") == {"collect": EVENTS // 10 + more}
        assert shop.operations(source, "700001") == {"collect": EVENTS // 10}
        assert shop.operations(source, "710002") == {"collect": 2 * EVENTS // 5}


def test_one_bad_message_is_one_dead_letter(shop: Shop) -> None:
    """Whatever stood around it."""
    rows = shop.index.query("SELECT topic, reason, count() FROM dead_letters GROUP BY topic, reason")
    assert sorted(map(tuple, rows)) == sorted(
        [
            (shop.json.name, "malformed_body", 3),
            (shop.changes.name, "unnamed_deletion", 1),
            (shop.avro.name, "truncated", 1),
        ]
    )


def test_what_the_source_deleted_says_so(shop: Shop) -> None:
    """As an event of its own beside those before it; where nothing of the row is told, by the key."""
    assert shop.operations(shop.changes, "700003") == {
        "collect": EVENTS // 10,
        "source_delete": 1,
    }
    assert shop.operations(shop.changes, "700004") == {
        "collect": EVENTS // 10,
        "source_delete": 2,
    }
    (row,) = shop.index.query(
        "SELECT sum(tombstones), sum(dead), sum(events) FROM ingest_ledger WHERE topic = {topic:String}",
        {"topic": shop.changes.name},
    )
    assert tuple(row) == (1, 1, EVENTS + 2)


def test_a_tombstone_says_whose_record_is_gone(shop: Shop) -> None:
    """By its key, where the contract says what the key is."""
    assert shop.operations(shop.json, "700004") == {"collect": EVENTS // 10, "source_delete": 1}


def test_a_new_field_is_counted_and_told_of(shop: Shop) -> None:
    """By topic and path: neither its value nor a key that may be a value is shown."""

    def counted(path: str) -> float | None:
        labels = {"topic": shop.json.name, "path": path}
        return shop.metrics.get_sample_value("innsyn_untagged_values_total", labels)

    assert (counted("nickname"), counted("by_phone")) == (7, 7)
    lines = untagged_lines(shop.fields, shop.contracts, utc_now())
    assert len(lines) == 2
    assert any(f"field nickname on {shop.json.name} is in no contract" in line for line in lines)
    assert not any("somebody" in line or "4700000001" in line for line in lines)
    found = shop.index.query(
        "SELECT topic, field FROM v_detections WHERE kind = 'untagged_field' ORDER BY field"
    )
    assert found == [(shop.json.name, "by_phone"), (shop.json.name, "nickname")]

"""Messages of somebody else's topic, prepared by a contract, and what comes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from schemas.catalogue import load_catalogue
from schemas.codec import confluent_prefix, encode_body
from schemas.contracts import Contract
from schemas.errors import UnknownSchema
from schemas.keys import Keyring
from schemas.records import read_record
from schemas.vocabulary import Role
from streams.kafka.batches import Key, TopicBatch
from streams.tagging.decode.refusals import Refusals
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Prepared, Preparer
from streams.tagging.scan import Scanner
from streams.tagging.tag import Tagger
from tests.support.claims import NOW, TOKENIZER
from tests.support.contracts import TOPIC
from tests.support.kinds import CUSTOMER_NUMBER, KINDS

WHEN = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = {role.code: role.value for role in Role}


class Registered:
    """A registry of one schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._text = json.dumps(schema)

    def schema(self, schema_id: int) -> str:
        if schema_id != 7:
            raise UnknownSchema("unknown_schema")
        return self._text


def prepare(
    said: Contract,
    messages: Sequence[Any],
    registry: Registered | None = None,
    scanner: Scanner | None = None,
    keys: Mapping[int, bytes] | None = None,
    keyring: Keyring | None = None,
) -> Prepared:
    """The messages, of which those that are no bytes are written as JSON, as one write. `keys`: of messages."""
    values = [item if isinstance(item, bytes | None) else json.dumps(item).encode() for item in messages]
    offsets = np.arange(len(values), dtype=np.int64)
    found = {(0, offset): Key(key, NOW + offset) for offset, key in (keys or {}).items()}
    batch = TopicBatch(TOPIC, values, np.zeros(len(values), np.int32), offsets, NOW, 0, keys=found)
    tagger = Tagger(TOKENIZER, "v1", KINDS, (), scanner, keyring)
    schemas = WriterSchemas([], load_catalogue(), registry, [said])
    preparer = Preparer(tagger, schemas.resolve, {TOPIC: said.record.name}, Refusals(), {TOPIC: said})
    return preparer.prepare([batch], [], {(TOPIC, 0): 1}, WHEN)


def customer(number: str) -> bytes:
    return TOKENIZER.token(CUSTOMER_NUMBER, number)


def rows(prepared: Prepared) -> set[tuple[int, bytes, str, str]]:
    """Offset, token, role and operation of each row."""
    operations = {tags.id: tags.operation for tags in prepared.batch.tag_sets}
    found = [
        (row["offset"], row["token"], NAMES[row["role"]], operations[row["tag_set"]])
        for row in prepared.batch.rows.to_pylist()
    ]
    assert len(found) == len(set(found)) == sum(item.rows for item in prepared.batch.ranges)
    return set(found)


def dead(prepared: Prepared) -> list[tuple[int, str]]:
    return [(row.offset, row.reason) for row in prepared.batch.dead]


def placed(number: str = "700104", *others: str, **said: Any) -> dict[str, Any]:
    """An order of one customer for others."""
    consignees = [{"number": other, "name": "Kari Nordmann"} for other in others]
    return {
        "order_id": "o1",
        "placed_at": NOW,
        "customer": {"number": number, "email": None},
        "consignees": consignees,
        **said,
    }


ROW = {"order_id": "o1", "placed_at": NOW, "customer": {"number": "700104"}}


def change(op: str, before: Any, after: Any, **said: Any) -> dict[str, Any]:
    source = {"ts_ms": NOW + 5, "table": "orders", "snapshot": "false"}
    return {"op": op, "before": before, "after": after, "ts_ms": NOW + 9, "source": source, **said}


PERSON = {
    "type": "record",
    "name": "Person",
    "fields": [{"name": "number", "type": ["null", "string"]}, {"name": "name", "type": ["null", "string"]}],
}
NESTED: dict[str, Any] = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "order_id", "type": "string"},
        {"name": "placed_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "customer", "type": PERSON},
        {"name": "consignees", "type": {"type": "array", "items": "Person"}},
        {"name": "marks", "type": {"type": "map", "values": "string"}},
    ],
}


def avro(schema: dict[str, Any], value: dict[str, Any]) -> bytes:
    return confluent_prefix(7) + encode_body(read_record(schema, "order.avsc"), value)


def nested(number: str, *others: str, **marks: str) -> dict[str, Any]:
    return {
        "order_id": "o1",
        "placed_at": NOW,
        "customer": {"number": number, "name": "Ola"},
        "consignees": [{"number": other, "name": None} for other in others],
        "marks": marks,
    }

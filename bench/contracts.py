"""How many events of each format a tagger prepares in a second of its processor's time: `python -m bench.contracts`.

The same people in each: flat Avro of our own, and by contracts flat JSON, JSON with an array of two people, changes of
Debezium and a registry's Avro with an array of two people; linked: each event also says whose an e-mail address is. No
broker and no index take part.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bench.load import TOPIC, as_json, foreign_visits, messages
from schemas.catalogue import load_catalogue
from schemas.codec import confluent_prefix, encode_body
from schemas.company import load_company
from schemas.contracts import Contract, load_contract
from schemas.records import RecordSchema, load_records, read_record
from schemas.tokens import Tokenizer
from streams.kafka.batches import TopicBatch
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Preparer
from streams.tagging.tag import Tagger

_ROUNDS = 5
_BATCH = 65_536
_AT = 1_790_000_000_000
_NUMBER = {"category": "C-01", "identifier": {"kind": "customer_number", "role": "owner"}}
_CONSIGNEE = {"category": "C-01", "identifier": {"kind": "customer_number", "role": "counterparty"}}
_ORDER = {
    "system": "crm", "subject_type": "customer", "purposes": ["P-CONTRACT"], "legal_basis": {"P-CONTRACT": "b"},
    "origin": "direct", "operation": "collect", "retention": ["T18", "T27"], "recipients": [],
    "event_time": {"path": "placed_at"},
    "fields": {
        "order_id": {"category": "C-09"},
        "placed_at": {"category": "none", "type": "integer"},
        "customer.number": _NUMBER,
        "customer.email": {"category": "C-01", "identifier": {"kind": "email", "role": "owner"}},
        "consignees[].number": _CONSIGNEE,
        "consignees[].name": {"category": "C-01"},
        "lines": {"category": "C-09"},
    },
}  # fmt: skip
_LINK = {
    "form": "state", "tokens": ["customer.email"], "subject": ["customer.number"], "proof": "holder",
    "source": "register",
}  # fmt: skip
_TEXT = {"type": "string"}
_SCHEMA: Mapping[str, Any] = {
    "type": "record", "name": "Order", "fields": [
        {"name": "order_id", "type": "string"},
        {"name": "placed_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "customer", "type": {"type": "record", "name": "Customer", "fields": [
            {"name": "number", "type": "string"}, {"name": "email", "type": ["null", "string"]}]}},
        {"name": "consignees", "type": {"type": "array", "items": {"type": "record", "name": "Consignee", "fields": [
            {"name": "number", "type": "string"}, {"name": "name", "type": ["null", "string"]}]}}},
        {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
            {"name": "sku", "type": "string"}, {"name": "count", "type": "int"}]}}},
    ],
}  # fmt: skip


def orders(count: int) -> list[dict[str, Any]]:
    """Orders of 20,000 customers, each to two of them."""
    chance = random.Random(7)
    return [
        {
            "order_id": f"o-{number:08}",
            "placed_at": _AT + number,
            "customer": {"number": f"{chance.randrange(20_000) + 700_000}", "email": None},
            "consignees": [
                {"number": f"{chance.randrange(20_000) + 700_000}", "name": "Invented Name"} for _ in range(2)
            ],
            "lines": [{"sku": f"s{chance.randrange(1_000)}", "count": 1}],
        }
        for number in range(count)
    ]


def order_contract(folder: Path, topic: str, **said: Any) -> Contract:
    """What holds for them on a topic."""
    file = folder / f"{topic}.yaml"
    file.write_text(yaml.safe_dump({**_ORDER, "record": topic.title(), **said}), "utf-8")
    return load_contract(file, load_catalogue(), folder)


class _Registered:
    """A registry of one schema."""

    def schema(self, _: int) -> str:
        return json.dumps(_SCHEMA)


def _changed(order: Mapping[str, Any]) -> bytes:
    source = {"ts_ms": order["placed_at"], "table": "orders"}
    change = {"op": "u", "before": order, "after": order, "source": source, "ts_ms": order["placed_at"]}
    return json.dumps(change).encode()


def cases(folder: Path, count: int) -> dict[str, tuple[Contract | None, Sequence[bytes]]]:
    """By format: the contract, None for a record of our own, and the messages."""
    placed, schema = orders(count), read_record(json.dumps(_SCHEMA), "order.avsc")
    flat = messages()[:count]
    framed = confluent_prefix(7)
    return {
        "avro, flat": (None, flat),
        "json, flat": (foreign_visits(folder), as_json(flat)),
        "json, two people": (
            order_contract(folder, "nested", format="json"),
            [json.dumps(item).encode() for item in placed],
        ),
        "debezium, json": (
            order_contract(folder, "changes", format="json", envelope="debezium"),
            [_changed(item) for item in placed],
        ),
        "json, linked": (
            order_contract(folder, "links", format="json", identity=[_LINK]),
            [json.dumps(item).encode() for item in placed],
        ),
        "debezium, linked": (
            order_contract(folder, "register", format="json", envelope="debezium", identity=[_LINK]),
            [_changed(item) for item in placed],
        ),
        "avro, two people": (
            order_contract(folder, "partners", format="avro"),
            [framed + encode_body(schema, item) for item in placed],
        ),
    }


def measured(said: Contract | None, values: Sequence[bytes], records: Mapping[str, RecordSchema]) -> float:
    """Events in a second of processor time: the best of some rounds, with the caches of tokens warm."""
    topic = said.topic if said else TOPIC
    found = WriterSchemas(records.values(), load_catalogue(), _Registered(), [said] if said else [])
    preparer = Preparer(
        Tagger(Tokenizer(b"\1" * 32, "bench"), "v1", load_company().kinds, ()),
        found.resolve,
        {topic: said.record.name if said else "WebVisit"},
        contracts={topic: said} if said else {},
    )
    batches = [
        TopicBatch(topic, part, np.zeros(len(part), np.int32), np.arange(len(part)), _AT, sum(map(len, part)))
        for part in (values[start : start + _BATCH] for start in range(0, len(values), _BATCH))
    ]
    best = float("inf")
    for _ in range(_ROUNDS):
        begun = time.process_time()
        for batch in batches:
            prepared = preparer.prepare([batch], [], {(topic, 0): 1}, datetime.now(UTC))
            if prepared.dead or sum(item.events for item in prepared.batch.ranges) != len(batch.values):
                raise SystemExit(f"{topic}: not every message is an event")
        best = min(best, time.process_time() - begun)
    return len(values) / best


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    records = load_records()
    with tempfile.TemporaryDirectory() as folder:
        for name, (said, values) in cases(Path(folder), count).items():
            print(f"{name:20} {measured(said, values, records):>10,.0f} events/s")


if __name__ == "__main__":
    main()

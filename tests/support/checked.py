"""A record that passes its check, and changes to it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from schemas.catalogue import load_catalogue
from schemas.check import check_record
from schemas.records import read_record

CATALOGUE = load_catalogue()
GOOD: dict[str, Any] = {
    "type": "record",
    "name": "OrderPlaced",
    "namespace": "no.example.shop",
    "innsyn": {
        "system": "orders",
        "subject_type": "customer",
        "purposes": ["P-CONTRACT"],
        "legal_basis": {"P-CONTRACT": "b"},
        "origin": "direct",
        "operation": "collect",
        "retention": ["T20", "T30"],
        "recipients": ["delivery_partner"],
        "event_time": "placed_at",
    },
    "fields": [
        {
            "name": "customer",
            "type": "string",
            "innsyn": {"category": "C-09", "identifier": {"kind": "customer_number", "role": "owner"}},
            "confluent:tags": ["C-09"],
        },
        {
            "name": "address",
            "type": ["null", "string"],
            "default": None,
            "innsyn": {"category": "C-21", "identifier": {"kind": "ip", "role": "owner"}},
            "confluent:tags": ["C-21"],
        },
        {
            "name": "port",
            "type": ["null", "int"],
            "default": None,
            "innsyn": {"category": "C-21", "port_of": "address"},
            "confluent:tags": ["C-21"],
        },
        {
            "name": "placed_at",
            "type": {"type": "long", "logicalType": "timestamp-millis"},
            "innsyn": {"category": "none"},
        },
    ],
}
Change = Callable[[dict[str, Any]], object]


def lines(schema: dict[str, Any], previous: dict[str, Any] | None = None) -> list[str]:
    before = read_record(previous, "old.avsc") if previous else None
    return [str(problem) for problem in check_record(read_record(schema, "order.avsc"), CATALOGUE, before)]


def changed(change: Change) -> dict[str, Any]:
    schema = copy.deepcopy(GOOD)
    change(schema)
    return schema


def said(key: str, value: object) -> Change:
    return lambda schema: schema["innsyn"].__setitem__(key, value)


def field(number: int, key: str, value: object) -> Change:
    return lambda schema: schema["fields"][number]["innsyn"].__setitem__(key, value)


def key(domain: str, number: int = 0) -> Change:
    """A field of the order record is a network key too."""
    return field(number, "key", domain)

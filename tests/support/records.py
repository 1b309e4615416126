"""Hypothesis strategies: flat record schemas, values that fit them, and bodies damaged in the ways a topic sees.

The encoder here is written from the Avro specification and shares nothing with the code under test, so a body that
it wrote is known to be valid and a value that it was given is known to be what the body says.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from schemas.records import RecordSchema, parse_record

ANNOTATION = {
    "system": "web",
    "subject_type": "site_visitor",
    "purposes": ["P-WEB"],
    "legal_basis": {"P-WEB": "f"},
    "origin": "auto_generated",
    "operation": "collect",
    "retention": ["T30"],
    "recipients": [],
    "event_time": "occurred_at",
}
EVENT_TIME = {"type": "long", "logicalType": "timestamp-millis"}
BIG_NUMBERS = (2**31, -(2**31) - 1, 2**62, 2**63 - 1, -(2**63))


def record_of(*fields: Mapping[str, Any], name: str = "Sample", **said: Any) -> RecordSchema:
    """An annotated record of these Avro fields; a field without annotation is a technical one. `said`: the record."""
    technical = {"innsyn": {"category": "none"}}
    schema = {
        "type": "record",
        "name": name,
        "namespace": "no.innsyn",
        "innsyn": ANNOTATION | said,
        "fields": [technical | dict(field) for field in fields],
    }
    return parse_record(schema, f"avro/{name}.avsc")


def varint(number: int) -> bytes:
    """Zigzag variable-length coding of a signed number (Avro specification, "Binary encoding")."""
    left = (number << 1) if number >= 0 else (-number << 1) - 1
    coded = bytearray()
    while left > 0x7F:
        coded.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*coded, left])


def field_bytes(avro_type: Any, value: Any) -> bytes:
    """One value of a flat type; logical types are given as their plain numbers and bytes."""
    if isinstance(avro_type, list):
        null = avro_type.index("null")
        if value is None:
            return varint(null)
        return varint(1 - null) + field_bytes(avro_type[1 - null], value)
    full = avro_type if isinstance(avro_type, dict) else {"type": avro_type}
    match full["type"]:
        case "null":
            return b""
        case "boolean":
            return b"\x01" if value else b"\x00"
        case "int" | "long":
            return varint(value)
        case "double":
            return bytes(struct.pack("<d", value))
        case "enum":
            return varint(full["symbols"].index(value))
        case "fixed":
            return bytes(value)
        case "string":
            return field_bytes("bytes", str(value).encode())
        case "bytes":
            return varint(len(value)) + bytes(value)
        case other:
            raise NotImplementedError(other)


def body_of(record: RecordSchema, value: Mapping[str, Any]) -> bytes:
    """The one valid Avro body of a value."""
    return b"".join(field_bytes(field["type"], value[field["name"]]) for field in record.json["fields"])


def _plain_types(index: int) -> st.SearchStrategy[Any]:
    enums = st.integers(1, 70).map(
        lambda count: {"type": "enum", "name": f"Kind{index}", "symbols": [f"S{i}" for i in range(count)]}
    )
    fixed = st.integers(1, 9).map(lambda size: {"type": "fixed", "name": f"Fixed{index}", "size": size})
    logical = [
        {"type": "int", "logicalType": "date"},
        {"type": "int", "logicalType": "time-millis"},
        {"type": "long", "logicalType": "timestamp-millis"},
        {"type": "long", "logicalType": "timestamp-micros"},
        {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        {"type": "string", "logicalType": "uuid"},
    ]
    primitives = ["boolean", "int", "long", "double", "bytes", "string"]
    return st.one_of(st.sampled_from([*primitives, *logical]), enums, fixed)


def _types(index: int) -> st.SearchStrategy[Any]:
    plain = _plain_types(index)
    unions = st.tuples(plain, st.booleans()).map(
        lambda drawn: ["null", drawn[0]] if drawn[1] else [drawn[0], "null"]
    )
    return st.one_of(plain, unions, st.just("null"))


@st.composite
def flat_records(draw: st.DrawFn) -> RecordSchema:
    """A flat record of 1 to 8 fields of any flat type, its event time anywhere among them."""
    fields = [{"name": f"f{index}", "type": draw(_types(index))} for index in range(draw(st.integers(0, 7)))]
    fields.insert(draw(st.integers(0, len(fields))), {"name": "occurred_at", "type": EVENT_TIME})
    return record_of(*fields)


def _values(avro_type: Any) -> st.SearchStrategy[Any]:
    if isinstance(avro_type, list):
        return st.one_of(*map(_values, avro_type))
    full = avro_type if isinstance(avro_type, dict) else {"type": avro_type}
    match full["type"]:
        case "enum":
            return st.sampled_from(full["symbols"])
        case "fixed":
            return st.binary(min_size=full["size"], max_size=full["size"])
        case kind:
            return _PRIMITIVE_VALUES[kind]


_PRIMITIVE_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(),
    "bytes": st.binary(max_size=12),
    "string": st.one_of(st.text(max_size=8), st.text("aæøå€😀", max_size=70)),
}


def values(record: RecordSchema) -> st.SearchStrategy[dict[str, Any]]:
    """Values that fit a flat record, times as plain numbers."""
    return st.fixed_dictionaries({field["name"]: _values(field["type"]) for field in record.json["fields"]})


@st.composite
def damaged(draw: st.DrawFn, body: bytes, other: bytes) -> bytes:
    """The body after one accident; some accidents leave a valid body, or another valid one."""
    at = draw(st.integers(0, max(len(body) - 1, 0)))
    match draw(st.sampled_from(["cut", "extend", "empty", "flip", "replace", "insert", "splice"])):
        case "cut":
            return body[:at]
        case "extend":
            return body + draw(st.binary(min_size=1, max_size=12))
        case "empty":
            return b""
        case "flip":
            bit = draw(st.integers(0, 7))
            return body[:at] + bytes(byte ^ 1 << bit for byte in body[at : at + 1]) + body[at + 1 :]
        case "replace":
            return body[:at] + draw(_foul_varints) + body[at + 1 :]
        case "insert":
            return body[:at] + draw(_foul_varints) + body[at:]
        case _:
            return body[:at] + other[draw(st.integers(0, len(other))) :]


# What a length, an index or a number should never be, or not be written as.
_foul_varints = st.one_of(
    st.sampled_from([*map(varint, (-1, -2, 1, 2, 3, 4, 100, 2**31, *BIG_NUMBERS))]),
    st.sampled_from(
        [b"\x80\x00", b"\x82\x80\x00", b"\xff" * 9 + b"\x02", b"\xff" * 10, b"\xff" * 12 + b"\x01"]
    ),
    st.integers(-(2**63), 2**63 - 1).map(varint),
    st.binary(min_size=1, max_size=3),
)


@st.composite
def blocks(
    draw: st.DrawFn, records: st.SearchStrategy[RecordSchema]
) -> tuple[RecordSchema, list[bytes], dict[int, dict[str, Any]]]:
    """A record, 1 to 60 bodies, and the values of those bodies that nothing happened to, by position."""
    record = draw(records)
    pool = draw(st.lists(values(record), min_size=1, max_size=5))
    whole = [body_of(record, value) for value in pool]
    pick = st.integers(0, len(pool) - 1)
    foul = [draw(damaged(whole[draw(pick)], whole[draw(pick)])) for _ in range(draw(st.integers(0, 8)))]
    order = draw(st.lists(st.integers(0, len(whole) + len(foul) - 1), min_size=1, max_size=60))
    bodies = [(whole + foul)[index] for index in order]
    known = {at: pool[index] for at, index in enumerate(order) if index < len(pool)}
    return record, bodies, known

"""`schemas.resolution`: what of one schema's data another one reads, and reads rightly."""

from __future__ import annotations

import io
import json
import warnings
from typing import Any

import avro.schema
import fastavro
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from fastavro.utils import generate_many
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.resolution import Mismatch, mismatches

NULLABLE = ["null", "string"]


def record(*fields: dict[str, Any], name: str = "Order", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "example.shop", "fields": list(fields), **more}


def a(kind: Any, **more: Any) -> dict[str, Any]:
    """A record of one field, called a."""
    return record({"name": "a", "type": kind, **more})


def logical(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}


def enum(*symbols: str, name: str = "Channel", **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": name, "symbols": list(symbols), **more}


def inside(kind: Any) -> list[Any]:
    """The type alone, and at every place that a type can stand in."""
    return [
        a(kind),
        a(["null", kind]),
        a({"type": "array", "items": kind}),
        a({"type": "map", "values": ["null", kind]}),
        a({"type": "array", "items": record({"name": "b", "type": kind}, name="Line")}),
        a(["null", record({"name": "b", "type": kind}, name="Line")]),
    ]


MILLIS = logical("long", "timestamp-millis")
MEANINGS: list[tuple[Any, Any, str, str]] = [
    (MILLIS, logical("long", "timestamp-micros"), "timestamp-millis", "timestamp-micros"),
    (MILLIS, logical("long", "timestamp-nanos"), "timestamp-millis", "timestamp-nanos"),
    (MILLIS, logical("long", "local-timestamp-millis"), "timestamp-millis", "local-timestamp-millis"),
    (MILLIS, "long", "timestamp-millis", "long"),
    ("long", logical("long", "time-micros"), "long", "time-micros"),
    ("int", logical("int", "date"), "int", "date"),
    (logical("int", "date"), "int", "date", "int"),
    (logical("int", "date"), logical("int", "time-millis"), "date", "time-millis"),
    (logical("int", "time-millis"), logical("long", "time-micros"), "time-millis", "time-micros"),
    (logical("int", "date"), logical("long", "timestamp-millis"), "date", "timestamp-millis"),
    ("string", logical("string", "uuid"), "string", "uuid"),
    (
        logical("bytes", "decimal", precision=9, scale=2),
        logical("bytes", "decimal", precision=9, scale=4),
        "decimal(9, 2)",
        "decimal(9, 4)",
    ),
    (
        logical("bytes", "decimal", precision=9),
        logical("bytes", "decimal", precision=12),
        "decimal(9, 0)",
        "decimal(12, 0)",
    ),
    (logical("bytes", "decimal", precision=9), "bytes", "decimal(9, 0)", "bytes"),
    (
        {"type": "fixed", "name": "Span", "size": 12},
        {"type": "fixed", "name": "Span", "size": 12, "logicalType": "duration"},
        "fixed Span",
        "duration",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "was", "now"), MEANINGS, ids=[f"{w} to {n}" for _, _, w, n in MEANINGS]
)
def test_another_logical_type_is_another_meaning(old: Any, new: Any, was: str, now: str) -> None:
    """Alone, nullable, in arrays, maps and records: the bytes can be read, and the change is told all the same."""
    for before, after in zip(inside(old), inside(new), strict=True):
        (found,) = mismatches(after, before)
        assert (found.kind, found.reader, found.writer) == ("logical", now, was)
        assert found.path in ("a", "a.b")
        assert mismatches(after, after) == mismatches(before, before) == []


def test_a_uuid_may_become_the_text_it_is() -> None:
    """Every UUID is a text, though not every text a UUID."""
    assert mismatches(a("string"), a(logical("string", "uuid"))) == []
    assert [found.kind for found in mismatches(a(logical("string", "uuid")), a("string"))] == ["logical"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("int", logical("int", "timestamp-millis")),
        ("string", logical("string", "decimal", precision=4)),
        (logical("bytes", "decimal", precision=2, scale=3), "bytes"),
        (
            {"type": "fixed", "name": "F", "size": 8, "logicalType": "duration"},
            {"type": "fixed", "name": "F", "size": 8},
        ),
    ],
)
def test_a_logical_type_where_it_means_nothing_is_none(old: Any, new: Any) -> None:
    """The specification has readers ignore it there, so it changes nothing."""
    assert mismatches(a(new), a(old)) == []


CASES: list[tuple[str, Any, Any, list[Mismatch]]] = [
    ("field with default", a("int", default=0), record(), []),
    (
        "field without default",
        a("int"),
        record({"name": "b", "type": "int"}),
        [Mismatch("a", "no_default", "int")],
    ),
    ("alias of a field", record({"name": "b", "type": "int", "aliases": ["a"]}), a("int"), []),
    ("promotion", a("double"), a("int"), []),
    ("no way back", a("int"), a("long"), [Mismatch("a", "type", "int", "long")]),
    ("string and bytes", a("bytes"), a("string"), []),
    ("null kept", a(NULLABLE), a("string"), []),
    ("null lost", a("string"), a(NULLABLE), [Mismatch("a", "type", "string", "null")]),
    ("branch lost", a(["null", "int"]), a(["null", "string"]), [Mismatch("a", "branch", "", "string")]),
    ("branch promoted", a(["null", "double"]), a(["null", "int"]), []),
    ("symbol more", a(enum("web", "shop")), a(enum("web")), []),
    ("symbol less", a(enum("web")), a(enum("web", "shop")), [Mismatch("a", "symbols", "Channel", "shop")]),
    ("symbol less, default", a(enum("web", default="web")), a(enum("web", "shop")), []),
    (
        "other enum",
        a(enum("web", name="Way")),
        a(enum("web")),
        [Mismatch("a", "name", "enum Way", "enum Channel")],
    ),
    ("alias of an enum", a(enum("web", name="Way", aliases=["Channel"])), a(enum("web")), []),
    ("record renamed", record(name="Sale"), record(), [Mismatch("", "name", "record Sale", "record Order")]),
    ("record renamed, alias", record(name="Sale", aliases=["Order"]), record(), []),
    ("record renamed, full alias", record(name="Sale", aliases=["example.shop.Order"]), record(), []),
    (
        "size",
        a({"type": "fixed", "name": "F", "size": 4}),
        a({"type": "fixed", "name": "F", "size": 8}),
        [Mismatch("a", "size", "4", "8")],
    ),
]


@pytest.mark.parametrize(
    ("reader", "writer", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_the_rules_of_schema_resolution(reader: Any, writer: Any, expected: list[Mismatch]) -> None:
    """Field by field, with the field's name and the types of both sides."""
    assert mismatches(reader, writer) == expected


def test_a_record_inside_itself_is_compared_once() -> None:
    """Recursion ends, and what differs inside it is found."""
    tree = record({"name": "a", "type": "int"}, {"name": "next", "type": ["null", "Order"], "default": None})
    other = record(
        {"name": "a", "type": "string"}, {"name": "next", "type": ["null", "Order"], "default": None}
    )
    assert mismatches(tree, tree) == []
    assert mismatches(tree, other) == [Mismatch("a", "type", "int", "string")]


LEAVES = st.sampled_from(
    [
        *("null", "boolean", "int", "long", "float", "double", "string", "bytes"),
        *(enum("web", "shop"), enum("web"), enum("shop", default="shop")),
        {"type": "fixed", "name": "F", "size": 2},
    ]
)


def _branches(parts: list[Any]) -> list[Any]:
    """Each type once, as a union wants it."""
    return list(
        {json.dumps(p if isinstance(p, str) else p.get("name", p["type"])): p for p in parts}.values()
    )


TYPES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda items: {"type": "array", "items": items}),
        inner.map(lambda values: {"type": "map", "values": values}),
        st.lists(inner.filter(lambda part: not isinstance(part, list)), min_size=1, max_size=3).map(
            _branches
        ),
    ),
    max_leaves=4,
)


def _valid(schema: dict[str, Any]) -> bool:
    try:
        avro.schema.parse(json.dumps(schema))
        fastavro.parse_schema(schema)
    except (avro.errors.AvroException, fastavro.schema.SchemaParseException):
        return False
    return True


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from("abc"), unique=True, max_size=3))
    return record(*({"name": name, "type": draw(TYPES)} for name in names))


@given(records().filter(_valid), records().filter(_valid))
@settings(max_examples=300)
def test_the_avro_package_decides_the_same(reader: dict[str, Any], writer: dict[str, Any]) -> None:
    """Without logical types, which the package does not compare, and aliases, which it reads more narrowly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
        result = checker.get_compatibility(
            avro.schema.parse(json.dumps(reader)), avro.schema.parse(json.dumps(writer))
        )
    compatible = result.compatibility is SchemaCompatibilityType.compatible
    assert (mismatches(reader, writer) == []) == compatible


def _ascii(value: Any) -> Any:
    """The value with bytes that are UTF-8."""
    match value:
        case bytes():
            return bytes(byte & 0x7F for byte in value)
        case dict():
            return {key: _ascii(part) for key, part in value.items()}
        case list():
            return [_ascii(part) for part in value]
        case _:
            return value


@given(records().filter(_valid), records().filter(_valid))
@settings(max_examples=150)
def test_what_is_called_readable_can_be_read(reader: dict[str, Any], writer: dict[str, Any]) -> None:
    """Data of the writer's schema decode with the reader's wherever no mismatch was told.

    Bytes may be read as a string (Avro, "Schema Resolution"), where they are UTF-8.
    """
    if mismatches(reader, writer):
        return
    written = fastavro.parse_schema(writer)
    (value,) = generate_many(writer, 1)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, written, _ascii(value))
    out.seek(0)
    try:
        fastavro.schemaless_reader(out, written, fastavro.parse_schema(reader))
    except UnicodeDecodeError:
        # Bytes may be read as a string ("Schema Resolution"), though these here are no UTF-8.
        assert '"bytes"' in json.dumps(writer)

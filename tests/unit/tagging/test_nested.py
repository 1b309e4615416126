"""Nested Avro in columns: what is read that way is what the definition reads, whatever the bytes are."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.paths import tree
from schemas.records import read_record
from streams.tagging.decode.avro_messages import AvroMessages
from streams.tagging.decode.columnar import Bodies
from streams.tagging.decode.json_columns import Messages, repeats
from streams.tagging.decode.nested import NestedDecoder, Unsupported
from tests.support.time_bounds import million_steps

TEXT, NUMBER = "string", "long"
PERSON = {
    "type": "record", "name": "Person", "fields": [
        {"name": "number", "type": TEXT},
        {"name": "age", "type": ["null", "int"]},
        {"name": "nick", "type": [TEXT, "null"]},
    ],
}  # fmt: skip
SCHEMA: dict[str, Any] = {
    "type": "record", "name": "Order", "namespace": "shop", "fields": [
        {"name": "id", "type": TEXT},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "customer", "type": ["null", PERSON]},
        {"name": "people", "type": {"type": "array", "items": "Person"}},
        {"name": "groups", "type": ["null", {"type": "array", "items": {
            "type": "array", "items": ["null", "Person"]}}]},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["NEW", "OLD"]}},
        {"name": "paid", "type": ["null", "boolean"]},
        {"name": "total", "type": ["null", "double"]},
        {"name": "weight", "type": "float"},
        {"name": "mark", "type": {"type": "fixed", "name": "Mark", "size": 2}},
        {"name": "raw", "type": ["null", "bytes"]},
        {"name": "labels", "type": {"type": "map", "values": ["null", NUMBER]}},
        {"name": "extra", "type": ["null", {"type": "record", "name": "Extra", "fields": [
            {"name": "a", "type": ["null", TEXT]}, {"name": "b", "type": {"type": "array", "items": "null"}}]}]},
        {"name": "tags", "type": {"type": "array", "items": ["null", TEXT]}},
    ],
}  # fmt: skip
PLACES = [
    "id", "at", "customer.number", "customer.age", "people[].number", "people[].age", "groups[][].number", "kind",
    "paid", "total", "labels", "raw", "tags[]",
]  # fmt: skip
WANTED = {
    "id": "string", "at": "integer", "customer.number": "string", "customer.age": "integer",
    "people[].number": "string", "people[].age": "integer", "groups[][].number": "string", "kind": "string",
    "paid": "boolean", "total": "number", "tags[]": "string",
}  # fmt: skip
WRITER = read_record(json.dumps(SCHEMA), "order.avsc")
PARSED = fastavro.parse_schema(SCHEMA)

texts = st.text(max_size=6)
longs = st.integers(-(2**63), 2**63 - 1)
people = st.fixed_dictionaries(
    {"number": texts, "age": st.none() | st.integers(-(2**31), 2**31 - 1), "nick": st.none() | texts}
)
orders = st.fixed_dictionaries(
    {
        "id": texts,
        "at": longs,
        "customer": st.none() | people,
        "people": st.lists(people, max_size=4),
        "groups": st.none() | st.lists(st.lists(st.none() | people, max_size=3), max_size=3),
        "kind": st.sampled_from(["NEW", "OLD"]),
        "paid": st.none() | st.booleans(),
        "total": st.none() | st.floats(allow_nan=False),
        "weight": st.floats(width=32, allow_nan=False),
        "mark": st.binary(min_size=2, max_size=2),
        "raw": st.none() | st.binary(max_size=5),
        "labels": st.dictionaries(texts, st.none() | longs, max_size=3),
        "extra": st.none()
        | st.fixed_dictionaries({"a": st.none() | texts, "b": st.lists(st.none(), max_size=3)}),
        "tags": st.lists(st.none() | texts, max_size=3),
    }
)


def body(value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, PARSED, value)
    return out.getvalue()


def plain(read: Messages) -> tuple[Any, ...]:
    columns = {name: column.to_pylist() for name, column in read.columns.items()}
    return read.rows.tolist(), columns, dict(read.bad), dict(read.untagged)


def both(bodies: list[bytes], wanted: dict[str, str] = WANTED, places: list[str] = PLACES) -> Messages:
    """What is read, after it was held against the definition."""
    messages = AvroMessages(WRITER, places, wanted)
    assert messages._nested is not None
    given_ = Bodies.of(bodies)
    read = messages.read(given_)
    assert plain(read) == plain(messages.one_by_one(given_, range(len(bodies))))
    return read


@given(st.lists(orders, max_size=12))
def test_all_that_is_written_is_read_alike(values: list[Any]) -> None:
    """Every type and depth of nesting, nulls and empty arrays among them; none of it is left to the definition."""
    bodies = [body(value) for value in values]
    read = both(bodies)
    assert read.rows.tolist() == list(range(len(values)))
    decoder = AvroMessages(WRITER, PLACES, WANTED)._nested
    assert decoder is not None
    assert not len(decoder.decode(Bodies.of(bodies)).doubtful)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An order of which some bytes were cut, changed, put in or added."""
    raw = bytearray(body(draw(orders)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(raw)))
        match draw(st.sampled_from(["cut", "change", "insert"])):
            case "cut":
                del raw[place : place + draw(st.integers(1, 4))]
            case "change" if place < len(raw):
                raw[place] = draw(st.integers(0, 255))
            case _:
                raw[place:place] = draw(st.binary(min_size=1, max_size=3))
    return bytes(raw)


@given(st.lists(damaged() | st.binary(max_size=40), max_size=12))
def test_whatever_the_bytes_are_both_roads_agree(bodies: list[bytes]) -> None:
    """What is bad is bad for the same reason, and nothing of it reaches the body beside it."""
    both(bodies)


@given(
    st.lists(orders, max_size=6), st.sets(st.sampled_from(PLACES)), st.sets(st.sampled_from(sorted(WANTED)))
)
def test_what_a_contract_does_not_know_is_counted_alike(
    values: list[Any], places: set[str], wanted: set[str]
) -> None:
    """Whichever places it names and whichever of them are read."""
    known = sorted({"labels", *places, *wanted})
    both([body(value) for value in values], {name: WANTED[name] for name in sorted(wanted)}, known)


def order(**said: Any) -> dict[str, Any]:
    return {
        "id": "o", "at": 1, "customer": None, "people": [], "groups": None, "kind": "NEW", "paid": None, "total": None,
        "weight": 0.0, "mark": b"ab", "raw": None, "labels": {}, "extra": None, "tags": [], **said,
    }  # fmt: skip


def test_long_arrays_are_left_to_the_definition() -> None:
    """One with very many items does not make the others wait; it is read too."""
    person = {"number": "7", "age": None, "nick": None}
    many = order(people=[person] * 5_000)
    read = both([body(order(people=[person])), body(many), body(order())])
    assert [len(items) for items in read.columns["people[].number"].to_pylist()] == [1, 5_000, 0]


def test_many_items_of_nothing_cost_no_more_than_the_definition() -> None:
    """Arrays of arrays of null: some kilobytes that say there are millions of items, in every body of a batch."""
    hostile = body(order(groups=[[None] * 99] * 99))
    messages = AvroMessages(WRITER, PLACES, WANTED)
    bodies = Bodies.of([hostile] * 200)
    assert million_steps(lambda: messages.read(bodies)) < 200
    assert len(messages.read(bodies).rows) == 200


def test_items_beyond_the_bound_of_a_batch_are_left_to_the_definition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which then reads the same."""
    monkeypatch.setattr("streams.tagging.decode.nested._MOST_ITEMS", 3)
    monkeypatch.setattr("streams.tagging.decode.nested._ITEMS_EACH", 0)
    person = {"number": "7", "age": 3, "nick": None}
    read = both([body(order(people=[person] * count)) for count in (1, 2, 3, 0)])
    assert [len(items) for items in read.columns["people[].number"].to_pylist()] == [1, 2, 3, 0]


@pytest.mark.parametrize(
    ("kind", "place", "wanted"),
    [
        (["null", "string", "long"], "x", "string"),
        ({"type": "map", "values": "string"}, "x.*", "string"),
        ("long", "x", "string"),
        ({"type": "array", "items": "string"}, "x", "string"),
        ("float", "x", "number"),
    ],
)
def test_schemas_that_are_left_to_the_definition(kind: Any, place: str, wanted: str) -> None:
    """Wider unions, maps and other types where a contract reads something."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": kind}]}
    with pytest.raises(Unsupported):
        NestedDecoder(schema, tree([place]), {place: wanted}, {place: repeats(place)})


def test_nothing_is_read_as_nothing() -> None:
    """A batch without a body has every column, empty."""
    read = both([])
    assert read.rows.tolist() == np.zeros(0).tolist()
    assert set(read.columns) == set(WANTED)

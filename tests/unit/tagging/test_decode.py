"""The columnar decoder against its definition, one record at a time: same rows, same columns, same refusals."""

from __future__ import annotations

import math
import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import SINGLE_OBJECT_PREFIX, decode_body, encode
from schemas.errors import DecodeError
from schemas.records import RecordSchema, load_records
from streams.tagging.decode.columnar import Bodies, ColumnDecoder, Decoded
from tests.support.company import model_examples
from tests.support.records import (
    BIG_NUMBERS,
    EVENT_TIME,
    blocks,
    body_of,
    field_bytes,
    flat_records,
    record_of,
    varint,
)

EXAMPLES = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
Block = tuple[RecordSchema, list[bytes], dict[int, dict[str, Any]]]
OUR_FLAT_RECORDS = [record for record in load_records().values() if record.flat]

SAMPLE = record_of(
    {"name": "occurred_at", "type": EVENT_TIME},
    {"name": "who", "type": "string"},
    {"name": "count", "type": "int"},
    {"name": "flag", "type": "boolean"},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B", "C"]}},
    {"name": "note", "type": ["null", "string"]},
    {"name": "last", "type": [{"type": "bytes", "logicalType": "decimal", "precision": 4}, "null"]},
)
PARTS = {
    "occurred_at": varint(1_770_000_000_000),
    "who": field_bytes("string", "Åse"),
    "count": varint(-7),
    "flag": b"\x01",
    "kind": varint(2),
    "note": b"\x02" + field_bytes("string", "blåbær"),
    "last": b"\x00" + field_bytes("bytes", b"\x00\xff"),
}
VALUE = {
    "occurred_at": 1_770_000_000_000,
    "who": "Åse",
    "count": -7,
    "flag": True,
    "kind": "C",
    "note": "blåbær",
    "last": b"\x00\xff",
}


def sample(**changed: bytes) -> bytes:
    """A body of the sample record with the wire bytes of some fields exchanged."""
    return b"".join((PARTS | changed).values())


def plain(values: list[Any]) -> list[Any]:
    """Floats as their bits: NaN is then itself, and 0.0 is not -0.0."""
    return [struct.pack("<d", value) if isinstance(value, float) else value for value in values]


def decode_both(record: RecordSchema, bodies: list[bytes], wanted: list[str] | None = None) -> Decoded:
    """Decode on both roads, which must agree in every respect; the answer of the columnar one."""
    names = [field.name for field in record.fields] if wanted is None else wanted
    decoder = ColumnDecoder(record, names)
    fast, slow = decoder.decode(Bodies.of(bodies)), decoder.decode_one_by_one(Bodies.of(bodies))
    assert fast.rows.tolist() == slow.rows.tolist()
    assert dict(fast.bad) == dict(slow.bad)
    assert list(fast.columns) == list(slow.columns) == list(dict.fromkeys(names))
    for name, column in fast.columns.items():
        column.validate(full=True)
        assert column.type == slow.columns[name].type
        assert plain(column.to_pylist()) == plain(slow.columns[name].to_pylist())
    assert sorted([*fast.rows.tolist(), *fast.bad]) == list(range(len(bodies)))
    return fast


def expect_block(block: Block) -> None:
    """Both roads agree, and what nothing happened to comes out as it went in, at its own position."""
    record, bodies, known = block
    assert ColumnDecoder(record, []).columnar
    decoded = decode_both(record, bodies)
    columns = {name: plain(column.to_pylist()) for name, column in decoded.columns.items()}
    row_of = {position: row for row, position in enumerate(decoded.rows.tolist())}
    for position, value in known.items():
        row = row_of[position]
        assert [columns[name][row] for name in value] == plain(list(value.values()))


@EXAMPLES
@given(blocks(flat_records()))
def test_random_schemas_decode_alike_on_both_roads(block: Block) -> None:
    """For any flat schema and any damage, both roads give the same rows, values and reasons."""
    expect_block(block)


@EXAMPLES
@given(blocks(st.sampled_from(OUR_FLAT_RECORDS)))
def test_our_own_records_decode_alike_on_both_roads(block: Block) -> None:
    """The same for the records that innsyn ships."""
    expect_block(block)


@EXAMPLES
@given(blocks(flat_records()), st.data())
def test_a_field_nobody_wants_is_judged_all_the_same(block: Block, data: st.DataObject) -> None:
    """Which fields are wanted changes neither which bodies are good nor the reasons."""
    record, bodies, _ = block
    names = data.draw(st.lists(st.sampled_from([field.name for field in record.fields])))
    some, everything = decode_both(record, bodies, names), decode_both(record, bodies)
    assert some.rows.tolist() == everything.rows.tolist()
    assert some.bad == everything.bad


MALFORMED = {
    "overlong time": ({"occurred_at": b"\x80\x00"}, "not_canonical"),
    "overlong length": ({"who": b"\x82\x00a"}, "not_canonical"),
    "ten bytes and more than 64 bits": ({"occurred_at": b"\xff" * 9 + b"\x02"}, "not_canonical"),
    "eleven bytes": ({"occurred_at": b"\xff" * 10 + b"\x01"}, "not_canonical"),
    "int beyond 32 bits": ({"count": varint(2**31)}, "not_canonical"),
    "int below 32 bits": ({"count": varint(-(2**31) - 1)}, "not_canonical"),
    "int of ten bytes": ({"count": varint(-(2**63))}, "not_canonical"),
    "boolean 2": ({"flag": b"\x02"}, "not_canonical"),
    "boolean 255": ({"flag": b"\xff"}, "not_canonical"),
    "enum index -1": ({"kind": varint(-1)}, "not_canonical"),
    "enum index past the end": ({"kind": varint(3)}, "malformed_body"),
    "enum index beyond 32 bits": ({"kind": varint(2**32)}, None),
    "enum index beyond 63 bits": ({"kind": varint(-(2**63))}, None),
    "overlong enum index": ({"kind": b"\x80\x00"}, "not_canonical"),
    "union index 2": ({"note": varint(2)}, "malformed_body"),
    "union index 4": ({"note": varint(4)}, "malformed_body"),
    "union index -1": ({"note": varint(-1) + b"\x02a"}, "not_canonical"),
    "union index -2": ({"note": varint(-2)}, "not_canonical"),
    "union index beyond 32 bits": ({"note": varint(2**32)}, None),
    "overlong union index": ({"note": b"\x80\x00"}, "not_canonical"),
    "null first read as null last": ({"last": b"\x02\x02a"}, "trailing_bytes"),
    "not UTF-8": ({"who": b"\x04\xc3\x28"}, "malformed_body"),
    "lone continuation byte": ({"who": b"\x02\x80"}, "malformed_body"),
    "surrogate in UTF-8": ({"who": b"\x06\xed\xa0\x80"}, "malformed_body"),
    "overlong UTF-8": ({"note": b"\x02\x04\xc0\xaf"}, "malformed_body"),
    "character cut by the length": ({"who": b"\x02\xc3"}, "malformed_body"),
    "negative length": ({"who": varint(-1)}, "truncated"),
    "most negative length": ({"who": varint(-(2**63))}, "truncated"),
    "length beyond the end": ({"last": b"\x00" + varint(3) + b"ab"}, "truncated"),
    "length far beyond the end": ({"who": varint(2**31)}, "truncated"),
    "length that overflows 64 bits": ({"who": varint(2**63 - 1)}, "truncated"),
    "optional length that overflows": ({"note": b"\x02" + varint(2**63 - 1)}, "truncated"),
    "last number cut short": ({"last": b"\x00\x82"}, "truncated"),
    "one byte too many": ({"last": b"\x02\x00"}, "trailing_bytes"),
    "nothing of the last field": ({"last": b""}, "truncated"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_body_fails_alone(case: str) -> None:
    """One foul body between two good ones: it alone is refused, with its reason, the others keep their values."""
    parts, reason = MALFORMED[case]
    decoded = decode_both(SAMPLE, [sample(), sample(**parts), sample(who=field_bytes("string", "Ola"))])
    assert decoded.rows.tolist() == [0, 2]
    assert decoded.columns["who"].to_pylist() == ["Åse", "Ola"]
    if reason is not None:
        assert decoded.bad == {1: reason}
    for name in set(VALUE) - {"who"}:
        assert decoded.columns[name].to_pylist() == [VALUE[name]] * 2


@pytest.mark.parametrize("case", MALFORMED)
@pytest.mark.parametrize("wanted", [[], ["count"]])
def test_a_malformed_body_fails_when_its_field_is_not_wanted(case: str, wanted: list[str]) -> None:
    """Text that is not UTF-8, say, is refused in fields nobody reads too."""
    decoded = decode_both(SAMPLE, [sample(**MALFORMED[case][0]), sample()], wanted)
    assert decoded.rows.tolist() == [1]


@pytest.mark.parametrize("number", [0, -1, 63, 64, -64, -65, 2**31 - 1, -(2**31), *BIG_NUMBERS])
def test_numbers_of_every_width_come_out_as_written(number: int) -> None:
    """Longs use one to ten bytes; each comes out exact, beside narrow ones."""
    decoded = decode_both(SAMPLE, [sample(), sample(occurred_at=varint(number)), sample()])
    assert decoded.columns["occurred_at"].to_pylist() == [VALUE["occurred_at"], number, VALUE["occurred_at"]]
    assert not decoded.bad


def test_empty_text_is_not_null() -> None:
    """Zero-length values and nulls stay apart, in the first, middle and last body of a block."""
    empty = sample(who=b"\x00", note=b"\x02\x00", last=b"\x00\x00")
    null = sample(who=b"\x00", note=b"\x00", last=b"\x02")
    decoded = decode_both(SAMPLE, [empty, null, sample(), null, empty])
    assert decoded.columns["who"].to_pylist() == ["", "", "Åse", "", ""]
    assert decoded.columns["note"].to_pylist() == ["", None, "blåbær", None, ""]
    assert decoded.columns["last"].to_pylist() == [b"", None, b"\x00\xff", None, b""]


def test_a_block_of_no_bodies_gives_empty_columns() -> None:
    """Nothing in, nothing out, with the columns' types."""
    decoded = decode_both(SAMPLE, [])
    assert len(decoded.rows) == 0
    assert not decoded.bad
    assert {name: len(column) for name, column in decoded.columns.items()} == dict.fromkeys(VALUE, 0)


def test_empty_bodies_are_truncated() -> None:
    """A block of nothing but empty bodies has no byte to look at, and still refuses each."""
    assert decode_both(SAMPLE, [b"", b""]).bad == {0: "truncated", 1: "truncated"}
    assert decode_both(SAMPLE, [b"", sample(), b""]).rows.tolist() == [1]


def test_a_record_whose_fields_are_all_null_has_empty_bodies() -> None:
    """Then the empty body is the only good one."""
    record = record_of({"name": "occurred_at", "type": EVENT_TIME}, {"name": "nothing", "type": "null"})
    decoded = decode_both(record, [b"\x00", b"", b"\x00\x00"])
    assert decoded.columns["nothing"].to_pylist() == [None]
    assert decoded.bad == {1: "truncated", 2: "trailing_bytes"}


def test_a_body_of_ten_megabytes_stands_beside_small_ones() -> None:
    """Its text arrives whole; cut by one byte it fails alone."""
    text = "ø" * 5_000_000
    large = sample(who=field_bytes("string", text))
    decoded = decode_both(SAMPLE, [sample(), large, sample(), large[:-1], b"\xff" * 10_000_000])
    assert decoded.columns["who"].to_pylist() == ["Åse", text, "Åse"]
    assert decoded.bad == {3: "truncated", 4: decoded.bad[4]}


def test_doubles_keep_their_bits() -> None:
    """Infinities, minus zero and NaN come out as they went in, nulls between them."""
    record = record_of(
        {"name": "occurred_at", "type": EVENT_TIME}, {"name": "value", "type": ["null", "double"]}
    )
    given_values = [1.5, None, -0.0, math.inf, None, math.nan, 5e-324]
    bodies = [body_of(record, {"occurred_at": 0, "value": value}) for value in given_values]
    column = decode_both(record, bodies).columns["value"]
    assert column.type == pa.float64()
    assert plain(column.to_pylist()) == plain(given_values)


def test_bodies_need_not_touch_in_the_buffer() -> None:
    """Framing between the bodies stays in the buffer; a body never reads over its end into it."""
    body = sample()
    glued = Bodies.of([b"\x02frame", body, b"\xff" * 10, body[:-1]])
    apart = Bodies(glued.data, glued.begin[1::2], glued.end[1::2])
    decoded = ColumnDecoder(SAMPLE, ["who"]).decode(apart)
    assert decoded.rows.tolist() == [0]
    assert decoded.bad == {1: "truncated"}
    assert len(apart) == 2
    assert apart[0] == body


@pytest.mark.parametrize("name", ["Invoice", "Disclosure", "ErasureCommand", "NoticeSent"])
def test_records_with_lists_take_the_slow_road(name: str) -> None:
    """They decode one by one to what was encoded, and a bad one is refused alone."""
    record, examples = load_records()[name], model_examples(name)
    bodies = [encode(record, example)[SINGLE_OBJECT_PREFIX:] for example in examples]
    decoder = ColumnDecoder(record, ["customer_number" if name != "ErasureCommand" else "command_id"])
    decoded = decoder.decode(Bodies.of([bodies[0][:-1], *bodies, b""]))
    assert not decoder.columnar
    assert decoded.rows.tolist() == list(range(1, 1 + len(bodies)))
    assert decoded.bad == {0: "truncated", len(bodies) + 1: "truncated"}
    (column,) = decoded.columns.values()
    assert column.to_pylist() == [example[next(iter(decoded.columns))] for example in examples]


def test_fields_of_nested_records_are_named_with_dots() -> None:
    """A nested record's field is a column of its own, null where the record is."""
    who = {"name": "who", "type": "string", "innsyn": {"category": "none"}}
    nested = {"type": "record", "name": "Inner", "fields": [who]}
    record = record_of(
        {"name": "occurred_at", "type": EVENT_TIME}, {"name": "inner", "type": ["null", nested]}
    )
    decoder = ColumnDecoder(record, ["inner.who"])
    decoded = decoder.decode(Bodies.of([b"\x00\x02\x06Ola", b"\x00\x00"]))
    assert decoded.columns["inner.who"].to_pylist() == ["Ola", None]


def test_thirty_two_bit_floats_take_the_slow_road() -> None:
    """They decode, one by one, to the nearest double."""
    record = record_of({"name": "occurred_at", "type": EVENT_TIME}, {"name": "value", "type": "float"})
    decoder = ColumnDecoder(record, ["value"])
    assert not decoder.columnar
    assert decode_both(record, [b"\x00" + struct.pack("<f", 0.5)]).columns["value"].to_pylist() == [0.5]


def test_a_reason_carries_nothing_of_the_body() -> None:
    """Neither the error nor the reason shows what stood in the record."""
    with pytest.raises(DecodeError) as caught:
        decode_body(SAMPLE, sample(who=b"\x12secret\xc3\x28!"))
    assert "secret" not in str(caught.value)
    assert caught.value.reason == "malformed_body"

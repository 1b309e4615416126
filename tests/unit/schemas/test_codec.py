"""Framing and strict coding of one record."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import (
    SINGLE_OBJECT_PREFIX,
    confluent_prefix,
    decode,
    decode_body,
    encode,
    encode_body,
    single_object_prefix,
    split_frame,
)
from schemas.errors import DecodeError, SchemaError
from schemas.records import RecordSchema, load_records
from tests.support.company import model_examples
from tests.support.records import EVENT_TIME, body_of, flat_records, record_of, values, varint

OURS = sorted(load_records())
UUID = {"type": "string", "logicalType": "uuid"}


def reason_of(message: bytes, record: RecordSchema | None = None) -> str:
    """Why a message (of a record: its body) is refused."""
    with pytest.raises(DecodeError) as caught:
        split_frame(message) if record is None else decode_body(record, message)
    return caught.value.reason


@pytest.mark.parametrize("name", OURS)
def test_every_example_survives_the_wire(name: str) -> None:
    """Encoded and decoded again, logical types included, an example is what it was."""
    record = load_records()[name]
    for example in model_examples(name):
        assert decode(record, encode(record, example)) == example
        assert decode(record, confluent_prefix(7) + encode_body(record, example)) == example


@given(flat_records().flatmap(lambda record: st.tuples(st.just(record), values(record))))
def test_a_body_means_the_values_it_was_written_from(drawn: tuple[RecordSchema, dict[str, Any]]) -> None:
    """Bodies written by an independent encoder decode to their plain values, for any flat schema."""
    record, value = drawn
    found = decode_body(record, body_of(record, value))
    assert {name: repr(found[name]) for name in found} == {name: repr(value[name]) for name in value}


@given(flat_records().flatmap(lambda record: st.tuples(st.just(record), values(record))), st.data())
def test_no_proper_prefix_and_no_longer_body_passes(
    drawn: tuple[RecordSchema, dict[str, Any]], data: st.DataObject
) -> None:
    """Every byte has to be consumed, and none may be missing."""
    record, value = drawn
    body = body_of(record, value)
    cut = body[: data.draw(st.integers(0, len(body) - 1))]
    assert reason_of(cut, record) == "truncated"
    assert reason_of(body + data.draw(st.binary(min_size=1, max_size=9)), record) == "trailing_bytes"


def rabin(text: bytes) -> int:
    """CRC-64-AVRO bit by bit (Avro specification, "Schema Fingerprints")."""
    empty = fingerprint = 0xC15D213AA4D7A795
    for byte in text:
        step = (fingerprint ^ byte) & 0xFF
        for _ in range(8):
            step = (step >> 1) ^ (empty if step & 1 else 0)
        fingerprint = (fingerprint >> 8) ^ step
    return fingerprint


def test_single_object_encoding_is_the_standards() -> None:
    """C3 01, then the fingerprint of the Parsing Canonical Form, little-endian; annotations do not count."""
    record = record_of({"name": "occurred_at", "type": EVENT_TIME})
    form = b'{"name":"no.innsyn.Sample","type":"record","fields":[{"name":"occurred_at","type":"long"}]}'
    assert single_object_prefix(record) == b"\xc3\x01" + rabin(form).to_bytes(8, "little")


def test_confluent_framing_is_a_zero_and_the_id() -> None:
    """Four bytes, big-endian."""
    assert confluent_prefix(258) == b"\x00\x00\x00\x01\x02"
    assert split_frame(b"\x00\x00\x00\x01\x02body") == (b"\x00\x00\x00\x01\x02", b"body")
    assert split_frame(b"\x00\x00\x00\x01\x02") == (b"\x00\x00\x00\x01\x02", b"")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "empty_payload"),
        (b"\x00", "unknown_framing"),
        (b"\x00\x00\x00\x01", "unknown_framing"),
        (b"\xc3\x01" + b"x" * 7, "unknown_framing"),
        (b"\xc3\x02" + b"x" * 20, "unknown_framing"),
        (b'{"who": "kari"}', "unknown_framing"),
        (b"Obj\x01", "unknown_framing"),
    ],
)
def test_other_framings_are_refused(message: bytes, reason: str) -> None:
    """JSON, container files and frames cut short each get a reason, never a guess."""
    assert reason_of(message) == reason


@pytest.mark.parametrize(
    "change",
    [{"client_address": 7}, {"client_port": "x"}, {"occurred_at": None}, {"status": 2**31}, {"extra": 1}],
)
def test_a_value_that_does_not_fit_is_refused_unseen(change: dict[str, Any]) -> None:
    """The error names file and record and shows no value of the event."""
    record, example = load_records()["WebVisit"], model_examples("WebVisit")[0]
    with pytest.raises(SchemaError) as caught:
        encode(record, example | change)
    assert str(caught.value).startswith("avro/web_visit.avsc: WebVisit: ")
    assert "203.0.113" not in str(caught.value)


def test_a_missing_field_is_refused() -> None:
    """A field left out is an upstream fault even where a default exists: producers say what they mean."""
    example = model_examples("WebVisit")[0]
    del example["client_port"]
    with pytest.raises(SchemaError):
        encode(load_records()["WebVisit"], example)


@pytest.mark.parametrize(
    ("avro_type", "wire"),
    [
        (EVENT_TIME, varint(2**62)),
        (EVENT_TIME, varint(-(2**62))),
        ({"type": "int", "logicalType": "date"}, varint(2**31 - 1)),
        (UUID, b"\x08kari"),
    ],
)
def test_a_value_no_python_type_holds_is_a_decode_error(avro_type: Any, wire: bytes) -> None:
    """The body is valid and its plain number readable; as datetime, date or UUID it is refused, not a crash."""
    record = record_of({"name": "occurred_at", "type": EVENT_TIME}, {"name": "odd", "type": avro_type})
    assert decode_body(record, b"\x00" + wire)["occurred_at"] == 0
    with pytest.raises(DecodeError) as caught:
        decode(record, single_object_prefix(record) + b"\x00" + wire)
    assert caught.value.reason == "malformed_body"
    assert "kari" not in str(caught.value)


def test_the_prefix_of_an_event_is_its_schemas() -> None:
    """An event begins with its record's prefix, two records never share one."""
    prefixes = {single_object_prefix(record) for record in load_records().values()}
    assert len(prefixes) == len(OURS)
    for name in OURS:
        message = encode(load_records()[name], model_examples(name)[0])
        assert split_frame(message) == (
            single_object_prefix(load_records()[name]),
            message[SINGLE_OBJECT_PREFIX:],
        )

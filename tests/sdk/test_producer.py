"""Events of the SDK's producer: what is wrong is said by its path and never by its value; what is sent innsyn reads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import Consumer
from hypothesis import given
from hypothesis import strategies as st
from innsyn_sdk.events import NotAnEvent, NotASchema, Schema
from innsyn_sdk.producer import EventProducer, NotDelivered

from schemas.codec import confluent_prefix, decode, encode
from tests.support.company import model
from tests.support.tagging import in_process_broker

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
ORDER: dict[str, Any] = {
    "type": "record",
    "name": "no.example.Order",
    "fields": [
        {"name": "customer", "type": "string"},
        {"name": "placed_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "either", "type": ["null", "string", "int"], "default": None},
        {
            "name": "lines",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Line",
                    "fields": [
                        {"name": "count", "type": "int"},
                        {
                            "name": "kind",
                            "type": {"type": "enum", "name": "Kind", "symbols": ["NEW", "USED"]},
                        },
                    ],
                },
            },
        },
        {"name": "first", "type": ["null", "Line"], "default": None},
        {"name": "tags", "type": {"type": "map", "values": "int"}, "default": {}},
    ],
}
GOOD: dict[str, Any] = {"customer": "kari", "placed_at": NOW, "lines": [{"count": 1, "kind": "NEW"}]}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"customer": 5}, "customer is no string"),
        ({"customer": None}, "customer may not be null"),
        ({"placed_at": "kari"}, "placed_at is no timestamp-millis"),
        ({"placed_at": NOW.replace(tzinfo=None)}, "placed_at is a time without its zone"),
        ({"note": 7}, "note is no string"),
        ({"either": 1.5}, "either is of none of its types"),
        ({"lines": "kari"}, "lines is no array"),
        (
            {"lines": [{"count": 1, "kind": "NEW"}, {"count": 2**40, "kind": "kari"}]},
            "lines[1].count is no int",
        ),
        ({"lines": [{"count": 1, "kind": "kari"}]}, "lines[0].kind is no enum (NEW, USED)"),
        ({"lines": [{"count": True, "kind": "NEW"}]}, "lines[0].count is no int"),
        ({"first": {"count": 1}}, "first.kind is missing"),
        ({"tags": {"kari": "x"}}, "tags.* is no int"),
        ({"tags": {7: 1}}, "tags.* has a key that is no text"),
        ({"kari": 1}, "the event has 1 fields that its schema lacks; it has customer, placed_at"),
    ],
)
def test_what_is_wrong_is_said_by_its_path(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(NotAnEvent) as raised:
        Schema(ORDER).message({**GOOD, **change})
    assert fault in str(raised.value)
    assert "kari" not in str(raised.value)


def test_what_is_missing_is_said_with_all_else() -> None:
    with pytest.raises(NotAnEvent) as raised:
        Schema(ORDER).message({"lines": [{}], "customer": 5})
    assert raised.value.faults == (
        "customer is no string",
        "placed_at is missing",
        "lines[0].count is missing",
        "lines[0].kind is missing",
    )


@given(st.dictionaries(st.sampled_from([*GOOD, "note", "either", "first", "tags", "x"]), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["count", "kind"]), inner, max_size=2),
    max_leaves=4,
)))  # fmt: skip
def test_whatever_is_given_it_is_sent_or_said_to_be_none(change: dict[str, Any]) -> None:
    """Never an error of another kind."""
    faults: tuple[str, ...] = ()
    try:
        assert Schema(ORDER).message({**GOOD, **change})[:2] == b"\xc3\x01"
    except NotAnEvent as error:
        faults = error.faults
    assert "" not in faults


def test_every_example_of_the_company_is_what_innsyn_writes() -> None:
    """To the byte, in both framings."""
    company, looked = model(), 0
    for name, record in company.records.items():
        for example in company.examples(name):
            looked += 1
            assert Schema(record.json).message(example) == encode(record, example)
            framed = Schema(record.json, registry_id=77).message(example)
            assert framed[:5] == confluent_prefix(77)
            assert framed[5:] == encode(record, example)[10:]
    assert looked > 20


@pytest.mark.parametrize("schema", [{}, {"type": "string"}, "no-such-file.avsc"])
def test_what_is_no_schema_is_refused_at_once(schema: Any) -> None:
    with pytest.raises(NotASchema):
        Schema(schema)
    with pytest.raises(NotASchema, match="whole number"):
        Schema(ORDER, registry_id=0)


def test_events_are_stored_by_the_end() -> None:
    """And innsyn reads them."""
    company = model()
    record = company.records["Login"]
    example = company.examples("Login")[0]
    with in_process_broker() as broker:
        kafka = {"bootstrap.servers": broker.connection.bootstrap}
        with EventProducer(kafka, {"logins": Schema(record.json)}) as producer:
            producer.send("logins", example, key="a")
            with pytest.raises(NotAnEvent):
                producer.send("logins", {})
        reader = Consumer({**kafka, "group.id": "test", "auto.offset.reset": "earliest"})
        reader.subscribe(["logins"])
        try:
            message = next(
                found for _ in range(300) if (found := reader.poll(0.2)) is not None and not found.error()
            )
        finally:
            reader.close()
        assert decode(record, message.value() or b"") == example


def test_what_kafka_does_not_store_is_said() -> None:
    """How many and to which topic, and nothing of the event."""
    producer = EventProducer(
        {"bootstrap.servers": "127.0.0.1:1", "log_level": 2}, {"logins": Schema(ORDER)}, seconds=0.5
    )
    producer.send("logins", GOOD)
    with pytest.raises(NotDelivered, match=r"1 to logins \(_MSG_TIMED_OUT\)"):
        producer.flush()

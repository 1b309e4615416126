"""Events in Avro that somebody else owns, tagged by their contract: nested, flat, by a registry or a file."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import confluent_prefix, encode_body
from schemas.records import read_record
from tests.support.by_contract import NESTED, Registered, avro, customer, dead, nested, placed, prepare, rows
from tests.support.claims import NOW
from tests.support.contracts import ORDER, TOPIC, contract, order

FLAT = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "order_id", "type": "string"},
        {"name": "placed_at", "type": "long"},
        {"name": "number", "type": ["null", "string"]},
        {"name": "nick", "type": ["null", "string"]},
    ],
}


def test_nested_avro_of_a_registry_names_several_people(tmp_path: Path) -> None:
    """Its schema needs no annotations; a body that is cut is bad alone, and a map is read by its keys."""
    said = contract(tmp_path, order(format="avro"))
    bodies = [
        avro(NESTED, nested("700104", "700105", "700106")),
        avro(NESTED, nested("700107"))[:-3],
        avro(NESTED, nested("700108", colour="red")),
        confluent_prefix(8) + b"x",
        b"{}",
    ]
    prepared = prepare(said, bodies, Registered(NESTED))
    assert {(row[0], row[1], row[2]) for row in rows(prepared)} == {
        (0, customer("700104"), "owner"),
        (0, customer("700105"), "counterparty"),
        (0, customer("700106"), "counterparty"),
        (2, customer("700108"), "owner"),
    }
    assert [at for at, _ in dead(prepared)] == [1, 3, 4]
    assert prepared.untagged == {TOPIC: {"customer.name": 2, "marks": 2}}


def test_a_body_that_may_be_too_large_is_read_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the child process, with the same answer."""
    said = contract(tmp_path, order(format="avro"))
    message = avro(NESTED, nested("700104", "700105", colour="red"))
    near = prepare(said, [message, message[:-2]], Registered(NESTED))
    monkeypatch.setattr("streams.tagging.decode.avro_messages.largest_body", lambda _: 0)
    apart = prepare(said, [message, message[:-2]], Registered(NESTED))
    assert rows(apart) == rows(near)
    assert len(rows(near)) == 2
    assert dead(apart) == dead(near)
    assert apart.untagged == near.untagged


def test_identifiers_may_be_the_values_of_a_map(tmp_path: Path) -> None:
    """Whatever its keys are."""
    fields = {
        **ORDER["fields"],
        "marks.*": {"category": "C-01", "identifier": {"kind": "customer_number", "role": "agent"}},
    }
    for message in (
        placed(marks={"a": "700105", "b": "700106"}),
        avro(NESTED, nested("700104", a="700105", b="700106")),
    ):
        form = "avro" if isinstance(message, bytes) else "json"
        said = contract(tmp_path, order(format=form, fields=fields))
        found = rows(prepare(said, [message], Registered(NESTED)))
        assert {row[1] for row in found if row[2] == "agent"} == {customer("700105"), customer("700106")}


def test_flat_avro_is_read_in_columns(tmp_path: Path) -> None:
    """With the same answer for what its schema lacks and for what no contract names."""
    fields = {name: ORDER["fields"][name] for name in ("order_id", "placed_at", "consignees[].number")}
    fields["number"] = ORDER["fields"]["customer.number"]
    said = contract(tmp_path, order(format="avro", fields=fields))
    values = [("700104", "x"), (None, None), ("700105", None)]
    bodies = [
        avro(FLAT, {"order_id": "o", "placed_at": NOW, "number": number, "nick": nick})
        for number, nick in values
    ]
    prepared = prepare(said, [*bodies, bodies[0] + b"x"], Registered(FLAT))
    assert {(row[0], row[1]) for row in rows(prepared)} == {(0, customer("700104")), (2, customer("700105"))}
    assert prepared.untagged == {TOPIC: {"nick": 1}}
    assert [at for at, _ in dead(prepared)] == [3]


@pytest.mark.parametrize("framing", ["single_object", "none"])
def test_avro_by_a_file(tmp_path: Path, framing: str) -> None:
    """Where there is no registry."""
    (tmp_path / "avro").mkdir()
    (tmp_path / "avro" / "order.avsc").write_text(json.dumps(NESTED))
    said = contract(tmp_path, order(format="avro", avro="order.avsc", framing=framing))
    body = encode_body(read_record(NESTED, "order.avsc"), nested("700104"))
    prefix = {"none": b"", "single_object": b"\xc3\x01" + read_record(NESTED, "order.avsc").fingerprint}[
        framing
    ]
    assert {row[1] for row in rows(prepare(said, [prefix + body]))} == {customer("700104")}
    other = b"\xc3\x01" + bytes(8) + body
    assert len(dead(prepare(said, [other]))) == 1


@pytest.mark.parametrize("other", ["string", {"type": "array", "items": "string"}])
def test_another_type_where_people_are_named_is_a_dead_letter(tmp_path: Path, other: Any) -> None:
    """A writer's text or array in place of the record in which the contract names somebody hides that person."""
    said = contract(tmp_path, order(format="avro"))
    writer: Any = copy.deepcopy(NESTED)
    fields = {field["name"]: field for field in writer["fields"]}
    person = fields["customer"]["type"]
    fields["customer"]["type"] = other
    fields["consignees"]["type"]["items"] = person
    value = {**nested("700104"), "customer": "700104" if other == "string" else ["700104"]}
    prepared = prepare(said, [avro(writer, value)], Registered(writer))
    assert dead(prepared) == [(0, "malformed_body")]

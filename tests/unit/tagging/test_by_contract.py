"""Events that somebody else owns, tagged by their contract: JSON, changes of Debezium, and Avro."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest

from schemas.catalogue import load_catalogue
from schemas.codec import confluent_prefix, encode_body
from schemas.contracts import Contract
from schemas.errors import UnknownSchema
from schemas.policy import RetentionAnchors
from schemas.records import read_record
from schemas.vocabulary import Role
from sinks.ports.lineage import Found, Holding
from streams.answers.erasure_plan import make_plan
from streams.kafka.batches import Key, TopicBatch
from streams.tagging.decode.refusals import Refusals
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Prepared, Preparer
from streams.tagging.scan import Scanner, load_recognisers
from streams.tagging.tag import Tagger
from tests.support.claims import NOW, TOKENIZER
from tests.support.contracts import ORDER, TOPIC, contract, order
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
) -> Prepared:
    """The messages, of which those that are no bytes are written as JSON, as one write. `keys`: of messages."""
    values = [item if isinstance(item, bytes | None) else json.dumps(item).encode() for item in messages]
    offsets = np.arange(len(values), dtype=np.int64)
    found = {(0, offset): Key(key, NOW + offset) for offset, key in (keys or {}).items()}
    batch = TopicBatch(TOPIC, values, np.zeros(len(values), np.int32), offsets, NOW, 0, keys=found)
    tagger = Tagger(TOKENIZER, "v1", KINDS, (), scanner)
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


def test_each_person_of_a_json_event_gets_a_row(tmp_path: Path) -> None:
    """Also several in an array, each once; an empty text names nobody; what is no event is a dead letter of its own."""
    messages = [
        placed("700104", "700105", "700106", "700105"),
        b"{",
        placed("700107"),
        None,
        placed(""),
        placed("700108", "", "700109"),
        placed(placed_at=None),
        placed(customer={"number": 700104}),
    ]
    prepared = prepare(contract(tmp_path, order()), messages)
    assert rows(prepared) == {
        (0, customer("700104"), "owner", "collect"),
        (0, customer("700105"), "counterparty", "collect"),
        (0, customer("700106"), "counterparty", "collect"),
        (2, customer("700107"), "owner", "collect"),
        (5, customer("700108"), "owner", "collect"),
        (5, customer("700109"), "counterparty", "collect"),
    }
    assert dead(prepared) == [
        (1, "malformed_body"),
        (3, "unnamed_deletion"),
        (6, "malformed_body"),
        (7, "malformed_body"),
    ]
    (account,) = prepared.batch.ranges
    assert (account.events, account.rows, account.dead, account.tombstones) == (4, 6, 4, 0)
    assert account.no_subject == 1


def test_rows_say_what_the_contract_says(tmp_path: Path) -> None:
    """Tag sets carry its words, and for whom they hold."""
    said = contract(tmp_path, order())
    prepared = prepare(said, [placed("700104", "700105")])
    (owner,) = prepared.batch.tag_sets
    assert (owner.record, owner.topic, owner.system, owner.schema) == (
        "ShopOrder",
        TOPIC,
        "crm",
        said.record.fingerprint.hex(),
    )
    assert owner.categories == ("C-01", "C-09", "C-31")
    assert prepared.batch.rows["event_time"].to_pylist()[0].timestamp() * 1000 == NOW


def test_a_number_is_its_decimal_text_and_a_text_keeps_its_zeros(tmp_path: Path) -> None:
    """So that one customer has one token, however each source writes the number."""
    fields = {**ORDER["fields"], "customer.number": {**ORDER["fields"]["customer.number"], "type": "integer"}}
    for name in ("customer.number", "consignees[].number"):
        fields[name] = {**ORDER["fields"][name], "type": "integer"}
    said = contract(tmp_path, order(fields=fields))
    message = placed(customer={"number": 700104}, consignees=[{"number": 700105}, {"number": 700106}])
    assert {row[1] for row in rows(prepare(said, [message]))} == set(
        map(customer, ("700104", "700105", "700106"))
    )
    assert dead(prepare(said, [placed("0700104")])) == [(0, "malformed_body")]


@pytest.mark.parametrize(
    ("time", "kind", "value"),
    [
        ({"unit": "seconds"}, "number", NOW / 1000),
        ({"unit": "millis"}, "integer", NOW),
        ({"unit": "micros"}, "integer", NOW * 1000 + 999),
        ({"unit": "io.debezium.time.NanoTimestamp"}, "integer", NOW * 1_000_000 + 1),
        ({"unit": "iso8601"}, "string", datetime.fromtimestamp(NOW / 1000, UTC).isoformat()),
        (
            {"unit": "iso8601"},
            "string",
            datetime.fromtimestamp(NOW / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        ),
        (
            {"unit": "iso8601", "zone": "Europe/Oslo"},
            "string",
            datetime.fromtimestamp(NOW / 1000 + 3600, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        ),
    ],
)
def test_times_have_their_unit(tmp_path: Path, time: dict[str, Any], kind: str, value: Any) -> None:
    """Whatever it is, the index keeps milliseconds in UTC; a text among others that is no time is bad alone."""
    fields = {**ORDER["fields"], "placed_at": {"category": "none", "type": kind}}
    said = contract(tmp_path, order(event_time={"path": "placed_at", **time}, fields=fields))
    prepared = prepare(
        said, [placed(placed_at=value), placed(placed_at=value if kind != "string" else "soon")]
    )
    times = [round(row.timestamp() * 1000) for row in prepared.batch.rows["event_time"].to_pylist()]
    assert times == [NOW] * (1 if kind == "string" else 2)


def test_days_are_midnight(tmp_path: Path) -> None:
    """As `io.debezium.time.Date` counts."""
    said = contract(tmp_path, order(event_time={"path": "placed_at", "unit": "days"}))
    (time,) = prepare(said, [placed(placed_at=20_000)]).batch.rows["event_time"].to_pylist()
    assert time.date().isoformat() == "2024-10-04"


def test_texts_inside_are_read(tmp_path: Path) -> None:
    """What somebody wrote into an order names people too."""
    scanner = Scanner(KINDS, load_recognisers())
    prepared = prepare(contract(tmp_path, order()), [placed(note="Ring kari@example.com")], scanner=scanner)
    assert "mentioned" in {row[2] for row in rows(prepared)}
    assert set(prepared.batch.findings["field"].to_pylist()) == {"note"}


def test_fields_of_no_contract_are_counted(tmp_path: Path) -> None:
    """By path, of all messages that are tagged."""
    prepared = prepare(
        contract(tmp_path, order()), [placed(nick="x"), placed(nick="y", extra={"a": 1}), placed()]
    )
    assert prepared.untagged == {TOPIC: {"nick": 2, "extra": 1}}
    assert len(rows(prepared)) == 3


ROW = {"order_id": "o1", "placed_at": NOW, "customer": {"number": "700104"}}


def change(op: str, before: Any, after: Any, **said: Any) -> dict[str, Any]:
    source = {"ts_ms": NOW + 5, "table": "orders", "snapshot": "false"}
    return {"op": op, "before": before, "after": after, "ts_ms": NOW + 9, "source": source, **said}


@pytest.mark.parametrize("schema", [False, True], ids=["plain", "with schema"])
def test_changes_of_debezium_are_those_of_their_rows(tmp_path: Path, schema: bool) -> None:
    """A row that changed its customer names both; one that was deleted says so, at the time of the database."""
    former = {**ROW, "customer": {"number": "700105"}}
    changes = [
        change("c", None, ROW),
        change("u", former, ROW),
        change("d", ROW, None),
        change("r", None, {**ROW, "nick": "x"}),
        change("t", None, None),
        change("x", None, ROW),
        {"op": "c"},
        {"id": 1},
    ]
    messages: list[Any] = [
        {"schema": {"type": "struct", "fields": [{"field": "op"}]}, "payload": item} if schema else item
        for item in changes
    ]
    prepared = prepare(contract(tmp_path, order(envelope="debezium")), [*messages, None])
    assert rows(prepared) == {
        (0, customer("700104"), "owner", "collect"),
        (1, customer("700104"), "owner", "collect"),
        (1, customer("700105"), "owner", "collect"),
        (2, customer("700104"), "owner", "source_delete"),
        (3, customer("700104"), "owner", "collect"),
    }
    assert dead(prepared) == [(5, "malformed_body"), (6, "malformed_body"), (7, "malformed_body")]
    times = {
        row["offset"]: round(row["event_time"].timestamp() * 1000) for row in prepared.batch.rows.to_pylist()
    }
    assert times == {0: NOW, 1: NOW, 2: NOW + 5, 3: NOW}
    untagged = dict(prepared.untagged[TOPIC])
    assert untagged.pop("id") == 1
    assert untagged == {"nick": 1}
    (account,) = prepared.batch.ranges
    assert (account.events, account.no_subject, account.tombstones) == (5, 1, 1)


def test_the_time_of_the_envelope(tmp_path: Path) -> None:
    """Where the rows themselves have none."""
    said = contract(tmp_path, order(envelope="debezium", event_time={"envelope": "source.ts_ms"}))
    (time,) = prepare(said, [change("c", None, ROW)]).batch.rows["event_time"].to_pylist()
    assert round(time.timestamp() * 1000) == NOW + 5


def test_an_erasure_names_the_paths_of_a_contract(tmp_path: Path) -> None:
    """The system is told which fields of which record go, as of any other record."""
    said = contract(tmp_path, order())
    tags = prepare(said, [placed("700104")]).batch.tag_sets[0]
    gone = make_plan(
        Found((Holding(tags, 1, WHEN, WHEN),), 1),
        load_catalogue(),
        date(2040, 1, 1),
        RetentionAnchors(case_closed=date(2026, 4, 1)),
        records={"ShopOrder": said.record},
        topics={},
    )
    assert not gone.unjudged
    (command,) = gone.commands
    named = [*command.fields, *(name for item in command.orders for name in item.fields)]
    assert "ShopOrder.consignees[].number" in named
    assert "ShopOrder.placed_at" not in named


PERSON = {
    "type": "record",
    "name": "Person",
    "fields": [{"name": "number", "type": ["null", "string"]}, {"name": "name", "type": ["null", "string"]}],
}
NESTED = {
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


def test_changes_of_debezium_in_avro(tmp_path: Path) -> None:
    """The same envelope, by a registry."""
    image = {"type": "record", "name": "Row", "fields": NESTED["fields"]}
    envelope = {
        "type": "record",
        "name": "Envelope",
        "fields": [
            {"name": "before", "type": ["null", image]},
            {"name": "after", "type": ["null", "Row"]},
            {
                "name": "source",
                "type": {"type": "record", "name": "S", "fields": [{"name": "ts_ms", "type": "long"}]},
            },
            {"name": "op", "type": "string"},
            {"name": "ts_ms", "type": ["null", "long"]},
        ],
    }
    row = nested("700104", "700105")
    deleted = {"before": row, "after": None, "source": {"ts_ms": NOW}, "op": "d", "ts_ms": NOW}
    said = contract(tmp_path, order(format="avro", envelope="debezium"))
    found = rows(prepare(said, [avro(envelope, deleted)], Registered(envelope)))
    assert {row[1:] for row in found} == {
        (customer("700104"), "owner", "source_delete"),
        (customer("700105"), "counterparty", "source_delete"),
    }
    assert fastavro.parse_schema(envelope)

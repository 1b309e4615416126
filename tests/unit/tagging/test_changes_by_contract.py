"""Changes of Debezium and tombstones, tagged by the contract of their rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastavro
import pytest

from tests.support.by_contract import (
    NESTED,
    ROW,
    Registered,
    avro,
    change,
    customer,
    dead,
    nested,
    prepare,
    rows,
)
from tests.support.claims import NOW
from tests.support.contracts import TOPIC, contract, order


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

"""What the source deleted: a row of whoever is named by what was before or by the key, else a dead letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streams.tagging.decode.deletions import UNNAMED
from tests.support.by_contract import (
    NESTED,
    ROW,
    Registered,
    avro,
    change,
    customer,
    dead,
    nested,
    placed,
    prepare,
    rows,
)
from tests.support.claims import NOW
from tests.support.contracts import contract, order

KEY = {"field": "customer.number", "path": "number"}
OF_DEBEZIUM: dict[str, Any] = {"envelope": "debezium", "message_key": KEY}
# What PostgreSQL sends of a row whose table logs its key alone.
LITTLE = {"order_id": "o1", "placed_at": None, "customer": None}


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("", b"700105"),
        ("", b'"700105"'),
        ("", b'{"schema": {"type": "string"}, "payload": "700105"}'),
        ("id", b'{"id": 700105}'),
        ("a.id", b'{"schema": {}, "payload": {"a": {"id": "700105"}}}'),
    ],
)
def test_a_tombstone_deletes_what_its_key_names(tmp_path: Path, path: str, key: bytes) -> None:
    """When it was written, as a row of its own; a key that names nobody is a dead letter."""
    keys = {"field": "customer.number", "path": path}
    said = contract(tmp_path, order(message_key={key: value for key, value in keys.items() if value}))
    messages = [placed("700105"), None, None, None, None, placed("700106")]
    found = prepare(said, messages, keys={0: b"700199", 1: key, 2: b"\xff", 3: b""})
    assert rows(found) == {
        (0, customer("700105"), "owner", "collect"),
        (1, customer("700105"), "owner", "source_delete"),
        (5, customer("700106"), "owner", "collect"),
    }
    times = {
        row["offset"]: round(row["event_time"].timestamp() * 1000) for row in found.batch.rows.to_pylist()
    }
    assert times[1] == NOW + 1
    (account,) = found.batch.ranges
    assert (account.events, account.rows, account.dead, account.tombstones) == (2, 3, 3, 1)
    assert dead(found) == [(at, UNNAMED) for at in (2, 3, 4)]


def test_a_tombstone_is_a_dead_letter_where_nobody_says_whose_it_was(tmp_path: Path) -> None:
    """By key or not: of a topic without `message_key` nobody knows what its keys are. Of Debezium the change before it
    told of the deletion."""
    said = contract(tmp_path, order())
    assert dead(prepare(said, [None, None], keys={0: b"700105"})) == [(0, UNNAMED), (1, UNNAMED)]
    changes = prepare(contract(tmp_path, order(envelope="debezium")), [change("d", ROW, None), None])
    assert not dead(changes)
    (account,) = changes.batch.ranges
    assert (account.events, account.dead, account.tombstones) == (1, 0, 1)


@pytest.mark.parametrize(
    ("path", "key", "reason"),
    [
        ("number", b'{"id": "700105"}', UNNAMED),
        ("number", b"700105", UNNAMED),
        ("number", b'{"number": {"number": "700105"}}', UNNAMED),
        ("number", b'{"number": ""}', UNNAMED),
        ("number", b'{"number": true}', UNNAMED),
        ("", b'{"number": "700105"}', UNNAMED),
        ("", b'["700105"]', UNNAMED),
        ("", b"", UNNAMED),
        ("", b" ", "invalid_identifier"),
    ],
)
@pytest.mark.parametrize("form", [None, "debezium"])
def test_a_key_that_names_nobody_loses_no_deletion(
    tmp_path: Path, path: str, key: bytes, reason: str, form: str | None
) -> None:
    """It is a dead letter that says why, with the change of Debezium before it."""
    said = contract(tmp_path, order(envelope=form, message_key={**KEY, "path": path}))
    messages = [None] if form is None else [None, change("d", None, None)]
    found = prepare(said, messages, keys={0: key, 1: key})
    assert dead(found) == [(at, reason) for at in range(len(messages))]
    assert not rows(found)


@pytest.mark.parametrize("before", [None, {}, LITTLE, {**LITTLE, "placed_at": 0, "customer": {"number": ""}}])
def test_a_deletion_without_what_was_before_is_whom_the_key_names(tmp_path: Path, before: Any) -> None:
    """At the time of the database; the key of another change is not asked."""
    said = contract(tmp_path, order(**OF_DEBEZIUM))
    messages = [change("c", None, ROW), change("d", before, None), change("d", before, None)]
    found = prepare(said, messages, keys={0: b'{"number": "700199"}', 1: b'{"number": 700105}'})
    assert rows(found) == {
        (0, customer("700104"), "owner", "collect"),
        (1, customer("700105"), "owner", "source_delete"),
    }
    assert dead(found) == [(2, UNNAMED)]
    times = {row["offset"]: row["event_time"].timestamp() * 1000 for row in found.batch.rows.to_pylist()}
    assert round(times[1]) == NOW + 5


def test_the_key_is_asked_also_where_changes_name_several(tmp_path: Path) -> None:
    """A change from one person to another makes the field one of several in its batch."""
    said = contract(tmp_path, order(**OF_DEBEZIUM))
    former = {**ROW, "customer": {"number": "700106"}}
    messages = [change("u", former, ROW), change("d", None, None)]
    found = prepare(said, messages, keys={1: b'{"number": "700105"}'})
    assert {row[:2] for row in rows(found)} == {
        (0, customer("700104")),
        (0, customer("700106")),
        (1, customer("700105")),
    }


def test_a_deleted_row_in_which_nobody_was_is_no_dead_letter(tmp_path: Path) -> None:
    """Where all of it is there, by its time; an event without a person, as it was when it came."""
    said = contract(tmp_path, order(envelope="debezium"))
    nobody = {"order_id": "o1", "placed_at": NOW, "customer": None}
    found = prepare(said, [change("c", None, nobody), change("d", nobody, None)])
    assert not dead(found)
    (account,) = found.batch.ranges
    assert (account.events, account.no_subject) == (2, 2)


def test_a_deletion_in_avro_is_whom_its_key_names(tmp_path: Path) -> None:
    """As in JSON, whatever the form of the body."""
    image = {"type": "record", "name": "Row", "fields": NESTED["fields"]}
    source = {"type": "record", "name": "S", "fields": [{"name": "ts_ms", "type": "long"}]}
    fields = [
        {"name": "before", "type": ["null", image]},
        {"name": "after", "type": ["null", "Row"]},
        {"name": "source", "type": source},
        {"name": "op", "type": "string"},
    ]
    envelope = {"type": "record", "name": "Envelope", "fields": fields}
    said = contract(tmp_path, order(format="avro", **OF_DEBEZIUM))
    bodies = [
        avro(envelope, {"before": before, "after": None, "source": {"ts_ms": NOW}, "op": "d"})
        for before in (None, nested("700104"), None)
    ]
    found = prepare(said, bodies, Registered(envelope), keys={0: b'{"number": "700105"}'})
    assert {row[:2] for row in rows(found)} == {(0, customer("700105")), (1, customer("700104"))}
    assert dead(found) == [(2, UNNAMED)]

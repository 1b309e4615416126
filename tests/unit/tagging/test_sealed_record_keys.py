"""Of an event that names nobody but by a place or a device the record key is sealed, and of no other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from schemas.errors import KeyUnavailable
from schemas.keys import Keyring
from schemas.records import RecordSchema, read_record
from sinks.ports.record_keys import RECORD_KEY_SCHEMA, bound_to
from streams.columns.tokens import Coordinates
from streams.tagging.decode.columnar import Bodies, ColumnDecoder
from streams.tagging.tag import Tagger
from tests.support.claims import TOKENIZER
from tests.support.kinds import KINDS
from tests.support.records import body_of

MARCH = datetime(2026, 3, 31, 23, tzinfo=UTC)
AT = 1_770_000_000_000


def field(name: str, kind: str | None = None, role: str = "owner", **said: Any) -> dict[str, Any]:
    identifier = {"identifier": {"kind": kind, "role": role}} if kind else {}
    return {"name": name, "type": ["null", "string"], "innsyn": {"category": "C-21", **identifier, **said}}


def ticket(*more: dict[str, Any], key: dict[str, Any] | None = None) -> RecordSchema:
    at = {"name": "at", "type": "long", "innsyn": {"category": "C-21"}}
    fields = [
        at,
        key or field("ticket_id", record_key=True),
        field("ip", "ip"),
        field("cookie", "cookie_id"),
        *more,
    ]
    schema = {"type": "record", "name": "Ticket", "innsyn": {"event_time": "at"}, "fields": fields}
    return read_record(schema, "ticket.avsc")


TICKET = ticket(field("username", "username"), field("callee", "phone", "counterparty"))
BLANK = {"at": AT, "ticket_id": "T-1", "ip": None, "cookie": None, "username": None, "callee": None}


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keys").made()


@pytest.fixture
def kept(keyring: Keyring) -> Callable[..., list[dict[str, Any]]]:
    """What is kept of events of a record, opened."""

    def of(
        *values: dict[str, Any], record: RecordSchema = TICKET, slow: bool = False
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = tagged(keyring, *values, record=record, slow=slow).to_pylist()
        for row in rows:
            bound = bound_to(row["topic"], row["partition"], row["offset"], row["record"], row["field"])
            row["value"] = keyring.open(row.pop("key"), row.pop("sealed"), bound).decode()
        return rows

    return of


def tagged(
    keyring: Keyring | None, *values: dict[str, Any], record: RecordSchema = TICKET, slow: bool = False
) -> pa.Table:
    tagger = Tagger(TOKENIZER, "v1", KINDS, (), keyring=keyring)
    tagger.begin(MARCH)
    decoder = ColumnDecoder(record, tagger.wanted(record))
    bodies = Bodies.of([body_of(record, value) for value in values])
    decoded = (decoder.decode_one_by_one if slow else decoder.decode)(bodies)
    offsets = np.arange(40, 40 + len(values), dtype=np.int64)
    at = Coordinates(np.full(len(values), 3, np.int32), offsets)
    return tagger.tag(record, "desk.tickets", decoded, at).record_keys


@pytest.mark.parametrize("slow", [False, True])
def test_a_record_that_nothing_of_a_person_names_can_be_told_by_its_key(kept: Any, slow: bool) -> None:
    """By its field, at its event: an address alone, a device alone, and one beside somebody at the other end."""
    events = [
        {"ip": "192.0.2.7"},
        {"cookie": "c-1", "ticket_id": "T-2"},
        {"ip": "192.0.2.7", "callee": "+4740000001"},
    ]
    place = {"topic": "desk.tickets", "partition": 3, "record": "Ticket", "field": "ticket_id"}
    assert kept(*(BLANK | event for event in events), slow=slow) == [
        {**place, "offset": offset, "value": value}
        for offset, value in ((40, "T-1"), (41, "T-2"), (42, "T-1"))
    ]


def test_a_record_that_names_its_person_is_told_by_that(kept: Any) -> None:
    """Also beside an address: a system finds it by what stands there, or it is a guest's; and one that names nobody."""
    named = [{"ip": "192.0.2.7", "username": "kari"}, {"username": "kari"}, {}, {"callee": "+4740000001"}]
    assert kept(*(BLANK | event for event in named)) == []


@pytest.mark.parametrize("key", [None, "", " ", "-", "unknown", "000"])
def test_a_key_that_tells_nothing_apart_is_not_kept(kept: Any, key: str | None) -> None:
    """Two records would have it, and the other may be somebody else's."""
    assert kept(BLANK | {"ip": "192.0.2.7", "ticket_id": key}) == []


def test_a_key_of_several_fields_or_that_is_an_identifier_is_not_kept(kept: Any) -> None:
    """No one field names the record; and an identifier is told as what it is."""
    event = {"at": AT, "ip": "192.0.2.7", "cookie": None, "ticket_id": "T-1", "line": "1"}
    assert kept(event, record=ticket(field("line", record_key=True))) == []
    serial = field("ticket_id", "device_serial", record_key=True)
    assert kept(event, record=ticket(field("line"), key=serial)) == []
    assert len(kept(event, record=ticket(field("line")))) == 1


def test_a_key_that_is_a_number_is_its_decimal_text(kept: Any) -> None:
    number = {"name": "ticket_id", "type": "long", "innsyn": {"category": "C-21", "record_key": True}}
    (found,) = kept(
        {"at": AT, "ip": "192.0.2.7", "cookie": None, "ticket_id": 1001}, record=ticket(key=number)
    )
    assert found["value"] == "1001"


def test_a_key_opens_at_its_event_alone_and_not_without_the_key_of_its_month(keyring: Keyring) -> None:
    """Whoever writes to the index cannot give one record's key to another event."""
    one, other = tagged(keyring, *[BLANK | {"ip": "192.0.2.7"}] * 2).to_pylist()
    assert one["key"] == "identifiers-2026-03"
    at = {
        row["offset"]: bound_to("desk.tickets", 3, row["offset"], "Ticket", "ticket_id")
        for row in (one, other)
    }
    assert keyring.open(one["key"], one["sealed"], at[40]) == b"T-1"
    with pytest.raises(KeyUnavailable):
        keyring.open(one["key"], one["sealed"], at[41])
    keyring.destroy(one["key"])
    with pytest.raises(KeyUnavailable):
        keyring.open(one["key"], one["sealed"], at[40])


def test_without_a_keyring_nothing_is_kept() -> None:
    assert tagged(None, BLANK | {"ip": "192.0.2.7"}) == RECORD_KEY_SCHEMA.empty_table()

"""Mappings of the model company's records for the reference jobs, and commands for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from innsyn_sdk.expiry import Expiry, RunOut
from innsyn_sdk.mapping import Column, Keep, RecordMapping
from innsyn_sdk.protocol import Command, Identifier

from schemas.records import load_records
from streams.rights.protocol.columns import columns
from tests.support.kinds import KINDS

RECORDS = load_records()
NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
TODAY = NOW.date()


def mapping_of(
    record: str, at: str = "", *, keep: Sequence[Keep] = (), other: Sequence[str] = (), **forms: str
) -> RecordMapping:
    """Every personal field of a record in a column of its name; `forms` of some of them."""
    schema = RECORDS[record]
    named = {item.field: item for item in schema.identifiers}
    found = []
    for name in columns(schema):
        field = schema.find(name)
        assert field is not None
        one = named.get(name)
        if not field.personal:
            continue
        found.append(
            Column(
                name=name,
                field=name,
                kind=one.kind if one else None,
                form=forms.get(name, "address" if one and one.kind == "ip" else "exact"),
                person=one is not None and KINDS[one.kind].names == "person",
                customer=one is not None and KINDS[one.kind].stands_for_customer,
                role=one.role if one else "owner",
                port=one.port_field if one else None,
                about=field.about[0] if len(field.about) == 1 else None,
            )
        )
    return RecordMapping(
        record=record,
        at=at or record.lower(),
        columns=tuple(found),
        time=schema.annotation.event_time,
        other=frozenset(other),
        keep=tuple(keep),
    )


def command_of(
    identifiers: Sequence[Identifier],
    fields: Sequence[str],
    *,
    attempt: int = 1,
    orders: Sequence[Mapping[str, Any]] = (),
    command_id: str = "r-1/s",
    cut_off: datetime | None = None,
) -> Command:
    """A command as it is opened."""
    return Command(
        command_id=command_id,
        request_id="r-1",
        attempt=attempt,
        issued_at=NOW,
        identifiers=tuple(identifiers),
        categories=(),
        fields=tuple(fields),
        orders=tuple(orders),
        value={},
        cut_off=cut_off,
    )


def expiry_of(
    records: Sequence[RunOut],
    kept: Sequence[Identifier] = (),
    *,
    attempt: int = 1,
    command_id: str = "x-20260309-1/s",
) -> Expiry:
    """What has run out, as it is opened."""
    return Expiry(
        command_id=command_id,
        request_id=command_id.partition("/")[0],
        attempt=attempt,
        issued_at=NOW,
        records=tuple(records),
        kept=tuple(kept),
        deadline=None,
        value={},
    )


def run_out(fields: Sequence[str], before: datetime, where: Mapping[str, Any] | None = None) -> RunOut:
    """Those fields of one record, before that."""
    record = fields[0].partition(".")[0]
    return RunOut(record, (), tuple(fields), where, before, "T01", "", 0)


def all_of(mapping: RecordMapping) -> list[str]:
    """All its fields, as a command names them."""
    return [f"{mapping.record}.{item.field}" for item in mapping.columns]

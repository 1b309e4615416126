"""Which columns of which records a command means. Pure.

A system of record keeps one for each top-level field; of events that somebody else owns one for each path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from schemas.errors import InputError
from schemas.messages import Order
from schemas.records import RecordSchema

Records = Mapping[str, RecordSchema]


def columns(schema: RecordSchema) -> list[str]:
    """Names of the top-level fields, of a contract its paths."""
    return [field.name for field in schema.fields if schema.contract or "." not in field.name]


def record_named(records: Records, name: str) -> RecordSchema:
    """The schema of a record. Raises InputError for one that is not known."""
    if name not in records:
        raise InputError(f"record {name} is none of the company's; name one that is")
    return records[name]


def columns_to_erase(
    records: Records, categories: Sequence[str], fields: Sequence[str], orders: Sequence[Order]
) -> list[Order]:
    """What a command means, as one order per record, its `fields` as names of columns.

    An order stands instead of what the bare list says of its record. Raises InputError for a record or a field that is
    not known, and for one inside a field that does not go as a whole.
    """
    ordered = {order.record for order in orders}
    listed = _listed(records, categories, fields)
    plain = [Order(name, (), tuple(sorted(names))) for name, names in listed.items() if name not in ordered]
    read = []
    for order in orders:
        schema, where = record_named(records, order.record), order.where
        if where is not None and schema.find(where.field) is None:
            raise InputError(
                f"record {order.record} has no field {where.field} to select events by; name one of its schema"
            )
        names = _listed(records, (), order.fields).get(order.record, set()) if order.fields else set()
        read.append(replace(order, fields=tuple(sorted(names))))
    return [order for order in (*plain, *read) if order.fields]


def _listed(records: Records, categories: Sequence[str], fields: Sequence[str]) -> dict[str, set[str]]:
    if not fields:
        return {
            name: {column for column in columns(schema) if _category(schema, column) in categories}
            for name, schema in records.items()
        }
    chosen: dict[str, set[str]] = {}
    for path in fields:
        record, _, name = path.partition(".")
        schema = record_named(records, record)
        top = name.partition(".")[0]
        if schema.find(name) is None:
            raise InputError(f"record {record} has no field {name}; name one of its schema")
        chosen.setdefault(record, set()).add(name)
        if not schema.contract and "." in name and f"{record}.{top}" not in fields:
            raise InputError(f"{path} lies inside {top}, which this store erases only as a whole")
    return {record: names & {*columns(records[record])} for record, names in chosen.items()}


def _category(schema: RecordSchema, name: str) -> str:
    field = schema.find(name)
    return field.category if field else ""

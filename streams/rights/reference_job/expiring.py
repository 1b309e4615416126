"""What of the toy system of record has run out, whoever it is about, and what becomes of a row of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Literal

from schemas.messages import Order, RunOut
from schemas.records import RecordSchema
from schemas.tokens import IdentifierKinds
from sinks.ports.identity import ALL_PORTS
from streams.rights.protocol.columns import columns, columns_to_erase
from streams.rights.protocol.messages import Identifiers, Named, Told
from streams.rights.reference_job.matching import Limits, conditions, quoted, selected
from streams.rights.reference_job.rows import blank


@dataclass
class Meant:
    """Rows of a record, with the columns that have run out of each. `undated`: how many have no time."""

    rows: dict[int, frozenset[str]] = field(default_factory=dict)
    undated: int = 0


def run_out_of(
    connection: sqlite3.Connection,
    records: Mapping[str, RecordSchema],
    kinds: IdentifierKinds,
    there: Collection[str],
    run_out: Sequence[RunOut],
    kept: Identifiers,
) -> dict[str, Meant]:
    """By record that is there. Raises InputError for a record or field that is not known, InvalidIdentifier."""
    orders = [Order(item.record, (), item.fields, item.where, before=item.before) for item in run_out]
    found: dict[str, Meant] = {}
    undated: dict[str, dict[int, frozenset[str]]] = {}
    for order in columns_to_erase(records, (), (), orders):
        if order.record not in there:
            continue
        schema, fields = records[order.record], frozenset(order.fields)
        dated = selected(schema, order.where, order.before)
        _add(found.setdefault(order.record, Meant()).rows, _rows(connection, schema, dated), fields)
        without = selected(schema, order.where, undated=True)
        _add(undated.setdefault(order.record, {}), _rows(connection, schema, without), fields)
    named = [Named(*item)._replace(proof=None) for item in kept]
    always = [item._replace(at=None, port=None, since=None, until=None, ports=ALL_PORTS) for item in named]
    for record, meant in found.items():
        for row in _named(connection, records[record], named, kinds):
            meant.rows.pop(row, None)
        # Without a time they may be of any.
        stays = _named(connection, records[record], always, kinds)
        meant.undated = sum(
            row not in stays and _goes(connection, records[record], row, fields)
            for row, fields in undated[record].items()
        )
    return found


def expire_row(
    connection: sqlite3.Connection, schema: RecordSchema, row: int, fields: Set[str]
) -> Literal["deleted", "redacted"] | None:
    """What became of it; None: what has run out of it was gone already."""
    table = quoted(schema.name)
    if fields >= _personal(schema):
        connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
        return "deleted"
    return "redacted" if blank(connection, table, row, fields, None) else None


def _add(rows: dict[int, frozenset[str]], found: Collection[int], fields: frozenset[str]) -> None:
    for row in found:
        rows[row] = rows.get(row, frozenset()) | fields


def _rows(connection: sqlite3.Connection, schema: RecordSchema, limits: Limits) -> list[int]:
    text, values = limits
    query = f"SELECT rowid FROM {quoted(schema.name)} WHERE {text}"
    return [row for (row,) in connection.execute(query, values)]


def _named(
    connection: sqlite3.Connection, schema: RecordSchema, identifiers: Told, kinds: IdentifierKinds
) -> set[int]:
    """Rows in which one of them stands, in whatever role and whoever stands beside them."""
    return {
        row
        for one in conditions(schema, identifiers, kinds, whosever=True)
        for row in _rows(connection, schema, (one.where, one.values))
    }


def _goes(connection: sqlite3.Connection, schema: RecordSchema, row: int, fields: Set[str]) -> bool:
    """Whether something of the row would go."""
    if fields >= _personal(schema):
        return True
    some = " OR ".join(f"{quoted(name)} NOT NULL" for name in sorted(fields))
    query = f"SELECT 1 FROM {quoted(schema.name)} WHERE rowid = ? AND ({some})"
    return connection.execute(query, (row,)).fetchone() is not None


def _personal(schema: RecordSchema) -> set[str]:
    """Columns of which a row that goes as a whole is made."""
    known = ((name, schema.find(name)) for name in columns(schema))
    return {name for name, item in known if item is not None and item.personal}

"""Single rows of the toy system of record: what a column says of a value, and how it is emptied."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Set
from datetime import date, datetime
from typing import Any

from schemas.errors import InvalidIdentifier
from schemas.records import RecordSchema
from schemas.tokens import IdentifierKinds, canonical
from streams.rights.reference_job.matching import quoted
from streams.rights.reference_job.several import Items, blank_items, repeats


def blank(
    connection: sqlite3.Connection, table: str, row: int, fields: Set[str], items: Items | None
) -> bool:
    """Empty fields of a row: whether there was something in them.

    `items`: all that goes of those that repeat; None: all of them.
    """
    apart = {name for name in fields if items is not None and repeats(name)}
    there = [blank_items(connection, table, row, name, items or {}) for name in sorted(apart)]
    names = sorted(map(quoted, fields - apart))
    if not names:
        return any(there)
    blanks, some = (
        ", ".join(f"{name} = NULL" for name in names),
        " OR ".join(f"{name} NOT NULL" for name in names),
    )
    query = f"UPDATE {table} SET {blanks} WHERE rowid = ? AND ({some})"
    return connection.execute(query, (row,)).rowcount > 0 or any(there)


def text_of(schema: RecordSchema, name: str, value: Any, kinds: IdentifierKinds) -> str | None:
    """As the column keeps it: an identifier in its canonical form, lists and objects as JSON."""
    if value is None:
        return None
    field = schema.find(name)
    if isinstance(value, dict) and repeats(name):
        texts = {place: text_of(schema, name, item, kinds) for place, item in value.items()}
        return json.dumps(texts, ensure_ascii=False)
    if field is not None and field.identifier is not None:
        try:
            return canonical(kinds[field.identifier.kind], str(value), field.identifier.form)
        except InvalidIdentifier:
            return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, str) else json.dumps(value, default=str)

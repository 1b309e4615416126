"""The SQL of the PostgreSQL job: which rows may be meant by a command, and what is done to them.

What a query finds is a little more than what is meant: `innsyn_sdk.matching` decides about every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from innsyn_sdk.mapping import Column, NotAJob, RecordMapping
from innsyn_sdk.matching import Whose
from innsyn_sdk.protocol import Identifier
from innsyn_sdk.values import BLANKS, LATEST, LETTERS, digits, network, normal

_DAY = timedelta(days=1)
_TEXTS = ("text", "character varying", "character", "citext")
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, NULL) FROM pg_attribute a
WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""
_CASCADES = """
SELECT conrelid::regclass::text FROM pg_constraint
WHERE contype = 'f' AND confrelid = %s::regclass AND confdeltype = 'c' AND conparentid = 0
"""


@dataclass(frozen=True)
class Table:
    """A record's table: its name in SQL, and the types of its columns."""

    mapping: RecordMapping
    name: str
    types: Mapping[str, str]


def table_of(cursor: Any, mapping: RecordMapping, cascades: Sequence[str]) -> Table:
    """The table of a mapping as the database has it. Raises NotAJob where the two do not agree."""
    name = ".".join(map(quoted, mapping.at.split(".")))
    cursor.execute("SELECT to_regclass(%s)", (name,))
    if cursor.fetchone()[0] is None:
        raise NotAJob(f"there is no table {mapping.at}; correct `at` of {mapping.record}")
    types = dict(cursor.execute(_COLUMNS, (name,)).fetchall())
    mapping.check(types, f"table {mapping.at}")
    for column in mapping.columns:
        kept = types[column.name]
        if column.form == "address" and kept != "inet" and kept not in _TEXTS:
            raise NotAJob(f"{mapping.at}.{column.name} is of type {kept}; an address is inet or text")
    kept = types.get(mapping.restricted or "", "text")
    if kept not in _TEXTS:
        raise NotAJob(
            f"{mapping.at}.{mapping.restricted} is of type {kept}; restrictions are written into text"
        )
    time = types.get(mapping.time or "")
    if time is not None and time.startswith("timestamp without") and mapping.zone is None:
        raise NotAJob(f"{mapping.at}.{mapping.time} has no time zone; say which with `time_zone`")
    if time is not None and not time.startswith("timestamp") and time not in _TEXTS and mapping.unit is None:
        raise NotAJob(f"{mapping.at}.{mapping.time} is of type {time}; say `time_unit` of its numbers")
    gone = {child for (child,) in cursor.execute(_CASCADES, (name,)).fetchall()} - {*cascades}
    if gone:
        raise NotAJob(
            f"rows of {', '.join(sorted(gone))} would go with those of {mapping.at} (ON DELETE CASCADE), uncounted and"
            " whatever holds them; change the constraint, or list them in `cascades`"
        )
    return Table(mapping, name, types)


def candidates(table: Table, whose: Whose | None, *, lock: bool = True) -> tuple[str, list[Any]]:
    """A query of the rows that may be meant: place in the table, then all its columns. Without `whose`: of those that
    are restricted."""
    conditions, values = [], list[Any]()
    for column in whose.naming if whose else ():
        text, more = _condition(table, column, whose.identifiers(column) if whose else ())
        conditions.append(text)
        values += more
    columns = ", ".join(map(quoted, table.types))
    where = " OR ".join(conditions) or f"{quoted(table.mapping.restricted or '')} IS NOT NULL"
    locked = " FOR UPDATE" if lock else ""
    return f"SELECT tableoid, ctid, {columns} FROM {table.name} WHERE {where}{locked}", values


def older(table: Table, before: datetime) -> tuple[str, list[Any]]:
    """The same of the rows that may be older than that, or have no time: also one that is later than any event."""
    time, columns = _time(table), ", ".join(map(quoted, table.types))
    every = f"SELECT tableoid, ctid, {columns} FROM {table.name}"
    if time is None:
        return f"{every} FOR UPDATE", []
    # A day more, for those without a zone.
    values = [before + _DAY, LATEST - _DAY]
    late = f"{time} >= %s::timestamptz"
    return f"{every} WHERE {time} < %s::timestamptz OR {time} IS NULL OR {late} FOR UPDATE", values


def deletion(table: Table) -> str:
    """Takes a table's oid and places of rows."""
    return f"DELETE FROM {table.name} WHERE tableoid = %s AND ctid = ANY(%s::tid[])"


def setting(table: Table, columns: Iterable[str]) -> str:
    """Takes what the columns shall say, then the same."""
    sets = ", ".join(f"{quoted(name)} = %s" for name in columns)
    return f"UPDATE {table.name} SET {sets} WHERE tableoid = %s AND ctid = ANY(%s::tid[])"


def quoted(name: str) -> str:
    """A name in SQL. Raises NotAJob for one that a text with values cannot hold."""
    if "%" in name or "\x00" in name:
        raise NotAJob(
            f"the name {name!r} has a character that this job cannot write in SQL; give the column a view"
        )
    return '"' + name.replace('"', '""') + '"'


def _condition(table: Table, column: Column, identifiers: Sequence[Identifier]) -> tuple[str, list[Any]]:
    """That the column holds one of the identifiers within its time."""
    if table.types[column.name].endswith("[]"):
        return f"{quoted(column.name)} IS NOT NULL", []
    time = _time(table)
    rows = [(value, *_window(item)) for item in identifiers for value in _spellings(column, item)]
    values = [[row[place] for row in rows] for place in range(3)]
    inside = f" AND (w.since IS NULL OR {time} >= w.since) AND (w.until IS NULL OR {time} < w.until)"
    text = (
        "EXISTS (SELECT 1 FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[]) AS w (value, since, until)"
        f" WHERE {_compared(table, column)}{inside if time else ''})"
    )
    return f"({quoted(column.name)} IS NOT NULL AND {text})", values


def _compared(table: Table, column: Column) -> str:
    name = quoted(column.name)
    plain = _as_text(name, table.types[column.name])
    if column.form == "lower":
        large, small = "".join(LETTERS), "".join(LETTERS.values())
        trimmed = f"btrim({plain}, {_literal(BLANKS)})"
        return f"translate({trimmed}, {_literal(large)}, {_literal(small)}) = w.value"
    if column.form == "digits":
        return f"regexp_replace({plain}, '[^0-9]', '', 'g') = w.value"
    if column.form == "address":
        if table.types[column.name] == "inet":
            return f"host({name})::inet <<= w.value::inet"
        # A notation of IPv6 may be any; that of IPv4 is one.
        bare = f"btrim(split_part({plain}, '/', 1), {_literal(BLANKS)})"
        return f"(position(':' in {plain}) > 0 OR {bare} = split_part(w.value, '/', 1))"
    return f"{plain} = w.value"


def _as_text(name: str, kind: str) -> str:
    """A column as `innsyn_sdk.values.normal` has it, but for its form: numbers without a fraction as whole ones."""
    if kind in ("text", "character varying"):
        return name
    if kind in ("real", "double precision"):
        return f"trim_scale({name}::double precision::numeric)::text"
    return f"trim_scale({name})::text" if kind == "numeric" else f"{name}::text"


def _spellings(column: Column, item: Identifier) -> list[str]:
    if column.form == "digits":
        return sorted(digits(column, item.value))
    if column.form == "address":
        if network(item.value) is None:
            return []
        # An address of IPv4 may be kept as one of IPv6.
        return [item.value] if ":" in item.value else [item.value, f"::ffff:{item.value}"]
    return [normal(column, item.value)]


def _window(item: Identifier) -> tuple[datetime | None, datetime | None]:
    """Times outside which no row can be meant, a day more on each side for those without a zone."""
    since, until = item.since, item.until
    if item.at is not None:
        since, until = item.at, item.at
    return since and since - _DAY, until and until + _DAY


def _time(table: Table) -> str | None:
    """The column of the time where SQL can compare it."""
    time = table.mapping.time
    if time is None or not table.types[time].startswith("timestamp"):
        return None
    return (
        quoted(time)
        if table.types[time] == "timestamp with time zone"
        else f"{quoted(time)} AT TIME ZONE 'UTC'"
    )


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"

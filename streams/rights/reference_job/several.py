"""Columns of fields that a record has several times, in arrays and maps: a JSON object from each place to its value.

What stands in one item of an array has the same place in each column of that array, so that one person's item can go
while the others stay. Pure but for the connection.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

_SEVERAL = re.compile(r"\[\]|\*")
Items = Mapping[str, frozenset[str]]
"""By the array or map in which they are, the places of somebody's items."""


def repeats(field: str) -> bool:
    """Whether the field may have several values in one record."""
    return _SEVERAL.search(field) is not None


def within(field: str) -> str:
    """The array or map that such a field is in."""
    return _SEVERAL.split(field, maxsplit=1)[0]


def items_of(
    connection: sqlite3.Connection,
    table: str,
    row: int,
    values: Iterable[tuple[str, Collection[str], Mapping[str, Collection[str]]]],
) -> Items:
    """Where in a row one of the values stands, for each of the fields. `table` is quoted.

    With each field the fields of its array that name customers, and which of them count: an item of another is left.
    """
    found: dict[str, frozenset[str]] = {}
    for field, wanted, customers in values:
        if not repeats(field):
            continue
        kept = _kept(connection, table, row, field)
        places = {place for place, value in kept.items() if value in wanted}
        said = [(_kept(connection, table, row, name), own) for name, own in customers.items()]
        for place in list(places):
            named = [(each[place], own) for each, own in said if each.get(place)]
            if named and not any(value in own for value, own in named):
                places.discard(place)
        found[within(field)] = found.get(within(field), frozenset()) | places
    return found


def blank_items(connection: sqlite3.Connection, table: str, row: int, field: str, items: Items) -> int:
    """Take what stands at the items out of a column: 1 if there was something, else 0."""
    kept = _kept(connection, table, row, field)
    mine = items.get(within(field), frozenset())
    gone = {
        place
        for place, value in kept.items()
        if value is not None and any(place == item or place.startswith(f"{item}.") for item in mine)
    }
    if not gone:
        return 0
    left = {place: None if place in gone else value for place, value in kept.items()}
    text = json.dumps(left, ensure_ascii=False) if any(value is not None for value in left.values()) else None
    connection.execute(f'UPDATE {table} SET "{field}" = ? WHERE rowid = ?', (text, row))
    return 1


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """A record with its arrays and inner records, out of what is kept of each path.

    What lies in a map stays under its path, an object from place to value: a key may look like two places.
    """
    whole: dict[Any, Any] = {}
    for path, value in values.items():
        if "*" in path:
            whole[path] = value
        elif repeats(path):
            for place, item in (value or {}).items():
                positions = iter(place.split("."))
                _set(whole, [step for name in path.split(".") for step in _steps(name, positions)], item)
        else:
            _set(whole, path.split("."), value)
    return {name: _listed(item) for name, item in whole.items()}


def _steps(name: str, positions: Iterator[str]) -> list[str | int]:
    """The name, and behind it the position in each array that it stands for."""
    bare = name.rstrip("[]")
    return [bare, *(int(next(positions)) for _ in range(name.count("[]")))]


def _set(whole: dict[Any, Any], names: Sequence[str | int], value: Any) -> None:
    for name in names[:-1]:
        inner = whole.get(name)
        whole = inner if isinstance(inner, dict) else whole.setdefault(name, {})
    whole[names[-1]] = value


def _listed(value: Any) -> Any:
    """What was put together by positions, as the array that it is."""
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(place, int) for place in value):
        return [_listed(value[place]) for place in sorted(value)]
    return {name: _listed(item) for name, item in value.items()}


def _kept(connection: sqlite3.Connection, table: str, row: int, field: str) -> dict[str, Any]:
    (text,) = connection.execute(f'SELECT "{field}" FROM {table} WHERE rowid = ?', (row,)).fetchone()
    found: dict[str, Any] = {} if text is None else json.loads(text)
    return found

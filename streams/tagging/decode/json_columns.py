"""Many JSON messages become columns: Arrow's reader takes a whole batch, and what it stops at is read one by one.

The messages are glued together as `{"r":` message `}`, a line break between them. A message that is cut, longer than it
should be or no JSON cannot shift another: `}` and `{` may follow each other only where a value has ended, and no text
holds a line break, so that a batch that is read without an error, as many rows as messages, has one row of each. Where
Arrow is more lenient than `values.json_value` (UTF-8, NaN) the batch is looked at; where it stops, also at a field
that nobody knows, a smaller piece is tried, then each message alone. Both roads give the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from schemas.errors import DecodeError
from schemas.paths import ANY, ITEM, Node, steps
from streams.columns.arrays import Ints
from streams.columns.lines import Lines, appended_lines
from streams.tagging.decode.columnar import Bodies
from streams.tagging.decode.shapes import SCALARS, Column, Shapes, columns_of
from streams.tagging.decode.values import Found, Together, found_in, json_value

_PIECE = 1024
_NONE: Together = MappingProxyType({})
_OPEN, _BETWEEN, _CLOSE = b'{"r":', b'}\n{"r":', b"}"


@dataclass(frozen=True)
class Messages:
    """What was read of a batch. `rows`, `bad`: as of `Decoded`. `columns`: of each path that is read, lists where a
    message may have several values. `untagged`: values at paths that nobody knows. `lines`: of each array that is read
    item by item its items, of the message in each row of the columns."""

    rows: Ints
    columns: Mapping[str, pa.Array]
    bad: Mapping[int, str] = field(default_factory=dict)
    untagged: Mapping[str, int] = field(default_factory=dict)
    lines: Mapping[str, Lines] = field(default_factory=dict)


def repeats(path: str) -> bool:
    """Whether a message may have several values there."""
    return bool({ITEM, ANY} & {*steps(path)})


class JsonColumns:
    """Reads messages of one topic. `places`: what a contract says of them; `wanted`: paths to read, and types;
    `together`: those of them that are read item by item too."""

    def __init__(self, places: Node, wanted: Mapping[str, str], together: Together = _NONE) -> None:
        self._places = places
        self._wanted = dict(wanted)
        self._together = dict(together)
        self._array_of = {path: array for array, paths in together.items() for path in paths}
        # A map whose values are read has a column for each key that anybody uses: one by one, then.
        self._shapes = None if any(ANY in steps(path) for path in wanted) else Shapes(wanted)

    def read(self, bodies: Bodies) -> Messages:
        """Every message that is what the contract says, in order, and a reason for each of the others."""
        messages = bodies.one_by_one()
        parts: list[Messages] = []
        at, size = 0, len(messages)
        while at < len(messages):
            piece = messages[at : at + size]
            read = self._at_once(piece)
            if read is None and len(piece) > _PIECE:
                size = _PIECE
                continue
            parts.append(_moved(self.one_by_one(piece) if read is None else read, at))
            at += len(piece)
            if read is not None:
                size = 8 * size
        return _joined(parts, self._wanted, self._together)

    def one_by_one(self, messages: Sequence[bytes]) -> Messages:
        """The same answer by the definition."""
        rows: list[int] = []
        found: list[Found] = []
        bad: dict[int, str] = {}
        for row, message in enumerate(messages):
            try:
                value = json_value(message)
                found.append(found_in(value, self._places, self._wanted, self._together))
                # Of what is as the contract says, so that Arrow stops at what is not.
                if self._shapes is not None:
                    self._shapes.learn(value)
            except DecodeError as error:
                bad[row] = error.reason
                continue
            rows.append(row)
        return columns_found(rows, found, bad, self._wanted, self._together)

    def _at_once(self, messages: Sequence[bytes]) -> Messages | None:
        """The messages by way of Arrow; None if it stops at one, or might have read it otherwise."""
        data = _OPEN + _BETWEEN.join(messages) + _CLOSE
        if self._shapes is None or b"\0" in data or not _is_utf8(data):
            return None
        schema = pa.schema([("r", self._shapes.root.arrow())])
        try:
            table = pj.read_json(
                pa.BufferReader(data),
                read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
                parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
            )
            whole = table.column("r").combine_chunks()
        except (pa.ArrowInvalid, pa.ArrowIndexError):
            # The second: columns that do not fit each other, which its reader makes of some messages without a word.
            return None
        if len(whole) != len(messages) or whole.null_count or not _finite(whole):
            return None
        columns: dict[str, pa.Array] = {}
        untagged: Counter[str] = Counter()
        items: dict[str, dict[str, Column]] = {array: {} for array in self._together}
        for column in columns_of(whole, self._places):
            if not column.known:
                untagged[column.path] += len(column.values) - column.values.null_count
            elif column.path in self._wanted:
                again = repeats(column.path)
                columns[column.path] = column.listed(len(whole)) if again else column.values
                if column.path in self._array_of:
                    items[self._array_of[column.path]][column.path] = column
        lines = {array: _of_items(found) for array, found in items.items()}
        return Messages(np.arange(len(whole)), columns, untagged=+untagged, lines=lines)


def _of_items(found: Mapping[str, Column]) -> Lines:
    """The columns of one array, which have a value or none for each of its items."""
    rows = next(iter(found.values())).rows
    assert rows is not None
    return Lines(rows, {path: column.values for path, column in found.items()}).said()


def columns_found(
    rows: Sequence[int],
    found: Sequence[Found],
    bad: Mapping[int, str],
    wanted: Mapping[str, str],
    together: Together = _NONE,
) -> Messages:
    """Columns of what was found message by message."""
    columns = {}
    for path, kind in wanted.items():
        if repeats(path):
            values: list[Any] = [item.values.get(path, []) for item in found]
            columns[path] = pa.array(values, pa.list_(SCALARS[kind]))
        else:
            values = [item.values.get(path, [None])[0] for item in found]
            columns[path] = pa.array(values, SCALARS[kind])
    untagged: Counter[str] = Counter()
    for item in found:
        untagged.update(item.untagged)
    lines = {}
    for array, paths in together.items():
        of = [row for row, item in enumerate(found) for _ in item.items[array]]
        said = [each for item in found for each in item.items[array]]
        inside = {path: pa.array([each[path] for each in said], SCALARS[wanted[path]]) for path in paths}
        lines[array] = Lines(np.array(of, np.int64), inside)
    return Messages(np.array(rows, np.int64), columns, bad, untagged, lines)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _finite(values: pa.Array) -> bool:
    """Whether no number is one that JSON has not: Arrow reads NaN and Infinity."""
    if pa.types.is_struct(values.type):
        return all(map(_finite, values.flatten()))
    if pa.types.is_list(values.type):
        return _finite(values.flatten())
    if pa.types.is_floating(values.type):
        return pc.all(pc.is_finite(values)).as_py() is not False
    return True


def _moved(read: Messages, by: int) -> Messages:
    bad = {row + by: reason for row, reason in read.bad.items()}
    return Messages(read.rows + by, read.columns, bad, read.untagged, read.lines)


def _joined(parts: Sequence[Messages], wanted: Mapping[str, str], together: Together) -> Messages:
    untagged: Counter[str] = Counter()
    for part in parts:
        untagged.update(part.untagged)
    if not parts:
        return columns_found([], [], {}, wanted, together)
    counts = [len(part.rows) for part in parts]
    return Messages(
        np.concatenate([part.rows for part in parts]),
        {path: pa.concat_arrays([part.columns[path] for part in parts]) for path in wanted},
        {row: reason for part in parts for row, reason in part.bad.items()},
        untagged,
        {array: appended_lines([part.lines[array] for part in parts], counts) for array in together},
    )

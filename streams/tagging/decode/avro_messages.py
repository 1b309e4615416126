"""Avro bodies of a schema that somebody else owns, in columns; record by record what no columnar road is sure of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.bounds import largest_body
from schemas.codec import decode_value
from schemas.errors import DecodeError
from schemas.paths import tree
from schemas.records import RecordSchema
from streams.columns.lines import Lines, appended_lines
from streams.tagging.decode import isolated
from streams.tagging.decode.columnar import Bodies, ColumnDecoder
from streams.tagging.decode.json_columns import Messages, columns_found, repeats
from streams.tagging.decode.nested import Columns, NestedDecoder, Unsupported
from streams.tagging.decode.values import Found, Together, found_in

# Items that one body may have are fewer.
_MOST_IN_ONE = 2**20
# Types of Avro whose columns are those of a contract's type.
_SAME = {
    "string": ("string", "enum"),
    "integer": ("int", "long"),
    "number": ("double",),
    "boolean": ("boolean",),
}


class AvroMessages:
    """Reads bodies of one writer schema. `places`: paths that a contract knows; `wanted`: those to read, with types;
    `together`: those of them that are read item by item too."""

    def __init__(
        self,
        writer: RecordSchema,
        places: Sequence[str],
        wanted: Mapping[str, str],
        together: Together = MappingProxyType({}),
    ) -> None:
        self._writer = writer
        self._places = list(places)
        self._tree = tree(places)
        self._wanted = dict(wanted)
        self._together = dict(together)
        self._largest = largest_body(writer.json)
        self._nested = None if writer.flat else self._nested_decoder()
        types = {item.name: item.type for item in writer.fields}
        self._flat: ColumnDecoder | None = None
        # A field in which the contract names others has another shape than it says: record by record.
        inside = any(place.below for name in types if (place := self._tree.at(name)))
        read = all(types.get(name, kinds[0]) in kinds for name, kinds in self._kinds())
        if writer.flat and read and not inside:
            self._written = [name for name in self._wanted if name in types]
            self._unknown = [
                name for name in types if name not in self._wanted and self._tree.at(name) is None
            ]
            self._flat = ColumnDecoder(writer, [*self._written, *self._unknown])

    def _nested_decoder(self) -> NestedDecoder | None:
        try:
            again = {path: repeats(path) for path in self._wanted}
            return NestedDecoder(self._writer.json, self._tree, self._wanted, again)
        except Unsupported:
            return None

    def _kinds(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(name, _SAME[kind]) for name, kind in self._wanted.items()]

    def read(self, bodies: Bodies) -> Messages:
        """Every body that is what the contract says, in order, and a reason for each of the others."""
        if self._flat is not None:
            return self._columns(self._flat, bodies)
        if self._nested is None:
            return self.one_by_one(bodies, range(len(bodies)))
        read = self._nested.decode(bodies)
        lines = {array: _lines(read, paths) for array, paths in self._together.items()}
        sure = Messages(read.rows, read.columns, untagged=read.untagged, lines=lines)
        if not len(read.doubtful):
            return sure
        return _merged(sure, self.one_by_one(bodies, read.doubtful.tolist()), self._wanted)

    def one_by_one(self, bodies: Bodies, chosen: Iterable[int]) -> Messages:
        """The same answer for some of them by the definition."""
        rows: list[int] = []
        found: list[Found] = []
        bad: dict[int, str] = {}
        for row in chosen:
            try:
                found.append(self._one(bodies[row]))
            except DecodeError as error:
                bad[row] = error.reason
                continue
            rows.append(row)
        return columns_found(rows, found, bad, self._wanted, self._together)

    def _columns(self, decoder: ColumnDecoder, bodies: Bodies) -> Messages:
        decoded = decoder.decode(bodies)
        # What the schema of these bodies lacks is null, or a list of nothing.
        nothing = Found(items={array: [] for array in self._together})
        count = len(decoded.rows)
        lacking = columns_found(decoded.rows.tolist(), [nothing] * count, {}, self._wanted, self._together)
        columns = {**lacking.columns, **{name: decoded.columns[name] for name in self._written}}
        counts = {name: len(decoded.rows) - decoded.columns[name].null_count for name in self._unknown}
        untagged = {name: count for name, count in counts.items() if count}
        return Messages(np.asarray(decoded.rows), columns, decoded.bad, untagged, lacking.lines)

    def _one(self, body: bytes) -> Found:
        """What one body says. Raises DecodeError."""
        if len(body) > self._largest:
            return isolated.ISOLATED.found(
                self._writer.text, self._wanted, self._places, self._together, body
            )
        return found_in(decode_value(self._writer.text, body), self._tree, self._wanted, self._together)


def _lines(read: Columns, paths: Sequence[str]) -> Lines:
    """The items in which any of the paths has a value."""
    keys = {}
    for path in paths:
        rows = pc.list_parent_indices(read.columns[path]).to_numpy().astype(np.int64)
        keys[path] = rows * _MOST_IN_ONE + read.items.get(path, np.zeros(0, np.int64))
    every = np.unique(np.concatenate(list(keys.values())))
    columns = {}
    for path, own in keys.items():
        where = np.full(len(every), -1)
        where[np.searchsorted(every, own)] = np.arange(len(own))
        columns[path] = read.columns[path].flatten().take(pa.array(where, mask=where < 0))
    return Lines(every // _MOST_IN_ONE, columns)


def _merged(some: Messages, others: Messages, wanted: Iterable[str]) -> Messages:
    """Both in one, in the order of the bodies."""
    rows = np.concatenate([some.rows, others.rows])
    order = pa.array(np.argsort(rows, kind="stable"))
    columns = {
        name: pa.concat_arrays([some.columns[name], others.columns[name]]).take(order) for name in wanted
    }
    untagged = Counter(some.untagged)
    untagged.update(others.untagged)
    lines = {}
    for array in some.lines:
        both = appended_lines([some.lines[array], others.lines[array]], [len(some.rows), len(others.rows)])
        lines[array] = both.of(order.to_numpy(), len(rows))
    return Messages(np.sort(rows), columns, others.bad, untagged, lines)

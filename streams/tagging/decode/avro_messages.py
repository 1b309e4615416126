"""Avro bodies of a schema that somebody else owns: flat ones in columns, nested ones record by record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from schemas.bounds import largest_body
from schemas.codec import decode_value
from schemas.errors import DecodeError
from schemas.paths import tree
from schemas.records import RecordSchema
from streams.tagging.decode import isolated
from streams.tagging.decode.columnar import Bodies, ColumnDecoder
from streams.tagging.decode.json_columns import Messages, columns_found
from streams.tagging.decode.values import Found, found_in

# Types of Avro whose columns are those of a contract's type.
_SAME = {
    "string": ("string", "enum"),
    "integer": ("int", "long"),
    "number": ("double",),
    "boolean": ("boolean",),
}


class AvroMessages:
    """Reads bodies of one writer schema. `places`: paths that a contract knows; `wanted`: those to read, with types."""

    def __init__(self, writer: RecordSchema, places: Sequence[str], wanted: Mapping[str, str]) -> None:
        self._writer = writer
        self._places = list(places)
        self._tree = tree(places)
        self._wanted = dict(wanted)
        self._largest = largest_body(writer.json)
        types = {item.name: item.type for item in writer.fields}
        self._flat: ColumnDecoder | None = None
        if writer.flat and all(types.get(name, kinds[0]) in kinds for name, kinds in self._kinds()):
            self._written = [name for name in self._wanted if name in types]
            self._unknown = [
                name for name in types if name not in self._wanted and self._tree.at(name) is None
            ]
            self._flat = ColumnDecoder(writer, [*self._written, *self._unknown])

    def _says(self, name: str) -> bool:
        """Whether a field without fields of its own is one that the contract speaks of."""
        place = self._tree.at(name)
        return place is not None and place.path is not None

    def _kinds(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(name, _SAME[kind]) for name, kind in self._wanted.items()]

    def read(self, bodies: Bodies) -> Messages:
        """Every body that is what the contract says, in order, and a reason for each of the others."""
        if self._flat is not None:
            return self._columns(self._flat, bodies)
        rows: list[int] = []
        found: list[Found] = []
        bad: dict[int, str] = {}
        for row in range(len(bodies)):
            try:
                found.append(self._one(bodies[row]))
            except DecodeError as error:
                bad[row] = error.reason
                continue
            rows.append(row)
        return columns_found(rows, found, bad, self._wanted)

    def _columns(self, decoder: ColumnDecoder, bodies: Bodies) -> Messages:
        decoded = decoder.decode(bodies)
        # What the schema of these bodies lacks is null, or a list of nothing.
        lacking = columns_found(
            decoded.rows.tolist(), [Found()] * len(decoded.rows), {}, self._wanted
        ).columns
        columns = {**lacking, **{name: decoded.columns[name] for name in self._written}}
        counts = {name: len(decoded.rows) - decoded.columns[name].null_count for name in self._unknown}
        untagged = {name: count for name, count in counts.items() if count}
        return Messages(np.asarray(decoded.rows), columns, decoded.bad, untagged)

    def _one(self, body: bytes) -> Found:
        """What one body says. Raises DecodeError."""
        if len(body) > self._largest:
            return isolated.ISOLATED.found(self._writer.text, self._wanted, self._places, body)
        return found_in(decode_value(self._writer.text, body), self._tree, self._wanted)

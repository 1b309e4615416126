"""Many Avro bodies of one writer schema become columns, all records advancing together.

Avro has no framing between records, so gluing bodies into a container lets one short body shift every later field
onto the wrong person. Here the bodies lie in one buffer too, but each keeps its own begin and end: a cursor for each
record moves over the buffer field by field, one vector operation for the whole batch, and no cursor may leave its
record. A record that is cut, too long or not in its one canonical form fails alone.

What counts as valid is defined by `schemas.codec.decode_body`, one record at a time. Both roads accept and reject the
same bytes; records with arrays, maps or wider unions always take the slow one. Of those, a body that is not surely
read within bounds (`schemas.bounds.largest_body`) is decoded by a child process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.bounds import largest_body
from schemas.codec import decode_body
from schemas.errors import DecodeError
from schemas.records import RecordSchema
from streams.columns.arrays import Bytes, Flags, Ints
from streams.columns.lines import Lines
from streams.tagging.decode import isolated
from streams.tagging.decode.buffer import Buffer, joined
from streams.tagging.decode.child import at

_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
_ARROW = {
    **dict.fromkeys(("string", "enum"), pa.string()),
    **dict.fromkeys(("bytes", "fixed"), pa.binary()),
    **dict.fromkeys(("double", "float"), pa.float64()),
    "boolean": pa.bool_(),
    "null": pa.null(),
    # The only ones that are read as a whole (`schemas.facts`).
    "array": pa.list_(pa.string()),
}


@dataclass(frozen=True)
class Bodies:
    """`count` bodies in one buffer: body i is `data[begin[i]:end[i]]`, and `buffer.PADDING` bytes are behind them all.
    `apart`: each of its own, if they came so."""

    data: Bytes
    begin: Ints
    end: Ints
    apart: Sequence[bytes] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.begin)

    def __getitem__(self, index: int) -> bytes:
        return self.data[self.begin[index] : self.end[index]].tobytes()

    def part(self, chosen: slice) -> Bodies:
        """Some of them."""
        apart = None if self.apart is None else self.apart[chosen]
        return Bodies(self.data, self.begin[chosen], self.end[chosen], apart)

    def one_by_one(self) -> Sequence[bytes]:
        """Each as bytes of its own."""
        if self.apart is not None:
            return self.apart
        raw = self.data.tobytes()
        return [raw[begin:end] for begin, end in zip(self.begin.tolist(), self.end.tolist(), strict=True)]

    @classmethod
    def of(cls, bodies: Sequence[bytes]) -> Bodies:
        lengths = np.fromiter(map(len, bodies), np.int64, len(bodies))
        end = np.cumsum(lengths)
        return cls(joined(bodies), end - lengths, end, bodies)


@dataclass(frozen=True)
class Decoded:
    """Columns of the good records, and the reason why each of the others is none.

    `rows[i]` is the position, among the bodies given, of the record in row i of every column. Columns are
    Arrow arrays: int64 for numbers and times (milliseconds), string also for enum symbols, float64, bool, binary, null;
    lists where a contract names several values of an event. `deleted`: rows that say that the source deleted what they
    are of; None: none does. `untagged`: how often each path that the contract does not name had a value. `lines`: of
    the places in which a contract's identity rules read something else than the columns, what stands there: items of an
    array, by its path, and under "" rows as they are and were.
    """

    rows: Ints
    columns: Mapping[str, pa.Array]
    bad: Mapping[int, str] = field(default_factory=dict)
    deleted: Flags | None = None
    untagged: Mapping[str, int] = field(default_factory=dict)
    lines: Mapping[str, Lines] = field(default_factory=dict)


class ColumnDecoder:
    """Decodes bodies of one writer schema into the fields named in `wanted` (dotted through nested records)."""

    def __init__(self, record: RecordSchema, wanted: Sequence[str]) -> None:
        self._record = record
        self._wanted = list(dict.fromkeys(wanted))
        self._fields = _wire_fields(record) if record.flat else None
        types = {item.name: item.type for item in record.fields}
        self._types = {name: _ARROW.get(types[name], pa.int64()) for name in self._wanted}
        self._largest = largest_body(record.json)

    @property
    def columnar(self) -> bool:
        """Whether this schema takes the fast road."""
        return self._fields is not None

    def decode(self, bodies: Bodies) -> Decoded:
        """Columns of the valid bodies, in order, and a reason for each of the others."""
        if self._fields is None:
            return self.decode_one_by_one(bodies)
        cursor = _Cursor(bodies)
        read = {item.name: _read(cursor, item) for item in self._fields}
        good = cursor.ok & (cursor.at == bodies.end)
        rows = np.flatnonzero(good)
        columns = {name: read[name].arrow(bodies.data, rows) for name in self._wanted}
        # Asked again one by one: the reason should be the definition's, and it has the last word.
        bad = {int(row): _reason(self._record, bodies[int(row)]) for row in np.flatnonzero(~good)}
        return Decoded(rows, columns, bad)

    def decode_one_by_one(self, bodies: Bodies) -> Decoded:
        """The same answer by way of `decode_body`: the definition, and the road of records that are not flat.

        One body at a time, and of each only what is wanted is kept: the whole batch as objects would not fit.
        """
        rows: list[int] = []
        values: dict[str, list[Any]] = {name: [] for name in self._wanted}
        bad: dict[int, str] = {}
        for row in range(len(bodies)):
            try:
                found = self._one(bodies[row])
            except DecodeError as error:
                bad[row] = error.reason
                continue
            rows.append(row)
            for name, value in zip(self._wanted, found, strict=True):
                values[name].append(value)
        columns = {name: pa.array(values[name], kind) for name, kind in self._types.items()}
        return Decoded(np.array(rows, np.int64), columns, bad)

    def _one(self, body: bytes) -> list[Any]:
        """The values wanted of one body. Raises DecodeError."""
        if len(body) > self._largest:
            return isolated.ISOLATED.values(self._record.text, self._wanted, body)
        value = decode_body(self._record, body)
        return [at(value, name) for name in self._wanted]


def _reason(record: RecordSchema, body: bytes) -> str:
    try:
        decode_body(record, body)
    except DecodeError as error:
        return error.reason
    # Unreachable while both roads agree (a property test holds them together); never a silent acceptance.
    return "not_canonical"


@dataclass(frozen=True)
class _WireField:
    """How one flat field lies on the wire. `size`: bytes of a fixed."""

    name: str
    kind: str
    size: int
    symbols: tuple[str, ...]
    null_index: int | None  # branch of null in the union; None: no union


def _wire_fields(record: RecordSchema) -> list[_WireField] | None:
    """The fields in order, or None where a type is left to the slow road."""
    fields = []
    for described in record.json["fields"]:
        kind, null_index = described["type"], None
        if isinstance(kind, list):
            null_index = kind.index("null")
            kind = kind[1 - null_index]
        full = kind if isinstance(kind, dict) else {"type": kind}
        kind = full["type"]
        if kind == "float":  # A signalling NaN does not survive the way through a Python float.
            return None
        size, symbols = int(full.get("size", 0)), tuple(full.get("symbols", ()))
        fields.append(_WireField(described["name"], kind, size, symbols, null_index))
    return fields


class _Cursor:
    """Where each record stands. `ok` falls for a record that cannot be valid; its cursor then rests."""

    def __init__(self, bodies: Bodies) -> None:
        self._buffer = Buffer(bodies.data)
        self.data = bodies.data
        self.at = bodies.begin.copy()
        self.end = bodies.end
        self.ok = np.ones(len(bodies), np.bool_)

    def byte(self) -> Bytes:
        """The byte under each cursor. One at its end reads a foreign byte: whoever advances checks the bound."""
        return self.data[self.at]

    def advance(self, by: Ints | int, present: Flags | None) -> None:
        """Move; a cursor that would leave its record fails and stays."""
        target = self.at + by
        if present is not None:
            target = np.where(present, target, self.at)
        fits = (target <= self.end) & (target >= self.at)
        if fits.all():
            self.at = target
            return
        self.ok &= fits
        self.at = np.where(fits, target, self.end)

    def number(self, present: Flags | None) -> Ints:
        """The zigzag varint under each cursor, which must be written in as few bytes as it can."""
        value, width, sound = self._buffer.varints(self.at)
        self.ok &= sound if present is None else sound | ~present
        self.advance(width, present)
        return (value >> np.uint64(1)).astype(np.int64) ^ -(value & np.uint64(1)).astype(np.int64)

    def texts(self, begin: Ints) -> None:
        """Clear `ok` where the bytes from `begin` up to the cursor are not UTF-8."""
        for row in self._buffer.not_ascii(begin, self.at):
            try:
                self.data[begin[row] : self.at[row]].tobytes().decode()
            except UnicodeDecodeError:
                self.ok[row] = False


@dataclass(frozen=True)
class _Column:
    """What was read of one field: numbers, or where its bytes lie (`value` begins, `length` long)."""

    item: _WireField
    value: Ints
    length: Ints | None
    present: Flags | None

    def arrow(self, data: Bytes, rows: Ints) -> pa.Array:
        kind = _ARROW.get(self.item.kind, pa.int64())
        if pa.types.is_null(kind):
            return pa.nulls(len(rows))
        missing = None if self.present is None else ~self.present[rows]
        value = self.value[rows]
        if self.length is None:
            numbers = pa.array(value, pa.int64(), mask=missing)
            return pa.array(self.item.symbols).take(numbers) if self.item.symbols else numbers.cast(kind)
        length = self.length[rows]
        if missing is not None:
            length = np.where(missing, 0, length)
        # The buffer as texts: each value, and after it what lies before the next. Arrow copies every second one.
        edges = np.empty(2 * len(rows), np.int64)
        edges[::2], edges[1::2] = value, value + length
        buffers = [None, pa.py_buffer(edges), pa.py_buffer(data)]
        wide = pa.large_string() if pa.types.is_string(kind) else pa.large_binary()
        everything = pa.Array.from_buffers(wide, max(len(edges) - 1, 0), buffers)
        found = everything.take(pa.array(np.arange(0, len(edges), 2), mask=missing))
        if not pa.types.is_floating(kind):
            return found.cast(kind)
        doubles = np.zeros(len(rows))
        doubles[length > 0] = np.frombuffer(found.buffers()[2], "<f8", int(length.sum()) // 8)
        return pa.array(doubles, mask=missing)


def _read(cursor: _Cursor, item: _WireField) -> _Column:
    """Read one field of every record; `cursor.ok` falls where the bytes cannot be the field's."""
    present = None
    if item.null_index is not None:
        index = cursor.byte()
        null_byte, value_byte = (0, 2) if item.null_index == 0 else (2, 0)
        present = index == value_byte
        cursor.ok &= present | (index == null_byte)
        cursor.advance(1, None)
    length: Ints | None = None
    match item.kind:
        case "null":
            value = cursor.at
        case "boolean":
            flag = cursor.byte()
            cursor.ok &= flag < 2 if present is None else (flag < 2) | ~present
            value = flag.astype(np.int64)
            cursor.advance(1, present)
        case "string" | "bytes":
            length = cursor.number(present)
            value = cursor.at
            cursor.advance(length, present)
            if item.kind == "string":
                cursor.texts(value)
        case "double" | "fixed":
            value = cursor.at
            size = 8 if item.kind == "double" else item.size
            length = np.full(len(value), size, np.int64)
            cursor.advance(size, present)
        case _:
            value = cursor.number(present)
            if item.kind in ("enum", "int"):
                low, high = (0, len(item.symbols) - 1) if item.kind == "enum" else (_INT_MIN, _INT_MAX)
                within = (value >= low) & (value <= high)
                cursor.ok &= within if present is None else within | ~present
    return _Column(item, value, length, present)

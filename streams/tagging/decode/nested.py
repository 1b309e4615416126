"""Avro bodies with records and arrays inside become columns, all bodies advancing together.

As in `streams.tagging.decode.columnar` a cursor for each body moves over the one buffer; the items of arrays are read
one after the other by those bodies that have another. This road only has to be sound: what it reads, the definition
(`schemas.codec.decode_value`, `values.found_in`) reads the same. A body that it is not sure of is left alone to the
definition: one that is broken, written in another way than the shortest, or has very many items. So is a whole schema
with wider unions, or with maps or types in places where a contract reads something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.paths import ITEM, Node, key_step
from schemas.resolution import Type, read_type
from streams.columns.arrays import Bytes, Flags, Ints
from streams.tagging.decode.arrow_values import arrow_values
from streams.tagging.decode.buffer import Buffer
from streams.tagging.decode.columnar import Bodies
from streams.tagging.decode.values import MOST_PATHS

_LARGEST_BLOCK = 100
# Items of all bodies of a batch together, a few for each and some more; and how often a next item is turned to.
_MOST_ITEMS, _ITEMS_EACH, _MOST_TURNS = 500_000, 8, 5_000
_DEEPEST = 32
_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
_READ_AS = {
    "string": {"string": "string", "enum": "string"},
    "integer": {"int": "integer", "long": "integer"},
    "number": {"double": "number"},
    "boolean": {"boolean": "boolean"},
}


class Unsupported(Exception):
    """A schema that is left to the definition."""


@dataclass
class Cursor:
    """Where each of some bodies stands. `ok` falls for one that is not surely read; it then rests at its end."""

    buffer: Buffer
    at: Ints
    end: Ints
    ok: Flags
    rows: Ints

    def of(self, chosen: Ints) -> Cursor:
        """Some of them; give it back by `put`."""
        return Cursor(self.buffer, self.at[chosen], self.end[chosen], self.ok[chosen], self.rows[chosen])

    def put(self, chosen: Ints, part: Cursor) -> None:
        self.at[chosen], self.ok[chosen] = part.at, part.ok

    def doubt(self, which: Flags) -> None:
        """Leave these to the definition."""
        if which.any():
            self.ok &= ~which
            self.at = np.where(which, self.end, self.at)

    def advance(self, by: Ints | int) -> None:
        target = self.at + by
        outside = (target > self.end) | (target < self.at)
        self.at = np.where(outside, self.at, target)
        self.doubt(outside)

    def number(self) -> Ints:
        value, width, sound = self.buffer.varints(self.at)
        self.doubt(~sound)
        self.advance(np.where(self.ok, width, 0))
        return (value >> np.uint64(1)).astype(np.int64) ^ -(value & np.uint64(1)).astype(np.int64)


@dataclass
class Read:
    """Values of one place: `rows[i]` is the body that has `value[i]`, a number or where a text begins. `item`: of each
    part which item of an array it was read in."""

    rows: list[Ints] = field(default_factory=list)
    value: list[Ints] = field(default_factory=list)
    length: list[Ints] = field(default_factory=list)
    item: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """A place of which something is kept: `path` of a contract as `kind`, or one that none names (`kind` empty)."""

    path: str
    kind: str


@dataclass
class Run:
    """One batch: what was read of each place, and how many items more may be read, in how many turns. `item`: which
    item of its array each body is at."""

    items: int
    turns: int = _MOST_TURNS
    item: int = 0
    read: dict[Place, Read] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """How one type is read. `kept`: what is kept of a scalar; `parts`: the fields, the branches, or what an item is:
    of a map a key and a value. The kind `here` reads nothing: it keeps that something is there."""

    type: Type
    parts: tuple[Step, ...] = ()
    kept: Place | None = None

    def read(self, cursor: Cursor, run: Run) -> None:
        """Read it of every body of the cursor."""
        match self.type.kind:
            case "record":
                for part in self.parts:
                    part.read(cursor, run)
            case "union":
                self._union(cursor, run)
            case "array" | "map":
                self._array(cursor, run)
            case _:
                self._scalar(cursor, run)

    def _union(self, cursor: Cursor, run: Run) -> None:
        branch = cursor.number()
        cursor.doubt((branch < 0) | (branch >= len(self.parts)))
        for number, part in enumerate(self.parts):
            chosen = np.flatnonzero(cursor.ok & (branch == number))
            if len(chosen) and part.type.kind != "null":
                _of(cursor, chosen, part, run)

    def _array(self, cursor: Cursor, run: Run) -> None:
        left = cursor.number()
        cursor.doubt((left < 0) | (left > _LARGEST_BLOCK))
        filled = cursor.ok & (left > 0)
        outer, run.item = run.item, 0
        while (active := np.flatnonzero(cursor.ok & (left > 0))).size:
            run.items -= len(active)
            run.turns -= 1
            if run.items < 0 or run.turns < 0:
                cursor.doubt(left > 0)
                break
            for part in self.parts:
                _of(cursor, active, part, run)
            left[active] -= 1
            run.item += 1
        run.item = outer
        # Behind a block comes another or none; a writer makes one.
        closing = np.flatnonzero(filled & cursor.ok)
        if len(closing):
            behind = cursor.of(closing)
            behind.doubt(behind.number() != 0)
            cursor.put(closing, behind)

    def _scalar(self, cursor: Cursor, run: Run) -> None:
        kind, length = self.type.kind, None
        match kind:
            case "null":
                return
            case "here":
                value = cursor.at
            case "boolean":
                value = cursor.buffer.data[cursor.at].astype(np.int64)
                cursor.doubt(value > 1)
                cursor.advance(np.where(cursor.ok, 1, 0))
            case "string" | "bytes":
                length = cursor.number()
                value = cursor.at
                cursor.advance(np.where(cursor.ok, length, 0))
                if kind == "string":
                    self._texts(cursor, value)
            case "double" | "float" | "fixed":
                size = {"double": 8, "float": 4}.get(kind, self.type.size)
                value = cursor.at
                cursor.advance(np.where(cursor.ok, size, 0))
            case _:
                value = cursor.number()
                if kind == "enum":
                    cursor.doubt((value < 0) | (value >= len(self.type.symbols)))
                elif kind == "int":
                    cursor.doubt((value < _INT_MIN) | (value > _INT_MAX))
        if self.kept is not None:
            found = run.read.setdefault(self.kept, Read())
            found.rows.append(cursor.rows)
            found.value.append(value)
            found.item.append(run.item)
            if length is not None:
                found.length.append(length)

    def _texts(self, cursor: Cursor, begin: Ints) -> None:
        wrong = np.zeros(len(begin), np.bool_)
        for row in cursor.buffer.not_ascii(begin, np.maximum(begin, cursor.at)):
            try:
                cursor.buffer.data[begin[row] : cursor.at[row]].tobytes().decode()
            except UnicodeDecodeError:
                wrong[row] = True
        cursor.doubt(wrong)

    def leaves(self) -> Iterator[tuple[Place, Type]]:
        """Every place of which something is kept, and its type."""
        if self.kept is not None:
            yield self.kept, self.type
        for part in self.parts:
            yield from part.leaves()


def _of(cursor: Cursor, chosen: Ints, step: Step, run: Run) -> None:
    """Read it of some bodies."""
    if len(chosen) == len(cursor.at):
        step.read(cursor, run)
        return
    part = cursor.of(chosen)
    step.read(part, run)
    cursor.put(chosen, part)


@dataclass(frozen=True)
class Columns:
    """What was surely read: of `rows` the columns and how often each unknown path had a value. The rest: `doubtful`.
    `items`: of the values of a column of lists in which item of its array each stands."""

    rows: Ints
    columns: Mapping[str, pa.Array]
    untagged: Mapping[str, int]
    doubtful: Ints
    items: Mapping[str, Ints]


class NestedDecoder:
    """Reads bodies of one writer schema. `places`: what a contract says of them; `wanted`: paths to read, and types."""

    def __init__(
        self, schema: Any, places: Node, wanted: Mapping[str, str], repeats: Mapping[str, bool]
    ) -> None:
        """`repeats`: of each path that is wanted whether a body may have several values. Raises Unsupported."""
        self._wanted = dict(wanted)
        self._repeats = dict(repeats)
        self._step = _step(read_type(schema), places, "", False, self._wanted, 0)
        leaves = list(self._step.leaves())
        self._types = dict(leaves)
        unknown = sum(not place.kind for place in self._types)
        if unknown > MOST_PATHS or any(
            self._types[place].kind != kind.kind for place, kind in leaves if place.kind
        ):
            raise Unsupported

    def decode(self, bodies: Bodies) -> Columns:
        """Columns of the bodies that are surely read."""
        count = len(bodies)
        run = Run(_MOST_ITEMS + _ITEMS_EACH * count)
        cursor = Cursor(
            Buffer(bodies.data), bodies.begin.copy(), bodies.end, np.ones(count, np.bool_), np.arange(count)
        )
        self._step.read(cursor, run)
        good = cursor.ok & (cursor.at == bodies.end)
        rows = np.flatnonzero(good)
        place = np.cumsum(good) - 1
        columns: dict[str, pa.Array] = {}
        untagged: dict[str, int] = {}
        items: dict[str, Ints] = {}
        for kept, kind in self._types.items():
            read = run.read.get(kept, Read())
            of = np.concatenate([np.zeros(0, np.int64), *read.rows])
            there = good[of]
            if not kept.kind:
                if seen := int(there.sum()):
                    untagged[kept.path] = untagged.get(kept.path, 0) + seen
                continue
            of = place[of[there]]
            values = np.concatenate([np.zeros(0, np.int64), *read.value])[there]
            lengths = np.concatenate([np.zeros(0, np.int64), *read.length])
            lengths = lengths[there] if len(lengths) else lengths
            columns[kept.path] = self._column(kept, kind, bodies.data, len(rows), of, values, lengths)
            if self._repeats[kept.path]:
                which = np.repeat(np.array(read.item, np.int64), [len(part) for part in read.rows])[there]
                items[kept.path] = which[np.argsort(of, kind="stable")]
        for name, type_ in self._wanted.items():
            if name not in columns:
                empty = np.zeros(0, np.int64)
                columns[name] = self._column(
                    Place(name, type_), Type("string" if type_ == "string" else "long"), bodies.data, len(rows),
                    empty, empty, empty,
                )  # fmt: skip
        return Columns(rows, columns, untagged, np.flatnonzero(~good), items)

    def _column(
        self, kept: Place, kind: Type, data: Bytes, count: int, of: Ints, values: Ints, lengths: Ints
    ) -> pa.Array:
        order = np.argsort(of, kind="stable")
        of, values = of[order], values[order]
        lengths = lengths[order] if len(lengths) else lengths
        found = arrow_values(kept.kind, kind, data, values, lengths)
        if self._repeats[kept.path]:
            offsets = np.searchsorted(of, np.arange(count + 1)).astype(np.int32)
            return pa.ListArray.from_arrays(pa.array(offsets), found)
        where = np.full(count, -1)
        where[of] = np.arange(len(of))
        return found.take(pa.array(where, mask=where < 0))


def _step(
    kind: Type, node: Node | None, path: str, covered: bool, wanted: Mapping[str, str], depth: int
) -> Step:
    """What to do with a type at a place: `node` of the contract, None where it says nothing. Raises Unsupported."""
    if depth > _DEEPEST:
        raise Unsupported
    if node is not None and node.path is not None and node.path in wanted:
        return _wanted_step(kind, node.path, wanted[node.path])
    if node is not None and not _fits(node, kind):
        raise Unsupported
    covered = covered or (node is not None and node.path is not None)
    match kind.kind:
        case "record":
            parts = []
            for item in kind.fields:
                below = f"{path}.{key_step(item.name)}" if path else key_step(item.name)
                there = node.at(item.name) if node is not None else None
                parts.append(_inside(item.type, there, node, below, path, covered, wanted, depth + 1))
            return Step(kind, tuple(parts))
        case "union":
            if len([part for part in kind.parts if part.kind != "null"]) > 1:
                raise Unsupported
            return Step(
                kind, tuple(_step(part, node, path, covered, wanted, depth + 1) for part in kind.parts)
            )
        case "array":
            items = node.items if node is not None else None
            return Step(
                kind, (_inside(kind.parts[0], items, node, path + ITEM, path, covered, wanted, depth + 1),)
            )
        case "map":
            if not covered or (node is not None and node.below):
                raise Unsupported
            text = Type("string")
            return Step(kind, (Step(text), _step(kind.parts[0], None, path, True, wanted, depth + 1)))
        case "null":
            return Step(kind)
    return Step(kind, kept=None if covered else Place(path, ""))


def _fits(node: Node, kind: Type) -> bool:
    """Whether what the contract names below a place can be in a value of the type."""
    if not node.below or kind.kind in ("union", "null"):
        return True
    return kind.kind == "array" if node.items is not None else kind.kind in ("record", "map")


def _inside(
    kind: Type,
    node: Node | None,
    parent: Node | None,
    path: str,
    outside: str,
    covered: bool,
    wanted: Mapping[str, str],
    depth: int,
) -> Step:
    """A field or item: one that the contract does not know and does not cover is counted as a whole."""
    if node is not None or covered:
        return _step(kind, node, path, covered, wanted, depth)
    inner = _step(kind, None, path, True, wanted, depth)
    return _whole(inner, path)


def _whole(step: Step, path: str) -> Step:
    """The same step, with each value of it counted at the path, whatever it is."""
    if step.type.kind == "union":
        return replace(step, parts=tuple(_whole(part, path) for part in step.parts))
    if step.type.kind == "null":
        return step
    if step.type.kind in ("record", "array", "map"):
        return Step(Type("record"), (Step(Type("here"), kept=Place(path, "")), step))
    return replace(step, kept=Place(path, ""))


def _wanted_step(kind: Type, path: str, wanted: str) -> Step:
    if kind.kind == "union":
        if len([part for part in kind.parts if part.kind != "null"]) > 1:
            raise Unsupported
        return Step(kind, tuple(_wanted_step(part, path, wanted) for part in kind.parts))
    if kind.kind == "null":
        return Step(kind)
    if kind.kind not in _READ_AS[wanted]:
        raise Unsupported
    return Step(kind, kept=Place(path, wanted))

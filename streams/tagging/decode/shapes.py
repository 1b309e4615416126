"""What types the fields of a topic's JSON have: declared where they are read, learnt from messages where not.

With them Arrow's reader can be told the type of every field, so that it stops at the first field it was not told of
instead of passing over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.paths import ITEM, Node, key_step, steps
from streams.columns.arrays import Ints

SCALARS = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
}
_MOST_FIELDS = 500
_DEEPEST = 16
_OBJECT, _ARRAY = "object", "array"
_KINDS: Mapping[type, str] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    dict: _OBJECT,
    list: _ARRAY,
}


@dataclass
class Shape:
    """One place: `kind` is a scalar's type, object or array; empty while only nulls were seen there."""

    kind: str = ""
    below: dict[str, Shape] = field(default_factory=dict)

    def arrow(self) -> pa.DataType:
        """The type that Arrow reads it with."""
        if self.kind == _OBJECT:
            return pa.struct([(name, shape.arrow()) for name, shape in self.below.items()])
        if self.kind == _ARRAY:
            return pa.list_(self.below[ITEM].arrow())
        return SCALARS.get(self.kind, pa.null())


class Shapes:
    """All places of a topic's messages, from the root."""

    def __init__(self, wanted: Mapping[str, str]) -> None:
        """`wanted`: paths that are read, with their types."""
        self.root = Shape(_OBJECT)
        self._count = 0
        for path, kind in wanted.items():
            shape = self.root
            for step in steps(path):
                shape.kind = _ARRAY if step == ITEM else _OBJECT
                shape = shape.below.setdefault(step, Shape())
            shape.kind = kind

    def learn(self, value: Any) -> None:
        """Types of what is not known yet of a message. What differs from message to message is left as it was."""
        self._learn(value, self.root, 0)

    def _learn(self, value: Any, shape: Shape, depth: int) -> None:
        if value is None or depth > _DEEPEST:
            return
        kind = _KINDS[type(value)]
        if not shape.kind:
            shape.kind = kind
            if kind == _ARRAY:
                shape.below[ITEM] = Shape()
        if shape.kind != kind:
            return
        if kind == _OBJECT:
            for key, item in value.items():
                if (below := shape.below.get(key)) is None:
                    if self._count >= _MOST_FIELDS:
                        continue
                    self._count += 1
                    below = shape.below[key] = Shape()
                self._learn(item, below, depth + 1)
        elif kind == _ARRAY:
            for item in value:
                self._learn(item, shape.below[ITEM], depth + 1)


@dataclass(frozen=True)
class Column:
    """Values of one place. `rows[i]`: the message that value i is of; None: one for each message."""

    path: str
    values: pa.Array
    rows: Ints | None
    known: bool

    def listed(self, count: int) -> pa.Array:
        """A list for each of `count` messages, without nulls."""
        rows = np.arange(count) if self.rows is None else self.rows
        there = self.values.is_valid().to_numpy(zero_copy_only=False)
        offsets = np.searchsorted(rows[there], np.arange(count + 1)).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), self.values.drop_null())


def columns_of(
    values: pa.Array, node: Node | None, path: str = "", rows: Ints | None = None, covered: bool = False
) -> Iterator[Column]:
    """The columns of paths in `node`'s tree, and of the places that no path names or covers."""
    if node is None:
        if not covered:
            yield Column(path, values, rows, False)
        return
    covered = covered or node.path is not None
    if pa.types.is_struct(values.type):
        for kind, item in zip(values.type, values.flatten(), strict=True):
            below = f"{path}.{key_step(kind.name)}" if path else key_step(kind.name)
            yield from columns_of(item, node.at(kind.name), below, rows, covered)
    elif pa.types.is_list(values.type):
        parents: Ints = pc.list_parent_indices(values).to_numpy().astype(np.int64)
        inside = parents if rows is None else rows[parents]
        yield from columns_of(values.flatten(), node.items, path + ITEM, inside, covered)
    elif node.path is not None:
        yield Column(node.path, values, rows, True)
    elif not covered:
        yield Column(path, values, rows, False)

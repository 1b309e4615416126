"""How large an Avro schema may be, and what its events may cost to read: asked before a library sees either. Pure.

A schema out of a registry is written by others. Libraries for JSON and Avro recurse as deep as their input and build
what it tells them to build, so both are held within bounds first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.resolution import Type, read_type

LARGEST_TEXT = 256 * 1024
"""Characters of a schema."""
DEEPEST = 64
"""Levels of nesting, of the JSON text and of the types that it means."""
MOST_TYPES = 2_000
"""Fields, branches and symbols; a named type counts wherever it stands."""
LARGEST_FIXED = 1024 * 1024
LONGEST_WORD = 256
"""Characters of a name or of a word of an annotation."""
MEMORY = 320 * 1024 * 1024
"""Bytes that reading one event may take in this process."""

_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_NAMED = ("record", "error", "enum", "fixed")
# Bytes of CPython objects, rounded up: a dict and each of its entries, a text or a number, a list and a place in it.
_DICT, _ENTRY, _OBJECT, _LIST, _PLACE = 232, 104, 80, 64, 8
# A character takes up to four bytes as soon as one of its text needs them, beside the bytes it was read from.
_TEXT_RATIO = 5.0


def text_fault(text: str) -> str | None:
    """What is wrong with the size or the nesting of a schema's text, and the mend."""
    if len(text) > LARGEST_TEXT:
        return f"is larger than {LARGEST_TEXT // 1024} KiB; split it"
    depth = 0
    for found in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if found[0] in "[{" else -1
        if depth > DEEPEST:
            return f"is nested deeper than {DEEPEST} levels; make it flatter"
    return None


def size_fault(schema: Any) -> str | None:
    """What is wrong with the number or the size of a schema's types, valid or not, and the mend. `schema`: the JSON
    value of a text without `text_fault`."""
    if any(len(word) > LONGEST_WORD for word in _words(schema)):
        return f"has a name or word of more than {LONGEST_WORD} characters; shorten it"
    sizes = _Sizes()
    if sizes.of(schema, "") > MOST_TYPES:
        return f"has more than {MOST_TYPES:,} fields, branches and symbols, repeated types counted; split it"
    return sizes.fault


def _words(value: Any, key: str = "") -> Iterator[str]:
    """All texts of a schema that may be shown: not its documentation, and no defaults."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _words(part)
    elif isinstance(value, dict):
        for name, part in value.items():
            yield name
            if name not in ("doc", "default", "privacy_change"):
                yield from _words(part)


@dataclass
class _Sizes:
    """Counts types without building what names repeat: ten records that name each other twice are a thousand."""

    known: dict[str, int] = field(default_factory=dict)
    fault: str | None = None

    def of(self, raw: Any, namespace: str) -> int:
        if isinstance(raw, str):
            return self.known.get(raw, self.known.get(f"{namespace}.{raw}", 1))
        if isinstance(raw, list):
            return 1 + sum(self.of(branch, namespace) for branch in raw)
        if not isinstance(raw, dict):
            return 1
        kind = raw.get("type")
        if not isinstance(kind, str) or kind not in _NAMED:
            return 1 + sum(self.of(raw.get(key), namespace) for key in ("type", "items", "values"))
        return self._named(raw, kind, namespace)

    def _named(self, raw: Mapping[str, Any], kind: str, namespace: str) -> int:
        given = str(raw.get("name", ""))
        space, _, name = given.rpartition(".")
        space = space or str(raw.get("namespace") or namespace)
        full = f"{space}.{name}" if space else name
        self.known[full] = 1
        size = raw.get("size")
        # A size that is none is for the libraries to refuse.
        if kind == "fixed" and isinstance(size, int) and size > LARGEST_FIXED:
            self.fault = f"has a fixed of more than {LARGEST_FIXED:,} bytes; make it bytes"
        total = 1 + (len(raw["symbols"]) if isinstance(raw.get("symbols"), list) else 0)
        fields = raw.get("fields")
        for item in fields if isinstance(fields, list) else ():
            total += 1 + (self.of(item.get("type"), space) if isinstance(item, dict) else 0)
        # Beyond what is allowed the exact number means nothing, and it would have as many digits as there are types.
        self.known[full] = min(total, MOST_TYPES + 1)
        return self.known[full]


@dataclass(frozen=True)
class _Cost:
    """`least`: bytes of the shortest value. `weight`: bytes of memory of a value whose texts and lists are empty.
    `ratio`: bytes of memory that each byte of content may add; infinite if content may cost nothing on the wire."""

    least: int
    weight: int
    ratio: float = 0.0
    depth: int = 1


def largest_body(schema: Any) -> int:
    """Bytes of the largest body of a valid schema (JSON value) that is surely read within `MEMORY` and `DEEPEST`; 0: of
    no body can that be said. Infinite recursion and lists of nothing are what makes it 0."""
    cost = _Costs().of(read_type(schema))
    if math.isinf(cost.ratio) or cost.depth > DEEPEST or cost.weight > MEMORY:
        return 0
    return int((MEMORY - cost.weight) / max(cost.ratio, 1.0))


_PLAIN = {
    "null": _Cost(0, 0),
    "boolean": _Cost(1, 0),
    "int": _Cost(1, _OBJECT),
    "long": _Cost(1, _OBJECT),
    "float": _Cost(4, _OBJECT),
    "double": _Cost(8, _OBJECT),
    "enum": _Cost(1, 0),
    "bytes": _Cost(1, _OBJECT, 1.0),
    "string": _Cost(1, _OBJECT, _TEXT_RATIO),
}
_ENDLESS = _Cost(0, 0, math.inf)


@dataclass
class _Costs:
    known: dict[int, _Cost] = field(default_factory=dict)

    def of(self, item: Type) -> _Cost:
        if item.kind in _PLAIN:
            return _PLAIN[item.kind]
        if id(item) not in self.known:
            # A type inside itself meets this.
            self.known[id(item)] = _ENDLESS
            self.known[id(item)] = self._made(item)
        return self.known[id(item)]

    def _made(self, item: Type) -> _Cost:
        if item.kind == "fixed":
            return _Cost(item.size, _OBJECT + item.size)
        parts = [self.of(part) for part in item.parts] or [self.of(each.type) for each in item.fields]
        depth = 1 + max((part.depth for part in parts), default=0)
        ratio = max((part.ratio for part in parts), default=0.0)
        if item.kind == "record":
            weight = _DICT + sum(_ENTRY + part.weight for part in parts)
            return _Cost(sum(part.least for part in parts), weight, ratio, depth)
        if item.kind == "union":
            least = 1 + min((part.least for part in parts), default=0)
            return _Cost(least, max((part.weight for part in parts), default=0), ratio, depth)
        (part,) = parts
        if item.kind == "map":
            entry = (_ENTRY + _OBJECT + part.weight) / (1 + part.least)
            return _Cost(1, _DICT, max(ratio, _TEXT_RATIO, entry), depth)
        place = (_PLACE + part.weight) / part.least if part.least else math.inf
        return _Cost(1, _LIST, max(ratio, place), depth)

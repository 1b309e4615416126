"""What a foreign message is, one at a time: the definition that the columnar reading of JSON has to agree with."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from schemas.errors import DecodeError
from schemas.paths import ANY, ITEM, Node, key_step, steps

_LONG = range(-(2**63), 2**63)
MOST_PATHS = 100


def json_value(body: bytes) -> dict[str, Any]:
    """The object that a message is. Raises DecodeError: malformed_body, decode_limit.

    Strict: UTF-8, each key of an object once, no NaN, no number beyond a double, no half of a surrogate pair.
    """
    try:
        text = body.decode()
        value = json.loads(
            text,
            object_pairs_hook=_once,
            parse_constant=_no_number,
            parse_float=_finite,
            parse_int=_whole,
        )
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        raise DecodeError("malformed_body") from None
    except RecursionError:
        raise DecodeError("decode_limit") from None
    if not isinstance(value, dict):
        raise DecodeError("malformed_body")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of a key that stands twice one reader takes the first and another the last.
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _no_number(_: str) -> Any:
    raise ValueError


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError
    return number


def _whole(text: str) -> int:
    if len(text) > 300:
        _finite(text)
    return int(text)


@dataclass
class Found:
    """What a message says at the places that are read. `untagged`: how often each path that no contract names has a
    value; of very many, those beyond a bound together."""

    values: dict[str, list[Any]] = field(default_factory=dict)
    untagged: Counter[str] = field(default_factory=Counter)
    items: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Of each array that is read item by item what stands in each, by path; without items in which nothing does."""


Together = Mapping[str, Sequence[str]]
"""Paths that are read item by item, by the array (`consignees[]`) in whose items they lie."""


def found_in(
    value: Mapping[str, Any],
    places: Node,
    wanted: Mapping[str, str],
    together: Together = MappingProxyType({}),
) -> Found:
    """Values at the paths of `wanted`, each with its type, and item by item those of `together`, which are wanted too.

    Raises DecodeError: malformed_body, also where a value has another shape than the paths inside it say.
    """
    found = Found()
    _look(value, places, "", False, wanted, found)
    for array, paths in together.items():
        found.items[array] = list(_items(value, array, paths))
    return found


def _items(value: Any, array: str, paths: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Of a message that has the shape which its paths say."""
    *above, _ = steps(array)
    inside = {path: steps(path)[len(above) + 1 :] for path in paths}
    for item in _below(value, above) or ():
        said = {path: _below(item, below) for path, below in inside.items()}
        if any(each is not None for each in said.values()):
            yield said


def _below(value: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _look(value: Any, node: Node, path: str, covered: bool, wanted: Mapping[str, str], found: Found) -> None:
    """`covered`: what lies further down belongs to a path above where nothing more is said of it."""
    if value is None:
        return
    if node.path is not None and node.path in wanted:
        found.values.setdefault(node.path, []).append(_typed(value, wanted[node.path]))
        return
    if node.below and not _has_shape(value, node):
        raise DecodeError("malformed_body")
    covered = covered or node.path is not None
    if isinstance(value, dict):
        for key, item in value.items():
            below = f"{path}.{key_step(key)}" if path else key_step(key)
            _step(item, node.at(key), below, covered, wanted, found)
    elif isinstance(value, list):
        for item in value:
            _step(item, node.items, path + ITEM, covered, wanted, found)
    elif not covered:
        _unknown(path, found)


def _has_shape(value: Any, node: Node) -> bool:
    """Whether the value is what the paths inside it say: an array, an object, or of two kinds of paths either."""
    if isinstance(value, list):
        return ITEM in node.below
    return isinstance(value, dict) and any(step != ITEM for step in node.below)


def _step(
    value: Any, node: Node | None, path: str, covered: bool, wanted: Mapping[str, str], found: Found
) -> None:
    if node is not None:
        _look(value, node, path, covered, wanted, found)
    elif not covered and value is not None:
        _unknown(path, found)


def _unknown(path: str, found: Found) -> None:
    known = path in found.untagged or len(found.untagged) < MOST_PATHS
    found.untagged[path if known else ANY] += 1


def _typed(value: Any, kind: str) -> Any:
    """The value, if it is of the type. A number is no text: which of 7 and 007 a text would be, nobody can say."""
    fits = {
        "string": isinstance(value, str),
        "integer": type(value) is int and value in _LONG,
        "number": type(value) in (int, float),
        "boolean": isinstance(value, bool),
    }[kind]
    if not fits:
        raise DecodeError("malformed_body")
    return value

"""One text for one meaning: JSON in the form of RFC 8785, of what needs no fractions. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MOST = 2**53 - 1
"""The largest number that every reader of JSON reads as it stands (RFC 7493, which RFC 8785 asks for)."""


def canonical(value: Any) -> bytes:
    """The value as bytes: names sorted by their UTF-16 code units, nothing between the parts, UTF-8.

    Raises ValueError for what has more than one form or none: fractions, numbers beyond MOST, names that are no text,
    half a surrogate pair.
    """
    return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":")).encode()


def _ordered(value: Any) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if abs(value) > MOST:
            raise ValueError("a number is larger than every reader of JSON can tell from its neighbours")
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise ValueError("a name of an object is no text")
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return {name: _ordered(value[name]) for name in names}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    raise ValueError(f"{type(value).__name__} has no one form in JSON")

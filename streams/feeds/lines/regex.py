"""Regular expressions that somebody wrote in a hurry: those that never come to an end on some lines."""

from __future__ import annotations

import importlib
from typing import Any

_MANY = 100
# What the standard library's own compiler reads a pattern with: no public part of it shows the tree.
_parser: Any = importlib.import_module("re._parser")
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


def nested(pattern: str) -> str | None:
    """Why the time a pattern takes may double with each character of a line, None if nothing of it does.

    That is a repeat within a repeat, alternatives within a repeat, or a reference back. A valid pattern is expected.
    """
    return _found(_parser.parse(pattern), repeated=False)


def _found(items: Any, *, repeated: bool) -> str | None:
    for code, value in items:
        name = str(code)
        if name == "GROUPREF":
            return "refers back to a group, which may take very long"
        if repeated and name == "BRANCH":
            return "has alternatives within a repeat, which may take very long: use a class such as [ab]+"
        if name in _REPEATS:
            low, high, inner = value
            many = high > _MANY
            if repeated and low != high:
                return "has a repeat within a repeat, which may take very long: use a class such as [0-9.]+"
            why = _found(inner, repeated=repeated or many)
        else:
            why = next(filter(None, (_found(part, repeated=repeated) for part in _parts(value))), None)
        if why:
            return why
    return None


def _parts(value: Any) -> list[Any]:
    """The patterns that an item is made of."""
    if isinstance(value, _parser.SubPattern):
        return [value]
    if isinstance(value, (tuple, list)):
        return [part for item in value for part in _parts(item)]
    return []

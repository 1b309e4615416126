"""The first thing that makes a JSON value no Avro schema, in words of the schema: for people, not for machines.

The libraries decide whether a schema is valid; their messages quote the schema as Python objects. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from schemas.resolution import PRIMITIVES

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMPLEX = ("record", "error", "enum", "fixed", "array", "map")
Fault = tuple[str, str]  # dotted field, empty for the record itself; what is wrong and the mend


def first_fault(schema: dict[str, Any]) -> Fault:
    """Where and why the schema of a record is not valid Avro, as far as it can be said."""
    unsaid = "", "breaks a rule of the Avro specification; compare it with that"
    return next(_type(schema, "", "", set()), unsaid)


def _type(raw: Any, path: str, namespace: str, names: set[str]) -> Iterator[Fault]:
    if isinstance(raw, list):
        yield from _union(raw, path, namespace, names)
    elif isinstance(raw, str):
        full = raw if "." in raw or not namespace else f"{namespace}.{raw}"
        if raw not in PRIMITIVES and not names & {full, raw}:
            yield path, f"has the unknown type {raw}; use a type of Avro, or define that one before"
    elif not isinstance(raw, dict) or "type" not in raw:
        yield path, "has no type; add one"
    elif not isinstance(raw["type"], str):
        yield path, "has a type written inside a type; write the inner one alone"
    elif raw["type"] in ("array", "map"):
        key = "items" if raw["type"] == "array" else "values"
        if key not in raw:
            yield path, f"has type {raw['type']} without {key}; add them"
        else:
            yield from _type(raw[key], path, namespace, names)
    elif raw["type"] in _COMPLEX:
        yield from _named(raw, path, namespace, names)
    else:
        yield from _type(raw["type"], path, namespace, names)


def _union(branches: list[Any], path: str, namespace: str, names: set[str]) -> Iterator[Fault]:
    seen = set()
    for branch in branches:
        if isinstance(branch, list):
            yield path, "has a union inside a union; write one list"
            continue
        yield from _type(branch, path, namespace, names)
        kind = branch if isinstance(branch, str) else (branch.get("name") or branch.get("type"))
        if kind in seen:
            yield path, f"has {kind} twice in its union; keep one"
        seen.add(kind)


def _named(raw: dict[str, Any], path: str, namespace: str, names: set[str]) -> Iterator[Fault]:
    name = raw.get("name")
    if not isinstance(name, str) or not all(_NAME.fullmatch(part) for part in name.split(".")):
        yield path, f"has type {raw['type']} without a valid name; use letters, digits and underscores"
        return
    space, _, short = name.rpartition(".")
    space = space or raw.get("namespace") or namespace
    full = f"{space}.{short}" if space else short
    if full in names:
        yield path, f"defines {short} a second time; name the type instead"
    names.add(full)
    if raw["type"] == "enum":
        yield from _enum(raw, path)
    elif raw["type"] == "fixed" and (not isinstance(raw.get("size"), int) or raw["size"] < 0):
        yield path, 'is a fixed without "size"; add its bytes'
    elif raw["type"] in ("record", "error"):
        yield from _fields(raw, path, space, names)


def _enum(raw: dict[str, Any], path: str) -> Iterator[Fault]:
    symbols = raw.get("symbols")
    if not isinstance(symbols, list) or not symbols:
        yield path, "is an enum without symbols; add them"
        return
    for symbol in symbols:
        if not isinstance(symbol, str) or not _NAME.fullmatch(symbol):
            yield path, "has a symbol that is no name; use letters, digits and underscores"
    if len(set(map(str, symbols))) != len(symbols):
        yield path, "has a symbol twice; keep one"
    if "default" in raw and raw["default"] not in symbols:
        yield path, "has an enum default that is none of its symbols; use one of them"


def _fields(raw: dict[str, Any], path: str, namespace: str, names: set[str]) -> Iterator[Fault]:
    fields = raw.get("fields")
    if not isinstance(fields, list):
        yield path, "has no list of fields; add one"
        return
    seen = set()
    for field in fields:
        name = field.get("name") if isinstance(field, dict) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            yield path, "has a field without a valid name; use letters, digits and underscores"
            continue
        where = f"{path}.{name}" if path else name
        if name in seen:
            yield where, "stands twice; keep one"
        seen.add(name)
        if "type" not in field:
            yield where, "has no type; add one"
            continue
        yield from _type(field["type"], where, namespace, names)
        if "default" in field:
            yield from _default(field["type"], field["default"], where)


def _default(kind: Any, value: Any, path: str) -> Iterator[Fault]:
    first = kind[0] if isinstance(kind, list) and kind else kind
    plain = first.get("type") if isinstance(first, dict) else first
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = {
        "null": value is None,
        "boolean": isinstance(value, bool),
        "int": whole,
        "long": whole,
        "float": whole or isinstance(value, float),
        "double": whole or isinstance(value, float),
        "string": isinstance(value, str),
        "bytes": isinstance(value, str),
        "fixed": isinstance(value, str),
        "enum": isinstance(value, str),
        "array": isinstance(value, list),
        "map": isinstance(value, dict),
        "record": isinstance(value, dict),
    }.get(plain if isinstance(plain, str) else "", True)
    if not fits:
        of = "the first type of its union" if isinstance(kind, list) else "its type"
        yield path, f"has a default that is not of {of}; mend it"
    elif isinstance(first, dict) and plain == "enum" and value not in first.get("symbols", ()):
        yield path, "has a default that is none of its symbols; use one of them"

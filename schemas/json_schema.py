"""What a record looks like as JSON, as a JSON Schema (2020-12), so that a copy can be read by another program. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.annotations import RecordSchema

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Mapping[str, Mapping[str, Any]] = {
    "null": {"type": "null"},
    "boolean": {"type": "boolean"},
    "int": {"type": "integer"},
    "long": {"type": "integer"},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "string": {"type": "string"},
    "bytes": {"type": "string", "description": "hex digits"},
}
_LOGICAL: Mapping[str, Mapping[str, Any]] = {
    "timestamp-millis": {"type": ["string", "integer"], "format": "date-time"},
    "timestamp-micros": {"type": ["string", "integer"], "format": "date-time"},
    "date": {"type": ["string", "integer"], "format": "date"},
    "uuid": {"type": "string", "format": "uuid"},
    "decimal": {"type": ["string", "number"]},
}


def json_schema(record: RecordSchema) -> dict[str, Any]:
    """Of the values of a record. Every value may be null: what is about others is blanked in a copy.

    Of a record that a contract describes only which fields it has is known, by their paths.
    """
    made = {"$schema": DIALECT, "title": record.name}
    if "fields" not in record.json:
        paths = {item.name: {"description": item.category} for item in record.fields}
        return {**made, "type": "object", "properties": paths}
    return {**made, **_of(record.json, {})}


def _of(kind: Any, named: dict[str, Any]) -> dict[str, Any]:
    if isinstance(kind, list):
        return {"anyOf": [_of(item, named) for item in kind]}
    if isinstance(kind, str):
        return dict(_PLAIN.get(kind) or named.get(kind.rpartition(".")[2]) or {})
    inner = kind.get("type")
    if (logical := kind.get("logicalType")) in _LOGICAL:
        return dict(_LOGICAL[logical])
    match inner:
        case "record":
            made: dict[str, Any] = {"type": ["object", "null"]}
            named[kind["name"]] = made
            made["properties"] = {item["name"]: _field(item, named) for item in kind["fields"]}
        case "enum":
            made = named[kind["name"]] = {"enum": [*kind["symbols"], None]}
        case "array":
            made = {"type": ["array", "null"], "items": _of(kind["items"], named)}
        case "map":
            made = {"type": ["object", "null"], "additionalProperties": _of(kind["values"], named)}
        case "fixed":
            made = named[kind["name"]] = {"type": "string", "description": "hex digits"}
        case _:
            return _of(inner, named)
    return {**made, "description": kind["doc"]} if "doc" in kind else made


def _field(field: Mapping[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    made = {"anyOf": [_of(field["type"], named), {"type": "null"}]}
    return {**made, "description": field["doc"]} if "doc" in field else made

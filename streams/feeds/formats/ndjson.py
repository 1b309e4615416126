"""One JSON object per line (RFC 8259) to any record: fields by their name in the schema, times in ISO 8601 with
zone, bytes in base64, as in a company's `examples/`. A field that may be null can be left out."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date
from typing import Any

import fastavro
from fastavro.validation import validate

from schemas.annotations import RecordSchema
from schemas.errors import DecodeError
from schemas.moments import from_iso
from streams.feeds.format import LogFormat, Make, Setting
from streams.feeds.lines.reader import LineReader

_Convert = Callable[[Any], Any]


def reader(record: RecordSchema) -> Callable[[str], dict[str, Any]]:
    """The function from a line to an event of that record.

    It raises DecodeError: not_json, not_an_object, bad_time, bad_bytes, not_in_schema (a field is missing, unknown,
    or its value has another type).
    """
    schema = fastavro.parse_schema(dict(record.json))
    convert = _converter(record.json) or (lambda value: value)

    def read(line: str) -> dict[str, Any]:
        event = convert(_object(line))
        # Encoding alone is lenient: it would take any value for a boolean and any size of int.
        if not validate(event, schema, raise_errors=False, strict=True):
            raise DecodeError("not_in_schema")
        assert isinstance(event, dict)
        return event

    return read


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise DecodeError("not_json") from None
    if not isinstance(value, dict):
        raise DecodeError("not_an_object")
    return value


def _refuse(_: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


def _converter(avro_type: Any) -> _Convert | None:
    """From JSON's form of a value to the one fastavro takes; None where they are the same."""
    if isinstance(avro_type, list):
        branches = [branch for branch in avro_type if branch != "null"]
        inner = _converter(branches[0]) if len(branches) == 1 else None
        return inner and _unless_none(inner)
    if avro_type == "bytes":
        return _bytes
    if not isinstance(avro_type, Mapping):
        return None
    match avro_type:
        case {"logicalType": "timestamp-millis"}:
            return _time
        case {"logicalType": "date"}:
            return _date
        case {"type": "record", "fields": fields}:
            return _record(fields)
        case {"type": "array", "items": items}:
            return _all(_converter(items))
        case {"type": "bytes"}:
            return _bytes
    return None


def _unless_none(convert: _Convert) -> _Convert:
    return lambda value: None if value is None else convert(value)


def _all(convert: _Convert | None) -> _Convert | None:
    if convert is None:
        return None
    each = convert
    return lambda values: [each(value) for value in values] if isinstance(values, list) else values


def _record(fields: list[dict[str, Any]]) -> _Convert:
    converters = {field["name"]: _converter(field["type"]) for field in fields}
    optional = {field["name"]: None for field in fields if field.get("default", ...) is None}

    def convert(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        given = {key: inner(item) if (inner := converters.get(key)) else item for key, item in value.items()}
        return optional | given

    return convert


def _time(value: Any) -> Any:
    if not isinstance(value, str):
        raise DecodeError("bad_time")
    try:
        time = from_iso(value)
        if time.tzinfo is None:
            raise DecodeError("bad_time")
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise DecodeError("bad_time") from None


def _date(value: Any) -> Any:
    try:
        return date.fromisoformat(value)
    except (ValueError, TypeError):
        raise DecodeError("bad_time") from None


def _bytes(value: Any) -> Any:
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, TypeError):
        raise DecodeError("bad_bytes") from None


def _make(setting: Setting) -> Make:
    read = reader(setting.record)
    return lambda: LineReader(read), ()


FORMATS = (LogFormat("ndjson", "one JSON object of the record named to a line", None, _make),)

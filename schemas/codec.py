"""Events as bytes: the two framings, and strict coding of one record.

Framings: Confluent wire format (`00`, four-byte schema id big-endian, body) and Avro single-object encoding
(`C3 01`, eight-byte CRC-64-AVRO fingerprint little-endian, body; Avro specification, "Single-object encoding").
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import fastavro

from schemas.bounds import largest_body
from schemas.errors import DecodeError, SchemaError
from schemas.records import RecordSchema, without_logical_types

CONFLUENT_MAGIC = b"\x00"
SINGLE_OBJECT_MAGIC = b"\xc3\x01"
CONFLUENT_PREFIX = 5
SINGLE_OBJECT_PREFIX = 10

# A registry may hold any number of schemas.
_KEPT = 100
_INT_RANGE = range(-(2**31), 2**31)


def split_frame(message: bytes) -> tuple[bytes, bytes]:
    """(framing with the schema's id, body). Raises DecodeError: empty_payload, unknown_framing."""
    if not message:
        raise DecodeError("empty_payload")
    if message[:1] == CONFLUENT_MAGIC and len(message) >= CONFLUENT_PREFIX:
        return message[:CONFLUENT_PREFIX], message[CONFLUENT_PREFIX:]
    if message[:2] == SINGLE_OBJECT_MAGIC and len(message) >= SINGLE_OBJECT_PREFIX:
        return message[:SINGLE_OBJECT_PREFIX], message[SINGLE_OBJECT_PREFIX:]
    raise DecodeError("unknown_framing")


def single_object_prefix(record: RecordSchema) -> bytes:
    return SINGLE_OBJECT_MAGIC + record.fingerprint


def confluent_prefix(schema_id: int) -> bytes:
    return CONFLUENT_MAGIC + schema_id.to_bytes(4, "big")


@lru_cache(_KEPT)
def _parsed(text: str) -> Any:
    return fastavro.parse_schema(json.loads(text))


@lru_cache(_KEPT)
def _raw(text: str) -> Any:
    """The schema without logical types: a time far out of range is then a number to judge, not a crash."""
    return fastavro.parse_schema(without_logical_types(json.loads(text)))


def encode_body(record: RecordSchema, value: Mapping[str, Any], *, defaults: bool = False) -> bytes:
    """The Avro body alone; `defaults`: a field that is left out has the default of its schema.

    Raises SchemaError naming the record when a value does not fit (never shows it).
    """
    buffer = io.BytesIO()
    try:
        fastavro.schemaless_writer(
            buffer,
            _parsed(record.text),
            dict(value),
            strict=not defaults,
            strict_allow_default=defaults,
        )
    except (ValueError, TypeError, AttributeError, OverflowError, KeyError) as error:
        raise SchemaError(
            record.file, record.name, "a value does not fit its field; see the schema"
        ) from error
    return buffer.getvalue()


def encode(record: RecordSchema, value: Mapping[str, Any], *, defaults: bool = False) -> bytes:
    """The event in single-object encoding. `defaults`, and raises SchemaError: as `encode_body`."""
    return single_object_prefix(record) + encode_body(record, value, defaults=defaults)


def decode_body(record: RecordSchema, body: bytes) -> dict[str, Any]:
    """The one meaning of a body (logical types as plain numbers), or DecodeError with reason truncated,
    malformed_body, trailing_bytes or not_canonical.

    Every byte has to be consumed. For a flat record the bytes must also be those the value encodes to, because a
    decoder alone is lenient: a flag of 2, an enum index of -1 or an overlong number would pass as something else.
    """
    value = decode_value(record.text, body)
    if record.flat and not _canonical(record, _raw(record.text), value, body):
        raise DecodeError("not_canonical")
    return value


def decode_value(schema: str, body: bytes) -> dict[str, Any]:
    """What the decoder makes of a body of the schema (JSON text), every byte consumed. Raises DecodeError.

    It may take any memory or time, or end the process, unless the body is within `schemas.bounds.largest_body`.
    """
    buffer = io.BytesIO(body)
    try:
        value = fastavro.schemaless_reader(buffer, _raw(schema), None)
    except EOFError as error:
        raise DecodeError("truncated") from error
    except IndexError as error:
        # A number cut short leaves its continuation bit at the end; else an index past the symbols or branches.
        cut = buffer.tell() == len(body) and body[-1] > 0x7F
        raise DecodeError("truncated" if cut else "malformed_body") from error
    except MemoryError as error:
        raise DecodeError("decode_limit") from error
    except (ValueError, KeyError, OverflowError, TypeError, RecursionError) as error:
        raise DecodeError("malformed_body") from error
    if buffer.tell() != len(body):
        raise DecodeError("trailing_bytes")
    if not isinstance(value, dict):
        raise DecodeError("malformed_body")
    return value


def decode(record: RecordSchema, message: bytes) -> dict[str, Any]:
    """A framed event of a known record with logical types as datetimes. Raises DecodeError."""
    _, body = split_frame(message)
    if len(body) > _largest(record):
        raise DecodeError("oversized")
    decode_body(record, body)
    try:
        value = fastavro.schemaless_reader(io.BytesIO(body), _parsed(record.text), None)
    except (ValueError, OverflowError) as error:
        raise DecodeError("malformed_body", "a value is out of range for its logical type") from error
    assert isinstance(value, dict)
    return value


@lru_cache(_KEPT)
def _largest(record: RecordSchema) -> int:
    return largest_body(record.json)


def _canonical(record: RecordSchema, schema: Any, value: dict[str, Any], body: bytes) -> bool:
    if any(
        field.type == "int" and value[field.name] is not None and value[field.name] not in _INT_RANGE
        for field in record.fields
    ):
        return False
    again = io.BytesIO()
    try:
        fastavro.schemaless_writer(again, schema, value)
    except (ValueError, TypeError, OverflowError):
        return False
    return again.getvalue() == body

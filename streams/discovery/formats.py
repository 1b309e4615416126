"""In which format the messages of a topic are, from their first bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from schemas.codec import CONFLUENT_MAGIC, CONFLUENT_PREFIX, SINGLE_OBJECT_MAGIC, SINGLE_OBJECT_PREFIX
from schemas.errors import DecodeError
from streams.tagging.decode.values import json_value

LARGEST = 1024 * 1024
"""Bytes of a message that is looked into; of a larger one nothing but its size is."""
_ROW = frozenset(("before", "after"))
_MOST_FIELDS = 64
_PRINTABLE = 0.95


class Format(StrEnum):
    """What stands in the table; the words are those of a person who reads it."""

    AVRO = "Avro (registry)"
    AVRO_CHANGES = "Avro changes (Debezium)"
    SINGLE_OBJECT = "Avro (single-object)"
    JSON = "JSON"
    CHANGES = "JSON changes (Debezium)"
    JSON_FRAMED = "JSON (registry)"
    JSON_OTHER = "JSON, no objects"
    PROTOBUF_FRAMED = "Protobuf (registry)"
    PROTOBUF = "Protobuf, it seems"
    FRAMED = "registry, unknown id"
    TEXT = "text"
    UNKNOWN = "unknown"
    EMPTY = "empty"
    TOO_LARGE = "too large"


READABLE = frozenset((Format.AVRO, Format.AVRO_CHANGES, Format.SINGLE_OBJECT, Format.JSON, Format.CHANGES))
"""What a contract can be written for, or a record of one's own."""


@dataclass(frozen=True)
class Read:
    """A message: its format, and where that is JSON the object. A framed one has `prefix` and `body`."""

    format: Format
    value: Mapping[str, Any] | None = field(default=None, repr=False)
    prefix: bytes = b""
    body: bytes = field(default=b"", repr=False)


def read(message: bytes) -> Read:
    """The format of one message. Framed ones are told apart by whoever knows the schema: they come out as FRAMED or
    SINGLE_OBJECT."""
    if not message:
        return Read(Format.EMPTY)
    if len(message) > LARGEST:
        return Read(Format.TOO_LARGE)
    if message[:1] == CONFLUENT_MAGIC and len(message) >= CONFLUENT_PREFIX:
        return Read(Format.FRAMED, None, message[:CONFLUENT_PREFIX], message[CONFLUENT_PREFIX:])
    if message[:2] == SINGLE_OBJECT_MAGIC and len(message) >= SINGLE_OBJECT_PREFIX:
        prefix, body = message[:SINGLE_OBJECT_PREFIX], message[SINGLE_OBJECT_PREFIX:]
        return Read(Format.SINGLE_OBJECT, None, prefix, body)
    try:
        value = json_value(message)
    except DecodeError:
        return Read(_other(message))
    return Read(Format.CHANGES if row_of(value) is not None else Format.JSON, value)


def row_of(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The envelope of a change of Debezium, with or without its schema around it; None for any other object."""
    inside = value.get("payload") if value.keys() <= {"schema", "payload"} else value
    if isinstance(inside, dict) and inside.keys() >= {"op"} | _ROW and isinstance(inside["op"], str):
        return inside
    return None


def _other(message: bytes) -> Format:
    try:
        text = message.decode()
    except UnicodeDecodeError:
        return Format.PROTOBUF if is_protobuf(message) else Format.UNKNOWN
    if text.lstrip()[:1] in ("[", '"'):
        return Format.JSON_OTHER
    readable = sum(sign.isprintable() or sign.isspace() for sign in text)
    if readable >= _PRINTABLE * len(text):
        return Format.TEXT
    return Format.PROTOBUF if is_protobuf(message) else Format.UNKNOWN


def is_protobuf(message: bytes) -> bool:
    """Whether it can be read to its last byte as fields of Protocol Buffers (encoding guide, "Message Structure"):
    numbers from 1 and not in the thousands. Chance gives that to few messages of more than a few bytes."""
    at, count = 0, 0
    while at < len(message) and count < _MOST_FIELDS:
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 1_000 or kind not in (0, 1, 2, 5):
            return False
        if kind == 0:
            _, at = _varint(message, at)
        elif kind == 2:
            length, at = _varint(message, at)
            at += length
        else:
            at += 8 if kind == 1 else 4
        count += 1
        if at < 0:
            return False
    return count > 0 and (at == len(message) or (count >= _MOST_FIELDS and at < len(message)))


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number and what is behind it; behind the end where it is cut off."""
    value = 0
    for place in range(10):
        if at + place >= len(message):
            break
        byte = message[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    return 0, len(message) + 1

"""The messages of the protocol as bytes: their schemas, their framing, and the one form that is signed. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from fastavro import parse_schema
from fastavro.schema import fingerprint, to_parsing_canonical_form

MAGIC = b"\xc3\x01"
"""Before the fingerprint of a single object."""
MOST = 2**53 - 1
"""The largest number that every reader of JSON reads as it stands (RFC 8785, RFC 7493)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_the_millisecond(moment: datetime) -> datetime:
    """As a message has it."""
    return _EPOCH + (moment - _EPOCH) // _MILLISECOND * _MILLISECOND


def canonical(value: Mapping[str, Any], without: Sequence[str]) -> bytes:
    """Canonical JSON (RFC 8785) of a record without some fields; bytes as hex digits, times and days as integers.

    Raises ValueError for what has more than one form: fractions, and numbers beyond MOST.
    """
    plain = {name: _plain(item) for name, item in value.items() if name not in without}
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value - _EPOCH) // _MILLISECOND
    if isinstance(value, date):
        return (value - _EPOCH.date()).days
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) or (isinstance(value, int) and abs(value) > MOST):
        raise ValueError("a fraction, or a number beyond 2^53 - 1, has no one form in JSON")
    return value


@cache
def newest(record: str) -> tuple[Any, bytes]:
    """The schema of a record of `avro/` as it is written now, and what stands before its body."""
    return versions(record)[-1]


@cache
def versions(record: str) -> Sequence[tuple[Any, bytes]]:
    """The same of each version that is here, the oldest first."""
    folder = files("innsyn_sdk") / "avro" / record
    found = sorted(folder.iterdir(), key=lambda item: int(item.name.removesuffix(".avsc")))
    schemas = [json.loads(item.read_text("utf-8")) for item in found]
    return [(parse_schema(schema), frame_of(schema)) for schema in schemas]


def frame_of(schema: Any) -> bytes:
    """What stands before the body of a single object: magic and CRC-64-AVRO of the schema, little-endian."""
    digits = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
    return MAGIC + bytes.fromhex(digits)

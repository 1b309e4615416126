"""What of a command or a receipt is sealed with it and signed, as bytes: one text for one meaning. Pure.

The fields of the message as its writer's schema has them, without those named, as JSON in the form of RFC 8785: names
sorted, nothing between the parts, UTF-8. Numbers, times and days stand as the integers of the Avro body (milliseconds,
days since 1970), enums as their symbols, bytes as hex digits in small letters.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

SEALED, SIGNATURE = "sealed_identifiers", "signature"
MOST = 2**53 - 1
"""The largest number that every reader of JSON reads as it stands (RFC 8785, I-JSON)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def bound_bytes(command: Mapping[str, Any]) -> bytes:
    """Of a command: everything but what is sealed and the signature. What is sealed is bound to it."""
    return _content(command, (SEALED, SIGNATURE))


def signed_bytes(message: Mapping[str, Any]) -> bytes:
    """Of a command or a receipt: everything but the signature."""
    return _content(message, (SIGNATURE,))


def _content(message: Mapping[str, Any], without: Collection[str]) -> bytes:
    plain = {name: _plain(value) for name, value in message.items() if name not in without}
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
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value

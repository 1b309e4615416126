"""What of a message is sealed with it and signed, as bytes: one text for one meaning. Pure.

The fields of the message as its writer's schema has them, without those named, as JSON in the form of RFC 8785: names
sorted, nothing between the parts, UTF-8. Numbers, times and days stand as the integers of the Avro body (milliseconds,
days since 1970), enums as their symbols, bytes as hex digits in small letters.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from schemas.canonical import MOST, canonical

SIGNATURE = "signature"
SEALED, CONTENT, PART, KEPT = "sealed_identifiers", "sealed_content", "sealed", "sealed_kept"
"""What is sealed: of whom a command is, what a rectification says, a part of a copy, whose records stay."""
_NOT_BOUND: Mapping[str, Collection[str]] = MappingProxyType(
    {
        SEALED: (SEALED, CONTENT, SIGNATURE),
        CONTENT: (CONTENT, SIGNATURE),
        PART: (PART, SIGNATURE),
        KEPT: (KEPT, SIGNATURE),
    }
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

__all__ = ["CONTENT", "KEPT", "MOST", "PART", "SEALED", "SIGNATURE", "bound_bytes", "signed_bytes"]


def bound_bytes(message: Mapping[str, Any], sealed: str = SEALED) -> bytes:
    """What the seal of a field is bound to: all other fields but the signature. The content of a rectification is
    sealed after the identifiers, and bound to them too. Raises ValueError as `signed_bytes`."""
    return _content(message, _NOT_BOUND[sealed])


def signed_bytes(message: Mapping[str, Any]) -> bytes:
    """Of a command, a receipt or a part of a copy: everything but the signature.

    Raises ValueError for a number that not every reader of JSON can tell from its neighbours.
    """
    return _content(message, (SIGNATURE,))


def _content(message: Mapping[str, Any], without: Collection[str]) -> bytes:
    return canonical({name: _plain(value) for name, value in message.items() if name not in without})


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

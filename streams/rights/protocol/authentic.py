"""What of a command or a receipt its authenticator covers, as bytes: one text for one meaning. Pure.

The fields of the message as its writer's schema has them, without the one that authenticates, as JSON in the form of
RFC 8785: names sorted, nothing between the parts, UTF-8. Numbers, times and days stand as the integers of the Avro body
(milliseconds, days since 1970), enums as their symbols.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

SEALED, AUTHENTICATOR = "sealed_identifiers", "authenticator"
MOST = 2**53 - 1
"""The largest number that every reader of JSON reads as it stands (RFC 8785, I-JSON)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def command_bytes(command: Mapping[str, Any]) -> bytes:
    """Of an ErasureCommand: everything but what is sealed, which is the additional data of its sealing."""
    return _content(command, SEALED)


def receipt_bytes(receipt: Mapping[str, Any]) -> bytes:
    """Of an ErasureReceipt: everything but the authenticator."""
    return _content(receipt, AUTHENTICATOR)


def _content(message: Mapping[str, Any], without: str) -> bytes:
    plain = {name: _plain(value) for name, value in message.items() if name != without}
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value - _EPOCH) // _MILLISECOND
    if isinstance(value, date):
        return (value - _EPOCH.date()).days
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value

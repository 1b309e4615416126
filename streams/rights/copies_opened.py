"""The sealed parts of a copy, opened with the key of the request: records as a system says it holds them.

A part holds a JSON array of `{"record": "Invoice", "values": {...}}`, each record whole (docs/rights-protocol.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.copykeys import CopyKey
from schemas.errors import DecodeError, KeyUnavailable
from schemas.own import own_record
from sinks.ports.copies import StoredPart
from streams.rights.protocol.authentic import PART, bound_bytes
from streams.rights.protocol.messages import decoded


@dataclass(frozen=True)
class CopiedRecord:
    """One record of the copy."""

    record: str
    values: Mapping[str, Any] = field(repr=False)


class NotReadable(Exception):
    """A part that is as it was sent, and no part of a copy. `str` says of which system and number, and why."""


def sealed_of(part: StoredPart) -> bytes:
    """What the part seals, as it was sent. Raises NotReadable."""
    sealed: bytes = _message(part)["sealed"]
    return sealed


def records_of(part: StoredPart, key: CopyKey) -> Iterator[CopiedRecord]:
    """The records of a part. Raises NotReadable."""
    where = f"part {part.part} of {part.parts} of {part.system}"
    try:
        message = _message(part)
        plain = json.loads(key.open(message["sealed"], bound_bytes(message, PART)))
    except KeyUnavailable:
        raise NotReadable(f"{where} does not open with the key of the request") from None
    except (ValueError, RecursionError):
        raise NotReadable(f"{where} is no JSON") from None
    if not isinstance(plain, list):
        raise NotReadable(f"{where} is no array of records")
    for item in plain:
        if not (
            isinstance(item, dict)
            and isinstance(item.get("record"), str)
            and isinstance(item.get("values"), dict)
        ):
            raise NotReadable(f'{where} has something else than {{"record": ..., "values": ...}}')
        yield CopiedRecord(item["record"], item["values"])


def _message(part: StoredPart) -> dict[str, Any]:
    try:
        return decoded(own_record("CopyPart"), part.message)
    except DecodeError:
        raise NotReadable(
            f"part {part.part} of {part.parts} of {part.system} was damaged in the index"
        ) from None

"""A job of a system that delivers copies, written by docs/rights-protocol.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.codec import encode
from schemas.copykeys import sealed_to
from schemas.jobkeys import JobKey
from schemas.own import own_record
from streams.rights.protocol.authentic import PART, SIGNATURE, bound_bytes, signed_bytes
from streams.rights.protocol.messages import receipt_message

Record = tuple[str, Mapping[str, Any]]


def part_value(
    command: Mapping[str, Any],
    number: int,
    of: int,
    plain: bytes,
    key: JobKey,
    now: datetime,
    **altered: Any,
) -> dict[str, Any]:
    """A CopyPart with what is sealed in it; `altered` before it is sealed and signed."""
    said = {
        **{name: command[name] for name in ("command_id", "request_id", "system", "attempt")},
        "part": number,
        "parts": of,
        "sealed": b"",
        "sent_at": now,
        "key_id": key.id,
        SIGNATURE: b"",
        **altered,
    }
    sealed = {
        **said,
        "sealed": said["sealed"] or sealed_to(command["copy_key"], plain, bound_bytes(said, PART)),
    }
    return {**sealed, SIGNATURE: key.sign(signed_bytes(sealed))}


def copy_of(
    command: Mapping[str, Any], records: Sequence[Record], key: JobKey, now: datetime, each: int = 2
) -> tuple[list[bytes], dict[str, Any]]:
    """The messages of the parts, `each` so many records, and what the receipt says of them."""
    some = [records[start : start + each] for start in range(0, len(records), each)]
    values = [
        part_value(
            command,
            number,
            len(some),
            json.dumps([{"record": name, "values": item} for name, item in part], default=str).encode(),
            key,
            now,
        )
        for number, part in enumerate(some, 1)
    ]
    counts: dict[str, int] = {}
    for name, _ in records:
        counts[name] = counts.get(name, 0) + 1
    digest = hashlib.sha256(b"".join(value["sealed"] for value in values)).digest()
    return [encode(own_record("CopyPart"), value) for value in values], {
        "records": [{"record": name, "count": count} for name, count in counts.items()],
        "parts": len(values),
        "copy_digest": digest if values else None,
    }


def receipt_of(command: Mapping[str, Any], key: JobKey, now: datetime, **said: Any) -> bytes:
    """The message in which the system says that it is done."""
    whole = {
        "state": "done",
        **dict.fromkeys(("ground", "citation", "review_date", "reason", "retryable")),
        "reported_at": now,
        **{name: command[name] for name in ("command_id", "request_id", "system", "attempt")},
        **said,
    }
    return encode(own_record("RightsReceipt"), receipt_message(whole, key))

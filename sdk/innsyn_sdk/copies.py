"""A person's copy (GDPR Art. 15(3), 20): records in parts, each sealed to the key of the request and signed. Pure.

A part holds a JSON array of `{"record": "Invoice", "values": {...}}`, each record whole.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from innsyn_sdk.keys import SUITE, Key
from innsyn_sdk.outcome import Outcome
from innsyn_sdk.protocol import signed
from innsyn_sdk.wire import canonical, to_the_millisecond

Copied = tuple[str, Mapping[str, Any]]
"""A record of the person as the system holds it: its name, as in `Invoice`, and its fields."""
LARGEST = 900_000
"""Bytes of what a part seals, with what the seal adds, so that Kafka takes the message."""
MOST = 100
"""Parts of one copy: they are in memory together, since each is bound to their number."""
_SEAL_ADDS = 32 + 16
_ADDRESSES = IPv4Address | IPv4Network | IPv6Address | IPv6Network


class TooLarge(Exception):
    """A copy, or one record of it, is larger than can be sent: a person has to hand it over."""


def chunks(records: Iterable[Copied], largest: int = LARGEST) -> tuple[list[bytes], Counter[str]]:
    """Records as parts of JSON, and how many there are of each kind. Raises TooLarge, TypeError, ValueError."""
    most = largest - _SEAL_ADDS
    found, counts = list[bytes](), Counter[str]()
    part, size = list[bytes](), 2
    for name, values in records:
        item = {"record": name, "values": dict(values)}
        text = json.dumps(item, ensure_ascii=False, allow_nan=False, default=_plain).encode()
        if len(text) + 2 > most:
            raise TooLarge("a record is larger than a part may be")
        if size + len(text) + 1 > most:
            found.append(b"[" + b",".join(part) + b"]")
            part, size = [], 2
        part.append(text)
        size += len(text) + 1
        counts[name] += 1
        if len(found) >= MOST:
            raise TooLarge("the copy has more parts than can be sent")
    if part:
        found.append(b"[" + b",".join(part) + b"]")
    return found, counts


def sealed_parts(
    command: Mapping[str, Any], parts: list[bytes], key: Key, now: datetime
) -> Iterator[tuple[bytes, bytes]]:
    """Each part as a message, and what it seals. `command`: its fields; `now`: to be sent at."""
    person = X25519PublicKey.from_public_bytes(command["copy_key"])
    for number, plain in enumerate(parts, start=1):
        value = {
            **{name: command[name] for name in ("command_id", "request_id", "system", "attempt")},
            "part": number,
            "parts": len(parts),
            "key_id": key.id,
            "sent_at": to_the_millisecond(now),
        }
        sealed = SUITE.encrypt(plain, person, canonical(value, ()))
        yield signed("copy_part", {**value, "sealed": sealed}, key), sealed


def copied(counts: Mapping[str, int], sealed: Iterable[bytes]) -> Outcome:
    """What a copy that was sent came to."""
    digest, number = hashlib.sha256(), 0
    for part in sealed:
        digest.update(part)
        number += 1
    records = tuple(sorted(counts.items()))
    return Outcome("done", records=records, parts=number, copy_digest=digest.hexdigest())


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal | UUID | _ADDRESSES):
        return str(value)
    raise TypeError("a field of the copy is of a type that JSON has not")

"""Tag sets: everything an event's schema and the catalogue say about it, as one small row.

Only subject references and times vary from event to event; system, categories, purposes, bases and rules depend on
the topic, the writer schema and the catalogue version alone. So the index stores them once and each lineage row
carries the id. The id is a hash of the content: the same event gets the same id on every replay, on every machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from schemas.records import RecordSchema


@dataclass(frozen=True)
class TagSet:
    """What holds for all rows that carry its id. `legal_basis` maps purpose id to the letter of GDPR Art. 6(1)."""

    topic: str
    record: str
    schema: str  # CRC-64-AVRO fingerprint, hex
    catalogue_version: str
    key_id: str
    system: str
    subject_type: str
    categories: tuple[str, ...]
    purposes: tuple[str, ...]
    legal_basis: Mapping[str, str]
    origin: str
    operation: str
    recipients: tuple[str, ...]
    retention: tuple[str, ...]
    held_only: bool = False  # true after a partial erasure: `categories` are those still held

    @cached_property
    def id(self) -> int:
        """64-bit id, unsigned."""
        content = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return int.from_bytes(hashlib.sha256(content.encode()).digest()[:8], "big")


def tag_set(record: RecordSchema, topic: str, role: str, *, catalogue_version: str, key_id: str) -> TagSet:
    """Tags of the rows that a record on a topic gives for the person in `role`."""
    said = record.annotation
    return TagSet(
        topic=topic,
        record=record.name,
        schema=record.fingerprint.hex(),
        catalogue_version=catalogue_version,
        key_id=key_id,
        system=said.system,
        subject_type=said.subject_type,
        categories=record.categories_for(role),
        purposes=tuple(said.purposes),
        legal_basis=dict(said.legal_basis),
        origin=said.origin,
        operation=said.operation,
        recipients=tuple(said.recipients),
        retention=tuple(said.retention),
    )

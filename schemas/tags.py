"""Tag sets: everything an event's schema and the catalogue say about it, as one small row.

Only subject references and times vary from event to event; system, categories, purposes, bases and rules depend on
the topic, the writer schema and the catalogue version alone. So the index stores them once and each lineage row
carries the id. The id is a hash of the content: the same event gets the same id on every replay, on every machine.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property

from schemas.annotations import RecordAnnotation
from schemas.records import RecordSchema
from schemas.vocabulary import Role

_OWNERS = (Role.OWNER, Role.JOINT_OWNER)


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
    detected: tuple[str, ...] = ()  # categories found in the event's free texts, whatever the schema says
    several: bool = False  # others than the person stand in the same role of the event
    of_another: bool = False  # it is somebody else's event, which names the person beside its owner

    @property
    def revealed(self) -> tuple[str, ...]:
        """Categories that only a free text reveals."""
        return tuple(category for category in self.detected if category not in self.categories)

    @property
    def every_category(self) -> tuple[str, ...]:
        """The schema's categories, then those that only a free text reveals."""
        return *self.categories, *self.revealed

    @cached_property
    def id(self) -> int:
        """64-bit id, unsigned."""
        said = {item.name: getattr(self, item.name) for item in fields(self)}
        if not self.detected:
            # As before there were findings: what is stored under an id keeps it.
            del said["detected"]
        if not self.several:
            del said["several"]
        if not self.of_another:
            del said["of_another"]
        content = json.dumps(said, sort_keys=True, separators=(",", ":"))
        return int.from_bytes(hashlib.sha256(content.encode()).digest()[:8], "big")


def tag_set(
    record: RecordSchema,
    topic: str,
    role: str,
    *,
    catalogue_version: str,
    key_id: str,
    variant: RecordAnnotation | None = None,
    detected: tuple[str, ...] = (),
    several: bool = False,
) -> TagSet:
    """Tags of the rows that a record on a topic gives for the person in `role`, in a variant or as a rule."""
    said = variant or record.annotation
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
        detected=detected,
        several=several,
        of_another=role not in _OWNERS,
    )


def same_but_for_key(tag_sets: Iterable[TagSet], order: Mapping[str, int]) -> dict[int, int]:
    """Of tag sets that differ by the key alone, the ids that go by another's: that of the oldest key, by `order`."""
    groups: defaultdict[int, list[TagSet]] = defaultdict(list)
    for tags in tag_sets:
        groups[replace(tags, key_id="").id].append(tags)
    names: dict[int, int] = {}
    for group in groups.values():
        first, *others = sorted(group, key=lambda tags: (order.get(tags.key_id, 0), tags.key_id))
        names |= {tags.id: first.id for tags in others}
    return names

"""The records of innsyn's own messages: requests, commands, receipts, dead letters.

They are the protocol that the code speaks, not something of a company: every company has them, none can change them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from schemas.annotations import RecordSchema
from schemas.layers import BASE
from schemas.records import AVRO, load_records
from schemas.versions import known_writers


def own_record(name: str) -> RecordSchema:
    """The newest version of an own record, such as ErasureCommand."""
    return _records()[name]


def is_own(name: str) -> bool:
    """Whether that is an own record."""
    return name in _records()


@cache
def own_versions(name: str) -> Mapping[bytes, RecordSchema]:
    """Every version of an own record by its fingerprint."""
    writers = (record for record in known_writers(BASE / AVRO) if record.name == name)
    return MappingProxyType({record.fingerprint: record for record in writers})


@cache
def _records() -> Mapping[str, RecordSchema]:
    return load_records(BASE / AVRO)

"""A person's copy (GDPR Art. 15(3), 20) as a toy system of record hands it out: whole records, in sealed parts."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from schemas.codec import encode
from schemas.copykeys import sealed_to
from schemas.errors import InnsynError
from schemas.jobkeys import JobKey
from schemas.messages import LARGEST_PART, CopyPart, RightsCommand, value_of
from schemas.own import own_record
from schemas.records import RecordSchema
from streams.rights.protocol.authentic import PART, bound_bytes, signed_bytes
from streams.rights.protocol.columns import columns
from streams.rights.protocol.messages import Told
from streams.rights.reference_job.matching import quoted
from streams.rights.reference_job.several import nested, repeats
from streams.rights.reference_job.store import SqliteStore, come

Record = tuple[str, Mapping[str, Any]]
"""Its name, and its fields as the system has them."""
_SEAL_ADDS = 48
_AS_TEXT = frozenset({"string", "enum", "bytes", "fixed", "union"})


class TooLarge(InnsynError):
    """A record that fits into no part of a copy: a person has to hand it over."""


class CopyingStore(SqliteStore):
    """A store that hands out copies. Errors: as `SqliteStore`."""

    def copied(self, identifiers: Told, fields: Collection[str], *, once: str) -> list[Record]:
        """The records that name the person, whole, of those that have one of the fields (`Record.field`; none: all).

        `once` names the errand and, behind #, which attempt at it. Raises Superseded where a later one came before.
        """
        asked = {path.partition(".")[0] for path in fields}
        found = list[Record]()
        with self._transaction() as connection:
            come(connection, once)
            for record in self._tables(connection):
                if asked and record not in asked:
                    continue
                schema = self._schema(record)
                names = columns(schema)
                query = f"SELECT {', '.join(map(quoted, names))} FROM {quoted(record)} WHERE rowid = ?"
                for row in sorted(self._matching(connection, record, identifiers)):
                    texts = connection.execute(query, (row,)).fetchone()
                    values = {
                        name: _value(schema, name, text) for name, text in zip(names, texts, strict=True)
                    }
                    found.append((record, nested(values) if schema.contract else values))
        return found


@dataclass(frozen=True)
class Copy:
    """A copy as messages, how many records of each kind are in it, and its digest (SHA-256 over what they seal)."""

    messages: Sequence[bytes] = ()
    records: Mapping[str, int] = field(default_factory=dict)
    digest: bytes | None = None


def copy_parts(command: RightsCommand, records: Sequence[Record], key: JobKey, now: datetime) -> Copy:
    """The person's copy, sealed to the key of the command. Raises TooLarge, ValueError."""
    texts = list(_chunks(records))
    parts = [
        _sealed(command, number, len(texts), text, key, now) for number, text in enumerate(texts, start=1)
    ]
    messages = [encode(own_record("CopyPart"), value_of(part)) for part in parts]
    digest = hashlib.sha256(b"".join(part.sealed for part in parts)).digest() if parts else None
    return Copy(messages, Counter(name for name, _ in records), digest)


def _sealed(
    command: RightsCommand, number: int, of: int, text: bytes, key: JobKey, now: datetime
) -> CopyPart:
    if command.copy_key is None:
        raise ValueError("a command for a copy without a key for it")
    bare = CopyPart(
        command_id=command.command_id,
        request_id=command.request_id,
        system=command.system,
        attempt=command.attempt,
        part=number,
        parts=of,
        sealed=b"",
        sent_at=now,
        key_id=key.id,
    )
    part = replace(bare, sealed=sealed_to(command.copy_key, text, bound_bytes(value_of(bare), PART)))
    return replace(part, signature=key.sign(signed_bytes(value_of(part))))


def _chunks(records: Sequence[Record]) -> Iterator[bytes]:
    """Records as JSON arrays, none larger than a part may be once it is sealed."""
    most, items, size = LARGEST_PART - _SEAL_ADDS, list[bytes](), 2
    for name, values in records:
        item = json.dumps({"record": name, "values": values}, ensure_ascii=False).encode()
        if len(item) + 2 > most:
            raise TooLarge(f"a {name} is larger than a part of a copy may be; a person has to hand it over")
        if size + len(item) > most:
            yield b"[" + b",".join(items) + b"]"
            items, size = [], 2
        items.append(item)
        size += len(item) + 1
    if items:
        yield b"[" + b",".join(items) + b"]"


def _value(schema: RecordSchema, name: str, text: str | None) -> Any:
    """What the store keeps as text; moments and days stay ISO 8601."""
    known = schema.find(name)
    if text is None or known is None:
        return text
    if repeats(name) or (known.type not in _AS_TEXT and known.logical_type is None):
        # An identifier in its canonical form may be text where the schema has a number.
        with suppress(ValueError):
            return json.loads(text)
    return text

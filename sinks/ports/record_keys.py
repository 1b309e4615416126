"""The keys by which systems know their records, sealed: of events that name nobody but by a place or a device.

A system can be told such a record by its own key, where no identifier that it can be sent names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

if TYPE_CHECKING:
    # Which has what is written of record keys in its batches.
    from sinks.ports.lineage import Span

RECORD_KEY_SCHEMA = pa.schema(
    [
        ("topic", pa.dictionary(pa.int32(), pa.string())),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("record", pa.string()),
        ("field", pa.string()),
        ("key", pa.string()),
        ("sealed", pa.binary()),
    ]
)
"""The record key of one event. Identity: (topic, partition, offset).

record, field: as the contract has them. key: name of the sealing key, which is no part of the index. sealed: the value
as text, see `schemas.keys.Keyring`, bound to `bound_to`. No token key is part of it.
"""

UNNAMED_SCHEMA = RECORD_KEY_SCHEMA.set(0, pa.field("topic", pa.string()))
"""The same as it is read."""


def bound_to(topic: str, partition: int, offset: int, record: str, field: str) -> bytes:
    """The additional data that a record key is sealed with: at another event or field it does not open."""
    return "\0".join(("innsyn-record-key-v1", topic, str(partition), str(offset), record, field)).encode()


@dataclass(frozen=True)
class UnnamedRecords:
    """A question of `RecordKeyReader.unnamed`: of records with events under `spans` of these tag sets, in which the
    person is the owner and stands there alone, those that have no event under `named`. At most `most` of them."""

    spans: Sequence[Span]
    named: Sequence[Span]
    tag_sets: Sequence[int]
    most: int


class RecordKeyReader(Protocol):
    """Reads sealed record keys, to name records to their system. No look-up does. Safe from several threads."""

    def unnamed(self, question: UnnamedRecords) -> pa.Table:
        """`UNNAMED_SCHEMA`: a key of each of the records, those of the newest events first. Raises IndexUnavailable."""

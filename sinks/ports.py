"""The contract between the pipeline and the index, whatever the index is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from schemas.tags import TagSet
from schemas.tokens import TOKEN_BYTES, Role

ROLE_CODES = {Role.OWNER: 1, Role.COUNTERPARTY: 2, Role.AGENT: 3, Role.MENTIONED: 4}

ROW_SCHEMA = pa.schema(
    [
        ("token", pa.binary(TOKEN_BYTES)),
        ("topic", pa.dictionary(pa.int32(), pa.string())),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("role", pa.int8()),
        ("tag_set", pa.uint64()),
        ("event_time", pa.timestamp("ms")),
        ("port", pa.uint16()),
    ]
)
"""Columns of a lineage row. Its identity is (token, topic, partition, offset, role)."""


@dataclass(frozen=True)
class OffsetRange:
    """What one batch took from one partition, both ends included, and what became of it.

    `lost`: offsets that Kafka's retention had removed before they were read. `tombstones`: messages without a value.
    """

    topic: str
    partition: int
    first_offset: int
    last_offset: int
    epoch: int
    events: int = 0
    rows: int = 0
    dead: int = 0
    no_subject: int = 0
    tombstones: int = 0
    lost: int = 0


@dataclass(frozen=True)
class DeadRow:
    """Where an unreadable message lies and why it is one. Its payload is sealed in the dead-letter topic."""

    topic: str
    partition: int
    offset: int
    reason: str
    schema_key: str
    payload_bytes: int
    seen_at: datetime


@dataclass(frozen=True)
class LineageBatch:
    """One write: rows as an Arrow table of `ROW_SCHEMA`, and all that must be stored with them."""

    rows: pa.Table
    tag_sets: Sequence[TagSet] = ()
    dead: Sequence[DeadRow] = ()
    ranges: Sequence[OffsetRange] = ()


@dataclass(frozen=True)
class Span:
    """A token and the half-open interval [since, until) in which it stood for the person. None: no bound."""

    token: bytes
    since: datetime | None = None
    until: datetime | None = None
    port: int | None = None

    def __repr__(self) -> str:
        return f"Span(token={self.token.hex()}, since={self.since}, until={self.until})"


@dataclass(frozen=True)
class Filter:
    """Limits of a question; empty means no limit. `since` and `until` bound the event time, half-open."""

    since: datetime | None = None
    until: datetime | None = None
    categories: Sequence[str] = ()
    purposes: Sequence[str] = ()
    systems: Sequence[str] = ()


NO_LIMITS = Filter()


@dataclass(frozen=True)
class Holding:
    """Events of one person that share a tag set: how many, first and last."""

    tags: TagSet
    events: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class Found:
    """Answer of a look-up. `total_events` counts each event once, however many of its rows matched."""

    holdings: Sequence[Holding] = ()
    total_events: int = 0


class Ledger(Protocol):
    """Which offsets are in the index, and who owns a partition. Kept in the index itself."""

    def claim(
        self, partitions: Sequence[tuple[str, int]], worker: str, now: datetime
    ) -> Mapping[tuple[str, int], int]:
        """Take the partitions over: a new epoch for each, higher than any before. Writers of older ones are fenced."""

    def epochs(self, partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        """Newest epoch of each partition that was ever claimed."""

    def positions(self, partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        """Next offset to read of each partition that was ever written; absent: never."""


class IndexWriter(Ledger, Protocol):
    """Writes batches and keeps the ledger. One thread at a time."""

    def write(self, batch: LineageBatch, now: datetime) -> None:
        """Store all of the batch, the ranges last: what they cover is then in the index. Blocks until durable.

        Safe to repeat, whole or in part, with the same or other batch edges: the index ends the same.
        Raises Fenced, before anything is written, if a range has an epoch older than the partition's newest;
        IndexUnavailable if the index does not answer: some parts may be stored then, so repeat.
        """


class IndexReader(Protocol):
    """Answers questions. Safe from several threads."""

    def find(self, spans: Sequence[Span], limits: Filter = NO_LIMITS) -> Found:
        """What is held under the spans. Erased rows are never found. Raises IndexUnavailable."""


@dataclass(frozen=True)
class Forgotten:
    """How many rows the index removed, and how many it narrowed to what is still held."""

    rows_removed: int = 0
    rows_narrowed: int = 0


class IndexEraser(Protocol):
    """Makes the index forget."""

    def forget(self, spans: Sequence[Span], kept: Mapping[int, TagSet | None]) -> Forgotten:
        """For the rows under the spans: remove those whose tag set maps to None, give the others the tag set named
        (what is still held), leave tag sets alone that are not in `kept`. Returns when no answer shows them any more.

        Safe to repeat. Raises IndexUnavailable; some may be done then.
        """

"""Where data about whom is held: what is written to the index, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from schemas.tags import TagSet
from schemas.tokens import TOKEN_BYTES
from schemas.vocabulary import Proof, Role
from sinks.ports.clocks import CLOCK_SCHEMA
from sinks.ports.dead_letters import DeadRow
from sinks.ports.facts import FACT_SCHEMA
from sinks.ports.identifiers import IDENTIFIER_SCHEMA
from sinks.ports.identity import PREFIX_SCHEMA, OpenClaims, RetainedClaims
from sinks.ports.keys import PAIR_SCHEMA
from sinks.ports.offsets import OffsetLedger, OffsetRange
from sinks.ports.record_keys import RECORD_KEY_SCHEMA
from sinks.ports.resurrected import Resurrected

Clock = Callable[[], datetime]
"""The time, aware, not before any time before."""

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
        ("record", pa.uint64()),
        ("customer", pa.binary(TOKEN_BYTES)),
    ]
)
"""Columns of a lineage row. Its identity is (token, topic, partition, offset, role).

`record`: keyed hash of the record key of the event, the same for each event about one record of a system; 0 or null
where its schema names no record key. `customer`: token of the customer whom the event names in the same role, where the
row itself is of something else; `sinks.ports.identity.NOTHING` or null where it names none, or several.

Partitions here and in all that follows: as the index numbers them, see `sinks.ports.offsets`.
"""


BESIDE_SCHEMA = pa.schema(
    [("token", pa.binary(TOKEN_BYTES)), ("other", pa.binary(TOKEN_BYTES)), ("at", pa.timestamp("ms"))]
)
"""Tokens that stand in one role of an event: one person, by two identifiers; the first such event of each day (UTC)."""


FINDING_SCHEMA = pa.schema(
    [
        ("topic", pa.dictionary(pa.int32(), pa.string())),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("field", pa.dictionary(pa.int32(), pa.string())),
        ("start", pa.uint32()),
        ("end", pa.uint32()),
        ("kind", pa.dictionary(pa.int32(), pa.string())),
        ("category", pa.dictionary(pa.int32(), pa.string())),
        ("score", pa.float32()),
    ]
)
"""What was recognised in a free text and where, in characters, half-open. Never the text.

Identity: (topic, partition, offset, field, start, end, kind); one place may carry several hypotheses.
"""


@dataclass(frozen=True)
class LineageBatch:
    """One write: rows as an Arrow table of `ROW_SCHEMA`, and all that must be stored with them.

    `retained` goes to a store of its own. `prefixes`: `PREFIX_SCHEMA`. `findings`: `FINDING_SCHEMA`.
    `identifiers`: `IDENTIFIER_SCHEMA`, of tokens that `claims` mention, stored after them.
    `pairs`: `PAIR_SCHEMA`, stored first. `key_id`: of the token key that all of it was made with.
    `resurrected`: which of the rows an erasure had taken away, stored after them; `meanwhile`, asked once the rows are
    stored: which others one took away that began since. `clocks`: `CLOCK_SCHEMA`. `record_keys`: `RECORD_KEY_SCHEMA`.
    """

    rows: pa.Table
    claims: OpenClaims = field(default_factory=OpenClaims)
    retained: RetainedClaims = field(default_factory=RetainedClaims)
    prefixes: pa.Table = field(default_factory=PREFIX_SCHEMA.empty_table)
    findings: pa.Table = field(default_factory=FINDING_SCHEMA.empty_table)
    identifiers: pa.Table = field(default_factory=IDENTIFIER_SCHEMA.empty_table)
    clocks: pa.Table = field(default_factory=CLOCK_SCHEMA.empty_table)
    facts: pa.Table = field(default_factory=FACT_SCHEMA.empty_table)
    record_keys: pa.Table = field(default_factory=RECORD_KEY_SCHEMA.empty_table)
    tag_sets: Sequence[TagSet] = ()
    dead: Sequence[DeadRow] = ()
    ranges: Sequence[OffsetRange] = ()
    pairs: pa.Table = field(default_factory=PAIR_SCHEMA.empty_table)
    key_id: str = ""
    resurrected: Sequence[Resurrected] = ()
    meanwhile: Callable[[], Sequence[Resurrected]] = tuple


@dataclass(frozen=True)
class Span:
    """A token and the half-open interval [since, until) in which it stood for the person. None: no bound.

    Only rows whose port lies in the range, both ends included; 0 is the port of rows that know none. `proof`: what
    the link to the person proves, None for an identifier that was given.
    """

    token: bytes
    since: datetime | None = None
    until: datetime | None = None
    port_from: int = 0
    port_to: int = 65_535
    proof: Proof | None = None

    def __repr__(self) -> str:
        return f"Span(token={self.token.hex()}, since={self.since}, until={self.until})"


@dataclass(frozen=True)
class Filter:
    """Limits of a question; empty means no limit. `since` and `until` bound the event time, half-open.

    `revealing`: categories that serve one of the purposes where a free text reveals them. `recipients`: who was given
    the data, any of them.
    """

    since: datetime | None = None
    until: datetime | None = None
    categories: Sequence[str] = ()
    purposes: Sequence[str] = ()
    systems: Sequence[str] = ()
    revealing: Sequence[str] = ()
    tag_sets: Sequence[int] = ()
    recipients: Sequence[str] = ()

    @property
    def by_tags(self) -> bool:
        """Whether the tags of an event have a say in it."""
        return any((self.categories, self.purposes, self.systems, self.tag_sets, self.recipients))

    def admits(self, tags: TagSet) -> bool:
        """Whether events with these tags are asked for, whenever they were."""
        serves = {*self.purposes}.intersection(tags.purposes) or {*self.revealing}.intersection(tags.revealed)
        return bool(
            (not self.categories or {*self.categories}.intersection(tags.every_category))
            and (not self.purposes or serves)
            and (not self.systems or tags.system in self.systems)
            and (not self.tag_sets or tags.id in self.tag_sets)
            and (not self.recipients or not {*self.recipients}.isdisjoint(tags.recipients))
        )


NO_LIMITS = Filter()


@dataclass(frozen=True)
class Holding:
    """Events of one person that share a tag set: how many, first and last, and by what proofs they are the person's.

    `proofs` is empty for what was found under an identifier that was given.
    """

    tags: TagSet
    events: int
    first_seen: datetime
    last_seen: datetime
    proofs: tuple[Proof, ...] = ()


@dataclass(frozen=True)
class Found:
    """Answer of a look-up. `total_events` counts each event once, however many of its rows matched."""

    holdings: Sequence[Holding] = ()
    total_events: int = 0


@dataclass(frozen=True)
class Counts:
    """Events, each once, and the records of their systems that they tell of: events with one record key are one record,
    whether it was made, changed or deleted; an event without one is a record of its own."""

    events: int = 0
    records: int = 0


@dataclass(frozen=True)
class FindQuestion:
    """One question of `IndexReader.find`."""

    spans: Sequence[Span]
    limits: Filter = NO_LIMITS
    known_at: datetime | None = None


@dataclass(frozen=True)
class CountsQuestion:
    """One question of `IndexReader.counts`."""

    spans: Sequence[Span]
    tag_sets: Sequence[int]
    known_at: datetime | None = None


@dataclass(frozen=True)
class Others:
    """Events of one person that name somebody else as well.

    The events have rows of this tag set for the person, who has these `roles` in them; `others`: the roles that
    somebody else has, `known`: those of somebody of whom there is any claim of identity. In one role of an event stands
    one person, by whatever identifiers; only those who are mentioned may be several, and those whose tag set says so.
    """

    tag_set: int
    roles: frozenset[Role]
    others: frozenset[Role]
    known: frozenset[Role]
    events: int


class IndexWriter(OffsetLedger, Protocol):
    """Writes batches and keeps the ledger. One thread at a time."""

    def write(self, batch: LineageBatch, clock: Clock) -> None:
        """Store all of the batch, the ranges last: what they cover is then in the index. Blocks until durable.

        `clock` is read again for the ranges, once all else is stored: a range is in the ledger as of a moment at which
        what it covers could be found. So who asks at a moment found all that was known at that moment.

        Safe to repeat, whole or in part, with the same or other batch edges: the index ends the same.
        Raises Fenced, before anything is written, if a range has an epoch older than the partition's newest;
        KeyUnavailable, likewise, if the key of the batch was retired; IndexUnavailable if the index does not answer:
        some parts may be stored then, so repeat.
        """


class IndexReader(Protocol):
    """Answers questions. Safe from several threads."""

    def find(
        self, spans: Sequence[Span], limits: Filter = NO_LIMITS, known_at: datetime | None = None
    ) -> Found:
        """What is held under the spans. Erased rows are never found. Any number of spans; they may overlap.

        `known_at`: only events that were in the index at that moment, by the ledger. Raises IndexUnavailable.
        """

    def counts(
        self, spans: Sequence[Span], tag_sets: Sequence[int], known_at: datetime | None = None
    ) -> Counts:
        """Events with these tag sets under the spans, and the records that they tell of.

        Not those whose `customer` is of none of the spans: a record that names a customer is that customer's, whatever
        of somebody else stands in it, and a system leaves it (docs/rights-protocol.md).

        `known_at`: as in `find`. Raises IndexUnavailable.
        """

    def counts_each(self, questions: Sequence[CountsQuestion]) -> list[Counts]:
        """As `counts`, of each, asked at once. Raises IndexUnavailable."""

    def others(self, spans: Sequence[Span]) -> Sequence[Others]:
        """Of the events under the spans those that name somebody else too, in no order. Raises IndexUnavailable."""


class IndexReaderOfMany(IndexReader, Protocol):
    """Answers many questions at once, each as it would be answered alone, at its place. Raises IndexUnavailable."""

    def find_each(self, questions: Sequence[FindQuestion]) -> list[Found]:
        """As `find`, of each."""

    def others_each(self, questions: Sequence[Sequence[Span]]) -> list[Sequence[Others]]:
        """As `others`, of each."""


class BesideReader(Protocol):
    """Tells by what else an event names the person of some tokens. Safe from several threads."""

    def beside(self, spans: Sequence[Span], known_at: datetime | None = None) -> pa.Table:
        """`BESIDE_SCHEMA`: `token` of the spans, `other` in the same role of an event under them; in no order.

        Not those that are mentioned, who may be several people. `known_at`: as in `IndexReader.find`. Costs a scan of
        the offsets in the index where anything is under the spans. Raises IndexUnavailable.
        """

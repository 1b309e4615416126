"""The contract between the pipeline and the index, whatever the index is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Literal, Protocol

import pyarrow as pa

from schemas.tags import TagSet
from schemas.tokens import TOKEN_BYTES, Role
from sinks.histories import History

ROLE_CODES = {Role.OWNER: 1, Role.COUNTERPARTY: 2, Role.AGENT: 3, Role.MENTIONED: 4, Role.JOINT_OWNER: 5}

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
"""Columns of a lineage row. Its identity is (token, topic, partition, offset, role).

Partitions here and in all that follows: as the index numbers them, see `sinks.histories`.
"""

ClaimKey = Literal["token", "subject", "group", "line", "server"]

NOTHING = bytes(TOKEN_BYTES)
"""Stands in a claim where there is no token."""

ALL_PORTS = (0, 65_535)
"""Port range of whoever has the whole address. Port 0 of an event: unknown."""


class Form(IntEnum):
    """How the claims of one group add up to links; `streams.identity.links.states` does it."""

    SESSION = 1  # opened, seen, closed: an access session, a lease, a port block, equipment on loan
    STATE = 2  # a register: what a slot holds from one claim to the next
    LOGIN = 3  # from then on, until somebody else uses the same identifier
    MERGE = 4  # the newest claim decides, for all time: one customer record is another's duplicate


class Mark(IntEnum):
    """What a claim of a session says of it."""

    OPEN = 1
    SEEN = 2
    CLOSE = 3
    OFF = 4  # the server ends all its sessions now
    ON = 5  # the server starts anew: its sessions ended some time before


class Proof(IntEnum):
    """What a link proves of the person it leads to: who pays for a line or has it need not be who used it."""

    HOLDER = 1  # the register says that the identifier is the person's
    SUBSCRIBER = 2  # the address, port block or equipment was the person's subscription's
    LINE_OWNER = 3  # the access line was
    USER = 4  # somebody logged in as the person
    PAYER = 5  # the person paid; never followed, a payer may be anybody


class Rank(IntEnum):
    """By what a report names whose session it is; 0 in claims that were stored before this was kept."""

    CUSTOMER_NUMBER = 1
    USERNAME = 2
    LINE = 3
    INSIDE_ADDRESS = 4
    HARDWARE = 5
    CLIENT = 6
    PORT = 7  # a line by a name that its server alone knows
    PORT_NUMBER = 8


RANKS = (
    *(Rank.CUSTOMER_NUMBER, Rank.USERNAME, Rank.LINE, Rank.PORT, Rank.PORT_NUMBER),
    *(Rank.INSIDE_ADDRESS, Rank.HARDWARE, Rank.CLIENT),
)
"""Best first."""


CLAIM_SCHEMA = pa.schema(
    [
        ("form", pa.int8()),
        ("mark", pa.int8()),
        ("token", pa.binary(TOKEN_BYTES)),
        ("length", pa.uint8()),
        ("port_from", pa.uint16()),
        ("port_to", pa.uint16()),
        ("subject", pa.binary(TOKEN_BYTES)),
        ("group", pa.binary(TOKEN_BYTES)),
        ("line", pa.binary(TOKEN_BYTES)),
        ("server", pa.binary(TOKEN_BYTES)),
        ("at", pa.timestamp("ms")),
        ("since", pa.timestamp("ms")),
        ("until", pa.timestamp("ms")),
        ("proof", pa.int8()),
        ("rank", pa.uint8()),
        ("source", pa.dictionary(pa.int32(), pa.string())),
        ("topic", pa.dictionary(pa.int32(), pa.string())),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("part", pa.uint8()),
    ]
)
"""What one event says of who an identifier belonged to. Identity: (topic, partition, offset, part).

token: what is observed, NOTHING if the claim is only about a server or says that a slot is empty. length: of an IPv6
prefix, 0 for an identifier itself. subject: whose it is, a token that may itself be linked further. group: the session
or slot. line, server: the access line and the server that reports, NOTHING where unknown. at: event time. since: when
the session or state really began, null if the event does not say. until: when it ends unless renewed, null if nothing
is said. rank: how well the subject is named, for sessions whose reports name it differently. source: id in
catalogue/sources.yaml, which knows its clock and habits.
"""

KNOWN_CLAIM_SCHEMA = CLAIM_SCHEMA.append(pa.field("learnt_at", pa.timestamp("ms")))
"""A claim as it is read: with the moment at which the index first had it."""

PREFIX_SCHEMA = pa.schema(
    [("prefix", pa.binary(TOKEN_BYTES)), ("length", pa.uint8()), ("token", pa.binary(TOKEN_BYTES))]
)
"""Which IPv6 prefix tokens an observed address lies under: a keyed hash does not show it."""

BESIDE_SCHEMA = pa.schema(
    [("token", pa.binary(TOKEN_BYTES)), ("other", pa.binary(TOKEN_BYTES)), ("at", pa.timestamp("ms"))]
)
"""Tokens that stand in one role of an event: one person, by two identifiers; the first such event of each day (UTC)."""

PAIR_SCHEMA = pa.schema(
    [("older", pa.binary(TOKEN_BYTES)), ("newer", pa.binary(TOKEN_BYTES)), ("key_id", pa.string())]
)
"""Tokens under two keys that are the same identifier's; `key_id`: of the older one, empty once it is retired."""

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
    """One write: rows as an Arrow table of `ROW_SCHEMA`, and all that must be stored with them.

    `claims` and `retained` are tables of `CLAIM_SCHEMA`: the second one rests on data kept for the police alone
    (ekomloven § 3-13) and goes to a store of its own. `prefixes`: `PREFIX_SCHEMA`. `findings`: `FINDING_SCHEMA`.
    `pairs`: `PAIR_SCHEMA`, stored first. `key_id`: of the token key that all of it was made with.
    """

    rows: pa.Table
    claims: pa.Table = field(default_factory=CLAIM_SCHEMA.empty_table)
    retained: pa.Table = field(default_factory=CLAIM_SCHEMA.empty_table)
    prefixes: pa.Table = field(default_factory=PREFIX_SCHEMA.empty_table)
    findings: pa.Table = field(default_factory=FINDING_SCHEMA.empty_table)
    tag_sets: Sequence[TagSet] = ()
    dead: Sequence[DeadRow] = ()
    ranges: Sequence[OffsetRange] = ()
    pairs: pa.Table = field(default_factory=PAIR_SCHEMA.empty_table)
    key_id: str = ""


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

    `revealing`: categories that serve one of the purposes where a free text reveals them.
    """

    since: datetime | None = None
    until: datetime | None = None
    categories: Sequence[str] = ()
    purposes: Sequence[str] = ()
    systems: Sequence[str] = ()
    revealing: Sequence[str] = ()
    tag_sets: Sequence[int] = ()

    def admits(self, tags: TagSet) -> bool:
        """Whether events with these tags are asked for, whenever they were."""
        serves = {*self.purposes}.intersection(tags.purposes) or {*self.revealing}.intersection(tags.revealed)
        return bool(
            (not self.categories or {*self.categories}.intersection(tags.every_category))
            and (not self.purposes or serves)
            and (not self.systems or tags.system in self.systems)
            and (not self.tag_sets or tags.id in self.tag_sets)
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
class Others:
    """Events of one person that name somebody else as well.

    The events have rows of this tag set for the person, who has these `roles` in them; `others`: the roles that
    somebody else has, `known`: those of somebody of whom there is any claim of identity. In one role of an event stands
    one person, by whatever identifiers; only those who are mentioned may be several.
    """

    tag_set: int
    roles: frozenset[Role]
    others: frozenset[Role]
    known: frozenset[Role]
    events: int


@dataclass(frozen=True)
class RecordsGone:
    """A system deleted the records of events in which the person has one of `roles`.

    But not those in which somebody else has one of `stayed_for`.
    """

    roles: frozenset[Role]
    stayed_for: frozenset[Role] = frozenset()


@dataclass(frozen=True)
class KeyEntry:
    """What happened to a token key: `in_force` (from then on new rows are made with it), `retired`, or `kept`
    (not retired after all).

    `check`: `schemas.keys.check_value` of the key.
    """

    sequence: int
    kind: str
    key_id: str
    check: str
    at: datetime


class KeyRegister(Protocol):
    """Which token keys made what is in the index. Kept in the index itself. All raise IndexUnavailable."""

    def entries(self) -> Sequence[KeyEntry]:
        """What happened, in order."""

    def append(self, entry: KeyEntry) -> bool:
        """Store it. False, and nothing changes, when another has that sequence number: the first one stands."""

    def used(self) -> set[str]:
        """Ids of the keys under which there ever were rows."""

    def empty(self) -> bool:
        """Whether nothing was ever written to the index but this register."""


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

    def histories(self, partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], History]:
        """The newest history of each partition, by Kafka's number; absent: none was noted."""

    def note_histories(self, histories: Sequence[History], now: datetime) -> None:
        """Keep them. Safe to repeat; of one that is noted again the later topic id stands."""


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

    def find(
        self, spans: Sequence[Span], limits: Filter = NO_LIMITS, known_at: datetime | None = None
    ) -> Found:
        """What is held under the spans. Erased rows are never found. Any number of spans; they may overlap.

        `known_at`: only events that were in the index at that moment, by the ledger. Raises IndexUnavailable.
        """

    def others(self, spans: Sequence[Span]) -> Sequence[Others]:
        """Of the events under the spans those that name somebody else too, in no order. Raises IndexUnavailable."""


class BesideReader(Protocol):
    """Tells by what else an event names the person of some tokens. Safe from several threads."""

    def beside(self, spans: Sequence[Span], known_at: datetime | None = None) -> pa.Table:
        """`BESIDE_SCHEMA`: `token` of the spans, `other` in the same role of an event under them; in no order.

        Not those that are mentioned, who may be several people. `known_at`: as in `IndexReader.find`. Costs a scan of
        the offsets in the index where anything is under the spans. Raises IndexUnavailable.
        """


class PairReader(Protocol):
    """Which tokens of several keys are the same identifier's. Safe from several threads."""

    def pairs(self, tokens: Sequence[bytes]) -> pa.Table:
        """`PAIR_SCHEMA`: the pairs that one of the tokens is in. Raises IndexUnavailable."""


class ClaimReader(Protocol):
    """Reads what was said about identity. Safe from several threads. All raise IndexUnavailable."""

    def claims(
        self,
        keys: Sequence[bytes],
        known_at: datetime | None = None,
        *,
        of: ClaimKey,
        without: Sequence[bytes] = (),
    ) -> pa.Table:
        """Claims whose column `of` is one of the keys; of `server` only OFF and ON marks.

        `without`: not those on these tokens, which the caller has read already.

        A table of `KNOWN_CLAIM_SCHEMA`, each claim once, in no order. `known_at`: only those learnt by then.
        Never what is retained for the police alone.
        """

    def prefixes(self, tokens: Sequence[bytes]) -> pa.Table:
        """`PREFIX_SCHEMA`: the prefixes above the address tokens given."""

    def addresses(self, prefixes: Sequence[bytes]) -> pa.Table:
        """`PREFIX_SCHEMA`: the observed addresses under the prefix tokens given."""


MarkKey = tuple[str, bytes]
"""Kind and key: `claim`, a key of claims; `row`, the token of rows; `prefix` or `address`, of address prefixes."""


class IndexMarks(Protocol):
    """Tells whether anything changed. Safe from several threads."""

    def marks(self, keys: Mapping[str, Sequence[bytes]]) -> Mapping[MarkKey, int]:
        """For each key of each kind a number that is another one after anything under it came, went or changed.

        Absent: 0, nothing is under it. Raises IndexUnavailable.
        """


@dataclass(frozen=True)
class Forgotten:
    """How many rows the index removed, how many it narrowed to what is still held, and how many of others ended.

    `rows_ended`: of other people, whose record is gone.
    """

    rows_removed: int = 0
    rows_narrowed: int = 0
    rows_ended: int = 0

    def without(self, other: Forgotten) -> Forgotten:
        """Less what the other counts, and nothing below zero."""
        return Forgotten(
            max(self.rows_removed - other.rows_removed, 0),
            max(self.rows_narrowed - other.rows_narrowed, 0),
            max(self.rows_ended - other.rows_ended, 0),
        )


NOTHING_GONE: Mapping[int, RecordsGone] = {}


class IndexEraser(Protocol):
    """Makes the index forget."""

    def going(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
        known_at: datetime | None = None,
    ) -> Forgotten:
        """What `forget` would do now; `known_at`: of that, what was in the index at that moment, by the ledger.

        Changes nothing. Raises IndexUnavailable.
        """

    def forget(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
    ) -> Forgotten:
        """For the rows under the spans: remove those whose tag set maps to None, give the others the tag set named
        (what is still held), leave tag sets alone that are not in `kept`. Returns when no answer shows them any more.

        `gone`: of rows that are removed, by their tag set, the events whose record the system deleted: everybody else's
        rows of these go too, whatever their tag set. Of an event whose record stays somebody else's rows stay. A row
        under another token of the spans, outside its span, goes with a row of the same event, role and fate.
        Findings in the text of events that are gone go with them, and so do claims whose event is gone from the
        index under every token of the spans, and prefixes of addresses without rows.
        Safe to repeat. Raises IndexUnavailable; some may be done then.
        """

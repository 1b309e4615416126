"""What must not be changed afterwards, and the seals over it that show whether it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import accumulate
from typing import Any, Protocol

MOST_HEADS = 1_000
"""Seals that are read at once."""


class Source(StrEnum):
    """Where an entry of the log stands: the ledger of requests, the audit record, or the statements beside both."""

    REQUEST = "request"
    AUDIT = "audit"
    STATEMENT = "statement"


@dataclass(frozen=True)
class Place:
    """Names one entry. `key`: of the ledger `request/number`, of the audit record its entry, of a statement
    `request/kind`."""

    source: Source
    key: str


@dataclass(frozen=True)
class Entry:
    """One thing that was recorded, as it stands. `content` is JSON without fractions, and holds no raw value."""

    place: Place
    at: datetime
    content: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Leaf:
    """What the log keeps of an entry: `digest` is the SHA-256 of its content, 32 bytes."""

    place: Place
    at: datetime
    digest: bytes


@dataclass(frozen=True)
class Seal:
    """One tree head, with the leaves it adds.

    `sequence`: from 0 on, without gaps. `size`, `root`, `peaks`: of the whole tree with them
    (`streams.evidence.merkle.Tree`). `previous`: hash of the head before it, zeros for the first. Roots, hashes and
    peaks have 32 bytes, the signature 64.
    """

    sequence: int
    size: int
    root: bytes
    previous: bytes
    at: datetime
    key_id: str
    signature: bytes
    peaks: tuple[bytes, ...] = ()
    leaves: tuple[Leaf, ...] = ()


@dataclass(frozen=True)
class Statement:
    """What innsyn states of a request beside its ledger, once for each kind. `content` is JSON text, as it is kept."""

    request_id: str
    kind: str
    at: datetime
    content: str = field(repr=False)


_ADDED = ("shape", "views")


def entry_content(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is sealed of an entry. What was added later counts where it says something: older seals stay true."""
    return {name: value for name, value in content.items() if value or name not in _ADDED}


def as_many(counts: Sequence[int], leaves: int) -> int:
    """How many seals with these counts of leaves have so many leaves together; the first is among them in any case."""
    return sum(upto <= leaves or number == 0 for number, upto in enumerate(accumulate(counts)))


class EvidenceLog(Protocol):
    """The seals, and what they are about. Append-only; any number of processes may append. All raise IndexUnavailable.

    Moments are aware, kept to the millisecond.
    """

    def waiting(self, limit: int, sealed: int = -1) -> Sequence[Entry]:
        """Entries that no seal has, in the order of moment, source and key: the first `limit`.

        None from a replica that does not know the seal number `sealed` yet: it would give those of it again.
        """

    def entries(self, places: Sequence[Place]) -> Sequence[Entry]:
        """The entries at these places, as they stand now, in any order; those that are not there are left out."""

    def recorded(self) -> object:
        """Something that stays equal as long as nothing new is recorded, and is cheap; it may change all the same."""

    def append(self, seal: Seal) -> bool:
        """Store the seal with its leaves, all or nothing; on disk when this returns.

        False, and nothing changes, where another one has its sequence number.
        """

    def newest(self) -> Seal | None:
        """The last seal, without its leaves; None before the first."""

    def unsealed(self) -> int:
        """How many entries no seal has."""

    def seals(self, first: int, leaves: int) -> Sequence[Seal]:
        """Seals with their leaves from that sequence number on, in order, as many as have so many leaves together: one
        at least where there is one, and at most `MOST_HEADS`."""

    def heads_from(self, first: int, limit: int) -> Sequence[Seal]:
        """Seals without their leaves from that sequence number on, in order."""

    def repeated(self, limit: int) -> Sequence[Place]:
        """Places that stand in the seals more than once, those first that were sealed anew first."""

    def heads(self, limit: int) -> Sequence[Seal]:
        """The newest seals without their leaves, newest first."""

    def published(self) -> int:
        """The highest sequence number that was noted as published; -1 for none."""

    def note_published(self, sequence: int, at: datetime) -> None:
        """Everything up to that one is published. Safe to repeat."""

    def state(self, statement: Statement) -> bool:
        """Store the statement. False, and nothing changes, where the request has one of that kind."""

    def state_each(self, statements: Sequence[Statement]) -> list[bool]:
        """As `state`, of each in turn; where it raises, any of them may be stored."""

    def statements(self, request_id: str | None = None) -> Sequence[Statement]:
        """Those of one request, or all, by request and kind."""

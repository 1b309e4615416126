"""What a question of identity is asked with and answered by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from schemas.tokens import IdentifierKind
from schemas.vocabulary import Bound, Proof, Resolution
from sinks.ports.identity import ALL_PORTS
from sinks.ports.lineage import Span


@dataclass(frozen=True)
class Given:
    """An identifier that somebody gave of a person, and for an address when and behind which port.

    `prefixes`: token and length of the IPv6 prefixes above an address, see `schemas.tokens.prefix_tokens`.
    `former`: tokens of canonical forms that the identifier had before, see `schemas.identifiers.former`.
    """

    kind: IdentifierKind
    token: bytes
    at: datetime | None = None
    port: int | None = None
    prefixes: tuple[tuple[bytes, int], ...] = ()
    former: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"Given(kind={self.kind}, at={self.at})"


@dataclass(frozen=True)
class Link:
    """`token` belonged to `subject` in [since, until); None: no bound.

    `end`: `stated` by a report, `open` when nothing ended it, or `inferred`: then the true end lies within
    [end_earliest, end_latest] (None: nothing bounds it). `begin` `inferred`: no report says it, the true one lies
    within [begin_earliest, begin_latest]. `evidence` is the newest claim the link rests on, as (topic, partition,
    offset); `learnt_at` when the index had the whole of it.
    """

    token: bytes = field(repr=False)
    subject: bytes = field(repr=False)
    since: datetime | None
    until: datetime | None
    proof: Proof
    source: str
    end: Bound
    end_earliest: datetime | None
    end_latest: datetime | None
    learnt_at: datetime
    evidence: tuple[str, int, int]
    length: int = 0
    ports: tuple[int, int] = ALL_PORTS
    begin: Bound = Bound.STATED
    begin_earliest: datetime | None = None
    begin_latest: datetime | None = None


@dataclass(frozen=True)
class ResolvedSubject:
    """What is known of whom the given identifiers mean.

    `subjects`: the tokens in which their chains end, mostly customer numbers. `candidates`: how many different
    subjects an identifier may mean; more than one makes the resolution ambiguous, and then nothing is linked.
    `spans`: where an event is this person's and nobody else's. `shared`: where it may be this person's as well as
    another's. `links`: those the spans rest on, oldest first. `problems`: why a chain was not followed to its end.
    `disagree`: kinds of identifiers that lead to different people, those that lead to one together; then the resolution
    is ambiguous. `unlinked`: kinds of those that no link says to be anybody's: only who asked says that they are this
    person's.
    """

    resolution: Resolution
    candidates: int
    subjects: frozenset[bytes] = field(repr=False)
    spans: Sequence[Span]
    shared: Sequence[Span]
    links: Sequence[Link]
    problems: Sequence[str] = ()
    disagree: Sequence[Sequence[str]] = ()
    unlinked: Sequence[str] = ()

"""What a question about a person is: whom, how far, as of when; and what it is asked of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from schemas.catalogue import Catalogue
from schemas.company import Company
from schemas.policy import RetentionAnchors
from schemas.tokens import IdentifierKind, Tokenizer
from sinks.ports.dead_letters import OpenLetters
from sinks.ports.lineage import NO_LIMITS, Filter, IndexReader
from streams.answers.attribution import Resolver
from streams.answers.erased import Erased
from streams.answers.keeping import Keeping
from streams.answers.naming import Values
from streams.answers.restricted import Restricted
from streams.identity.identities import given
from streams.identity.model import Given, ResolvedSubject


@dataclass(frozen=True)
class Identifier:
    """An identifier in clear. `at` and `port` limit an address to who used it in that second, from that port."""

    kind: IdentifierKind
    value: str = field(repr=False)
    at: datetime | None = None
    port: int | None = None


@dataclass(frozen=True)
class Question:
    """Whom it is about, and what of that is asked.

    `anchors`: days that start retention clocks. `limits`: names of the catalogue and a half-open time, as they were
    given. `known_at`: answer as the index would have then; with `changes` also what became of that answer since.
    `restricted`: only what is stored alone by a restriction or objection that stands, or only the rest.
    `received_at`: of a plan, when the request came in: whom an identifier without a time led to then is meant.
    """

    identifiers: Sequence[Identifier]
    anchors: RetentionAnchors = field(default_factory=RetentionAnchors)
    limits: Filter = NO_LIMITS
    known_at: datetime | None = None
    changes: bool = False
    received_at: datetime | None = None
    restricted: bool | None = None


class Known(Protocol):
    """What a question is asked of: `console.wiring.answering.Answering` is such, and what the API is made of."""

    @property
    def reader(self) -> IndexReader: ...

    @property
    def identities(self) -> Resolver: ...

    @property
    def values(self) -> Values | None: ...

    @property
    def keeping(self) -> Keeping: ...

    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def company(self) -> Company: ...

    @property
    def catalogue(self) -> Catalogue: ...

    def open_letters(self) -> Sequence[OpenLetters]:
        """Messages that could not be read and that nothing settled, counted. Raises IndexUnavailable."""

    def waiting(self) -> Mapping[str, int] | None:
        """By topic, how many messages are not in the index yet, as of some seconds ago; None: nobody knows."""

    def erased(self, person: ResolvedSubject, given: Sequence[Given]) -> Sequence[Erased]:
        """The completed erasures of a person, oldest first. Raises IndexUnavailable."""

    def restricted(self, person: ResolvedSubject, given: Sequence[Given]) -> Sequence[Restricted]:
        """The restrictions of a person that stand, oldest first. Raises IndexUnavailable."""


def givens(tokenizer: Tokenizer, identifiers: Iterable[Identifier]) -> list[Given]:
    """The identifiers as the index knows them. Raises InvalidIdentifier."""
    return [given(tokenizer, item.kind, item.value, item.at, item.port) for item in identifiers]

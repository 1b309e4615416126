"""What is to be recorded of a question about a person, noted while it is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.catalogue import Catalogue
from schemas.company import Company
from schemas.errors import IndexUnavailable
from schemas.tokens import Tokenizer
from sinks.ports.audit import AuditEntry
from sinks.ports.dead_letters import OpenLetters
from sinks.ports.lineage import IndexReader
from streams.answers.attribution import Resolver
from streams.answers.erased import Erased
from streams.answers.keeping import Keeping
from streams.answers.naming import Values
from streams.answers.question import Identifier, Known
from streams.answers.restricted import Restricted
from streams.identity.model import Given, Link, ResolvedSubject


@dataclass
class Note:
    """What is known of one question while it is answered. Whoever answers it fills it in.

    `limit`: told who asks about how many identifiers; raises TooOften. `changes`: something else than the record may
    have changed by it.
    """

    at: datetime
    caller: str
    client: str = ""
    purpose: str = ""
    limit: Callable[[str, int], object] | None = field(default=None, repr=False)
    kinds: frozenset[str] = frozenset()
    identifiers: int = 0
    subjects: set[bytes] = field(default_factory=set, repr=False)
    key_id: str = ""
    request_id: str = ""
    resolution: str = ""
    size: int = 0
    changes: bool = False
    known: Known | None = field(default=None, repr=False)
    tokenizer: Tokenizer | None = field(default=None, repr=False)

    def asks(self, identifiers: Sequence[Identifier]) -> None:
        """It is about these. Raises TooOften."""
        self.kinds = frozenset(item.kind.name for item in identifiers)
        self.identifiers = len(identifiers)
        if self.limit is not None:
            self.limit(self.caller, self.identifiers)

    def asks_by_key(self) -> None:
        """It is about one record, by the key of its system. Raises TooOften."""
        self.kinds, self.identifiers = frozenset({"record_key"}), 1
        if self.limit is not None:
            self.limit(self.caller, 1)

    def of(self, known: Known) -> Known:
        """The same to ask of, where whom it finds is noted."""
        self.known = known
        return _Noted(known, self)

    def answered(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer as it is, its resolution and size noted.

        Raises IndexUnavailable where the key it was asked under was retired meanwhile: under that nothing is found.
        """
        if self.key_id and self.known is not None and self.known.tokenizer.key_id != self.key_id:
            raise IndexUnavailable("the token keys changed while this was answered; ask again")
        self.resolution = str(answer["resolution"])
        self.size = int(answer.get("total_events", answer.get("links_total", 0)))
        return answer

    def about(self, request_id: str, subjects: Iterable[str] = ()) -> None:
        """It is about a request, of people with these tokens (hex)."""
        self.request_id = request_id
        self.subjects |= set(map(bytes.fromhex, subjects))

    def entry(self, action: str, status: int, seconds: float) -> AuditEntry:
        nobody = self.resolution == "none"
        return AuditEntry(
            at=self.at,
            action=action,
            caller=self.caller,
            client=self.client,
            kinds=tuple(sorted(self.kinds)),
            identifiers=self.identifiers,
            subjects=() if nobody else tuple(sorted(self.subjects)),
            key_id="" if nobody or not self.subjects else self.key_id,
            request_id=self.request_id,
            purpose=self.purpose,
            resolution=self.resolution,
            size=self.size,
            status=int(status),
            milliseconds=min(round(seconds * 1000), 2**32 - 1),
        )


@dataclass(frozen=True)
class _Noted:
    """A `Known` whose answers about identity are noted."""

    known: Known
    note: Note

    @property
    def reader(self) -> IndexReader:
        return self.known.reader

    @property
    def identities(self) -> Resolver:
        return _NotedIdentities(self.known.identities, self.note.subjects)

    @property
    def tokenizer(self) -> Tokenizer:
        """One for all of the question: a key may be retired between two looks."""
        if self.note.tokenizer is None:
            self.note.tokenizer = self.known.tokenizer
            self.note.key_id = self.note.tokenizer.key_id
        return self.note.tokenizer

    @property
    def values(self) -> Values | None:
        return self.known.values

    @property
    def keeping(self) -> Keeping:
        return self.known.keeping

    @property
    def company(self) -> Company:
        return self.known.company

    @property
    def catalogue(self) -> Catalogue:
        return self.known.catalogue

    def open_letters(self) -> Sequence[OpenLetters]:
        return self.known.open_letters()

    def waiting(self) -> Mapping[str, int] | None:
        return self.known.waiting()

    def erased(self, person: ResolvedSubject, given: Sequence[Given]) -> Sequence[Erased]:
        return self.known.erased(person, given)

    def restricted(self, person: ResolvedSubject, given: Sequence[Given]) -> Sequence[Restricted]:
        return self.known.restricted(person, given)


@dataclass(frozen=True)
class _NotedIdentities:
    """A `Resolver` that keeps whom it found."""

    identities: Resolver
    subjects: set[bytes]

    def person(
        self, givens: Sequence[Given], now: datetime, known_at: datetime | None = None
    ) -> ResolvedSubject:
        found = self.identities.person(givens, now, known_at)
        self.subjects.update(found.subjects)
        return found

    def each(
        self, givens: Sequence[Given], now: datetime, known_at: datetime | None = None
    ) -> Sequence[ResolvedSubject]:
        found = self.identities.each(givens, now, known_at)
        for item, person in zip(givens, found, strict=True):
            # Without a moment the links say whose it ever was.
            ever = {link.subject for link in person.links} if item.at is None else set()
            self.subjects.update(person.subjects, ever)
        return found

    def links(self, givens: Sequence[Given], known_at: datetime | None = None) -> Sequence[Sequence[Link]]:
        return self.identities.links(givens, known_at)

    def chains(self, givens: Sequence[Given], known_at: datetime | None = None) -> Sequence[Sequence[Link]]:
        return self.identities.chains(givens, known_at)

    def ever(self, givens: Sequence[Given]) -> Sequence[frozenset[bytes]]:
        return self.identities.ever(givens)

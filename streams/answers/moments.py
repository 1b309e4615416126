"""Where a question looks: from the identifiers given to spans of the index, by the identity links."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from schemas.errors import InputError
from schemas.vocabulary import Resolution
from sinks.ports.identity import ALL_PORTS
from sinks.ports.lineage import Span
from streams.answers.question import Identifier, Known, Question, givens
from streams.identity.model import Given, Link, ResolvedSubject

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Asked:
    """A moment of a question: the present, or what was known at a moment that has passed."""

    known: Known
    moment: datetime
    known_at: datetime | None = None

    def given(self, identifiers: Iterable[Identifier]) -> list[Given]:
        """Raises InvalidIdentifier."""
        return givens(self.known.tokenizer, identifiers)

    def person(self, identifiers: Iterable[Identifier]) -> ResolvedSubject:
        """The person whom the identifiers mean together. Raises InvalidIdentifier, IndexUnavailable."""
        return self.known.identities.person(self.given(identifiers), self.moment, self.known_at)

    def each(self, identifiers: Iterable[Identifier]) -> list[tuple[Given, ResolvedSubject]]:
        """Whom each identifier means alone, with its links at its moment and without spans. Raises as `person`."""
        asked = self.given(identifiers)
        people = self.known.identities.each(asked, self.moment, self.known_at)
        return list(zip(asked, people, strict=True))

    def chains(self, identifiers: Iterable[Identifier]) -> list[tuple[Given, Sequence[Link]]]:
        """The links of each identifier at its moment, and of those it leads to. Raises as `person`."""
        asked = self.given(identifiers)
        return list(zip(asked, self.known.identities.chains(asked, self.known_at), strict=True))


def moment_of(question: Question, known: Known, now: datetime) -> Asked:
    """The moment an answer speaks of. Raises InputError for one to come, and for changes since no moment."""
    if question.known_at is None:
        if question.changes:
            raise InputError("changes: needs known_at; give the moment since which to compare")
        return Asked(known, now)
    if question.known_at > now:
        raise InputError("known_at: has not come yet; give a moment that has passed")
    return Asked(known, question.known_at, question.known_at)


def looked_up(identifiers: Sequence[Identifier], asked: Asked) -> tuple[ResolvedSubject, list[Span]]:
    """Where a look-up looks, and which of it is ambiguous.

    Addresses alone are an operator's question: all that was seen under them (in that second, from that port), whoever
    it was, with the number of people it may have been. With another identifier it is one person's: what is theirs, in
    that second if one is given. Raises InvalidIdentifier, IndexUnavailable.
    """
    if any(not item.kind.is_place for item in identifiers):
        return _one(identifiers, asked), []
    parts = [_address(item, person) for item, person in asked.each(identifiers)]
    return _together([person for person, _ in parts]), [span for _, unclear in parts for span in unclear]


def _one(identifiers: Sequence[Identifier], asked: Asked) -> ResolvedSubject:
    """The person whom all of them mean, where and when they are asked about."""
    person = asked.person(identifiers)
    limits = {(item.at, item.port) for item in identifiers if not item.kind.is_place}
    addresses = [item for item in asked.given(identifiers) if item.kind.is_place]

    def within(found: Sequence[Span]) -> list[Span]:
        parts = [_limited(found, at, port) for at, port in sorted(limits, key=str)]
        for item in addresses:
            own = [span for span in found if span.token == item.token]
            parts.append(_limited(own, item.at, item.port))
        return list(dict.fromkeys(span for part in parts for span in part))

    return replace(person, spans=within(person.spans), shared=within(person.shared))


def _address(item: Given, person: ResolvedSubject) -> tuple[ResolvedSubject, list[Span]]:
    until = item.at + _SECOND if item.at else None
    ports = ALL_PORTS if item.port is None else (item.port, item.port)
    span = Span(item.token, item.at, until, *ports)
    resolution, candidates, subjects, links = (
        *(person.resolution, person.candidates, person.subjects),
        person.links,
    )
    if item.at is None:
        subjects = frozenset(link.subject for link in links) or frozenset([item.token])
        candidates = len(subjects)
        resolution = Resolution.AMBIGUOUS if candidates > 1 else Resolution.UNIQUE
    unclear = []
    if resolution == Resolution.AMBIGUOUS and item.at is not None:
        # Behind blocks of ports, an event that knows its port has an owner; one that does not is anybody's.
        unknown_port = item.port is None and all(link.ports != ALL_PORTS for link in links)
        unclear = [replace(span, port_from=0, port_to=0) if unknown_port else span]
    return ResolvedSubject(resolution, candidates, subjects, [span], (), links), unclear


def _limited(spans: Sequence[Span], at: datetime | None, port: int | None) -> list[Span]:
    """The parts of the spans in the second `at`, at that port; all of them without."""
    found = []
    for span in spans:
        since, until = span.since, span.until
        if at is not None:
            since = at if since is None else max(since, at)
            until = at + _SECOND if until is None else min(until, at + _SECOND)
        low, high = span.port_from, span.port_to
        if port is not None:
            low, high = max(low, port), min(high, port)
        if low <= high and (since is None or until is None or since < until):
            found.append(replace(span, since=since, until=until, port_from=low, port_to=high))
    return found


def _together(persons: Sequence[ResolvedSubject]) -> ResolvedSubject:
    resolutions: set[Resolution] = {person.resolution for person in persons}
    order: tuple[Resolution, ...] = (Resolution.AMBIGUOUS, Resolution.UNIQUE, Resolution.NONE)
    subjects = frozenset[bytes]().union(*(person.subjects for person in persons))
    several = len({person.subjects for person in persons if len(person.subjects) == 1}) > 1
    return ResolvedSubject(
        resolution=Resolution.AMBIGUOUS if several else next(item for item in order if item in resolutions),
        candidates=max(*(person.candidates for person in persons), len(subjects) if several else 0),
        subjects=subjects,
        spans=[span for person in persons for span in person.spans],
        shared=[span for person in persons for span in person.shared],
        links=[link for person in persons for link in person.links],
        problems=list(dict.fromkeys(text for person in persons for text in person.problems)),
        unlinked=sorted({kind for person in persons for kind in person.unlinked}),
    )

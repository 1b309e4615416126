"""Whom a request is about: what the person gave, opened and asked of the identity links."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime

from schemas.errors import KeyUnavailable
from schemas.times import iso
from schemas.tokens import IdentifierKinds, Tokenizer
from schemas.vocabulary import Resolution
from sinks.ports.identity import ALL_PORTS
from sinks.ports.lineage import IndexReader, Span
from streams.answers.attribution import Resolver, ending_before, unlinked_spans
from streams.answers.erased import Erased, erased_before, erased_line
from streams.answers.erasure import unclear_of
from streams.answers.naming import KeyedRecords, Namer, Told
from streams.answers.question import Identifier, givens
from streams.answers.restricted import Restricted, restricted_line
from streams.answers.unnamed import KeyedCounts, erasable_identifiers, named_at
from streams.identity.model import Given, ResolvedSubject
from streams.identity.values import RecordKey, Same
from streams.rights.case import CaseFile
from streams.rights.overlap import erased_of, of_person, restricted_of, subjects_of, under_every_key
from streams.rights.protocol.messages import Named
from streams.rights.protocol.request import RequestState


@dataclass
class Remembered:
    """Of requests, by id, what was asked a moment ago: whom they are about, and what was given, opened."""

    persons: dict[str, ResolvedSubject] = field(default_factory=dict, repr=False)
    given: dict[str, list[tuple[Named, Given]]] = field(default_factory=dict, repr=False)


# Of whoever works on a batch alone: what another thread asked may be older than what this one has changed since.
_REMEMBERED: ContextVar[Remembered | None] = ContextVar("remembered", default=None)


class SubjectFinder:
    """Every method may raise KeyUnavailable and IndexUnavailable."""

    def __init__(
        self,
        file: CaseFile,
        identities: Resolver,
        tokenizer: Callable[[], Tokenizer],
        kinds: IdentifierKinds,
        namer: Namer,
        same: Same | None = None,
    ) -> None:
        """`same`: of an index whose token key was rotated."""
        self.kinds = kinds
        self._same = same
        self._namer = namer
        self._file = file
        self._identities = identities
        self._tokenizer = tokenizer

    def of(self, request: RequestState) -> ResolvedSubject:
        """Whom the identifiers meant when the request was received, as far as it is known now.

        With what a follow-up of an erasure inherits, as far as nobody is linked there.
        """
        known = _REMEMBERED.get()
        if known is not None and request.request_id in known.persons:
            return known.persons[request.request_id]
        given = self.given(request.request_id)
        # Where nobody can read any more what was given: whoever the erasure was about that this one follows up.
        given += [Given(self.kinds.customer, bytes.fromhex(token)) for token in request.about]
        person = self._inheriting(request, self._identities.person(given, request.received_at))
        if known is not None:
            known.persons[request.request_id] = person
        return person

    @contextmanager
    def knowing(self, remembered: Remembered) -> Iterator[None]:
        """Meanwhile it is asked once whom a request is about and what was given, and not of those of which it was a
        moment ago; what is found is added to them."""
        before = _REMEMBERED.set(remembered)
        try:
            yield
        finally:
            _REMEMBERED.reset(before)

    def erased_before(self, request: RequestState, person: ResolvedSubject) -> list[str]:
        """What has to be said of earlier erasures of the person, a line each; a follow-up knows what they left."""
        if request.inherited:
            return []
        found = erased_before(self, person, self.given(request.request_id))
        return [erased_line(item.request_id, iso(item.completed_at), item.left) for item in found]

    def erased(self, person: ResolvedSubject, given: Sequence[Given]) -> Sequence[Erased]:
        """See `streams.answers.erased.Ledger`."""
        about, spans = under_every_key(subjects_of(person, given), person.spans, self._same)
        return erased_of(self._file.about(about, spans), person, given, self._same)

    def restricted(self, person: ResolvedSubject, given: Sequence[Given]) -> Sequence[Restricted]:
        """See `streams.answers.erased.Ledger`."""
        about, spans = under_every_key(subjects_of(person, given), person.spans, self._same)
        return restricted_of(self._file.about(about, spans), person, given, self._same)

    def requests_of(
        self, subjects: Iterable[str], spans: Sequence[Span], besides: str | None = None
    ) -> list[RequestState]:
        """All requests of a person, by whatever token keys they were made, and the one named; oldest first.

        `subjects`, `spans`: whom it is about, as of any time.
        """
        about, where = under_every_key(subjects, spans, self._same)
        known = self._file.about(about, where, besides)
        theirs = {item.request_id for item in of_person(known, about, where)}
        return [item for item in known if item.request_id in theirs or item.request_id == besides]

    def restrictions(self, request: RequestState, person: ResolvedSubject) -> list[str]:
        """What has to be said of restrictions that stand, a line each."""
        found = self.restricted(person, self.given(request.request_id))
        return [restricted_line(**item.shown()) for item in found]

    def under_every_key(self, request: RequestState) -> frozenset[str]:
        """The subjects of a request as those of any time name them, as hex tokens."""
        return frozenset(under_every_key(request.subjects, (), self._same)[0])

    def key_id(self) -> str:
        """Which key makes the tokens that are asked for; "" where there is none."""
        with suppress(KeyUnavailable):
            return self._tokenizer().key_id
        return ""

    def still(self, request: RequestState) -> ResolvedSubject:
        """The person whom the request was carried out for, by the links of now.

        Where the identifiers mean somebody else by now, or nobody for certain, the subjects of then count: what was
        one person's never becomes another's.
        """
        person = self.of(request)
        subjects = request.identity.subjects if request.identity else frozenset()
        if not subjects or person.subjects == subjects:
            return person
        # One that no link spoke of stands for itself, as it was given; a customer number speaks for itself.
        named = {item.token: item for item in self.given(request.request_id)}
        asked = [named.get(token, Given(self.kinds.customer, token)) for token in sorted(subjects)]
        found = self._identities.person(asked, request.received_at)
        if found.resolution == Resolution.AMBIGUOUS:
            apart = [self._identities.person([item], request.received_at) for item in asked]
            # Whatever speaks against them together by now: those that lead to nobody else are still who they were.
            found = _together(
                [one for item, one in zip(asked, apart, strict=True) if one.subjects == {item.token}]
            )
        return self._inheriting(request, found)

    def others(self, request: RequestState) -> bool:
        """Whether the identifiers lead to somebody else by now than to whom the request was carried out for."""
        known = self.still(request).subjects | {item.token for item in self.given(request.request_id)}
        return not self.of(request).subjects <= known

    def unclear(self, request: RequestState, person: ResolvedSubject) -> str:
        """What somebody has to give where the identifiers may mean several people."""
        return unclear_of(person, self.given(request.request_id), self.kinds.customer)

    def told(self, request: RequestState, system: str) -> list[Named]:
        """What a system is told to erase by, of whom the request was planned for, of kinds that its records have.

        What was given, as far as it is nobody else's (`streams.answers.erasure`), and what links found
        (`streams.answers.naming`).
        """
        knows, erasable = self._namer.knows(system), {*self.erasable(request)}
        every = self._given(request.request_id)
        given = [(item, one) for item, one in every if one in erasable and item.kind in knows]
        always = {one.token for _, one in given if one.at is None}
        spans = request.identity.spans if request.identity else ()
        # What is the person's own is so after the plan as well, as if it had been given.
        spans = [
            replace(span, until=None) if span.proof is None and span.until == request.planned_at else span
            for span in spans
        ]
        found = [item for item in self._namer.of(spans).told(system) if item.span.token not in always]
        rest = [pair for pair in given if not any(_includes(told.span, pair[1]) for told in found)]
        left = [
            item for pair in rest for item in (_limited(*pair, spans) if request.inherited else [pair[0]])
        ]
        return list(dict.fromkeys([*left, *map(named_told, found)]))

    def named(
        self, request: RequestState, system: str, by_key: Sequence[KeyedRecords] = ()
    ) -> list[Named | RecordKey]:
        """All that a command to the system names. `by_key`: the records that are told by their own key."""
        keys = self._record_keys(request, system, by_key) if by_key else []
        return [*self.told(request, system), *keys]

    def _record_keys(
        self, request: RequestState, system: str, meant: Sequence[KeyedRecords]
    ) -> list[RecordKey]:
        """The keys of those records that no identifier names which the system is told."""
        naming = self._namer.of(request.identity.spans if request.identity else ())
        named = named_at(system, naming, self.erasable(request))
        return self._namer.record_keys(naming, system, named, meant)

    def keyed(self, request: RequestState, person: ResolvedSubject, reader: IndexReader) -> KeyedCounts:
        """What of the person systems are told by its own key, by a plan that is made now."""
        given: list[Given] = []
        with suppress(KeyUnavailable):
            # What nobody can read is sent to nobody either.
            given = self.given(request.request_id)
        erasable = erasable_identifiers(given, person.subjects, self._identities)
        return KeyedCounts(reader, self._namer, self._namer.of(person.spans), erasable)

    def erasable(self, request: RequestState) -> list[Given]:
        """The same, as the index knows it."""
        own = frozenset[bytes]()
        if kept := request.identity:
            own = kept.subjects or frozenset(span.token for span in kept.spans if span.proof is None)
        return erasable_identifiers(self.given(request.request_id), own, self._identities)

    def given(self, request_id: str) -> list[Given]:
        """What the person gave, as the index knows it."""
        return [one for _, one in self._given(request_id)]

    def _given(self, request_id: str) -> list[tuple[Named, Given]]:
        """The same, and beside each what it was given as."""
        known = _REMEMBERED.get()
        if known is not None and request_id in known.given:
            return known.given[request_id]
        named = self._file.identifiers(request_id)
        found = list(zip(named, self._givens(named), strict=True))
        if known is not None:
            known.given[request_id] = found
        return found

    def unlinked_spans(self, spans: Sequence[Span]) -> list[Span]:
        """The parts of spans of an earlier identity in which nobody is linked now; links of prefixes are not asked."""
        linked = sorted({span.token for span in spans if span.proof is not None})
        found = self._identities.links([Given(self.kinds.address, token) for token in linked])
        return unlinked_spans(spans, [link for links in found for link in links])

    def _inheriting(self, request: RequestState, person: ResolvedSubject) -> ResolvedSubject:
        if not request.inherited or person.resolution == Resolution.AMBIGUOUS:
            return person
        own, shared = person.spans, person.shared
        if (until := self._asked_until(request)) is not None:
            # What is the person's since is of no request: they may have come back.
            own, shared = ending_before(own, until), ending_before(shared, until)
        spans = dict.fromkeys([*own, *self.unlinked_spans(request.inherited)])
        return replace(person, spans=list(spans), shared=shared)

    def _asked_until(self, request: RequestState) -> datetime | None:
        """When the erasure was planned that this one follows up, the first of a row."""
        first, seen = request.request_id, set[str]()
        while (followed := self._file.follows(first)) is not None and followed not in seen:
            seen.add(followed)
            first = followed
        return self._file.get(first).planned_at if seen else None

    def _givens(self, named: Sequence[Named]) -> list[Given]:
        identifiers = [
            Identifier(self.kinds.parse(item.kind), item.value, item.at, item.port) for item in named
        ]
        return givens(self._tokenizer(), identifiers)


def named_told(told: Told) -> Named:
    """An identifier as a command names it."""
    span = told.span
    return Named(
        kind=told.kind,
        value=told.value,
        since=span.since,
        until=span.until,
        ports=(span.port_from, span.port_to),
        proof=span.proof.value if span.proof else None,
        prefix=told.prefix,
    )


def _limited(named: Named, given: Given, spans: Sequence[Span]) -> list[Named]:
    """What was given, where a request that follows an erasure up means it: not what is the person's since."""
    found = [span for span in spans if span.token == given.token]
    if given.kind.is_place or not found:
        return [named]
    return [named._replace(at=None, since=span.since, until=span.until) for span in found]


def _includes(span: Span, given: Given) -> bool:
    """Whether what is told with the span says all that was given: an address in its second."""
    if given.at is None or span.token != given.token:
        return False
    low, high = ALL_PORTS if given.port is None else (given.port, given.port)
    port = span.port_from <= low and high <= span.port_to
    begun, going = span.since is None or span.since <= given.at, span.until is None or span.until > given.at
    return begun and going and port


def _together(persons: Sequence[ResolvedSubject]) -> ResolvedSubject:
    """Several as one, each with what is theirs alone or may be."""
    spans = dict.fromkeys(span for one in persons for span in one.spans)
    return ResolvedSubject(
        Resolution.UNIQUE if persons else Resolution.NONE,
        min(len(persons), 1),
        frozenset[bytes]().union(*(one.subjects for one in persons)),
        spans=list(spans),
        shared=[
            span for span in dict.fromkeys(s for one in persons for s in one.shared) if span not in spans
        ],
        links=[link for one in persons for link in one.links],
        problems=[line for one in persons for line in one.problems],
    )

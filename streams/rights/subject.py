"""Whom a request is about: what the person gave, opened and asked of the identity links."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from schemas.errors import KeyUnavailable
from schemas.tokens import IdentifierKinds, Tokenizer
from schemas.vocabulary import Resolution
from sinks.ports.lineage import Span
from streams.answers.attribution import Resolver, unlinked_spans
from streams.answers.erasure import erasable_identifiers, unclear_of
from streams.answers.question import Identifier, givens
from streams.identity.model import Given, ResolvedSubject
from streams.rights.case import CaseFile
from streams.rights.protocol.messages import Named
from streams.rights.protocol.request import RequestState


class SubjectFinder:
    """Every method may raise KeyUnavailable and IndexUnavailable."""

    def __init__(
        self,
        file: CaseFile,
        identities: Resolver,
        tokenizer: Callable[[], Tokenizer],
        kinds: IdentifierKinds,
    ) -> None:
        self.kinds = kinds
        self._file = file
        self._identities = identities
        self._tokenizer = tokenizer

    def of(self, request: RequestState) -> ResolvedSubject:
        """Whom the identifiers meant when the request was received, as far as it is known now.

        With what a follow-up of an erasure inherits, as far as nobody is linked there.
        """
        person = self._identities.person(self.given(request.request_id), request.received_at)
        return self._inheriting(request, person)

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
        return unclear_of(person, self.given(request.request_id))

    def erasable_identifiers(self, request: RequestState) -> list[Named]:
        """What a system may erase by, of whom the request was planned for; see `streams.answers.erasure`."""
        named = self._file.identifiers(request.request_id)
        erasable = {*self.erasable(request)}
        return [item for item, given in zip(named, self._givens(named), strict=True) if given in erasable]

    def erasable(self, request: RequestState) -> list[Given]:
        """The same, as the index knows it."""
        own = frozenset[bytes]()
        if kept := request.identity:
            own = kept.subjects or frozenset(span.token for span in kept.spans if span.proof is None)
        return erasable_identifiers(self.given(request.request_id), own, self._identities)

    def given(self, request_id: str) -> list[Given]:
        """What the person gave, as the index knows it."""
        return self._givens(self._file.identifiers(request_id))

    def unlinked_spans(self, spans: Sequence[Span]) -> list[Span]:
        """The parts of spans of an earlier identity in which nobody is linked now; links of prefixes are not asked."""
        linked = sorted({span.token for span in spans if span.proof is not None})
        found = self._identities.links([Given(self.kinds.address, token) for token in linked])
        return unlinked_spans(spans, [link for links in found for link in links])

    def _inheriting(self, request: RequestState, person: ResolvedSubject) -> ResolvedSubject:
        if not request.inherited or person.resolution == Resolution.AMBIGUOUS:
            return person
        spans = dict.fromkeys([*person.spans, *self.unlinked_spans(request.inherited)])
        return replace(person, spans=list(spans))

    def _givens(self, named: Sequence[Named]) -> list[Given]:
        identifiers = [
            Identifier(self.kinds.parse(item.kind), item.value, item.at, item.port) for item in named
        ]
        return givens(self._tokenizer(), identifiers)


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

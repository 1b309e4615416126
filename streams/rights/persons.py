"""Whom a request is about: what the person gave, opened and asked of the identity links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from schemas.keys import Keyring
from schemas.tokens import IdentifierKind, parse_kind
from sinks.ports import Span
from streams.identity.model import Given, Person
from streams.identity.person import given
from streams.rights.casefile import CaseFile
from streams.rights.hints import disagreement, needs_more, timeless
from streams.rights.messages import Named
from streams.rights.request import RequestState
from streams.rights.whose import Resolver, unclaimed


class Persons:
    """Every method may raise KeyUnavailable and IndexUnavailable."""

    def __init__(self, file: CaseFile, identities: Resolver, keyring: Keyring) -> None:
        self._file = file
        self._identities = identities
        self._keyring = keyring

    def of(self, request: RequestState, now: datetime) -> Person:
        """As the links are now; with what a follow-up of an erasure inherits, as far as nobody is linked there."""
        person = self._identities.person(self.given(request.request_id), now)
        if not request.inherited or person.resolution == "ambiguous":
            return person
        spans = dict.fromkeys([*person.spans, *self.unclaimed(request.inherited)])
        return replace(person, spans=list(spans))

    def unclear(self, request: RequestState, person: Person) -> str:
        """What somebody has to give where the identifiers may mean several people."""
        named = self._file.identifiers(request.request_id)
        if person.disagree:
            return (
                f"{disagreement(person.disagree)}; cancel this request and make one of the identifiers of one person"
                " alone, each with the time (`at`) at which it was theirs if it no longer is, or resend it when the"
                " register is mended"
            )
        kinds, times = [item.kind for item in named], [(item.kind, item.at) for item in named]
        return "; ".join([needs_more(kinds, timeless(times)), *person.problems])

    def told(self, request_id: str) -> list[Named]:
        """What a system may erase by: no address alone that people are known to have had at some times only."""
        return [item for item in self._file.identifiers(request_id) if not self._others(item)]

    def given(self, request_id: str) -> list[Given]:
        """What the person gave, as the index knows it."""
        return [self._given(item) for item in self._file.identifiers(request_id)]

    def named(self, request_id: str) -> list[Given]:
        """What systems are `told`, as the index knows it."""
        return [self._given(item) for item in self.told(request_id)]

    def unclaimed(self, spans: Sequence[Span]) -> list[Span]:
        """The parts of spans of an earlier identity in which nobody is linked now; links of prefixes are not asked."""
        linked = sorted({span.token for span in spans if span.proof is not None})
        links = [link for token in linked for link in self._identities.links(Given(IdentifierKind.IP, token))]
        return unclaimed(spans, links)

    def _others(self, item: Named) -> bool:
        timeless_address = item.kind == IdentifierKind.IP and item.at is None
        return timeless_address and bool(self._identities.links(self._given(item)))

    def _given(self, item: Named) -> Given:
        return given(self._keyring.tokenizer(), parse_kind(item.kind), item.value, item.at, item.port)

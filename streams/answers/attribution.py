"""Whose events an answer speaks of: the identity behind it, as an answer shows it and as a request keeps it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from schemas.counted import are, counted
from schemas.times import iso, iso_or_none, read
from schemas.vocabulary import Proof, Resolution
from sinks.ports.identity import ALL_PORTS
from sinks.ports.lineage import Span
from streams.identity.model import Given, Link, ResolvedSubject

LINKS_SHOWN = 200
BY_LINK = (
    "this person's by link only (an address at a time, a cookie, a number of the register), which the identifiers sent"
    " do not name"
)
_NEVER, _ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Resolver(Protocol):
    """Answers questions of identity. Contract: `streams.identity.identities.Identities`."""

    def person(
        self, givens: Sequence[Given], now: datetime, known_at: datetime | None = None
    ) -> ResolvedSubject: ...

    def each(
        self, givens: Sequence[Given], now: datetime, known_at: datetime | None = None
    ) -> Sequence[ResolvedSubject]: ...

    def links(
        self, givens: Sequence[Given], known_at: datetime | None = None
    ) -> Sequence[Sequence[Link]]: ...

    def chains(
        self, givens: Sequence[Given], known_at: datetime | None = None
    ) -> Sequence[Sequence[Link]]: ...

    def ever(self, givens: Sequence[Given]) -> Sequence[frozenset[bytes]]: ...


@dataclass(frozen=True)
class Attribution:
    """By what an answer knows whose events it counts.

    `resolution`, `candidates`, `disagree` and `unlinked` are of the identifiers alone, see `ResolvedSubject`.
    `ambiguous_events`: events that may be this person's as well as another's, counted in nobody's total. The default:
    identifiers that stand for themselves.
    """

    resolution: Resolution = Resolution.UNIQUE
    candidates: int = 1
    ambiguous_events: int = 0
    links: Sequence[Link] = ()
    disagree: Sequence[Sequence[str]] = ()
    unlinked: Sequence[str] = ()

    def of_answer(self, held: bool) -> Resolution:
        """`ambiguous` if an identifier is, or only shared events were found; `none` if nothing was found at all."""
        if self.resolution == Resolution.AMBIGUOUS or (self.ambiguous_events and not held):
            return Resolution.AMBIGUOUS
        return self.resolution if held else Resolution.NONE

    def shown(self, held: bool) -> dict[str, Any]:
        """What every answer says of identity: resolution, candidates, disagree, unlinked, ambiguous_events, identity,
        identity_total.

        `held`: whether anything is, that is only this person's.
        """
        resolution = self.of_answer(held)
        return {
            "resolution": resolution,
            "candidates": 0 if resolution == Resolution.NONE else self.candidates,
            "disagree": [list(kinds) for kinds in self.disagree],
            "unlinked": list(self.unlinked),
            "ambiguous_events": self.ambiguous_events,
            "identity": [link_json(link) for link in newest(self.links)],
            "identity_total": len(self.links),
        }


STANDS_FOR_ITSELF = Attribution()


def newest(links: Sequence[Link]) -> list[Link]:
    """The newest of the links, as many as are shown, oldest first; the same links give the same list."""
    return sorted(links, key=_order)[-LINKS_SHOWN:]


def link_json(link: Link) -> dict[str, Any]:
    """A link without the tokens it joins. `ports` only where the person had a part of them."""
    topic, partition, offset = link.evidence
    shown = {
        "proof": link.proof.value,
        "source": link.source,
        "since": iso_or_none(link.since),
        "until": iso_or_none(link.until),
        "begin": link.begin,
        "begin_earliest": iso_or_none(link.begin_earliest),
        "begin_latest": iso_or_none(link.begin_latest),
        "end": link.end,
        "end_earliest": iso_or_none(link.end_earliest),
        "end_latest": iso_or_none(link.end_latest),
        "learnt_at": iso(link.learnt_at),
        "evidence": {"topic": topic, "partition": partition, "offset": offset},
    }
    return shown if link.ports == ALL_PORTS else {**shown, "ports": list(link.ports)}


def differences(then: Sequence[Link], now: Sequence[Link]) -> dict[str, int]:
    """What became of the links that an earlier answer rested on: links_new, links_ended_differently, links_gone."""
    before = {_begin(link): (link.until, link.end) for link in then}
    after = {_begin(link): (link.until, link.end) for link in now}
    kept = before.keys() & after.keys()
    return {
        "links_new": len(after.keys() - kept),
        "links_ended_differently": sum(before[key] != after[key] for key in kept),
        "links_gone": len(before.keys() - kept),
    }


@dataclass(frozen=True)
class IdentitySnapshot:
    """The identity that a request was carried out with; it may not shrink afterwards.

    `subjects` and `unlinked`: as in `ResolvedSubject`; empty in what was kept before they were.
    """

    resolution: Resolution
    candidates: int
    spans: Sequence[Span]
    shared: Sequence[Span]
    subjects: frozenset[bytes] = field(default=frozenset(), repr=False)
    unlinked: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return {
            "resolution": self.resolution,
            "candidates": self.candidates,
            "spans": spans_json(self.spans),
            "shared": spans_json(self.shared),
            "subjects": sorted(token.hex() for token in self.subjects),
            "unlinked": list(self.unlinked),
        }

    @staticmethod
    def read(stored: Mapping[str, Any]) -> IdentitySnapshot:
        """What `json` wrote."""
        spans, shared = (spans_from_json(stored[name]) for name in ("spans", "shared"))
        subjects = frozenset(map(bytes.fromhex, stored.get("subjects", ())))
        unlinked = tuple(stored.get("unlinked", ()))
        return IdentitySnapshot(stored["resolution"], stored["candidates"], spans, shared, subjects, unlinked)


def snapshot_of(person: ResolvedSubject) -> IdentitySnapshot:
    """The identity of a person as it is now."""
    return IdentitySnapshot(
        person.resolution,
        person.candidates,
        person.spans,
        person.shared,
        person.subjects,
        tuple(person.unlinked),
    )


def ending_before(spans: Sequence[Span], until: datetime) -> list[Span]:
    """The parts of the spans before a moment."""
    cut = [replace(span, until=min(span.until or until, until)) for span in spans]
    return [span for span in cut if span.since is None or span.since < until]


def starting_at(spans: Sequence[Span], since: datetime) -> list[Span]:
    """The parts of the spans from a moment on."""
    cut = [replace(span, since=max(span.since or since, since)) for span in spans]
    return [span for span in cut if span.until is None or span.until > since]


def unlinked_spans(spans: Sequence[Span], links: Sequence[Link]) -> list[Span]:
    """The parts of the spans in which no link says whose their token was.

    A link of only some of the ports takes its time from a span of any of them: what may be another's is not claimed.
    """
    left: list[Span] = []
    for span in spans:
        reached = span.since or _NEVER
        end = span.until or _ALWAYS
        for link in sorted((item for item in links if _meets(item, span)), key=_order):
            since, until = link.since or _NEVER, link.until or _ALWAYS
            if since > reached:
                left.append(_between(span, reached, min(since, end)))
            reached = max(reached, until)
        if reached < end:
            left.append(_between(span, reached, end))
    return left


def _meets(link: Link, span: Span) -> bool:
    return (
        link.token == span.token
        and link.ports[0] <= span.port_to
        and span.port_from <= link.ports[1]
        and (link.until is None or span.since is None or link.until > span.since)
        and (link.since is None or span.until is None or link.since < span.until)
    )


def _between(span: Span, since: datetime, until: datetime) -> Span:
    return replace(span, since=None if since == _NEVER else since, until=None if until == _ALWAYS else until)


def spans_json(spans: Sequence[Span]) -> list[list[Any]]:
    """Each span as [token as hex, since, until, first port, last port, proof]."""
    return [
        [
            span.token.hex(),
            iso_or_none(span.since),
            iso_or_none(span.until),
            span.port_from,
            span.port_to,
            span.proof.value if span.proof else None,
        ]
        for span in spans
    ]


def spans_from_json(stored: Sequence[Sequence[Any]]) -> list[Span]:
    """What `spans_json` wrote."""
    return [
        Span(bytes.fromhex(token), read(since), read(until), low, high, Proof(proof) if proof else None)
        for token, since, until, low, high, proof in stored
    ]


def _begin(link: Link) -> tuple[Any, ...]:
    return link.token, link.length, link.ports, link.subject, link.proof, link.source, link.since


def _order(link: Link) -> tuple[Any, ...]:
    ends = (link.since or _NEVER, link.until or _ALWAYS)
    return (
        *ends,
        link.source,
        link.proof.code,
        link.evidence,
        link.token,
        link.length,
        link.ports,
        link.subject,
    )


def by_link_line(system: str, events: int, planned: int, done: str = "erased") -> str:
    """That so many of the events planned in a system cannot be named to it, and what to do about that. `done`: what is
    to become of them."""
    of = f"{events:,} of {counted(planned, 'event')} planned there {are(events)} {BY_LINK}"
    return f"{system}: {of}; see that they are {done} there too"

"""How a person is named to a system: every identifier that its records know, when and behind which ports it was theirs;
and records that none of these names by their own key.

The index finds a person's events under spans of tokens; a system is told the same spans in clear. So what it erases by
them is what the index found there, and nothing of whoever had the address before or after. Pure but for `Namer`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from schemas.company import Company
from schemas.tokens import IdentifierKinds
from schemas.vocabulary import Proof
from sinks.ports.identity import ALL_PORTS
from sinks.ports.lineage import Span
from sinks.ports.record_keys import UnnamedRecords
from streams.answers.attribution import starting_at
from streams.identity.values import RecordKey, Value

MOST_TOLD, MOST_BYTES = 4_000, 900_000
"""Of one command, spellings and what they weigh: they have to fit into a message, which Kafka takes up to 1 MiB by
default, beside the rest of the command."""
_AROUND = 180
"""Bytes that an identifier takes beside its value: names, kind, two times, ports and proof."""
_NEVER, _ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_NO_PROOF = frozenset[Proof]()


@dataclass(frozen=True)
class Told:
    """An identifier in clear, and the span in which it is the person's. `prefix`: it is an IPv6 prefix in CIDR form."""

    kind: str
    value: str = field(repr=False)
    span: Span
    prefix: bool = False


@dataclass(frozen=True)
class KeyedRecords:
    """Records of one system that may be told by their own key: those of these tag sets; `before`: that have no event of
    that moment or a later one, None: whenever."""

    tag_sets: Sequence[int]
    before: datetime | None = None


class Values(Protocol):
    """What stands behind tokens, as `streams.identity.values.SealedValues` knows it. May raise IndexUnavailable."""

    @property
    def realms(self) -> Sequence[str]: ...

    def of(self, tokens: Iterable[bytes]) -> Mapping[bytes, Value]: ...

    def addresses(self, prefixes: Iterable[bytes]) -> Mapping[bytes, frozenset[bytes]]:
        """By prefix the addresses in it that events were seen under."""

    def record_keys(self, question: UnnamedRecords) -> Sequence[RecordKey]:
        """Of the records asked for those whose key is kept, the newest first."""


@dataclass(frozen=True)
class Naming:
    """A person's spans, and what of them can be named. `inside`: by prefix the addresses seen in it.

    `proofs`: by which an identifier is named (`schemas.entries.ProofPolicy`); one that was given is always.
    `knows`: the kinds that the records of a system have. `realms`: the operator's own, with which a user name may be
    written.
    """

    spans: Sequence[Span]
    kinds: IdentifierKinds
    knows: Mapping[str, frozenset[str]]
    values: Mapping[bytes, Value] = field(default_factory=dict, repr=False)
    inside: Mapping[bytes, frozenset[bytes]] = field(default_factory=dict)
    proofs: frozenset[Proof] = _NO_PROOF
    realms: Sequence[str] = ()

    def told(self, system: str) -> list[Told]:
        """What the system is told, each span once for each spelling."""
        return [
            Told(value.kind, text, span, prefix=value.length > 0)
            for span, value in self._named(system)
            for text in self._spellings(value)
        ]

    def covered(self, system: str) -> list[Span]:
        """Where events lie that the system can find by what it is told."""
        found: list[Span] = []
        for span, value in self._named(system):
            found.append(span)
            if value.length:
                addresses = self.inside.get(span.token, frozenset())
                found += [cut for item in self.spans if item.token in addresses for cut in _met(item, span)]
        return found

    def by_proof(self) -> list[Span]:
        """The spans under which records may be named at all: those of a proof that a person has to see to are not."""
        return [span for span in self.spans if span.proof is None or span.proof in self.proofs]

    def room(self, system: str) -> tuple[int, int]:
        """How many spellings more a command to the system has room for, and how many bytes."""
        weights = [self._weight(value) for _, value in self._named(system)]
        return MOST_TOLD - sum(many for many, _ in weights), MOST_BYTES - sum(size for _, size in weights)

    def cannot(self, systems: Iterable[str]) -> bool:
        """Whether none of the systems can be told anything."""
        return not any(self._named(system) for system in systems)

    def _named(self, system: str) -> list[tuple[Span, Value]]:
        known = self.knows.get(system, frozenset())
        found = [
            (span, value)
            for span in self.spans
            if (value := self.values.get(span.token)) is not None
            and value.kind in known
            and (span.proof is None or span.proof in self.proofs)
            and (not value.length or self._alone_in(span))
        ]
        # What has no end first, then the newest: of the rest a person is told that it was not named.
        newest = sorted(found, key=lambda item: _bounds(item[0])[::-1], reverse=True)
        spellings = size = 0
        for many, (_, value) in enumerate(newest):
            more, weight = self._weight(value)
            spellings, size = spellings + more, size + weight
            if spellings > MOST_TOLD or size > MOST_BYTES:
                return newest[:many]
        return found

    def _weight(self, value: Value) -> tuple[int, int]:
        """In how many spellings a value is told, and how many bytes of a message they take."""
        spelled = self._spellings(value)
        return len(spelled), sum(_AROUND + len(json.dumps(text)) for text in spelled)

    def _alone_in(self, prefix: Span) -> bool:
        """Whether every address seen in the prefix was the person's for all of that time.

        Somebody else may have had a longer prefix in it, which a system that is told the shorter one would not see.
        """
        return all(
            _covers([item for item in self.spans if item.token == address], prefix)
            for address in self.inside.get(prefix.token, frozenset())
        )

    def _spellings(self, value: Value) -> list[str]:
        kind = self.kinds.get(value.kind)
        realms = self.realms if kind is not None and kind.has_realms else ()
        return [value.text, *(f"{value.text}@{realm}" for realm in realms)]


class Namer:
    """Reads what a naming needs. Without `values` nothing can be named but what was given."""

    def __init__(self, company: Company, values: Values | None) -> None:
        self._values = values
        self._kinds = company.kinds
        self._proofs = company.catalogue.named_proofs
        self._knows = known_kinds(company)

    def knows(self, system: str) -> frozenset[str]:
        """The kinds of identifiers that the system's records have, see `known_kinds`."""
        return self._knows.get(system, frozenset())

    def of(self, spans: Sequence[Span]) -> Naming:
        """Of the spans of one person. Raises IndexUnavailable."""
        nothing = Naming(spans, self._kinds, self._knows)
        if self._values is None or not spans:
            return nothing
        values = self._values.of({span.token for span in spans})
        prefixes = [token for token, value in values.items() if value.length]
        return replace(
            nothing,
            values=values,
            inside=self._values.addresses(prefixes) if prefixes else {},
            proofs=self._proofs,
            realms=self._values.realms,
        )

    def record_keys(
        self, naming: Naming, system: str, named: Sequence[Span], meant: Iterable[KeyedRecords]
    ) -> list[RecordKey]:
        """The keys of records at a system that nothing names which it is told: each once, as many as the command has
        room for, the newest first of each that are `meant`.

        `named`: where what it is told finds events. Raises IndexUnavailable.
        """
        most, room = naming.room(system)
        found: list[RecordKey] = []
        for records in meant:
            if self._values is None or len(found) >= most:
                break
            # A record that has not run out yet is left out as one that is named is.
            besides = (
                named if records.before is None else [*named, *starting_at(naming.spans, records.before)]
            )
            question = UnnamedRecords(naming.by_proof(), besides, records.tag_sets, most - len(found))
            for key in self._values.record_keys(question):
                room -= _AROUND + sum(len(json.dumps(text)) for text in (key.record, key.field, key.value))
                if room < 0:
                    return found
                found.append(key)
        return found


def known_kinds(company: Company) -> Mapping[str, frozenset[str]]:
    """By system the kinds of identifiers that its records have: in a field, or found in a free text."""
    found: dict[str, frozenset[str]] = {}
    in_texts = frozenset(kind.name for kind in company.kinds.found.values())
    for record in company.every_record.values():
        kinds = frozenset(reference.kind for reference in record.identifiers)
        if any(field.free_text for field in record.fields):
            kinds |= in_texts
        system = record.annotation.system
        found[system] = found.get(system, frozenset()) | kinds
    return found


def _bounds(span: Span) -> tuple[datetime, datetime]:
    return span.since or _NEVER, span.until or _ALWAYS


def _met(span: Span, other: Span) -> list[Span]:
    """The part of the span in the other's time and behind its ports."""
    since, until = (f(a, b) for f, a, b in zip((max, min), _bounds(span), _bounds(other), strict=True))
    low, high = max(span.port_from, other.port_from), min(span.port_to, other.port_to)
    if since >= until or low > high:
        return []
    return [
        replace(
            span,
            since=None if since == _NEVER else since,
            until=None if until == _ALWAYS else until,
            port_from=low,
            port_to=high,
        )
    ]


def _covers(spans: Iterable[Span], whole: Span) -> bool:
    """Whether the spans, of any port each, leave no time of the whole."""
    reached, end = _bounds(whole)
    for since, until in sorted(
        _bounds(span) for span in spans if (span.port_from, span.port_to) == ALL_PORTS
    ):
        if since > reached:
            break
        reached = max(reached, until)
    return reached >= end

"""What a withdrawal of consent reaches (GDPR Art. 7(3), 17(1)(b)): what rested on that consent, and on nothing else.

An index seen through it holds what is used on the consent alone or besides; what nothing else carries goes as in an
erasure, the rest stays on its other basis and is not used for the withdrawn purposes any more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from schemas.catalogue import Catalogue
from schemas.tags import TagSet
from sinks.ports.lineage import (
    NO_LIMITS,
    Counts,
    CountsQuestion,
    Filter,
    Found,
    Holding,
    IndexReader,
    Others,
    Span,
)
from streams.answers.plan import Part, Plan
from streams.answers.report import only_described


@dataclass(frozen=True)
class Consent:
    """`purposes`: those of which it is withdrawn, empty: all that rest on one."""

    purposes: frozenset[str]
    catalogue: Catalogue

    def withdrawn(self, tags: TagSet) -> frozenset[str]:
        """Of the purposes of a tag set, those that end with it: the catalogue says on which bases data go then."""
        bases = self.catalogue.legal_bases
        ends = {
            name
            for name in tags.purposes
            if (basis := bases.get(tags.legal_basis.get(name, ""))) is not None and basis.withdrawal_erases
        }
        return frozenset(ends & self.purposes if self.purposes else ends)

    def left(self, tags: TagSet) -> tuple[str, ...]:
        """The purposes that it does not touch."""
        ends = self.withdrawn(tags)
        return tuple(name for name in tags.purposes if name not in ends)

    def split(self, found: Found, everything: Found) -> tuple[Found, Sequence[Holding]]:
        """What goes, and what stays on another basis. A command reaches the fields of a record in all its events, so
        a record stays if any of its events in `everything` does."""
        stays = {(item.tags.system, item.tags.record) for item in everything.holdings if self.left(item.tags)}
        staying = [item for item in found.holdings if (item.tags.system, item.tags.record) in stays]
        going = [item for item in found.holdings if item not in staying]
        return replace(found, holdings=going), staying

    def keeping(self, plan: Plan, staying: Sequence[Holding]) -> Plan:
        """The plan, with what stays: each with the purposes and bases that are left, without the withdrawn ones."""
        parts = [part for holding in staying for part in self._parts(holding)]
        kept = {item.tags.id: self._narrowed(item.tags) for item in staying}
        return replace(plan, parts=(*plan.parts, *parts), kept={**plan.kept, **kept})

    def _parts(self, holding: Holding) -> list[Part]:
        tags, left = holding.tags, self.left(holding.tags)
        letters = sorted({tags.legal_basis[name] for name in left if name in tags.legal_basis})
        return [
            Part(
                system=tags.system,
                topic=tags.topic,
                record=tags.record,
                tag_set=tags.id,
                category=category,
                action="stays",
                events=holding.events,
                citation=f"GDPR Art. 6(1) {', '.join(f'({letter})' for letter in letters)}"
                if letters
                else None,
                purposes=left,
                ended=tuple(sorted(self.withdrawn(tags))),
                locked=only_described(tags, self.catalogue),
                detected=category in tags.revealed,
            )
            for category in tags.every_category
        ]

    def _narrowed(self, tags: TagSet) -> TagSet:
        left = self.left(tags)
        if not left:
            # Another event of the record stays, and a command cannot tell them apart: marked as held.
            return replace(tags, held_only=True)
        return replace(
            tags,
            purposes=left,
            legal_basis={name: letter for name, letter in tags.legal_basis.items() if name in left},
        )


class ConsentReader:
    """An index of which only what a consent carries is seen. Contract: `sinks.ports.lineage.IndexReader`."""

    def __init__(self, reader: IndexReader, consent: Consent) -> None:
        self.everything = reader
        self.consent = consent

    def find(
        self, spans: Sequence[Span], limits: Filter = NO_LIMITS, known_at: datetime | None = None
    ) -> Found:
        found = self.everything.find(spans, limits, known_at)
        carried = [
            item for item in found.holdings if self.consent.withdrawn(item.tags) and not item.tags.held_only
        ]
        if len(carried) == len(found.holdings):
            return found
        if not carried:
            return Found()
        again = replace(limits, tag_sets=_both(limits.tag_sets, [item.tags.id for item in carried]))
        return self.everything.find(spans, again, known_at)

    def counts(
        self, spans: Sequence[Span], tag_sets: Sequence[int], known_at: datetime | None = None
    ) -> Counts:
        return self.everything.counts(spans, tag_sets, known_at)

    def counts_each(self, questions: Sequence[CountsQuestion]) -> list[Counts]:
        return self.everything.counts_each(questions)

    def others(self, spans: Sequence[Span]) -> Sequence[Others]:
        return self.everything.others(spans)


def _both(asked: Collection[int], carried: Sequence[int]) -> list[int]:
    return [item for item in carried if not asked or item in asked]


def staying_line(system: str, parts: Sequence[Part], *, told: bool) -> str:
    """Where data stay on another basis, in one line. `told`: whether the system is told of what ends."""
    ended = ", ".join(sorted({name for part in parts for name in part.ended}))
    left = (
        ", ".join(sorted({name for part in parts for name in part.purposes})) or "other events of the record"
    )
    if told:
        return f"{system}: data stay for {left}; the request restricts their use for {ended}"
    return (
        f"{system}: data stay for {left}; nobody tells it, so that it uses them for {ended} no longer is to be seen to"
        " there"
    )

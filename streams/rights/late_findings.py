"""Late findings: what an answer did not cover because an event or a link became known only afterwards.

Events are compared as counts of sets: those of the answer (its frozen spans, as known when it was given) and those of
the present (the spans of now). What is only held or only described is no finding: its answer would be the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from schemas.catalogue import Catalogue
from schemas.tags import TagSet
from sinks.ports.lineage import Filter, IndexReader, Span
from streams.answers.consent import Consent, ConsentReader
from streams.answers.report import only_described
from streams.rights.protocol.events import LateFound
from streams.rights.protocol.request import RequestState

Because = Literal["links", "events", "correction"]
ON_ITS_WAY = timedelta(seconds=60)
"""What happens so shortly before an answer, and is in the index so shortly after it, was on its way meanwhile: there is
always something of a person who is active, after each answer anew. The answer is of a minute before, to that extent."""
EVERY = 0
"""Stands, among the ids of tag sets, for all events, each counted once."""


@dataclass(frozen=True)
class LateFinding:
    """`events` that the answer lacks, `no_longer`: those it had that are not the person's; where, and why."""

    events: int
    no_longer: int
    systems: tuple[str, ...]
    categories: tuple[str, ...]
    because: Because

    def found(self, found_at: datetime) -> LateFound:
        """As the ledger keeps it."""
        return LateFound(
            found_at=found_at,
            events=self.events,
            no_longer=self.no_longer,
            systems=self.systems,
            categories=self.categories,
            because=self.because,
        )


def late_finding(
    request: RequestState, present: Sequence[Span], reader: IndexReader, catalogue: Catalogue
) -> LateFinding | None:
    """What a request that was carried out does not cover, if anything; `present`: the person's spans of now.

    Raises IndexUnavailable.
    """
    answered_at = request.answered_at or request.completed_at
    if request.identity is None or answered_at is None:
        return None
    # What happened after an erasure was planned was not asked to be erased, nor a later event to be shown.
    until = request.planned_at if request.forgets else answered_at
    if request.forgets and not request.erases:
        # Nothing else was asked to go.
        reader = ConsentReader(reader, Consent(frozenset(request.scope.purposes), catalogue))
    index = _Index(reader, catalogue, Filter(until=until))
    frozen = request.identity.spans
    if request.forgets:
        assert request.planned_at is not None
        known = replace(index, withheld=_withheld(request))
        return known.still_there(frozen, present, request.planned_at)
    return index.not_answered(frozen, present, answered_at)


@dataclass
class _Index:
    reader: IndexReader
    catalogue: Catalogue
    limits: Filter
    tags: dict[int, TagSet] = field(default_factory=dict)
    withheld: Mapping[int, int] = field(default_factory=dict)
    """Events by tag set that are there since a system withholds them, as the answer said."""

    def still_there(
        self, frozen: Sequence[Span], present: Sequence[Span], planned_at: datetime
    ) -> LateFinding | None:
        """Of an erased person. Erasing takes the links as well, so the spans of then count beside those of now.

        An event that was here when it was planned and is dated later was to be erased as well.
        """
        found, known = self.count(_union(frozen, present)), self.count(frozen)
        ahead = replace(self, limits=Filter(since=planned_at), withheld={})
        # The plan cut the spans at its own moment.
        frozen = [replace(span, until=None) if span.until == planned_at else span for span in frozen]
        found += ahead.count(_union(frozen, present), planned_at)
        known += ahead.count(frozen, planned_at)
        if not found[EVERY]:
            return None
        return self.finding(found, Counter(), "events" if known[EVERY] >= found[EVERY] else "links")

    def not_answered(
        self, frozen: Sequence[Span], present: Sequence[Span], then: datetime
    ) -> LateFinding | None:
        """Of a person who was answered: events learnt since, and events that were linked or unlinked since."""
        answered, late = self.count(frozen, then), self.count(present)
        gone, linked = Counter[int](), Counter[int]()
        if set(frozen) == set(present):
            late.subtract(answered)
        else:
            both, mine = self.count(_union(frozen, present), then), self.count(present, then)
            gone.update(both)
            gone.subtract(mine)
            linked.update(both)
            linked.subtract(answered)
            late.subtract(mine)
            late.update(linked)
        if late[EVERY] > 0:
            late.subtract(self.on_its_way(present, then))
        if late[EVERY] <= 0 and gone[EVERY] <= 0:
            return None
        because: Because = "links" if linked[EVERY] > 0 else "events"
        return self.finding(late, gone, because if late[EVERY] > 0 else "correction")

    def on_its_way(self, spans: Sequence[Span], then: datetime) -> Counter[int]:
        """Events that no answer of that moment can have."""
        lately = replace(self, limits=replace(self.limits, since=then - ON_ITS_WAY))
        arrived = lately.count(spans, then + ON_ITS_WAY)
        arrived.subtract(lately.count(spans, then))
        return arrived

    def count(self, spans: Sequence[Span], known_at: datetime | None = None) -> Counter[int]:
        """Events under the spans, by tag set and EVERY one."""
        if not spans:
            return Counter()
        found = self.reader.find(spans, self.limits, known_at)
        counts: Counter[int] = Counter()
        for item in found.holdings:
            if not item.tags.held_only and not only_described(item.tags, self.catalogue):
                self.tags[item.tags.id] = item.tags
                counts[item.tags.id] = max(item.events - self.withheld.get(item.tags.id, 0), 0)
        # An event with rows of several tag sets counts once, as far as the index tells.
        counts[EVERY] = min(found.total_events, counts.total())
        return counts

    def finding(self, late: Counter[int], gone: Counter[int], because: Because) -> LateFinding:
        """Both counts as one finding."""
        tags = [self.tags[key] for key in (*+late, *+gone) if key != EVERY]
        return LateFinding(
            events=max(late[EVERY], 0),
            no_longer=max(gone[EVERY], 0),
            systems=_distinct(item.system for item in tags),
            categories=_distinct(category for item in tags for category in item.every_category),
            because=because,
        )


def _withheld(request: RequestState) -> Mapping[int, int]:
    parts = (request.plan or {}).get("parts", ())
    kept = [part for part in parts if request.withheld.keeps(part["system"], part["record"])]
    return {int(part["tag_set"]): part["events"] for part in kept}


def _union(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    return list(dict.fromkeys([*one, *other]))


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))

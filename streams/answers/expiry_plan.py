"""The plan of a retention run: what has run out by the day of its event, for everybody alike. Pure.

One decision per system, record and category, over all events that a command can tell apart: a command names records,
fields and a moment, so what one rule keeps of a field it keeps of all of them. The index forgets by the same moments.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Any

from schemas.calendars import Calendar
from schemas.catalogue import Catalogue
from schemas.entries import RetentionRule
from schemas.expiry import kept_from
from schemas.messages import Selector
from schemas.records import RecordSchema
from schemas.tags import TagSet
from sinks.ports.expiry import DayCount
from sinks.ports.lineage import Holding
from streams.answers.expiry import Rules, Term, term_of
from streams.answers.orders import groups
from streams.answers.recategorised import NO_VERSIONS, Tie, Versions, ties
from streams.answers.run_plan import IndexRunOut, OldRecordsPlan, RunPlan, rules_fingerprint
from streams.answers.unjudged import erasure_fault


def make_run_plan(
    days: Sequence[DayCount],
    catalogue: Catalogue,
    records: Mapping[str, RecordSchema],
    as_of: date,
    told: Collection[str],
    most: int,
    without: Collection[str] = (),
    versions: Versions = NO_VERSIONS,
) -> RunPlan:
    """What has run out on a day, the oldest `most` events of it (or those of the oldest day, if these are more).

    `days`: as `ExpiryReader.by_day` counts them. `told`: the clocks of which events say anything. `without`: systems
    that are left for another run. `versions`: of the records, as events were tagged by them.
    """
    groups_found, left = _groups(days, catalogue, records, as_of, told, without, versions)
    due = Counter[date]()
    for group in groups_found:
        due.update(group.due())
    cap, more = _cap(due, most)
    found = [line for group in groups_found for line in group.records(cap)]
    return RunPlan(
        as_of=as_of,
        catalogue_version=catalogue.version,
        rules=rules_fingerprint(catalogue, records),
        more=more,
        records=tuple(found),
        index=tuple(way for group in groups_found for way in group.index(cap)),
        left=tuple(sorted({*left, *(line for group in groups_found for line in group.left())})),
    )


def _cap(due: Mapping[date, int], most: int) -> tuple[date, bool]:
    """The first day that is left for the next run, and whether anything is."""
    taken = 0
    for number, day in enumerate(sorted(due)):
        if number and taken + due[day] > most:
            return day, True
        taken += due[day]
    return date.max, False


@dataclass(frozen=True)
class _End:
    """From which day on something is still kept, and by which rule it was until then."""

    day: date
    rule: RetentionRule


@dataclass(frozen=True)
class _Group:
    """Events of one record that are decided together. `ends`: by category when it runs out, None: by no day that is the
    same for all; a category that no rule speaks of is in neither. `texts`: the same of what only a free text reveals,
    which goes with the text. `whole`: when nothing is left."""

    record: RecordSchema | None
    system: str
    name: str
    where: Selector | None
    tag_sets: Sequence[TagSet]
    days: Sequence[DayCount]
    ends: Mapping[str, _End | None]
    calendar: Calendar
    commanded: bool
    earlier: Collection[str] = ()
    tied: Collection[Tie] = ()

    @property
    def whole(self) -> _End | None:
        ends = list(self.ends.values())
        known = [end for end in ends if end is not None]
        if not known or len(known) < len(ends):
            return None
        return min(known, key=lambda end: end.day)

    @property
    def text(self) -> _End | None:
        """When free texts go: with the last category that one may be of."""
        names = {item.category for item in self.record.fields if item.free_text} if self.record else set()
        ends = [self.ends[name] for name in (names & self.ends.keys()) or self.ends]
        known = [end for end in ends if end is not None]
        return min(known, key=lambda end: end.day) if known and len(known) == len(ends) else None

    def gone(self, day: date) -> frozenset[str]:
        """Categories of which events before the day have run out."""
        return frozenset(name for name, end in self.ends.items() if end is not None and end.day >= day)

    def moments(self, cap: date) -> list[tuple[date, date]]:
        """Each day before which something has run out, and as it is cut for this run; earliest first, one of each."""
        cut: dict[date, date] = {}
        for day in sorted({end.day for end in self.ends.values() if end is not None}):
            # Of several that are cut to one day, the first is the one by which most has run out.
            cut.setdefault(min(day, cap), day)
        return [(day, moment) for moment, day in cut.items()]

    def narrowed(self, tags: TagSet, day: date) -> TagSet | None:
        """What is left of events of these tags before the day, None for nothing."""
        if self.whole is not None and day <= self.whole.day:
            return None
        gone = self.gone(day)
        text_gone = self.text is not None and self.text.day >= day
        categories = tuple(name for name in tags.categories if name not in gone)
        detected = tuple(
            name
            for name in tags.detected
            if (name in categories if name in tags.categories else not text_gone)
        )
        if not categories and not detected:
            return None
        return replace(tags, categories=categories, detected=detected)

    def takes(self, tags: TagSet, day: date) -> bool:
        """Whether anything of events of these tags before the day goes."""
        narrowed = self.narrowed(tags, day)
        return narrowed is None or narrowed.id != tags.id

    def due(self) -> Counter[date]:
        """How many events of each day run out in any way, without those that are kept."""
        found = Counter[date]()
        moments = self.moments(date.max)
        latest = {
            tags.id: max((day for day, _ in moments if self.takes(tags, day)), default=date.min)
            for tags in self.tag_sets
        }
        for item in self.days:
            if item.day < latest[item.tags.id] and item.events > item.kept:
                found[item.day] += item.events - item.kept
        return found

    def index(self, cap: date) -> Iterator[IndexRunOut]:
        if not self._reached:
            return
        for day, moment in self.moments(cap):
            for tags in self.tag_sets:
                events, kept = self._count({tags.id}, None, moment)
                # Of what is kept alone a run would take nothing, time and again.
                if self.takes(tags, day) and events > kept:
                    yield IndexRunOut(self.system, tags.id, self._at(moment), self.narrowed(tags, day))

    def records(self, cap: date) -> Iterator[OldRecordsPlan]:
        """What its system has to be told, where it is told anything."""
        if not self._reached or self.record is None or not self.commanded:
            return
        since: date | None = None
        for day, moment in self.moments(cap):
            whole = self.whole is not None and day <= self.whole.day
            meant = [tags for tags in self.tag_sets if self.takes(tags, day)]
            events, kept = self._count({tags.id for tags in meant}, since, moment)
            if events:
                gone = self.gone(day)
                rule = min(
                    (end for end in self.ends.values() if end and end.day >= day), key=lambda end: end.day
                )
                yield OldRecordsPlan(
                    system=self.system,
                    record=self.name,
                    categories=tuple(sorted(self.record.categories if whole else gone)),
                    fields=self._fields(None if whole else gone),
                    where=self.where,
                    before=self._at(moment),
                    since=None if since is None else self._at(since),
                    rule=rule.rule.id,
                    citation=rule.rule.authority,
                    whole=whole,
                    tag_sets=tuple(tags.id for tags in meant),
                    every=tuple(tags.id for tags in self.tag_sets),
                    events=events,
                    kept=kept,
                )
            since = moment

    def left(self) -> Iterator[str]:
        """What a rule would have gone earlier, and cannot."""
        if not self._reached:
            yield f"{self.name} of {self.system}: what has run out of it is in no field of its own, so it stays for now"
        for tie in self.tied:
            yield (
                f"{self.name} of {self.system}: {', '.join(tie.fields)} may be of another category there than now, as"
                f" events were tagged before it changed; {' and '.join(sorted(tie.categories))} stay until both have"
                " run out"
            )
        for name in self.earlier:
            yield (
                f"{self.name} of {self.system}: {name}, which only free texts reveal, has run out in some of them; it"
                " goes with the text"
            )

    @property
    def _reached(self) -> bool:
        """Whether a command can name what goes without what stays."""
        if self.record is None or not self.commanded or self.whole is not None:
            return True
        days = {end.day for end in self.ends.values() if end is not None}
        personal = set(self._fields(None))
        return all(
            self._fields(self.gone(day)) and personal - set(self._fields(self.gone(day))) for day in days
        )

    def _fields(self, categories: Collection[str] | None) -> tuple[str, ...]:
        """Those of the categories, None: all that are personal."""
        assert self.record is not None
        return tuple(
            f"{self.record.name}.{item.name}"
            for item in self.record.fields
            if item.personal and (categories is None or item.category in categories)
        )

    def _count(self, tag_sets: Collection[int], since: date | None, before: date) -> tuple[int, int]:
        days = [
            item
            for item in self.days
            if item.tags.id in tag_sets and item.day < before and (since is None or item.day >= since)
        ]
        return sum(item.events for item in days), sum(item.kept for item in days)

    def _at(self, day: date) -> datetime:
        return datetime.combine(day, time.min, self.calendar.zone).astimezone(UTC)


def _groups(
    days: Sequence[DayCount],
    catalogue: Catalogue,
    records: Mapping[str, RecordSchema],
    as_of: date,
    told: Collection[str],
    without: Collection[str],
    versions: Versions,
) -> tuple[list[_Group], list[str]]:
    @cache
    def first_kept(rules: Rules) -> tuple[date, ...]:
        return (kept_from(rules, as_of, catalogue.calendar),)

    @cache
    def term(tag_set: int, category: str) -> Term:
        return term_of(known[tag_set], category, catalogue, told, first_kept, as_of)

    # What is here has happened, however it is dated.
    days = [replace(item, day=min(item.day, as_of)) for item in days]
    known = {item.tags.id: item.tags for item in days}
    held: defaultdict[tuple[str, str], list[TagSet]] = defaultdict(list)
    for tags in known.values():
        if tags.system not in without:
            held[tags.system, tags.record].append(tags)
    found, left = list[_Group](), list[str]()
    for (system, name), tag_sets in sorted(held.items()):
        faults = [fault for tags in tag_sets if (fault := erasure_fault(tags, catalogue, records))]
        if faults:
            left.append(f"{name} of {system} stays: an event of it {faults[0]}")
            continue
        record = records.get(name)
        for group in groups(record, [Holding(tags, 0, _LONG_AGO, _LONG_AGO) for tags in tag_sets]):
            members = [holding.tags for holding in group.holdings]
            whole_record = _with_all_fields(members, record)
            known |= {tags.id: tags for tags in whole_record}
            ids = {tags.id for tags in members}
            ends, earlier = _ends([*members, *whole_record], term)
            ends, tied = _together(ends, ties(record, members, versions))
            found.append(
                _Group(
                    record=record,
                    system=system,
                    name=name,
                    where=group.where,
                    tag_sets=members,
                    days=[item for item in days if item.tags.id in ids],
                    ends=ends,
                    calendar=catalogue.calendar,
                    commanded=catalogue.systems[system].erasure == "command",
                    earlier=earlier,
                    tied=tied,
                )
            )
    return found, left


_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def _with_all_fields(members: Sequence[TagSet], record: RecordSchema | None) -> list[TagSet]:
    """Tags of what a record may hold of others that no event of it names: a record goes only if that has run out."""
    seen = {name for tags in members for name in tags.categories}
    if record is None or not {*record.categories} - seen:
        return []
    # After a partial erasure the rest of it is gone.
    return [
        replace(tags, categories=record.categories, detected=()) for tags in members if not tags.held_only
    ]


def _together(
    ends: Mapping[str, _End | None], found: Iterable[Tie]
) -> tuple[dict[str, _End | None], list[Tie]]:
    """With one end for all categories of a tie, that of the one that is kept longest; and the ties by which anything
    stays longer."""
    ends, longer = dict(ends), list[Tie]()
    for tie in found:
        theirs = [ends[name] for name in tie.categories if name in ends]
        known = [end for end in theirs if end is not None]
        last = min(known, key=lambda end: end.day) if known and len(known) == len(theirs) else None
        if known and any(last is None or end.day > last.day for end in known):
            longer.append(tie)
        ends |= dict.fromkeys((name for name in tie.categories if name in ends), last)
    return ends, longer


def _ends(tag_sets: Sequence[TagSet], term: Any) -> tuple[dict[str, _End | None], list[str]]:
    """By category when it runs out, as the rule says that keeps it longest; and what a free text reveals that ran out
    before its text."""
    ends: dict[str, _End | None] = {}
    for tags in tag_sets:
        for name in tags.categories:
            said = term(tags.id, name)
            if said.kept and said.governs is not None:
                end = _End(said.kept[0], said.governs)
                before = ends.get(name, end)
                ends[name] = before if before is None or before.day <= end.day else end
            elif said.clocks:
                ends[name] = None
    earlier = set()
    for tags in tag_sets:
        days = [ends[name].day if ends[name] else date.min for name in tags.categories if name in ends]  # type: ignore[union-attr]
        for name in tags.revealed:
            own = term(tags.id, name)
            if own.kept and own.kept[0] > max(days, default=date.min):
                earlier.add(name)
    return ends, sorted(earlier)

"""What has run out for one person by clocks of their own: found, decided, and counted per system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from schemas.calendars import Calendar
from schemas.company import Company
from schemas.days import FIRST_DAY, OPEN
from schemas.errors import InputError
from schemas.expiry import clocks_said
from schemas.messages import Order
from schemas.policy import ClockPeriod, ClocksOfEvents, RetentionAnchors
from schemas.vocabulary import Bound, Proof
from sinks.ports.lineage import Counts, Found, IndexReader, Others, Span
from streams.answers.attribution import Resolver, ending_before, snapshot_of
from streams.answers.clocks import EarlierDays, KnownAnchors
from streams.answers.erasure import CommandCount
from streams.answers.erasure_plan import nobody_told
from streams.answers.keeping import Keeping
from streams.answers.naming import Namer, Naming
from streams.answers.plan import Part, Plan, plan_json
from streams.answers.recategorised import versions_by_schema
from streams.answers.run_out import Cut, Terms, cut_spans, cuts_of, expiry_plan, somebody_elses, start_of
from streams.answers.telling import with_telling
from streams.answers.unnamed import records_by_key
from streams.identity.model import Given, Link, ResolvedSubject
from streams.rights.other_rules import rules_now
from streams.rights.protocol.events import Planned, PlannedCommand
from streams.rights.protocol.messages import command_id
from streams.rights.right import Tools

NOBODY_TOLD = RetentionAnchors()
_OF_A_SESSION = (Proof.SUBSCRIBER, Proof.LINE_OWNER)


@dataclass(frozen=True)
class RunOutOf:
    """What has run out for a person, up to which day each, looked at `at`; `spans` end before that."""

    spans: Sequence[Span] = field(repr=False)
    cuts: Sequence[Cut]
    known: KnownAnchors
    others: Sequence[Others]
    terms: Terms
    at: datetime


class PeoplePlanner:
    """Every method may raise IndexUnavailable."""

    def __init__(
        self,
        reader: IndexReader,
        company: Company,
        namer: Namer,
        keeping: Keeping,
        retained: Resolver | None = None,
    ) -> None:
        """`retained`: tells the sessions of what is kept for the police alone; asked for their end, and for nothing
        that anybody is told."""
        self._reader = reader
        self._company = company
        self._namer = namer
        self._keeping = keeping
        self._retained = retained
        self._told = clocks_said(company.every_record.values())
        self._versions = versions_by_schema(company.writers)
        self._by_rules = {"rules": rules_now(company)}

    def look(
        self, person: ResolvedSubject, now: datetime, earlier: EarlierDays | None = None
    ) -> RunOutOf | None:
        """What has run out of one person, None: nothing. `earlier`: from which days a request before counted, that took
        the events along which said so."""
        spans = ending_before(person.spans, now)
        found = self._reader.find(spans) if spans else Found()
        if not found.holdings:
            return None
        known = self._keeping.anchors_for(spans, NOBODY_TOLD, earlier=earlier)
        sessions = self._sessions(person, now)
        known = replace(known, anchors=with_periods(known.anchors, sessions))
        told = self._told | {item.clock for item in known.said}
        terms = replace(self._terms(now), told=told)
        cuts = cuts_of(found, known.anchors, terms)
        if not cuts:
            return None
        others = self._reader.others(spans)
        if leave := somebody_elses(others):
            cuts = cuts_of(found, known.anchors, terms, leave)
        return RunOutOf(spans, cuts, known, others, terms, now) if cuts else None

    def _terms(self, now: datetime) -> Terms:
        catalogue = self._company.catalogue
        day = catalogue.calendar.day(now)
        return Terms(catalogue, self._company.every_record, self._told, day, self._versions)

    def _sessions(self, person: ResolvedSubject, now: datetime) -> list[ClockPeriod]:
        calendar = self._company.catalogue.calendar
        sessions = periods_of(person.links, "session_end", calendar)
        if self._retained is None or not person.subjects:
            return sessions
        customer = self._company.kinds.customer
        known = self._retained.person([Given(customer, token) for token in sorted(person.subjects)], now)
        return [*sessions, *periods_of(known.links, "communication_end", calendar)]

    def plan(self, request_id: str, person: ResolvedSubject, out: RunOutOf) -> Planned:
        """The plan of what has run out. Raises InputError where a system cannot be told."""
        days = sorted({cut.before for cut in out.cuts})
        founds = {day: self._reader.find(self._before(out, day)) for day in days}
        plan = expiry_plan(
            out.cuts,
            founds,
            out.known.anchors,
            out.terms,
            topics=self._company.topics,
            others=out.others,
            clocks=out.known.shown(),
        )
        plan = with_telling(plan, founds[days[-1]], self._company.every_record, out.at)
        if why := nobody_told(plan, self._company.catalogue):
            raise InputError(why)
        naming = self._namer.of(out.spans)
        systems = [command.system for command in plan.commands]
        counts = [self._counted(plan, system, naming, out.cuts) for system in systems]
        if systems and naming.cannot(systems) and not any(item.by_key for item in counts):
            raise InputError(
                "nothing of what this person is known by can be named to"
                f" {', '.join(systems)}, whose data have run out; erase them there by hand, then make an erasure"
                " by the identifiers that are known there"
            )
        return Planned(
            plan=plan_json(plan) | self._by_rules,
            commands=tuple(command_of(request_id, item) for item in counts),
            identity=snapshot_of(replace(person, spans=list(out.spans))).json(),
            by_link=tuple(item.system for item in counts if item.by_link),
        )

    def nothing(self, person: ResolvedSubject, now: datetime, remarks: Sequence[str]) -> Planned:
        """The plan by which nothing goes."""
        plan = expiry_plan([], {}, NOBODY_TOLD, self._terms(now), topics={})
        return Planned(
            plan=plan_json(plan) | self._by_rules,
            commands=(),
            identity=snapshot_of(person).json(),
            remarks=tuple(remarks),
        )

    def there_now(self, plan: Plan, spans: Sequence[Span]) -> list[Mapping[int, int]]:
        """Of each segment of a plan, how many events there are by now, by tag set that goes."""
        return [
            {
                holding.tags.id: holding.events
                for holding in self._reader.find(cut_spans(spans, item.since, item.until)).holdings
                if holding.tags.id in item.kept
            }
            for item in plan.segments
        ]

    def newer(self, spans: Sequence[Span], plan: Plan, order: Order, since: datetime) -> bool:
        """Whether there are events that the order is about and that are not before that moment."""
        tag_sets = {
            part.tag_set for part in plan.parts if (part.record, part.where) == (order.record, order.where)
        }
        between = cut_spans(spans, since, order.before)
        found = self._reader.find(between) if between else Found()
        return any(item.tags.id in tag_sets for item in found.holdings)

    def counts(self, plan: Plan, spans: Sequence[Span]) -> list[CommandCount]:
        """What each command of a plan finds by now."""
        naming = self._namer.of(spans)
        return [self._counted(plan, command.system, naming) for command in plan.commands]

    def _before(self, out: RunOutOf, day: date) -> list[Span]:
        return cut_spans(out.spans, None, start_of(day, out.terms.calendar))

    def _counted(self, plan: Plan, system: str, naming: Naming, cuts: Sequence[Cut] = ()) -> CommandCount:
        """Of each record those of which the newest event is before the latest moment told: one that was changed since
        is kept there as it is."""
        parts = [part for part in plan.parts if part.system == system and part.action == "erase_now"]
        spans, named = naming.spans, naming.covered(system)
        records, left = dict[str, int](), Counter[str]()
        planned = 0
        for record in dict.fromkeys(part.record for part in parts):
            mine = [part for part in parts if part.record == record]
            before = max(part.before for part in mine if part.before is not None)
            tag_sets = self._tag_sets(mine, cuts)
            count = self._gone(spans, before, tag_sets)
            records[record] = count
            aloud = {part.tag_set for part in mine if not part.locked}
            if aloud:
                planned += count
                left[record] = max(count - self._gone(named, before, tag_sets), 0)
        by_key = self._by_key(plan, system, naming, named, left)
        events = sum(
            count
            for segment in plan.segments
            for tag_set, count in segment.events.items()
            if any(part.tag_set == tag_set for part in parts)
        )
        return CommandCount(
            system,
            planned,
            by_link=left.total() - by_key,
            by_key=by_key,
            described=any(part.locked for part in parts),
            records=records,
            events=events,
        )

    def _by_key(
        self, plan: Plan, system: str, naming: Naming, named: Sequence[Span], left: Counter[str]
    ) -> int:
        """How many are told by their own key of those `left` of each record, which no identifier names."""
        if not left.total():
            return 0
        keys = self._namer.record_keys(naming, system, named, records_by_key(plan, system))
        return (Counter(key.record for key in keys) & left).total()

    def _tag_sets(self, parts: Sequence[Part], cuts: Sequence[Cut]) -> list[int]:
        ids = {part.tag_set for part in parts}
        ids |= {item for cut in cuts if ids & cut.tag_sets for item in cut.tag_sets}
        return sorted(ids)

    def _gone(self, spans: Sequence[Span], before: datetime, tag_sets: Collection[int]) -> int:
        every = self._counts(spans, tag_sets)
        later = self._counts(cut_spans(spans, before, None), tag_sets)
        return every.records - later.records

    def _counts(self, spans: Sequence[Span], tag_sets: Collection[int]) -> Counts:
        return self._reader.counts(spans, sorted(tag_sets)) if spans and tag_sets else Counts()


def planner_of(tools: Tools) -> PeoplePlanner:
    """The planner of these tools."""
    retained = tools.clocked.retained if tools.clocked is not None else None
    return PeoplePlanner(tools.reader, tools.company, tools.namer, tools.keeping, retained)


def periods_of(links: Iterable[Link], clock: str, calendar: Calendar) -> list[ClockPeriod]:
    """The sessions behind links of a person, each until its end, at the latest that it may have had. Pure."""
    found = []
    for link in links:
        if link.proof not in _OF_A_SESSION:
            continue
        ends = link.end_latest if link.end is Bound.INFERRED else link.until
        since = FIRST_DAY if link.since is None else calendar.day(link.since)
        found.append(ClockPeriod(clock, since, OPEN if ends is None else calendar.day(ends)))
    return found


def with_periods(anchors: RetentionAnchors, periods: Sequence[ClockPeriod]) -> RetentionAnchors:
    """The same clocks, and these of things. Pure."""
    if not periods:
        return anchors
    known = anchors.periods if isinstance(anchors, ClocksOfEvents) else ()
    return ClocksOfEvents(**anchors.days(), periods=(*known, *periods))


def command_of(request_id: str, count: CommandCount) -> PlannedCommand:
    """As the ledger keeps it."""
    return PlannedCommand(
        command_id=command_id(request_id, count.system),
        system=count.system,
        planned=count.planned,
        by_link=count.by_link,
        by_key=count.by_key or None,
        described=count.described,
        records=count.records,
        events=count.events,
    )

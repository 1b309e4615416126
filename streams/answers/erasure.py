"""An erasure planned on the index: found, decided, counted per system, and what a person has to look after in it.

The preview that is confirmed and the plan of a request are made here, by the same function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from schemas.company import Company
from schemas.counted import counted
from schemas.identifiers import IdentifierKind
from schemas.policy import RetentionAnchors
from schemas.times import days_make_sense
from schemas.vocabulary import Resolution
from sinks.ports.lineage import Counts, CountsQuestion, Filter, Found, Holding, IndexReader, Span
from streams.answers.ambiguity import spoken, timeless, unclear
from streams.answers.attribution import Attribution, Resolver, by_link_line, ending_before
from streams.answers.clocks import EarlierDays
from streams.answers.consent import ConsentReader
from streams.answers.erased import earlier_days, erased_before
from streams.answers.erasure_plan import make_plan, nobody_told
from streams.answers.held import attributed
from streams.answers.keeping import NOTHING_KEPT, Keeping
from streams.answers.naming import Namer, Naming
from streams.answers.plan import CommandPlan, Plan, plan_json, shown
from streams.answers.question import Known, Question, givens
from streams.answers.recategorised import versions_by_schema
from streams.answers.report import disclosed_events
from streams.answers.telling import with_telling
from streams.answers.unnamed import erasable_identifiers, named_at, unnamed
from streams.answers.unread import NOBODY_KNOWN, unread, waiting_lines
from streams.identity.model import Given, ResolvedSubject

_NEAR = timedelta(hours=1)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class CommandCount:
    """Records that one system is to erase, each counted once, however many events tell of it.

    `by_link`: how many of those `planned` nothing names that the system is sent; `by_key`: how many are named by their
    own key, since no identifier names them. `described`: some may not be counted aloud; they are in `records`, by kind
    of record, and not in `planned`. `events`: that tell of all these.
    """

    system: str
    planned: int
    by_link: int
    described: bool
    records: Mapping[str, int]
    events: int
    by_key: int = 0


@dataclass(frozen=True)
class PlannedErasure:
    """What an erasure does, before anybody is told.

    `subject`: with the spans that the plan speaks of. `stop`: why it cannot be carried out; then nobody is told.
    `erasable`: what of the identifiers given systems are sent.
    """

    subject: ResolvedSubject = field(repr=False)
    found: Found = field(repr=False)
    attribution: Attribution = field(repr=False)
    plan: Plan
    counts: Sequence[CommandCount]
    stop: str | None
    erasable: Sequence[Given] = field(default=(), repr=False)

    @property
    def by_link(self) -> list[str]:
        """The systems that hold some events which nothing names that they are sent."""
        return [item.system for item in self.counts if item.by_link]

    @property
    def remarks(self) -> list[str]:
        """What the plan leaves out."""
        remarks = list(self.subject.problems)
        if events := self.attribution.ambiguous_events:
            remarks.append(
                f"{counted(events, 'event')} may be this person's as well as another's; nothing of that is erased"
            )
        return remarks

    @property
    def warnings(self) -> list[str]:
        """What a person has to look after, one line each, as the request says it once it is planned."""
        if self.stop is not None:
            return [self.stop]
        linked = [
            by_link_line(item.system, item.by_link, item.planned) for item in self.counts if item.by_link
        ]
        return list(dict.fromkeys([*linked, *self.remarks]))


class ErasurePlanner:
    """Every method may raise IndexUnavailable."""

    def __init__(
        self,
        reader: IndexReader,
        identities: Resolver,
        company: Company,
        namer: Namer,
        keeping: Keeping = NOTHING_KEPT,
        carried: ConsentReader | None = None,
    ) -> None:
        """`carried`: of a withdrawal of consent, the index as far as that carries it; it is the `reader` then too."""
        self._keeping = keeping
        self._carried = carried
        self._namer = namer
        self._reader = reader
        self._identities = identities
        self._company = company
        self._catalogue = company.catalogue
        self._versions = versions_by_schema(company.writers)

    def plan(
        self,
        subject: ResolvedSubject,
        given: Sequence[Given],
        anchors: RetentionAnchors,
        now: datetime,
        earlier: EarlierDays | None = None,
    ) -> PlannedErasure:
        """Plan the erasure of a person by whose `given` identifiers it was asked.

        The plan speaks of what happened before it: a later event is not erased by these commands, so it stays found.
        What the index holds by now has happened, however it is dated.
        """
        ahead = self._dated_ahead(subject.spans, now)
        cut, shared = (ending_before(spans, now) for spans in (subject.spans, subject.shared))
        subject = replace(subject, spans=[*cut, *ahead], shared=shared)
        found, attribution = attributed(subject, self._reader, self._catalogue)
        plan = self.decided(found, subject.spans, anchors, now, earlier)
        erasable = erasable_identifiers(given, subject.subjects, self._identities)
        naming = self._namer.of(subject.spans)
        counts = self._counts(plan, naming, erasable)
        stop = self._stop(subject, given, erasable, plan, naming, keyed=any(item.by_key for item in counts))
        return PlannedErasure(subject, found, attribution, plan, counts, stop, erasable)

    def decided(
        self,
        found: Found,
        spans: Sequence[Span],
        anchors: RetentionAnchors,
        now: datetime,
        earlier: EarlierDays | None = None,
    ) -> Plan:
        """The plan for what was found under the spans. `anchors`: as they were typed; events say the rest, and where
        they went with an erasure, its plan (`earlier`)."""
        others = self._reader.others(spans)
        known = self._keeping.anchors_for(spans, anchors, earlier=earlier)
        frozen = self._keeping.frozen(now).until(spans)
        # What an order holds is not narrowed either: not even a withdrawn purpose goes.
        carried = self._carried if frozen is None else None
        staying: Sequence[Holding] = ()
        if carried is not None:
            found, staying = carried.consent.split(found, carried.everything.find(spans))
        plan = make_plan(
            found,
            self._catalogue,
            self._catalogue.calendar.day(now),
            known.anchors,
            topics=self._company.topics,
            records=self._company.every_record,
            others=others,
            clocks=known.shown(),
            frozen=frozen,
            versions=self._versions,
        )
        if carried is not None:
            plan = carried.consent.keeping(plan, staying)
        return with_telling(plan, found, self._company.every_record, now)

    def counts(
        self,
        plan: Plan,
        spans: Sequence[Span],
        erasable: Sequence[Given],
        known_at: datetime | None = None,
    ) -> list[CommandCount]:
        """What each command of a plan finds to erase. `erasable`: of what was given, what systems are sent."""
        return self._counts(plan, self._namer.of(spans), erasable, known_at)

    def _counts(
        self, plan: Plan, naming: Naming, erasable: Sequence[Given], known_at: datetime | None = None
    ) -> list[CommandCount]:
        told = [(item, named_at(item.system, naming, erasable)) for item in plan.commands]
        asked = [
            CountsQuestion(spans, tag_sets, known_at)
            for item, named in told
            for spans, tag_sets in _asked(plan, item.system, naming.spans, named)
        ]
        # All at once: a plan asks for many, mostly of the same rows.
        found = iter(self._reader.counts_each(asked) if asked else ())
        return [
            self._counted(plan, item, naming, named, [next(found) for _ in _asked(plan, item.system, (), ())])
            for item, named in told
        ]

    def _counted(
        self,
        plan: Plan,
        command: CommandPlan,
        naming: Naming,
        named: Sequence[Span],
        found: Sequence[Counts],
    ) -> CommandCount:
        """`found`: what was counted for `_asked`."""
        parts = [part for part in plan.parts if part.system == command.system]
        going = plan.going(command.system)
        planned = found[0].records
        kinds = dict(zip(_by_record(plan, command.system), found[2:], strict=True))
        left = unnamed(self._namer, naming, command.system, named, going, planned - found[1].records)
        return CommandCount(
            command.system,
            planned,
            by_link=left.by_link,
            by_key=left.by_key,
            described=any(part.locked for part in parts),
            records={name: item.records for name, item in kinds.items()},
            events=sum(item.events for item in kinds.values()),
        )

    def _dated_ahead(self, spans: Sequence[Span], now: datetime) -> list[Span]:
        """The parts of the spans in which events lie that are here and dated later than now."""
        found: list[Span] = []
        if not spans or not self._reader.find(spans, Filter(since=now)).holdings:
            return found
        # Apart, so that one event of the far future does not take all that is still to come.
        for since, until in ((now, now + _NEAR), (now + _NEAR, None)):
            holdings = self._reader.find(spans, Filter(since=since, until=until)).holdings
            first = max(since, min((item.first_seen for item in holdings), default=since))
            last = max((item.last_seen for item in holdings), default=since - _MILLISECOND)
            cut = ending_before(spans, last + _MILLISECOND)
            found += [item for span in cut if (item := _from(span, first)) is not None]
        return found

    def _stop(
        self,
        subject: ResolvedSubject,
        given: Sequence[Given],
        erasable: Sequence[Given],
        plan: Plan,
        naming: Naming,
        *,
        keyed: bool,
    ) -> str | None:
        if subject.resolution == Resolution.AMBIGUOUS:
            return unclear_of(subject, given, self._company.kinds.customer)
        if why := nobody_told(plan, self._catalogue):
            return why
        unnamed = not keyed and naming.cannot(command.system for command in plan.commands)
        nothing = not erasable and unnamed
        return not_erasable(self._company.kinds.customer) if plan.commands and nothing else None


def preview(question: Question, known: Known, now: datetime) -> dict[str, Any]:
    """The JSON of what an erasure would do now; nothing is stored or sent. `warnings`: see `PlannedErasure`.

    Raises InvalidIdentifier, InputError, IndexUnavailable.
    """
    received_at = question.received_at or now
    days_make_sense(question.anchors, received_at, now)
    given = givens(known.tokenizer, question.identifiers)
    # As the request will: whoever the identifiers led to when it came in. All else is of now.
    person = known.identities.person(given, received_at)
    namer = Namer(known.company, known.values)
    planner = ErasurePlanner(known.reader, known.identities, known.company, namer, known.keeping)
    made = planner.plan(person, given, question.anchors, now, earlier_days(known, person, given))
    stored, waiting = plan_json(made.plan), known.waiting()
    before = erased_before(known, person, given)
    speaks = person.links or person.shared or person.problems or made.found.holdings or before
    unknown = [] if speaks or made.stop is not None else [NOBODY_KNOWN]
    # How the index would narrow its own rows is nobody else's business; what is told beside stands in the parts.
    for name in ("kept", "telling", "made_at"):
        del stored[name]
    return {
        **stored,
        "parts": shown(stored["parts"]),
        "unjudged": [item.shown() for item in made.plan.unjudged],
        "clocks": [dict(item) for item in made.plan.clocks],
        "by_link": made.by_link,
        "total_events": disclosed_events(made.found, known.catalogue),
        **made.attribution.shown(bool(made.found.holdings)),
        "warnings": [*made.warnings, *unknown, *waiting_lines(waiting)],
        "waiting": waiting,
        "dead_letters": unread(known.open_letters(), known.company),
        "erased_before": [item.shown() for item in before],
        "restricted": [item.shown() for item in known.restricted(person, given)],
    }


def not_erasable(customer: IdentifierKind) -> str:
    """Why nobody can be told, and what to give."""
    return (
        "no system can be told to erase by the identifiers given: each was another person's as well; make a"
        f" request by the {spoken(customer.name)}"
    )


def unclear_of(subject: ResolvedSubject, given: Sequence[Given], customer: IdentifierKind) -> str:
    """What somebody has to give where the identifiers may mean several people."""
    kinds = [item.kind.name for item in given]
    without_time = timeless((item.kind.is_place, item.at) for item in given)
    return unclear(
        kinds,
        without_time,
        customer.name,
        place=any(item.kind.is_place for item in given),
        disagree=subject.disagree,
        problems=subject.problems,
    )


def _by_record(plan: Plan, system: str) -> Mapping[str, Sequence[int]]:
    """The tag sets that a system erases, by the record that they are of."""
    found: dict[str, set[int]] = {}
    for part in plan.parts:
        if part.system == system and part.action == "erase_now":
            found.setdefault(part.record, set()).add(part.tag_set)
    return {name: sorted(found[name]) for name in sorted(found)}


def _asked(
    plan: Plan, system: str, spans: Sequence[Span], named: Sequence[Span]
) -> list[tuple[Sequence[Span], Sequence[int]]]:
    """What is counted of a system: all that goes, what of it is `named`, and each record."""
    going = plan.going(system)
    return [(spans, going), (named, going), *((spans, ids) for ids in _by_record(plan, system).values())]


def _from(span: Span, since: datetime) -> Span | None:
    """The part of the span from a moment on, if any."""
    begin = max(span.since or since, since)
    return replace(span, since=begin) if span.until is None or begin < span.until else None

"""Access (GDPR Art. 15) and portability (Art. 20): what is held of a person, as a report, with a copy of the data.

The index gives the report. The copies come from the systems that hold data of the person and deliver on command
(`access: command` in systems.yaml); where none does, the index alone answers, at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from schemas.company import Company
from schemas.tags import TagSet
from schemas.vocabulary import CommandKind, CommandState, Resolution
from sinks.ports.lineage import Found, Span
from streams.answers.attribution import ending_before, snapshot_of
from streams.answers.lookup import disclosed
from streams.answers.portable import portable_fields, portable_report
from streams.answers.report import only_described
from streams.answers.unjudged import judged
from streams.answers.unread import with_unread
from streams.identity.model import ResolvedSubject
from streams.rights.giving_way import waits_for_others
from streams.rights.keyed import planned_by_key
from streams.rights.nobody import nobody_known
from streams.rights.protocol.command import Command
from streams.rights.protocol.events import Answered, Planned, PlannedCommand, Replanned
from streams.rights.protocol.messages import command_id
from streams.rights.protocol.request import RequestState, State
from streams.rights.restriction import ended
from streams.rights.right import Step, Tools

Report = dict[str, Any]
Fields = Callable[[TagSet, Company], frozenset[str]]
"""The fields (`Record.field`) of events with these tags that the person may be given."""


def personal_fields(tags: TagSet, company: Company) -> frozenset[str]:
    """All that carry a category, whoever they are about: what is about others is taken out of the copy."""
    record = company.every_record.get(tags.record)
    return (
        frozenset(f"{tags.record}.{item.name}" for item in record.fields if item.personal)
        if record
        else frozenset()
    )


class Access:
    """The right of access."""

    fields: Fields = staticmethod(personal_fields)
    ground = "GDPR Art. 15(3)"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def next(self, request: RequestState) -> Step | None:
        return next_step(request)

    def do(self, step: Step, request: RequestState) -> RequestState:
        match step:
            case Step.PLAN:
                return self._plan(request)
            case Step.TELL:
                return self._tools.sending.untold(request)
            case Step.END:
                return ended(self._tools, request)
            case _:
                return self._asked_again(request) or answer(self._tools, request, self._chosen)

    def _chosen(self, report: Report) -> Report:
        return report

    def _plan(self, request: RequestState) -> RequestState:
        """Ask the systems for their copies; where none delivers on command, answer at once."""
        tools, file = self._tools, self._tools.file
        now = file.now()
        person = tools.subjects.of(request)
        if person.resolution is Resolution.AMBIGUOUS:
            unclear = tools.subjects.unclear(request, person)
            return file.stand(request, unclear, Resolution.AMBIGUOUS)
        found = tools.reader.find(person.spans) if person.spans else Found()
        asked = asked_of(found, tools.company, self.fields)
        if not asked:
            return answer(tools, request, self._chosen)
        if not request.subjects:
            # Without them it would not wait for an erasure of the same person.
            request = tools.about(request)
        beside = tools.subjects.requests_of(request.subjects, person.spans, request.request_id)
        if (waits := waits_for_others(file, beside, request)) is not None:
            # What systems erase meanwhile would be missing in their copies.
            return waits
        commands, told = self._commands(request, person, asked)
        plan = Planned(
            plan={"as_of": file.calendar.day(now).isoformat(), "asked": told, "parts": [], "commands": []},
            commands=tuple(commands),
            identity=snapshot_of(person).json(),
            resolution=person.resolution,
            remarks=tuple(person.problems),
        )
        return file.decide(request, plan, now)

    def _commands(
        self, request: RequestState, person: ResolvedSubject, asked: Mapping[str, _Asked]
    ) -> tuple[list[PlannedCommand], list[Report]]:
        """What each system is asked for, and what the plan says of that."""
        reader, commands, told = self._tools.reader, [], []
        keyed = self._tools.subjects.keyed(request, person, reader)
        for system, of in asked.items():
            records = {
                record: reader.counts(person.spans, sorted(tag_sets)).records
                for record, tag_sets in sorted(of.records.items())
            }
            planned = sum(records.values())
            command = PlannedCommand(
                command_id=command_id(request.request_id, system),
                system=system,
                planned=planned,
                records=records,
                kind=CommandKind.ACCESS,
            )
            categories, fields = sorted(of.categories), sorted(of.fields)
            said = {"system": system, "categories": categories, "fields": fields, "ground": self.ground}
            command, said = planned_by_key(command, said, of.records.values(), keyed, planned)
            commands.append(command)
            told.append(said)
        return commands, told

    def _asked_again(self, request: RequestState) -> RequestState | None:
        """Systems asked anew, where more of the person lay there when they were asked than they were asked for, by what
        is known now: the report will tell of that, and the copies would lack it. None: there is no such system."""
        tools, asked_at = self._tools, request.replanned_at or request.planned_at
        now, person = tools.file.now(), tools.subjects.of(request)
        if request.plan is None or request.identity is None or asked_at is None:
            return None
        if person.resolution is Resolution.AMBIGUOUS or not person.spans:
            return None
        then, spans = ending_before(request.identity.spans, asked_at), ending_before(person.spans, asked_at)
        asked = {
            system: of
            for system, of in asked_of(tools.reader.find(person.spans), tools.company, self.fields).items()
            if self._lacks(request.commands.get(command_id(request.request_id, system)), of, then, spans)
        }
        if not asked:
            return None
        commands, told = self._commands(request, person, asked)
        said = {item["system"]: item for item in (*request.plan["asked"], *told)}
        anew = Replanned(
            plan={**request.plan, "asked": [said[name] for name in sorted(said)]},
            commands=tuple(replace(item, again=True) for item in commands),
            at=now,
            identity=snapshot_of(person).json(),
            resolution=person.resolution,
        )
        return tools.file.decide(request, anew, now)

    def _lacks(
        self, command: Command | None, of: _Asked, then: Sequence[Span], spans: Sequence[Span]
    ) -> bool:
        """Whether more lies under the spans than under those of then. What a person accepted is not asked for again."""
        if command is not None and command.accepted:
            return False
        known = command.records if command is not None else {}
        for record, tag_sets in of.records.items():
            if record in known and {*spans} == {*then}:
                continue
            before = self._tools.reader.counts(then, sorted(tag_sets)).records if record in known else 0
            if self._tools.reader.counts(spans, sorted(tag_sets)).records > before:
                return True
        return False


class Portability(Access):
    """The right to data portability: what the person provided, on consent or contract."""

    fields: Fields = staticmethod(portable_fields)
    ground = "GDPR Art. 20(1)"

    def _chosen(self, report: Report) -> Report:
        return portable_report(report, self._tools.company.catalogue)


@dataclass
class _Asked:
    categories: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    records: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


def asked_of(found: Found, company: Company, fields: Fields) -> Mapping[str, _Asked]:
    """By system that delivers on command, what it is asked for. Pure.

    Not what is kept for the police alone: that is described (ekomloven § 3-14), and no system is told of it.
    """
    asked: defaultdict[str, _Asked] = defaultdict(_Asked)
    catalogue = company.catalogue
    for holding in judged(found, catalogue)[0].holdings:
        tags = holding.tags
        system = catalogue.systems.get(tags.system)
        if system is None or not system.delivers_copies or only_described(tags, catalogue):
            continue
        if given := fields(tags, company):
            of = asked[tags.system]
            of.fields |= given
            of.categories |= {*tags.categories}
            of.records[tags.record].add(tags.id)
    return dict(sorted(asked.items()))


def next_step(request: RequestState) -> Step | None:
    """Of any right that the index answers, once the systems have delivered."""
    waits = request.state in (State.UNCHECKED, State.ANSWERED)
    if request.closing and not request.ended:
        return Step.END
    if request.ended or request.unread or waits:
        return None
    if request.plan is None:
        return Step.PLAN
    if any(item.state is CommandState.UNSENT and not item.settled for item in request.commands.values()):
        return Step.TELL
    return Step.ANSWER if request.settled else None


def answer(
    tools: Tools, request: RequestState, chosen: Callable[[Report], Report] = lambda report: report
) -> RequestState:
    """Answer with what is `chosen` of the access report; at `attention` where nobody knows whose it would be."""
    if not request.subjects:
        request = tools.about(request)
    now = tools.file.now()
    person = tools.subjects.of(request)
    if person.resolution is Resolution.AMBIGUOUS:
        unclear = tools.subjects.unclear(request, person)
        return tools.file.stand(request, unclear, Resolution.AMBIGUOUS)
    anchors = tools.keeping.anchors_for(person.spans, tools.file.anchors(request.request_id))
    _, report = disclosed(person, tools.reader, tools.company.catalogue, anchors, now)
    unknown = nobody_known(request, person, tools.reader, tools.subjects)
    shown = {**chosen(report), **with_unread(tools.unread())}
    systems = {entry["system"]["id"] for entry in shown.get("entries", ())}
    approval = tools.company.rights.needs_approval(request.type, holds=False, systems=len(systems))
    answered = Answered(
        report=shown,
        identity=snapshot_of(person).json(),
        resolution=Resolution(report["resolution"]),
        remarks=(
            *person.problems,
            *((unknown,) if unknown else ()),
            *tools.subjects.erased_before(request, person),
            *tools.subjects.restrictions(request, person),
        ),
        to_tell=True,
        approval=approval or None,
    )
    tools.answered()
    return tools.file.decide(request, answered, now)

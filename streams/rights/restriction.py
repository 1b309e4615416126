"""Restriction (GDPR Art. 18) and objection (Art. 21): every system that uses data of the person for the purposes
concerned is told to store them and do nothing else, until that is lifted.

An objection restricts at once what rests on legitimate or public interests (e, f) and all direct marketing. Whether
grounds of the company override it is for a person to say, who then lifts the restriction with a reason; an objection to
marketing is absolute (Art. 21(3)). Erasure does not wait: storing for the person is what both are for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from schemas.catalogue import Catalogue
from schemas.tags import TagSet
from schemas.vocabulary import CommandKind, CommandState, Resolution, ToldBy
from sinks.ports.lineage import Found, Holding
from streams.answers.attribution import snapshot_of
from streams.answers.report import only_described
from streams.answers.unjudged import judged
from streams.answers.unread import STANDS_FOR_NOBODY, with_unread
from streams.rights.keyed import planned_by_key
from streams.rights.nobody import nobody_known
from streams.rights.protocol.events import Completed, Lifting, Planned, PlannedCommand
from streams.rights.protocol.handling import Closed
from streams.rights.protocol.messages import command_id
from streams.rights.protocol.request import RequestState, State
from streams.rights.protocol.scope import CITED, Scope
from streams.rights.reach import Place, counted_records, restrict_command, said_to, takes_commands
from streams.rights.right import Step, Tools
from streams.rights.unreached import NOT_OBJECTED, unreached_lines

AGAINST_INTERESTS, AGAINST_MARKETING = "GDPR Art. 21(1)", "GDPR Art. 21(2)"
Chosen = Callable[[TagSet, Scope, Catalogue], frozenset[str]]
"""The purposes for which events of a tag set are used and that are to stop."""


def asked_purposes(tags: TagSet, scope: Scope, catalogue: Catalogue) -> frozenset[str]:
    """Of a restriction: those that were named, or all."""
    return frozenset(tags.purposes).intersection(scope.purposes or tags.purposes)


def objectionable(tags: TagSet, scope: Scope, catalogue: Catalogue) -> frozenset[str]:
    """Of an objection: what rests on a basis that the catalogue says one may object to (Art. 21(1)), and marketing on
    any basis (Art. 21(2)); of those that were named, where some were."""
    found = {
        name
        for name in asked_purposes(tags, scope, catalogue)
        if is_marketing(name, catalogue) or _weighed(tags.legal_basis.get(name, ""), catalogue)
    }
    return frozenset(found)


def is_marketing(purpose: str, catalogue: Catalogue) -> bool:
    """Whether it is direct marketing, by its data uses in the catalogue."""
    known = catalogue.purposes.get(purpose)
    return known is not None and any(use.partition(".")[0] == "marketing" for use in known.fideslang)


def _weighed(basis: str, catalogue: Catalogue) -> bool:
    known = catalogue.legal_bases.get(basis)
    return known is not None and known.objection


def places(found: Found, scope: Scope, catalogue: Catalogue, chosen: Chosen) -> Mapping[str, Place]:
    """By system, what is to be restricted. What is kept for the police alone is stored only, and told to nobody; nor
    is a system told whose data expire by themselves or that is innsyn's own. Pure."""
    by_system: defaultdict[str, Place] = defaultdict(Place)
    for holding in judged(found, catalogue)[0].holdings:
        tags = holding.tags
        purposes = chosen(tags, scope, catalogue)
        if not purposes or only_described(tags, catalogue) or not takes_commands(tags.system, catalogue):
            continue
        place = by_system[tags.system]
        place.purposes |= purposes
        place.categories |= {*tags.categories}
        place.records[tags.record].add(tags.id)
    return dict(sorted(by_system.items()))


def recipients_of(holdings: Iterable[Holding], catalogue: Catalogue) -> list[str]:
    """Who was given such data and has to be told (GDPR Art. 19), by the tag sets; unknown ones too. Pure."""
    return sorted({name for holding in holdings for name in holding.tags.recipients})


def recipients_at(found: Found, at: Iterable[Place], catalogue: Catalogue) -> list[str]:
    """The same of what is restricted at these places. Pure."""
    stopped = {tag_set for place in at for ids in place.records.values() for tag_set in ids}
    return recipients_of([item for item in found.holdings if item.tags.id in stopped], catalogue)


def ground_of(request: RequestState, purposes: Sequence[str], catalogue: Catalogue) -> str:
    """What a system is told that it rests on. Pure."""
    if request.objects:
        marketing = any(is_marketing(name, catalogue) for name in purposes)
        return AGAINST_MARKETING if marketing else AGAINST_INTERESTS
    return CITED[request.scope.ground] if request.scope.ground else "GDPR Art. 18(1)"


class ByCommand(ABC):
    """A right that systems carry out: planned, told to each of them, and over with the last answer."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._catalogue = tools.company.catalogue

    def next(self, request: RequestState) -> Step | None:
        return next_step(request)

    def do(self, step: Step, request: RequestState) -> RequestState:
        match step:
            case Step.PLAN:
                return self._plan(request)
            case Step.TELL:
                return self._tools.sending.untold(request)
            case _:
                return ended(self._tools, request)

    @abstractmethod
    def _plan(self, request: RequestState) -> RequestState:
        """What each system is to be told."""


class Restriction(ByCommand):
    """The right to restriction."""

    chosen: Chosen = staticmethod(asked_purposes)

    def _plan(self, request: RequestState) -> RequestState:
        tools, file = self._tools, self._tools.file
        if not request.subjects:
            request = tools.about(request)
        now = file.now()
        person = tools.subjects.of(request)
        if person.resolution is Resolution.AMBIGUOUS:
            unclear = tools.subjects.unclear(request, person)
            return file.stand(request, unclear, Resolution.AMBIGUOUS)
        unknown = nobody_known(request, person, tools.reader, tools.subjects)
        before = tools.subjects.erased_before(request, person)
        found = tools.reader.find(person.spans)
        asked = places(found, request.scope, self._catalogue, self.chosen)
        said, commands = [], []
        keyed = tools.subjects.keyed(request, person, tools.reader)
        for name, place in asked.items():
            records = counted_records(place, person.spans, tools.reader)
            ground = ground_of(request, sorted(place.purposes), self._catalogue)
            told = said_to(name, place, ground)
            own = command_id(request.request_id, name)
            command = restrict_command(own, name, records, self._catalogue)
            command, told = planned_by_key(
                command, told, place.records.values(), keyed, sum(records.values())
            )
            said.append(told)
            commands.append(command)
        plan = {"as_of": file.calendar.day(now).isoformat(), "restricted": said, "parts": [], "commands": []}
        plan["recipients"] = recipients_at(found, asked.values(), self._catalogue)
        approval = tools.company.rights.needs_approval(request.type, holds=False, systems=len(commands))
        nothing = (
            [STANDS_FOR_NOBODY.format(request_id=request.request_id)]
            if unknown
            else self._nothing(request, found)
        )
        planned = Planned(
            plan={**plan, **with_unread(tools.unread())},
            commands=tuple(commands),
            identity=snapshot_of(person).json(),
            resolution=Resolution.NONE if unknown else person.resolution,
            remarks=(
                *person.problems,
                *before,
                *(() if asked else nothing),
            ),
            approval=approval or None,
        )
        return file.decide(request, planned, now)

    def _nothing(self, request: RequestState, found: Found) -> Sequence[str]:
        """Why no system is told."""
        return ("no system that can be told uses data of the person for this",)


class Objection(Restriction):
    """The right to object."""

    chosen: Chosen = staticmethod(objectionable)

    def _nothing(self, request: RequestState, found: Found) -> Sequence[str]:
        scope, catalogue = request.scope, self._catalogue
        lines = unreached_lines(
            found, scope.purposes, lambda tags: objectionable(tags, scope, catalogue), catalogue, NOT_OBJECTED
        )
        return lines or super()._nothing(request, found)


def next_step(request: RequestState) -> Step | None:
    """What comes next of a request of which systems are told and answer, and that ends with the last answer."""
    if request.ended or request.unread or request.state is State.UNCHECKED:
        return None
    if request.closing:
        return Step.END
    if request.plan is None:
        return Step.PLAN
    if request.awaits_approval:
        return None
    if any(command.state is CommandState.UNSENT for command in request.commands.values()):
        return Step.TELL
    return Step.END if request.settled and not request.to_notify else None


def ended(tools: Tools, request: RequestState) -> RequestState:
    """Completed, or closed where a person chose that."""
    if request.closing:
        return tools.file.decide(request, Closed(run=request.length))
    return tools.file.decide(request, Completed(request.held, request.length))


def lifting(request: RequestState, how: ToldBy, sealed: str) -> Lifting:
    """The end of a restriction, at every system that may have been told of it.

    Whoever sent the command may not have come to write that down.
    """
    ends = (
        PlannedCommand(
            command_id=f"{item.command_id}/lift",
            system=item.system,
            # Nobody knows how much of it is still there.
            planned=0,
            kind=CommandKind.LIFT,
            by_hand=item.by_hand or None,
        )
        for item in request.commands.values()
        if item.kind is CommandKind.RESTRICT and (item.restricts or not item.by_hand)
    )
    return Lifting(tuple(ends), how, sealed)

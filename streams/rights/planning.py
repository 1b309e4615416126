"""The plan of a request: made once, counted so that answers can be judged, and made anew where the index grew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from schemas.company import Company
from schemas.errors import InputError
from schemas.policy import RetentionAnchors
from sinks.ports.lineage import Found, IndexReader, Span
from streams.answers.attribution import Resolver, snapshot_of
from streams.answers.clocks import EarlierDays
from streams.answers.consent import ConsentReader, staying_line
from streams.answers.erasure import CommandCount, ErasurePlanner
from streams.answers.erasure_plan import nobody_told
from streams.answers.keeping import NOTHING_KEPT, Keeping
from streams.answers.naming import Namer
from streams.answers.plan import CommandPlan, Plan, plan_from_json, plan_json
from streams.answers.telling import beyond
from streams.answers.unjudged import Unjudged, judged_for_erasure
from streams.answers.unnamed import KeyedCounts
from streams.identity.model import Given, ResolvedSubject
from streams.rights.keyed import planned_by_key
from streams.rights.protocol.command import EVERY, Command, told_of
from streams.rights.protocol.events import Counted, Planned, PlannedCommand, Replanned
from streams.rights.protocol.messages import command_id
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.withholding import NOTHING_WITHHELD, Withholding
from streams.rights.reach import ENDED_USE, counted_records, ended_places, restrict_command, said_to, wider

CONSENT_WITHDRAWN = "GDPR Art. 7(3)"
"""What a system in which data stay is told by."""
_AnyPlan = TypeVar("_AnyPlan", Planned, Replanned)


class Planner:
    """Every method may raise IndexUnavailable, and InputError where a plan cannot be made or told."""

    def __init__(
        self,
        reader: IndexReader,
        identities: Resolver,
        company: Company,
        namer: Namer,
        keeping: Keeping = NOTHING_KEPT,
        carried: ConsentReader | None = None,
    ) -> None:
        self._catalogue = company.catalogue
        self._carried = carried
        self._namer = namer
        self._erasures = ErasurePlanner(reader, identities, company, namer, keeping, carried)

    def plan(
        self,
        request: RequestState,
        person: ResolvedSubject,
        givens: Sequence[Given],
        anchors: RetentionAnchors,
        now: datetime,
        earlier: EarlierDays | None = None,
    ) -> Planned:
        """`givens`: what the person gave. `earlier`: from which days an erasure before counted."""
        made = self._erasures.plan(person, givens, anchors, now, earlier)
        if made.stop is not None:
            raise InputError(made.stop)
        planned = Planned(
            plan=plan_json(made.plan),
            commands=tuple(_command(request, item) for item in made.counts),
            identity=snapshot_of(made.subject).json(),
            resolution=made.attribution.of_answer(bool(made.found.holdings)),
            by_link=tuple(made.by_link),
            remarks=tuple(made.remarks),
        )
        planned = self._with_ended_use(request, planned, made.plan, made.subject.spans, made.erasable)
        told = {item.system for item in planned.commands if item.kind is not None}
        return replace(planned, remarks=(*planned.remarks, *_staying(made.plan, told)))

    def again(
        self,
        request: RequestState,
        spans: Sequence[Span],
        found: Found,
        erasable: Sequence[Given],
        anchors: RetentionAnchors,
        now: datetime,
        *,
        forgotten: bool = False,
        earlier: EarlierDays | None = None,
    ) -> Replanned:
        """The same person by what the index holds now, at the same places; `spans`: and at more of them.

        A system is told again where there is more to erase than it was told, or than was counted then; anything is
        more where the index has `forgotten` what was planned there. Of a run that was interrupted, what it left is
        counted.
        """
        assert request.identity is not None
        # Where systems were told that the person's data lie.
        known_spans = request.identity.spans
        before = plan_from_json(request.plan or {})
        told = {item.system: item for item in before.commands}
        nobody = Command("", "")
        plan = self._erasures.decided(found, spans, anchors, now, earlier)
        if why := nobody_told(plan, self._catalogue):
            raise InputError(why)
        counts = self._erasures.counts(plan, spans, erasable)
        if (interrupted := request.interrupted_at) is not None:
            counted_then = self._erasures.counts(plan, known_spans, erasable, interrupted)
            left = {item.system: item for item in counted_then}
        commands = []
        for item, count in zip(plan.commands, counts, strict=True):
            counted = _command(request, count)
            known = request.commands.get(counted.command_id, nobody)
            then, events = _there_of(known, before, request) if forgotten else _counted_of(known)
            if interrupted is not None:
                stood = left[item.system]
                then, events = {**stood.records, EVERY: sum(stood.records.values())}, stood.events
            elif not forgotten and known.known is not None and known.heard_at is not None:
                # It told of more than was planned: what had come by then may be among it, and is asked for once.
                heard = self._counted(plan, known_spans, erasable, known.heard_at, item.system)
                then = {name: max(then.get(name, 0), heard.get(name, 0)) for name in {*then, *heard}}
            # A record that was changed since is one record still, and has to be erased again.
            more = count.events > events
            least = _least(counted, known, then)
            tell = more or beyond(plan, before, item.system) or not _covers(told.get(item.system), item)
            commands.append(replace(counted, least=least, again=tell))
        # Whoever was given what went by the plan before is to be told of that still.
        plan = replace(plan, recipients=tuple(sorted({*before.recipients, *plan.recipients})))
        replanned = Replanned(plan=plan_json(plan), commands=tuple(commands), at=now)
        return self._with_ended_use(request, replanned, plan, spans, erasable)

    def _with_ended_use(
        self,
        request: RequestState,
        planned: _AnyPlan,
        plan: Plan,
        spans: Sequence[Span],
        erasable: Sequence[Given],
    ) -> _AnyPlan:
        """Of a withdrawn consent: with what tells systems in which data stay that they use them for it no longer."""
        if self._carried is None:
            return planned
        keyed = KeyedCounts(self._carried.everything, self._namer, self._namer.of(spans), erasable)
        said = {item["system"]: item for item in (request.plan or {}).get("restricted", ())}
        commands = list(planned.commands)
        for system, place in ended_places(plan.parts, self._catalogue).items():
            own = f"{command_id(request.request_id, system)}{ENDED_USE}"
            known = request.commands.get(own)
            whole = wider(place, said.get(system), known)
            if whole is None:
                continue
            said[system] = said_to(system, whole, CONSENT_WITHDRAWN)
            # Of what the index has narrowed since, as many as were counted then.
            counts = counted_records(place, spans, self._carried.everything)
            records = {**known.records, **counts} if known else counts
            command = restrict_command(own, system, records, self._catalogue)
            command, said[system] = planned_by_key(
                command, said[system], place.records.values(), keyed, sum(counts.values())
            )
            commands.append(command if request.plan is None else replace(command, again=True))
        shown = {**planned.plan, "restricted": [said[name] for name in sorted(said)]}
        return replace(planned, plan=shown, commands=tuple(commands))

    def _counted(
        self, plan: Plan, spans: Sequence[Span], erasable: Sequence[Given], at: str, system: str
    ) -> Mapping[str, int]:
        """Records that the index knew of at a system at that moment, by kind and of EVERY one."""
        counts = self._erasures.counts(plan, spans, erasable, datetime.fromisoformat(at))
        records = next((item.records for item in counts if item.system == system), {})
        return {**records, EVERY: sum(records.values())}

    def counts(self, request: RequestState, plan: Plan, erasable: Sequence[Given]) -> Counted:
        """The commands of a plan with what is there now, for one that was made without counting."""
        spans = request.identity.spans if request.identity else ()
        counts = self._erasures.counts(plan, spans, erasable)
        return Counted(tuple(_command(request, item) for item in counts))


def _command(request: RequestState, count: CommandCount) -> PlannedCommand:
    """A command as the ledger keeps it."""
    return PlannedCommand(
        command_id=command_id(request.request_id, count.system),
        system=count.system,
        planned=count.planned,
        by_link=count.by_link,
        by_key=count.by_key or None,
        described=count.described,
        records=count.records,
        events=count.events,
        reread=request.reread or None,
    )


def _staying(plan: Plan, told: Collection[str]) -> list[str]:
    """Where data stay after a withdrawal, a line for each system; `told`: those that are told of what ends."""
    staying = [part for part in plan.parts if part.action == "stays"]
    return [
        staying_line(name, [part for part in staying if part.system == name], told=name in told)
        for name in dict.fromkeys(part.system for part in staying)
    ]


def outgrown(plan: Plan, found: Found, withheld: Withholding | None = None) -> bool:
    """Whether the index holds what the plan did not count: events that came since, or were tagged or narrowed anew.

    `withheld`: of this alone.
    """
    counted: Counter[int] = Counter()
    for tag_set, events in {part.tag_set: part.events for part in plan.parts}.items():
        counted[tag_set] += events
        kept = plan.kept.get(tag_set)
        if kept is not None and kept.id != tag_set:
            # An interrupted run may have narrowed some of them already.
            counted[kept.id] += events
    bare = {tag_set for tag_set in plan.kept if tag_set not in counted}
    bare |= {item.tag_set for item in plan.unjudged}
    return any(
        item.events > counted[item.tags.id]
        for item in found.holdings
        if item.tags.id not in bare
        and (withheld is None or withheld.keeps(item.tags.system, item.tags.record))
    )


def grown(then: Found, found: Found) -> bool:
    """Whether there are events of a kind that there were not."""
    known = {item.tags.id: item.events for item in then.holdings}
    return any(item.events > known.get(item.tags.id, 0) for item in found.holdings)


def _counted_of(known: Command) -> tuple[Mapping[str, int], int]:
    """Records by kind, and events, that were planned of a system."""
    return {**known.records, EVERY: known.total}, known.told_events


def _there_of(known: Command, plan: Plan, request: RequestState) -> tuple[Mapping[str, int], int]:
    """The same, of what the index still has of them after it forgot: what the system withheld then."""
    erased = request.unforgotten.systems.get(known.system)
    if erased is None:
        return {}, 0
    if not erased:
        return _counted_of(known)
    records = {name: count for name, count in known.records.items() if name not in erased}
    parts = [part for part in plan.parts if part.system == known.system and part.record in erased]
    gone = {part.tag_set: part.events for part in parts if part.action == "erase_now"}
    # Fewer than there are at most, where an event stands in two of them: then the system is asked once more.
    return {**records, EVERY: sum(records.values())}, max(known.told_events - sum(gone.values()), 0)


def least_of(counted: PlannedCommand, known: Command) -> dict[str, int]:
    """The same, of a system that is told again of what was planned before and has grown."""
    return _least(counted, known, _counted_of(known)[0])


def _least(counted: PlannedCommand, known: Command, then: Mapping[str, int]) -> dict[str, int]:
    """Of how many records the next answer has to tell at least: those told of before, and what came on top since."""
    now = {**counted.records, EVERY: sum(counted.records.values())}
    told = {**told_of(known), EVERY: known.erased}
    return {name: max(count, told.get(name, 0) + count - then.get(name, 0)) for name, count in now.items()}


def unjudged(found: Found, company: Company) -> list[Unjudged]:
    """What of this nobody can decide on by the catalogue of today."""
    return judged_for_erasure(found, company.catalogue, company.every_record)[1]


def left_over(plan: Plan, found: Found, withheld: Withholding = NOTHING_WITHHELD) -> list[str]:
    """Topics of events that the plan erases or narrows and that are still there as they were; not of what systems
    withhold."""
    kept = {tags.id for tags in plan.kept.values() if tags is not None}
    kept |= {item.tag_set for item in plan.unjudged}
    return sorted(
        {
            item.tags.topic
            for item in found.holdings
            if item.tags.id not in kept and not withheld.keeps(item.tags.system, item.tags.record)
        }
    )


def _covers(earlier: CommandPlan | None, now: CommandPlan) -> bool:
    """Whether what a system was told includes what it would be told now."""
    if earlier is None:
        return False
    alike = replace(earlier, fields=now.fields, categories=now.categories) == now
    return alike and set(now.fields) <= set(earlier.fields) and set(now.categories) <= set(earlier.categories)

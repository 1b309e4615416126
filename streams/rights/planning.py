"""Making the plan of an erasure: found, decided, and counted per system, so that answers can be judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from schemas.catalogue import Catalogue
from schemas.errors import InputError
from schemas.policy import RetentionAnchors
from schemas.records import load_records
from schemas.times import local_day
from schemas.tokens import IdentifierKind
from sinks.ports import Filter, Found, IndexReader, Span
from streams.answers.attribution import by_link, ending_before, snapshot_of
from streams.answers.erasure_plan import CommandPlan, Plan, make_plan, plan_from_json, plan_json
from streams.answers.held import attributed
from streams.answers.unjudged import Unjudged, judged_for_erasure
from streams.identity.model import Given, ResolvedSubject
from streams.rights.protocol.command import EVERY, CommandState, told_of
from streams.rights.protocol.messages import command_id
from streams.rights.protocol.request import RequestState

_SECOND = timedelta(seconds=1)
_NEAR = timedelta(hours=1)
_MILLISECOND = timedelta(milliseconds=1)


class Planner:
    """Every method may raise IndexUnavailable, and InputError where a plan cannot be made or told."""

    def __init__(self, reader: IndexReader, catalogue: Catalogue) -> None:
        self._reader = reader
        self._catalogue = catalogue

    def plan(
        self,
        request: RequestState,
        person: ResolvedSubject,
        told: Sequence[Given],
        anchors: RetentionAnchors,
        now: datetime,
    ) -> dict[str, Any]:
        """Content of `planned`. `told`: the identifiers that systems are sent.

        The plan speaks of what happened before it: a later event is not erased by these commands, so it stays found.
        What the index holds by now has happened, however it is dated.
        """
        ahead = self._dated_ahead(person.spans, now)
        person = replace(
            person, spans=ending_before(person.spans, now), shared=ending_before(person.shared, now)
        )
        person = replace(person, spans=[*person.spans, *ahead])
        found, whose = attributed(person, self._reader, self._catalogue)
        plan = self._made(found, person.spans, anchors, now)
        named = named_by(person.spans, told)
        remarks = list(person.problems)
        if whose.ambiguous_events:
            remarks.append(
                f"{whose.ambiguous_events:,} events may be this person's as well as another's; they are not erased"
            )
        return {
            "plan": plan_json(plan),
            "commands": [self._counted(request, plan, item, person.spans, named) for item in plan.commands],
            "identity": snapshot_of(person).json(),
            "resolution": whose.of_answer(bool(found.holdings)),
            "by_link": by_link(found, [command.system for command in plan.commands]),
            "remarks": remarks,
        }

    def _dated_ahead(self, spans: Sequence[Span], now: datetime) -> list[Span]:
        """The parts of the spans in which events lie that are here and dated later than now."""
        found: list[Span] = []
        # Apart, so that one event of the far future does not take all that is still to come.
        for since, until in ((now, now + _NEAR), (now + _NEAR, None)):
            holdings = self._reader.find(spans, Filter(since=since, until=until)).holdings if spans else ()
            first = max(since, min((item.first_seen for item in holdings), default=since))
            last = max((item.last_seen for item in holdings), default=since - _MILLISECOND)
            cut = ending_before(spans, last + _MILLISECOND)
            found += [item for span in cut if (item := _from(span, first)) is not None]
        return found

    def again(
        self,
        request: RequestState,
        found: Found,
        told: Sequence[Given],
        anchors: RetentionAnchors,
        now: datetime,
        *,
        forgotten: bool = False,
    ) -> dict[str, Any]:
        """Content of `replanned`: the same person at the same places, by what the index holds there now.

        A system is told again where there is more to erase than it was told, or than was counted then; anything is
        more where the index has `forgotten` what was planned. Of a run that was interrupted, what it left is counted.
        """
        assert request.identity is not None
        spans = request.identity.spans
        earlier = {item.system: item for item in plan_from_json(request.plan or {}).commands}
        nobody = CommandState("", "")
        plan = self._made(found, spans, anchors, now)
        named = named_by(spans, told)
        commands = []
        for item in plan.commands:
            counted = self._counted(request, plan, item, spans, named)
            known = request.commands.get(counted["command_id"], nobody)
            then = {} if forgotten else {**known.records, EVERY: known.total}
            if request.interrupted_at is not None:
                left = self._counted(request, plan, item, spans, named, request.interrupted_at)["records"]
                then = {**left, EVERY: sum(left.values())}
            more = sum(counted["records"].values()) > then.get(EVERY, 0)
            least = _least(counted, known, then)
            tell = more or not _covers(earlier.get(item.system), item)
            commands.append({**counted, "least": least, "again": tell})
        return {"plan": plan_json(plan), "commands": commands}

    def counts(self, request: RequestState, plan: Plan, told: Sequence[Given]) -> list[dict[str, Any]]:
        """The commands of a plan with what is there now, for one that was made without counting."""
        spans = request.identity.spans if request.identity else ()
        named = named_by(spans, told)
        return [self._counted(request, plan, item, spans, named) for item in plan.commands]

    def known(self, request: RequestState, system: str) -> int:
        """Events of the person that the index knows of a system by now, whatever becomes of them."""
        spans = request.identity.spans if request.identity else ()
        # A span that the plan cut short goes on: what happened since may be erased as well.
        whole = [replace(item, until=None) if item.until == request.planned_at else item for item in spans]
        return self._reader.find(whole, Filter(systems=[system])).total_events if whole else 0

    def _made(self, found: Found, spans: Sequence[Span], anchors: RetentionAnchors, now: datetime) -> Plan:
        others = self._reader.others(spans)
        plan = make_plan(found, self._catalogue, local_day(now), anchors, others=others)
        told = {command.system for command in plan.commands}
        for part in plan.parts:
            known = self._catalogue.systems.get(part.system)
            if (
                part.action == "erase_now"
                and part.system not in told
                and (known is None or known.erasure != "own")
            ):
                raise InputError(
                    f"{part.system} holds events to erase and nobody can tell it; enter it in systems.yaml with"
                    " `erasure: command`, then resend the request"
                )
        return plan

    def _counted(
        self,
        request: RequestState,
        plan: Plan,
        command: CommandPlan,
        spans: Sequence[Span],
        named: Sequence[Span],
        known_at: datetime | None = None,
    ) -> dict[str, Any]:
        """The command with how many events there are to erase, each once, and how many only links lead to."""
        parts = [part for part in plan.parts if part.system == command.system]
        by_record: dict[str, set[int]] = {}
        for part in parts:
            if part.action == "erase_now":
                by_record.setdefault(part.record, set()).add(part.tag_set)
        # What is only described is not counted aloud.
        going = sorted({part.tag_set for part in parts if part.action == "erase_now" and not part.locked})
        planned = self._events(spans, going, known_at)
        return {
            "command_id": command_id(request.request_id, command.system),
            "system": command.system,
            "planned": planned,
            "by_link": max(planned - self._events(named, going, known_at), 0),
            "described": any(part.locked for part in parts),
            "records": {
                name: self._events(spans, sorted(ids), known_at) for name, ids in sorted(by_record.items())
            },
        }

    def _events(self, spans: Sequence[Span], tag_sets: Sequence[int], known_at: datetime | None) -> int:
        if not spans or not tag_sets:
            return 0
        return self._reader.find(spans, Filter(tag_sets=tag_sets), known_at).total_events


def _from(span: Span, since: datetime) -> Span | None:
    """The part of the span from a moment on, if any."""
    begin = max(span.since or since, since)
    return replace(span, since=begin) if span.until is None or begin < span.until else None


def outgrown(plan: Plan, found: Found) -> bool:
    """Whether the index holds what the plan did not count: events that came since, or were tagged or narrowed anew."""
    counted: Counter[int] = Counter()
    for tag_set, events in {part.tag_set: part.events for part in plan.parts}.items():
        counted[tag_set] += events
        kept = plan.kept.get(tag_set)
        if kept is not None and kept.id != tag_set:
            # An interrupted run may have narrowed some of them already.
            counted[kept.id] += events
    bare = {tag_set for tag_set in plan.kept if tag_set not in counted}
    bare |= {item.tag_set for item in plan.unjudged}
    return any(item.events > counted[item.tags.id] for item in found.holdings if item.tags.id not in bare)


def grown(then: Found, found: Found) -> bool:
    """Whether there are events of a kind that there were not."""
    known = {item.tags.id: item.events for item in then.holdings}
    return any(item.events > known.get(item.tags.id, 0) for item in found.holdings)


def _least(counted: Mapping[str, Any], known: CommandState, then: Mapping[str, int]) -> dict[str, int]:
    """Of how many records the next answer has to tell at least: those told of before, and what came on top since."""
    now = {**counted["records"], EVERY: sum(counted["records"].values())}
    told = {**told_of(known), EVERY: known.erased}
    return {name: max(count, told.get(name, 0) + count - then.get(name, 0)) for name, count in now.items()}


def unjudged(found: Found, catalogue: Catalogue) -> list[Unjudged]:
    """What of this nobody can decide on by the catalogue of today."""
    return judged_for_erasure(found, catalogue, load_records())[1]


def left_over(plan: Plan, found: Found) -> list[str]:
    """Topics of events that the plan erases or narrows and that are still there as they were."""
    kept = {tags.id for tags in plan.kept.values() if tags is not None}
    kept |= {item.tag_set for item in plan.unjudged}
    return sorted({item.tags.topic for item in found.holdings if item.tags.id not in kept})


def named_by(spans: Sequence[Span], told: Sequence[Given]) -> list[Span]:
    """The parts of the spans that the identifiers name by themselves, an address in its second alone."""
    named: list[Span] = []
    for item in told:
        for span in spans:
            if span.token != item.token:
                continue
            if item.kind is not IdentifierKind.IP or item.at is None:
                named.append(span)
                continue
            since = max(item.at, span.since) if span.since else item.at
            until = min(item.at + _SECOND, span.until) if span.until else item.at + _SECOND
            low, high = (item.port, item.port) if item.port else (span.port_from, span.port_to)
            if since < until:
                ports = (max(low, span.port_from), min(high, span.port_to))
                named.append(Span(span.token, since, until, *ports, span.proof))
    return [span for span in named if span.port_from <= span.port_to]


def _covers(earlier: CommandPlan | None, now: CommandPlan) -> bool:
    """Whether what a system was told includes what it would be told now."""
    if earlier is None:
        return False
    alike = replace(earlier, fields=now.fields, categories=now.categories) == now
    return alike and set(now.fields) <= set(earlier.fields) and set(now.categories) <= set(earlier.categories)

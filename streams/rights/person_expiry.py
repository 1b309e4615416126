"""What has run out for one person by clocks of their own: planned, told to systems, forgotten up to the day of each.

Nobody asked for it. It is planned by the state of the day, and carried out by the steps of an erasure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from schemas.messages import Order
from schemas.vocabulary import Resolution
from sinks.ports.erasure import ToForget
from sinks.ports.lineage import Found
from streams.answers.erased import earlier_states
from streams.answers.plan import Plan, plan_from_json, plan_json
from streams.answers.run_out import cut_spans
from streams.rights.erasure import Erasure, kept_of
from streams.rights.kept import keeps_restricted, lacks_what_came
from streams.rights.other_rules import refuse_other_rules, rules_now
from streams.rights.people_planning import command_of, planner_of
from streams.rights.planning import least_of
from streams.rights.protocol.events import Replanned
from streams.rights.protocol.outcomes import records_gone
from streams.rights.protocol.request import RequestState
from streams.rights.right import Tools

HELD = (
    "a preservation order holds the data of this person (straffeprosessloven § 215 a): nothing of it goes now"
)


class PersonExpiry(Erasure):
    """The steps of a request about a person of whom something has run out."""

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._people = planner_of(tools)

    def _plan(self, request: RequestState) -> RequestState:
        if not request.subjects:
            request = self._about(request)
        now = self._file.now()
        person = self._subjects.of(request)
        if person.resolution is Resolution.AMBIGUOUS:
            return self._file.stand(
                request, "who the person is has become unclear; nothing goes by itself", Resolution.AMBIGUOUS
            )
        beside = self._subjects.requests_of(request.subjects, person.spans, request.request_id)
        if first := comes_first(beside, request):
            return self._file.wait(request, first)
        why = kept_by(beside)
        if self._keeping.frozen(now).holds(person.spans):
            why.append(HELD)
        out = None
        if not why:
            earlier = earlier_states(self._subjects, person, self._subjects.given(request.request_id))
            out = self._people.look(person, now, earlier)
        planned = (
            self._people.plan(request.request_id, person, out)
            if out is not None
            else self._people.nothing(person, now, why or ["nothing of this person has run out any more"])
        )
        plan = plan_from_json(planned.plan)
        again = told_before(
            beside, plan, lambda order, since: self._people.newer(person.spans, plan, order, since)
        )
        commands = tuple(
            replace(item, reread=True) if item.system in again else item for item in planned.commands
        )
        planned = replace(planned, commands=commands, approval=self._to_approve(request, planned))
        return self._file.decide(request, planned, now)

    def _finish(self, request: RequestState) -> RequestState:
        if not (request.commands or request.runs or request.closing):
            # Nobody was told, so nothing has gone by the rules of the plan yet.
            refuse_other_rules(request, rules_now(self._company))
        return super()._finish(request)

    def _grown(self, request: RequestState, now: datetime) -> RequestState:
        """Told again by the same orders, where more is there of the time that has run out than was counted."""
        assert request.identity is not None
        if request.runs:
            # What comes while the index forgets is for the next request.
            return request
        plan, spans = plan_from_json(request.plan or {}), request.identity.spans
        there = self._people.there_now(plan, spans)
        more = {
            tag_set
            for segment, present in zip(plan.segments, there, strict=True)
            for tag_set, count in present.items()
            if count > segment.events.get(tag_set, 0)
        }
        if not more:
            return request
        segments = [replace(item, events=present) for item, present in zip(plan.segments, there, strict=True)]
        plan = replace(plan, segments=tuple(segments))
        systems = {part.system for part in plan.parts if part.tag_set in more}
        commands = []
        for count in self._people.counts(plan, spans):
            command = command_of(request.request_id, count)
            known = request.commands[command.command_id]
            commands.append(replace(command, again=count.system in systems, least=least_of(command, known)))
        by_rules = {"rules": (request.plan or {}).get("rules")}
        event = Replanned(plan=plan_json(plan) | by_rules, commands=tuple(commands), at=now)
        return self._file.decide(request, event)

    def _to_forget(self, request: RequestState, plan: Plan) -> list[ToForget]:
        assert request.identity is not None
        found = []
        for segment in plan.segments:
            parts = tuple(part for part in plan.parts if part.before == segment.until)
            of_time = replace(plan, parts=parts, kept=segment.kept)
            kept = kept_of(request, of_time)
            gone = records_gone(replace(of_time, kept=kept), request.commands, request.withheld)
            spans = cut_spans(request.identity.spans, segment.since, segment.until)
            found.append(ToForget(spans, kept, gone))
        return [item for item in found if item.kept]

    def _meant(self, request: RequestState, plan: Plan, goes: Sequence[ToForget]) -> list[ToForget]:
        return list(goes)

    def _left_over(self, request: RequestState, plan: Plan) -> tuple[list[str], Found]:
        """What comes meanwhile of the time that has run out is for the next request."""
        return [], Found()


def comes_first(beside: Iterable[RequestState], request: RequestState) -> tuple[str, ...]:
    """The open requests of the person that this one waits for: all that they made themselves, and others of its kind
    that were planned before. Pure."""
    return tuple(
        item.request_id
        for item in beside
        if item.request_id != request.request_id
        and not item.ended
        and (not item.runs_out or item.plan is not None)
    )


def kept_by(beside: Iterable[RequestState]) -> list[str]:
    """Why the data stay although requests of the person have ended, a line each: they may be stored and nothing else
    (GDPR Art. 18(2)), or the person is to be answered once more. Pure."""
    ended = [item for item in beside if item.ended]
    return [
        *(
            f"{item.request_id} restricts the processing of this person's data"
            for item in ended
            if keeps_restricted(item)
        ),
        *(
            f"{item.request_id} lacks what came to light since, which is to be followed up first"
            for item in ended
            if lacks_what_came(item)
        ),
    ]


def told_before(
    requests: Iterable[RequestState], plan: Plan, newer: Callable[[Order, datetime], bool]
) -> frozenset[str]:
    """The systems that were told before of all that goes there now, by requests of this kind that were carried out: the
    index has it again, from a topic that was read anew, and the system need not find it.

    `newer`: whether there are events of an order that are not before that moment.
    """
    earlier = [
        (command.system, order)
        for item in requests
        if item.runs_out and item.carried_out
        for command in plan_from_json(item.plan or {}).commands
        for order in command.orders
    ]

    def reached(system: str, order: Order) -> bool:
        return any(
            name == system
            and (known.record, known.where) == (order.record, order.where)
            and {*order.fields} <= {*known.fields}
            and known.before is not None
            and not newer(order, known.before)
            for name, known in earlier
        )

    return frozenset(
        command.system
        for command in plan.commands
        if all(reached(command.system, order) for order in command.orders)
    )

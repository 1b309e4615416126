"""Erasure (GDPR Art. 17): planned, told to each system, answered by all, forgotten by the index, and verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, replace
from datetime import datetime
from typing import Any

from schemas.policy import RetentionAnchors
from schemas.vocabulary import CommandState, Resolution
from sinks.ports.erasure import Forgotten, ToForget
from sinks.ports.lineage import Found, Span
from streams.answers.attribution import IdentitySnapshot, ending_before
from streams.answers.clocks import EarlierDays
from streams.answers.consent import ConsentReader
from streams.answers.erased import days_of_plan, earlier_days
from streams.answers.plan import Plan, plan_from_json
from streams.answers.report import disclosed_events
from streams.answers.unread import unread, which_unread, with_unread
from streams.identity.model import Given, ResolvedSubject
from streams.rights.frozen import refuse_frozen
from streams.rights.giving_way import waits_for_others
from streams.rights.nobody import nobody_known
from streams.rights.planning import Planner, grown, left_over, outgrown, unjudged
from streams.rights.protocol.events import (
    Attention,
    Completed,
    Forgetting,
    Forgot,
    Planned,
    Replanned,
    Unclear,
)
from streams.rights.protocol.handling import Closed
from streams.rights.protocol.outcomes import records_gone
from streams.rights.protocol.request import RequestState, State
from streams.rights.reopen import RESURRECTED
from streams.rights.right import Step, Tools
from streams.rights.unreached import NOT_WITHDRAWN, unreached_lines


class Erasure:
    """The right to erasure."""

    def __init__(self, tools: Tools, carried: ConsentReader | None = None) -> None:
        """`carried`: what a withdrawn consent carried, which alone is erased; it is the reader of the tools then."""
        self._file = tools.file
        self._subjects = tools.subjects
        self._reader = tools.reader
        self._carried = carried
        self._everything = carried.everything if carried is not None else tools.reader
        self._eraser = tools.eraser
        self._company, self._catalogue = tools.company, tools.company.catalogue
        self._keeping = tools.keeping
        self._planner = Planner(
            tools.reader, tools.identities, tools.company, tools.namer, tools.keeping, carried
        )
        self._sending = tools.sending
        self._about = tools.about
        self._answered = tools.answered
        self._unread = tools.unread
        self._open_letters = tools.open_letters
        self._forgetting = tools.forgetting

    def next(self, request: RequestState) -> Step | None:
        return next_step(request)

    def do(self, step: Step, request: RequestState) -> RequestState:
        match step:
            case Step.PLAN:
                return self._plan(request)
            case Step.TELL:
                return self._sending.untold(request)
            case _:
                refuse_frozen(self._keeping, self._file.now, request)
                return self._finish(request)

    def _plan(self, request: RequestState) -> RequestState:
        if not request.subjects:
            # Without them it would not wait for an erasure of the same person.
            request = self._about(request)
        now = self._file.now()
        person = self._subjects.of(request)
        if person.resolution is Resolution.AMBIGUOUS:
            unclear = self._subjects.unclear(request, person)
            return self._file.stand(request, unclear, Resolution.AMBIGUOUS)
        beside = self._subjects.requests_of(request.subjects, person.spans, request.request_id)
        if (waits := waits_for_others(self._file, beside, request)) is not None:
            return waits
        givens = self._subjects.given(request.request_id)
        anchors, earlier = self._days(request, person, givens)
        planned = self._planner.plan(request, person, givens, anchors, now, earlier)
        if request.channel == RESURRECTED:
            before = self._file.get(self._file.follows(request.request_id) or request.request_id)
            if why := _nothing_known_of_the_contract(request, planned, before):
                return self._file.stand(request, why)
        if planned.resolution is Resolution.NONE:
            # Of a withdrawal nothing may rest on consent: whether anything is held at all, the whole index says.
            unknown = nobody_known(request, person, self._everything, self._subjects)
            if unknown is not None:
                return self._file.stand(request, unknown, Resolution.NONE)
        remarks = (*planned.remarks, *self._subjects.erased_before(request, person))
        if self._carried is not None and not planned.plan["parts"]:
            remarks += (*self._unreached(request, self._carried, person.spans),)
        planned = replace(planned, plan={**planned.plan, **with_unread(self._unread())}, remarks=remarks)
        planned = replace(planned, approval=self._to_approve(request, planned))
        return self._file.decide(request, planned, now)

    def _days(
        self, request: RequestState, person: ResolvedSubject, givens: Sequence[Given]
    ) -> tuple[RetentionAnchors, EarlierDays | None]:
        """The days that were typed, and those from which an erasure of the person before counted."""
        typed = self._file.anchors(request.request_id)
        earlier = earlier_days(self._subjects, person, givens)
        if not request.inherited:
            return typed, earlier
        # What was typed for the request that it follows up: later events may contradict it.
        days = {**typed.days(), **(earlier.days if earlier else {})}
        return RetentionAnchors(), EarlierDays(days, earlier.planned_at if earlier else request.received_at)

    def _unreached(
        self, request: RequestState, carried: ConsentReader, spans: Sequence[Span]
    ) -> Sequence[str]:
        """Why a withdrawal reaches nothing."""
        found, catalogue = carried.everything.find(spans), self._company.catalogue
        return unreached_lines(
            found, request.scope.purposes, carried.consent.withdrawn, catalogue, NOT_WITHDRAWN
        )

    def _to_approve(self, request: RequestState, planned: Planned | Replanned) -> bool | None:
        holds = any(part["action"] == "hold_until" for part in planned.plan["parts"])
        rules, systems = self._company.rights, len({item.system for item in planned.commands})
        return rules.needs_approval(request.type, holds=holds, systems=systems) or None

    def _finish(self, request: RequestState) -> RequestState:
        """Let the index forget, look whether it did, and end: completed, or closed where a person chose that.

        Where the index holds more by now than was planned, a new plan is made of it first, and whoever has more to
        erase is to be told again: state `planned`.
        """
        if request.plan is None or request.identity is None:
            return request
        if any(item.planned is None for item in request.commands.values()):
            # Planned before anybody counted: what was answered since is held against what is there now.
            plan = plan_from_json(request.plan)
            counts = self._planner.counts(request, plan, self._subjects.erasable(request))
            request = self._file.decide(request, counts)
        if request.closing:
            # Systems did what the newest plan says; what came after it they were not told of.
            return self._forget(request, request.replanned_at or request.planned_at or self._file.now())
        # Before the look: what comes after it nobody was told of, so the index may not forget it unseen.
        now = self._file.now()
        request = self._grown(request, now)
        ready = request.settled and not request.awaits_approval
        return self._forget(request, now) if ready else request

    def _grown(self, request: RequestState, now: datetime) -> RequestState:
        """Planned anew, if the index holds what no system was told of: before it forgets, or since an earlier run."""
        assert request.identity is not None
        plan, found = plan_from_json(request.plan or {}), self._reader.find(request.identity.spans)
        over, interrupted = request.forgotten_as_planned, request.interrupted_at
        if interrupted is not None:
            # The run before may have removed some: more than planned would not show in what is there.
            came = grown(self._reader.find(request.identity.spans, known_at=interrupted), found)
        else:
            # After it was forgotten, whatever is there came since.
            came = (
                bool(left_over(plan, found, request.withheld | request.unforgotten))
                or outgrown(plan, found, request.unforgotten)
                if over
                else outgrown(plan, found)
            )
        # The catalogue may have been mended since.
        open_now = {item.tag_set for item in unjudged(found, self._company)}
        came = came or any(
            item.tags.id not in open_now
            for item in found.holdings
            if item.tags.id in {known.tag_set for known in plan.unjudged}
        )
        if not came:
            return request
        return self._replanned(request, found, now, forgotten=over and interrupted is None)

    def _replanned(
        self, request: RequestState, found: Found, now: datetime, *, forgotten: bool
    ) -> RequestState:
        """`found`: what is there, looked for at `now` or later."""
        assert request.identity is not None
        identity, more = self._wider(request, request.identity), None
        if identity is not request.identity:
            found, more = self._reader.find(identity.spans), identity.json()
        erasable, anchors = self._subjects.erasable(request), self._file.anchors(request.request_id)
        # What the index forgot by then said from which days the plan before counts.
        clocks, planned_at = (request.plan or {}).get("clocks", ()), request.planned_at
        earlier = days_of_plan(clocks, planned_at) if clocks and planned_at else None
        if request.inherited:
            anchors = RetentionAnchors()
        again = self._planner.again(
            request, identity.spans, found, erasable, anchors, now, forgotten=forgotten, earlier=earlier
        )
        again = replace(again, plan={**again.plan, **with_unread(self._unread())})
        again = replace(again, identity=more, resolution=request.resolution)
        return self._file.decide(request, replace(again, approval=self._to_approve(request, again)))

    def _wider(self, request: RequestState, identity: IdentitySnapshot) -> IdentitySnapshot:
        """With where events of before the plan lie to which links lead that came since: such a link goes with the event
        that said it, and nobody could find them any more. Not where it leads to another person too."""
        planned_at, person = request.planned_at, self._subjects.still(request)
        if planned_at is None or not person.spans or not person.subjects <= identity.subjects:
            return identity
        own = list(dict.fromkeys([*identity.spans, *ending_before(person.spans, planned_at)]))
        shared = list(dict.fromkeys([*identity.shared, *ending_before(person.shared, planned_at)]))
        known = (identity.spans, [*identity.spans, *identity.shared])
        more = zip((own, [*own, *shared]), known, strict=True)
        if all(self._events(spans) <= self._events(before) for spans, before in more):
            return identity
        return replace(identity, spans=own, shared=shared)

    def _events(self, spans: Sequence[Span]) -> int:
        return self._everything.find(spans).total_events

    def _forget(self, request: RequestState, known_at: datetime) -> RequestState:
        """What goes is counted and recorded before, so that the number stays true whatever ends the process then.

        `known_at`: what came into the index later stays.
        """
        assert request.identity is not None
        plan = plan_from_json(request.plan or {})
        goes, run = self._to_forget(request, plan), request.length
        going = self._going(goes, known_at)
        if request.counted_at is not None:
            # The run before counted what it did not come to remove.
            going = going.without(self._going(goes, request.counted_at))
        tag_sets = dict.fromkeys(str(key) for item in goes for key in item.kept)
        intent = Forgetting(run=run, going=asdict(going), as_of=known_at, tag_sets=tuple(tag_sets))
        request = self._file.decide(request, intent)
        self._forgetting(request)
        for item in goes:
            self._eraser.forget(item.spans, item.kept, item.gone, known_at)
        left, now = self._going(self._meant(request, plan, goes), known_at), self._file.now()
        topics, found = self._left_over(request, plan)
        if left != Forgotten() and not request.closing:
            # Not through: the next run counts on from here.
            where = f" ({', '.join(topics)})" if topics else ""
            reason = f"the index still finds events that nothing holds{where}"
            return self._file.decide(request, Attention(reason, run=run))
        request = self._file.note(request.request_id, Forgot(run=run, left=asdict(left)))
        if request.closing:
            return self._file.decide(request, Closed(run=request.length))
        if topics:
            return self._replanned(request, found, now, forgotten=True)
        if open_now := unjudged(found, self._company):
            lines = dict.fromkeys(item.line for item in open_now)
            reason = f"the rest is erased, but {'; '.join(lines)}"
            return self._file.decide(request, Attention(reason, run=run))
        if (unclear := self._unclear(request)) is not None:
            return self._file.decide(request, unclear)
        self._answered()
        return self._file.decide(request, Completed(held_parts(request), request.length))

    def _to_forget(self, request: RequestState, plan: Plan) -> list[ToForget]:
        """What the index forgets, not looked up anew: the links to the person may be gone by now, and what was planned
        may not shrink."""
        assert request.identity is not None
        gone = records_gone(plan, request.commands, request.withheld)
        return [ToForget(request.identity.spans, kept_of(request, plan), gone)]

    def _meant(self, request: RequestState, plan: Plan, goes: Sequence[ToForget]) -> list[ToForget]:
        """The same, of all runs that are not through."""
        kept = {key: plan.kept[key] for key in request.forgetting if key in plan.kept}
        return [replace(item, kept=kept) for item in goes]

    def _going(self, goes: Sequence[ToForget], known_at: datetime) -> Forgotten:
        found = [self._eraser.going(item.spans, item.kept, item.gone, known_at) for item in goes]
        return Forgotten(*(sum(counts) for counts in zip(*map(astuple, found), strict=True)))

    def _left_over(self, request: RequestState, plan: Plan) -> tuple[list[str], Found]:
        """Topics of what is still there as it was, and all that is there."""
        assert request.identity is not None
        found = self._reader.find(request.identity.spans)
        return left_over(plan, found, request.withheld), found

    def _unclear(self, request: RequestState) -> Unclear | None:
        """What nobody can tell to be the person's and no person has waived; None: nothing that the rules wait for.

        What has run out is taken by the next run, if it comes to light."""
        if request.runs_out:
            return None
        rules, waived, identity = self._company.rights.unclear, request.waived, request.identity
        open_letters = self._open_letters() if rules.dead_letters == "waits" else ()
        letters, which = unread(open_letters, self._company), which_unread(open_letters, self._company)
        shared = 0
        if identity is not None and identity.shared and rules.shared_events == "waits":
            both = self._everything.find([*identity.spans, *identity.shared])
            found = self._everything.find(identity.spans)
            shared = disclosed_events(both, self._catalogue) - disclosed_events(found, self._catalogue)
        known = waived.which or {} if waived else {}
        counts = waived.dead_letters if waived else {}
        # Of those that were waived one may be read by now, and another one have come.
        more = any(
            which[topic] != known.get(topic) or count > counts.get(topic, 0)
            for topic, count in letters.items()
        )
        if more or shared > (waived.shared_events if waived else 0):
            return Unclear(letters, shared, request.length, which)
        return None


def next_step(request: RequestState) -> Step | None:
    """What comes next of an erasure; None: somebody's answer, another erasure of the person, or nothing any more."""
    if request.ended or request.unread or request.state is State.UNCHECKED:
        return None
    if request.closing:
        return Step.FORGET
    if request.plan is None:
        return Step.PLAN
    if request.awaits_approval:
        return None
    if any(command.state is CommandState.UNSENT for command in request.commands.values()):
        return Step.TELL
    return Step.FORGET if request.settled else None


def _nothing_known_of_the_contract(
    request: RequestState, planned: Planned, first: RequestState
) -> str | None:
    """Why a person has to decide on what came back: it would be held for as long as a contract runs, and nothing says
    that there is one. Not of what the `first` request left so as well."""
    held = _without_end(planned.plan) - _without_end(first.plan or {})
    if not held or any(item["clock"] == "contract_end" for item in planned.plan["clocks"]):
        return None
    where = ", ".join(sorted({system for system, _ in held}))
    return (
        f"what came back in {where} would be held for as long as the contract runs, and no event says that there is"
        f" one: cancel {request.request_id}, and make a new request with the day on which the contract"
        " ended (`innsyn erase ... --clock contract_end=DAY`)"
    )


def _without_end(plan: Mapping[str, Any]) -> set[tuple[str, str]]:
    """System and record of what a plan holds for as long as something runs."""
    return {
        (part["system"], part["record"])
        for part in plan.get("parts", ())
        if part["action"] == "hold_until" and part["until"] is None
    }


def kept_of(request: RequestState, plan: Plan) -> Mapping[int, Any]:
    """What the index forgets: not what systems withhold, which is there as it was; of a request that is closed, what
    systems did in full alone."""
    withheld = request.withheld
    stays = {part.tag_set for part in plan.parts if withheld.keeps(part.system, part.record)}
    if not request.closing:
        return {key: tags for key, tags in plan.kept.items() if key not in stays}
    # What stays after a withdrawal is narrowed where its own command was done, not the one that erases.
    settled = {(item.system, item.kind is None) for item in request.commands.values() if item.settled}
    done = {part.tag_set for part in plan.parts if (part.system, part.action != "stays") in settled} - stays
    return {key: tags for key, tags in plan.kept.items() if key in done}


def held_parts(request: RequestState) -> tuple[Mapping[str, Any], ...]:
    """What of the plan is not erased: by its own decision, or since the system withholds it until a review."""
    withholding = {item.system: item for item in request.commands.values() if item.withholds}
    held = []
    for part in (request.plan or {}).get("parts", ()):
        by = withholding.get(part["system"])
        if part["action"] == "erase_now" and by is not None and part["record"] not in by.erased_kinds:
            reason = {"rule": by.ground, "citation": by.citation, "until": by.review_date}
            held.append({**part, "action": "hold_until", "means": None, **reason})
        elif part["action"] != "erase_now":
            held.append(part)
    return tuple(held)

"""A run of retention: what has run out by the day of its event, of everybody at once.

Planned, told to each system, and forgotten by the index system by system, as each has done it. What a system did not do
stays in the index. People with an open request, a restriction or a preservation order keep theirs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from schemas.calendars import Calendar
from schemas.company import Company
from schemas.counted import counted
from schemas.errors import InputError, KeyUnavailable
from schemas.expiry import clocks_said
from schemas.vocabulary import CommandState
from sinks.ports.expiry import DayCount, ExpiryReader
from sinks.ports.lineage import Span
from streams.answers.attribution import spans_json
from streams.answers.expiry_plan import make_run_plan
from streams.answers.recategorised import versions_by_schema
from streams.answers.run_plan import (
    RunPlan,
    run_from_json,
    run_json,
    without_unknown,
)
from streams.rights.kept import kept_while_told
from streams.rights.kept_named import KeptPeople
from streams.rights.other_rules import OtherRules, refuse_other_rules, rules_now
from streams.rights.protocol.events import Completed, Planned
from streams.rights.protocol.expiring import Expired, Expiring
from streams.rights.protocol.handling import Closed
from streams.rights.protocol.lines import unknown_line
from streams.rights.protocol.request import RequestState, State
from streams.rights.right import Retention, Step, Tools
from streams.rights.run_counts import by_system, planned_commands, with_counts

LONGEST_PAUSE = timedelta(days=35)
"""After a longer one a person approves the next run: it takes a lot, or the clock of this machine is wrong."""
_AHEAD = "it was planned by a clock that was ahead of the one of now; see which of them is right"


class ExpiryRun:
    """The steps of a run."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._file = tools.file
        self._company = tools.company
        self._calendar = tools.company.catalogue.calendar

    def next(self, request: RequestState) -> Step | None:
        return next_step(request)

    def do(self, step: Step, request: RequestState) -> RequestState:
        if self._tools.retention is None or self._tools.kept is None:
            raise InputError("nothing that has run out is deleted here; ask where requests are carried out")
        match step:
            case Step.PLAN:
                return self._plan(request, self._tools.retention, self._tools.kept)
            case Step.TELL:
                return self._tell(request, self._tools.retention, self._tools.kept)
            case Step.FORGET:
                return self._forget(request, self._tools.retention, self._tools.kept)
            case _:
                length = request.length
                ended = Closed(run=length) if request.closing else Completed((), length)
                return self._file.decide(request, ended)

    def _plan(self, request: RequestState, retention: Retention, people: KeptPeople) -> RequestState:
        requests = self._file.every()
        if first := people.unknown():
            return self._file.wait(request, tuple(first))
        runs = [item for item in requests if item.of_everybody and item.request_id != request.request_id]
        now, kept = self._file.now(), people.spans()
        made = planned(retention, self._company, runs, kept, now)
        made = without_unknown(with_counts(made, retention.reader, runs, kept))
        commands = planned_commands(request.request_id, made)
        rules = self._company.rights
        holds = any(item.kept for item in made.records)
        approval = rules.needs_approval(request.type, holds=holds, systems=len(commands))
        unseen = rules_changed(runs, made.rules) or self._unusual(runs, now)
        event = Planned(
            plan=_plan_json(made),
            commands=commands,
            remarks=made.left,
            # Also where nothing has run out by the day: people's data go by the same rules and the same clock.
            approval=unseen or (approval and bool(made.index)) or None,
            kept=tuple(map(tuple, spans_json(kept))) or None,
        )
        return self._file.decide(request, event, now)

    def _unusual(self, runs: Sequence[RequestState], now: datetime) -> bool:
        """Whether a person has to see it first, whatever the rules: the first run, and one long after the last."""
        planned_at = [item.planned_at for item in runs if item.carried_out and item.planned_at is not None]
        # Also where it was planned by a clock that was ahead.
        return not planned_at or abs(now - max(planned_at)) > LONGEST_PAUSE

    def _tell(self, request: RequestState, retention: Retention, people: KeptPeople) -> RequestState:
        """Each system that can be told; who cannot does not stop the others."""
        untold = self._by_other_rules(request)
        for command in () if untold else list(request.commands.values()):
            if (
                command.state is not CommandState.UNSENT
                or command.settled
                or request.ended
                or request.closing
            ):
                continue
            try:
                request = self._tools.sending.command(request, command.command_id)
            except (InputError, KeyUnavailable) as error:
                untold.append(str(error))
        if request.to_expire:
            request = self._forget(request, retention, people)
        return self._file.stand(request, "; ".join(untold)) if untold else request

    def _by_other_rules(self, request: RequestState) -> list[str]:
        """Why nobody is told any more; empty: the rules are those of the plan."""
        try:
            refuse_other_rules(request, rules_now(self._company))
        except OtherRules as error:
            return [str(error)]
        return []

    def _forget(self, request: RequestState, retention: Retention, people: KeptPeople) -> RequestState:
        """Let the index forget what systems have deleted, and count whether it did. What is to go is counted and
        recorded before, so that the number stays true whatever ends the process then."""
        if not request.commands and not request.runs and (why := self._by_other_rules(request)):
            return self._file.stand(request, why[0])
        plan, now, known_at = run_from_json((request.plan or {})["run"]), self._file.now(), request.planned_at
        systems, going_on = request.to_expire, frozenset[str]().union(*(run.systems for run in request.runs))
        if plan.latest is not None and plan.latest > now:
            return self._file.stand(request, _AHEAD)
        if first := people.unknown():
            return self._file.stand(request, unknown_line(first))
        told = kept_while_told(request)
        new = [span for span in people.spans() if span not in {*told}]
        kept, since = [*told, *new], [*told[len(request.kept) :], *new]
        # Of a run that was interrupted it is known what was to go.
        anew = self._left(plan, systems - going_on, kept, retention, known_at)
        going = Expiring(
            run=request.length,
            systems=tuple(sorted(systems | going_on)),
            going=anew.every,
            as_of=now,
            kept=tuple(map(tuple, spans_json(since))) or None,
        )
        request = self._file.decide(request, going)
        systems |= going_on
        retention.expirer.expire(plan.of(systems), kept, known_at)
        left = self._left(plan, systems, kept, retention, known_at)
        if left.open:
            reason = (
                f"the index still counts {counted(left.open, 'event')} of what has run out and nothing keeps"
            )
            return self._file.stand(request, reason)
        stays = 0
        if since:
            stays = left.kept - self._left(plan, systems, request.kept, retention, known_at).kept
        event = Expired(going.run, tuple(sorted(systems)), left.every, stays or None)
        return self._file.note(request.request_id, event)

    def _left(
        self,
        plan: RunPlan,
        systems: Collection[str],
        kept: Sequence[Span],
        retention: Retention,
        known_at: datetime | None,
    ) -> _Left:
        if not systems:
            return _Left(Counter(), 0)
        days = retention.reader.by_day(self._calendar.zone, kept, known_at)
        return counted_left(plan, systems, days, self._calendar)


@dataclass(frozen=True)
class _Left:
    """Events that are to go or to be narrowed; `kept` of them stay."""

    events: Mapping[str, int]
    kept: int

    @property
    def every(self) -> dict[str, int]:
        return {name: self.events.get(name, 0) for name in ("events_removed", "events_narrowed")}

    @property
    def open(self) -> int:
        return sum(self.events.values()) - self.kept


def counted_left(
    plan: RunPlan, systems: Collection[str], days: Iterable[DayCount], calendar: Calendar
) -> _Left:
    """What of this is to go by the plan. Pure."""
    ways: defaultdict[int, list[tuple[datetime, bool]]] = defaultdict(list)
    for item in plan.index:
        if item.system in systems:
            ways[item.tag_set].append((item.before, item.narrowed is None))
    events, kept = Counter[str](), 0
    for day in days:
        noon = noon_of(day.day, calendar)
        fit = [goes for before, goes in ways.get(day.tags.id, ()) if noon < before]
        if fit:
            events["events_removed" if any(fit) else "events_narrowed"] += day.events
            kept += day.kept
    return _Left(events, kept)


def noon_of(day: date, calendar: Calendar) -> datetime:
    """A moment of the day by which it is told whether its events are before another one, in UTC."""
    return datetime.combine(day, time(12), calendar.zone).astimezone(UTC)


def planned(
    retention: Retention,
    company: Company,
    runs: Iterable[RequestState],
    kept: Sequence[Span],
    now: datetime,
) -> RunPlan:
    """What a run takes that is planned now; what an open run still has to do is left to that one. Raises
    IndexUnavailable."""
    calendar = company.catalogue.calendar
    return make_run_plan(
        retention.reader.by_day(calendar.zone, kept, now),
        company.catalogue,
        company.every_record,
        calendar.day(now),
        clocks_of(company, retention.reader),
        retention.batch,
        frozenset(system for run in runs for system in at_work(run)),
        versions_by_schema(company.writers),
    )


def clocks_of(company: Company, reader: ExpiryReader) -> frozenset[str]:
    """The clocks of which events say anything, or will: a rule must not be taken to run for everybody until something
    does. Raises IndexUnavailable."""
    return clocks_said(company.every_record.values()) | reader.clocks_told()


def rules_changed(runs: Iterable[RequestState], rules: str) -> bool:
    """Whether these are other rules than those of the last run that was approved, or needed no approval, or no run was
    approved yet. Pure."""
    approved = approved_runs(runs)
    if not approved:
        return True
    newest = max(
        approved, key=lambda run: (run.planned_at or datetime.min.replace(tzinfo=UTC), run.request_id)
    )
    return run_from_json((newest.plan or {})["run"]).rules != rules


def approved_runs(runs: Iterable[RequestState]) -> list[RequestState]:
    """Runs that were approved, or needed no approval. Pure."""
    return [
        item
        for item in runs
        if item.plan is not None
        and item.planned_at is not None
        and not item.awaits_approval
        # One that was taken back says of its rules that they may be wrong.
        and (item.carried_out or not item.ended)
    ]


def long_ago(requests: Iterable[RequestState], now: datetime) -> bool:
    """Whether nothing that has run out was approved or carried out within LONGEST_PAUSE of now: the clock of this
    machine may be wrong, by which more would have run out. Pure."""
    every = list(requests)
    looked = approved_runs(item for item in every if item.of_everybody)
    looked += [item for item in every if item.runs_out and not item.of_everybody and item.carried_out]
    moments = [item.planned_at for item in looked if item.planned_at is not None]
    # The nearest, not the newest: one by a clock that was ahead says nothing against the one of now.
    return all(abs(now - moment) > LONGEST_PAUSE for moment in moments)


def at_work(run: RequestState) -> frozenset[str]:
    """Systems of which a run has still to take something."""
    return frozenset() if run.ended else left_of(run)


def left_of(run: RequestState) -> frozenset[str]:
    """Systems of which a run has not taken what has run out."""
    if run.plan is None:
        return frozenset()
    return frozenset(run_from_json(run.plan["run"]).systems) - run.expired_at


def next_step(request: RequestState) -> Step | None:
    """What comes next of a run; None: somebody's answer, or nothing any more."""
    if request.ended or request.unread or request.state is State.UNCHECKED:
        return None
    if request.closing:
        return Step.FORGET if request.to_expire else Step.END
    if request.plan is None:
        return Step.PLAN
    if request.awaits_approval:
        return None
    if any(command.state is CommandState.UNSENT for command in request.commands.values()):
        return Step.TELL
    if request.to_expire:
        return Step.FORGET
    return Step.END if request.settled else None


def _plan_json(made: RunPlan) -> dict[str, Any]:
    """With what every plan of a request has."""
    commands = [
        {
            "system": system,
            "categories": sorted({name for line in lines for name in line.categories}),
            "fields": [],
            "orders": [],
        }
        for system, lines in by_system(made).items()
    ]
    stored = run_json(made)
    said = {"as_of": stored["as_of"], "catalogue_version": made.catalogue_version}
    return {**said, "parts": [], "copies": [], "commands": commands, "recipients": [], "run": stored}

"""The state of a rights request: a fold over its append-only events. Pure.

    unchecked, where somebody has to check first who makes it
      ▼
    received ─► planned ─► commanded ─► waiting ─► forgetting ─► completed ─► reopened ─► completed, with `follow_up`
      │ ▲ │                               ▲ │          │
      └─┘ └─ (access) ─► answered         │ ▼          └─► closed, where a person ended it with a reason
    while another           └─► completed attention
    erasure is open      when it was sent a person must act: why is in `problems`; resend, accept, close

A command is settled by a `done` receipt of as much as was planned, by one that found nothing where nothing was, and by
one that withholds with a ground that the catalogue knows, until it is reviewed. What else a system could not or would
not erase stays visible with its reason. What comes to light after the answer opens the request again, until a new
request follows it up. Before the index forgets, a person may cancel a request; nothing more is sent then, and later
answers are shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from schemas.calendars import NORWEGIAN, Calendar
from schemas.times import received_can_be_no_day
from sinks.ports.requests import UNREADABLE, RequestEvent
from streams.answers.attribution import IdentitySnapshot, spans_from_json
from streams.rights.protocol.answering import Answer, AnswerSetAside, Commanded, Copied, Escalated, ReviewDue
from streams.rights.protocol.came_back import CameBack, SuppressionLifted
from streams.rights.protocol.command import Command
from streams.rights.protocol.commands import (
    asked_anew,
    escalated,
    lifted,
    replanned,
    stands,
    told_to,
    widened,
    with_command,
    with_copy,
)
from streams.rights.protocol.deadlines import MOST_MONTHS_MORE, Pause, due_at
from streams.rights.protocol.events import (
    About,
    Answered,
    Attention,
    Behind,
    Completed,
    Counted,
    FollowedUp,
    Forgetting,
    Forgot,
    KeyDestroyed,
    LateFound,
    LedgerEvent,
    Lifting,
    Looked,
    Planned,
    Received,
    Replanned,
    Unclear,
    Widened,
    event_of,
)
from streams.rights.protocol.expiring import Expired, Expiring, KeptSince
from streams.rights.protocol.handling import (
    Accepted,
    Approved,
    Cancelled,
    Checked,
    Closed,
    Closing,
    Extended,
    IdentityAsked,
    Notified,
    Told,
    Waived,
)
from streams.rights.protocol.lines import taken_line
from streams.rights.protocol.notes import noted
from streams.rights.protocol.parts import Run
from streams.rights.protocol.request import RequestState, State
from streams.rights.protocol.run_states import run_after
from streams.rights.protocol.scope import EVERYTHING
from streams.rights.protocol.shown import summary
from streams.rights.protocol.withholding import NOTHING_WITHHELD

__all__ = ["RequestState", "State", "due_at", "fold", "summary"]


def fold(events: Iterable[RequestEvent], calendar: Calendar = NORWEGIAN) -> RequestState | None:
    """The state after the events, None before the first. Repeated events, in place or later, change nothing.
    Its deadline is by the calendar.

    An event that cannot be read is passed over and named in `unread`; until the request has ended it stands at
    `attention` then. Never raises: one bad request shall not hide the others.
    """
    return Folding(calendar).after(sorted(events, key=lambda item: item.sequence)).request


@dataclass(frozen=True)
class Folding:
    """The events of one request read so far, so that those that come on top need not be read with all before them.

    `read`: as they came, in order. `raw`: the state as the next event is applied to it.
    """

    calendar: Calendar = NORWEGIAN
    read: tuple[RequestEvent, ...] = ()
    raw: RequestState | None = None
    seen: frozenset[tuple[str, str]] = frozenset()

    def after(self, events: Sequence[RequestEvent]) -> Folding:
        """With the events there are, in order; anew where those that were read are not their beginning."""
        known = len(self.read)
        if tuple(events[:known]) != self.read:
            return Folding(self.calendar).after(events)
        request, seen = self.raw, set(self.seen)
        for event in events[known:]:
            mark = (event.kind, json.dumps(event.content, sort_keys=True))
            if mark in seen:
                continue
            seen.add(mark)
            try:
                request = _with(request, event, self.calendar)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the others are to be read
                request = _unreadable(request, event, error, self.calendar)
        return Folding(self.calendar, tuple(events), request, frozenset(seen))

    @property
    def request(self) -> RequestState | None:
        """As `fold`."""
        request = self.raw
        if request is None:
            return None
        if request.unread and not request.ended:
            request = replace(request, state=State.ATTENTION)
        return replace(request, length=self.read[-1].sequence + 1)


def _with(request: RequestState | None, stored: RequestEvent, calendar: Calendar) -> RequestState | None:
    event = event_of(stored)
    if isinstance(event, Received):
        return request or _received(stored, event, calendar)
    if request is None:
        return None
    if isinstance(event, KeyDestroyed):
        return replace(request, key_destroyed_at=stored.occurred_at)
    if isinstance(event, Lifting):
        return lifted(noted(request, event, stored.occurred_at), event, stored.occurred_at, calendar)
    if isinstance(event, Widened):
        return widened(noted(request, event, stored.occurred_at), event, stored.occurred_at, calendar)
    if isinstance(event, SuppressionLifted):
        return noted(request, event, stored.occurred_at)
    if isinstance(event, Notified):
        # Also of an erasure that is completed.
        told = request.notified | {event.recipient}
        return replace(noted(request, event, stored.occurred_at), notified=told)
    after = _ended if request.ended else _after
    request = after(request, event, stored.occurred_at)
    if isinstance(event, Checked | Extended):
        due = due_at(request.received_at, calendar, more=request.more, pauses=request.pauses)
        request = replace(request, due=due)
    # What is wrong in an event may show only where it is told to people.
    _ = request.problems, request.waiting_for, request.movable
    return request


def _unreadable(
    request: RequestState | None, event: RequestEvent, error: Exception, calendar: Calendar
) -> RequestState:
    kind = event.content.get("kind", event.kind) if event.kind == UNREADABLE else event.kind
    line = f"event {event.sequence} of the ledger ({kind}) cannot be read ({type(error).__name__})"
    if request is None:
        at = event.occurred_at
        request = RequestState(
            event.request_id, type="unknown", channel="unknown", received_at=at, due=due_at(at, calendar)
        )
    return replace(request, unread=(*request.unread, line))


def _received(stored: RequestEvent, event: Received, calendar: Calendar) -> RequestState:
    received_at, recorded_at = event.received_at, stored.occurred_at
    # Recorded before days were bounded: it came in when it was recorded, at the latest.
    undated = received_can_be_no_day(received_at, recorded_at)
    received_at = recorded_at if undated else received_at
    return RequestState(
        request_id=stored.request_id,
        type=event.type,
        channel=event.channel,
        received_at=received_at,
        due=due_at(received_at, calendar),
        undated=undated,
        inherited=spans_from_json(event.inherited or ()),
        state=State.UNCHECKED if event.unchecked else State.RECEIVED,
        by=event.by,
        scope=event.scope or EVERYTHING,
        reread=bool(event.reread),
        about=event.subjects or (),
    )


def _after(request: RequestState, event: LedgerEvent | None, at: datetime) -> RequestState:
    if not isinstance(event, AnswerSetAside):
        request = replace(request, broke=False)
    match event:
        case About():
            subjects = request.subjects.union(event.subjects)
            return replace(request, subjects=subjects, beside=event.beside or request.beside)
        case Behind() if request.plan is None:
            waits = replace(request, behind=event.behind, expiring=event.expiring or ())
            return replace(waits, problem=None, state=State.RECEIVED)
        case Planned() if request.plan is None:
            return _planned(_identified(request, event), event, at)
        case Replanned() if request.plan is not None:
            return replanned(_identified(request, event), event, at)
        case Counted():
            counted = {item.command_id: item for item in event.commands}
            commands = request.commands.items()
            told = {key: told_to(item, counted[key]) if key in counted else item for key, item in commands}
            return stands(replace(request, commands=told))
        case Commanded() if event.command_id in request.reviews:
            return with_command(asked_anew(request, event.command_id), event, at)
        case Commanded() | Answer() | Accepted():
            return with_command(noted(request, event, at), event, at)
        case Escalated():
            return escalated(request, event)
        case Copied():
            return with_copy(request, event)
        case AnswerSetAside():
            return replace(request, set_aside=(*request.set_aside, event))
        case Closing():
            return replace(noted(request, event, at), state=State.FORGETTING, closing=True, problem=None)
        case Forgetting() if request.settled or request.closing:
            return replace(request, state=State.FORGETTING, problem=None, runs=(*request.runs, *_runs(event)))
        case Forgot():
            return _forgotten(request, event)
        case KeptSince() | Expiring() | Expired():
            return run_after(request, event)
        case Attention():
            resolution = event.resolution or request.resolution
            request = replace(request, state=State.ATTENTION, resolution=resolution, broke=event.broke)
            return replace(request, problem=event.reason)
        case Unclear():
            return replace(request, state=State.ATTENTION, unclear=event, problem=None)
        case Waived():
            return stands(replace(noted(request, event, at), unclear=None, waived=event, problem=None))
        case IdentityAsked() | Checked() | Extended() | Told() | Approved():
            return _handled(noted(request, event, at), event, at)
        case Answered():
            return _answered(_identified(request, event), event, at)
        case Completed() if request.settled:
            # A system asked anew says nothing of what came to light meanwhile: that stays to be followed up.
            state = State.REOPENED if request.reviews or request.late_findings else State.COMPLETED
            if any(item.given_up for item in request.commands.values()):
                # Closed before a system had erased, and lifted since: that makes nothing of it done.
                return replace(request, state=State.CLOSED, ended_at=at)
            return replace(request, state=state, held=event.held, completed_at=at)
        case Closed() | Cancelled():
            request = replace(noted(request, event, at), problem=None, behind=())
            return replace(request, state=State(event.kind), ended_at=at)
    return request


def _handled(
    request: RequestState, event: IdentityAsked | Checked | Extended | Told | Approved, at: datetime
) -> RequestState:
    match event:
        case IdentityAsked():
            pauses = (*request.pauses, Pause(at)) if event.pauses else request.pauses
            state = State.UNCHECKED if request.may_be_asked else request.state
            return replace(request, asked=True, pauses=pauses, state=state)
        case Checked():
            pauses = tuple(replace(item, until=item.until or at) for item in request.pauses)
            state = State.RECEIVED if request.state is State.UNCHECKED else request.state
            return replace(request, checked=True, pauses=pauses, state=state)
        case Extended():
            return replace(request, more=request.more or min(event.months, MOST_MONTHS_MORE))
        case Approved():
            same = request.approvers if request.approved == event.digest else frozenset()
            return replace(request, approved=event.digest, approvers=same | {event.by})
        case Told() if request.state is State.ANSWERED:
            return replace(request, state=State.COMPLETED, completed_at=at, told=True)
    return request


def _answered(request: RequestState, event: Answered, at: datetime) -> RequestState:
    request = replace(request, problem=None, report=event.report, answered_at=at, remarks=event.remarks)
    request = replace(request, approval=bool(event.approval), behind=())
    if event.to_tell:
        return replace(request, state=State.ANSWERED)
    return replace(request, state=State.COMPLETED, completed_at=at)


def _ended(request: RequestState, event: LedgerEvent | None, at: datetime) -> RequestState:
    """After the end: what came to light later, until it is followed up or closed, and what systems still said."""
    if isinstance(event, AnswerSetAside):
        return replace(request, set_aside=(*request.set_aside, event))
    if isinstance(event, Told) and request.carried_out and not request.told:
        return replace(noted(request, event, at), told=True)
    if not request.carried_out:
        return with_command(request, event, at) if isinstance(event, Commanded | Answer) else request
    if request.follow_up is not None and not isinstance(event, LateFound):
        return request
    match event:
        case LateFound():
            # A follow-up that there is was ended by a person, and did not carry it out.
            found = (*request.late_findings, event)
            return replace(request, state=State.REOPENED, late_findings=found, follow_up=None)
        case CameBack():
            return replace(request, came_back=event)
        case FollowedUp():
            # It asks every system for all that is left, so also the one whose hold was to be reviewed.
            remarks = (*request.remarks, *(taken_line(name) for name in event.taken))
            return replace(
                request, remarks=remarks, state=State.COMPLETED, follow_up=event.follow_up, reviews=()
            )
        case Looked():
            return replace(request, unlooked=event.failed)
        case ReviewDue():
            reviews = tuple(dict.fromkeys((*request.reviews, event.command_id)))
            return replace(request, state=State.REOPENED, reviews=reviews)
        case Commanded() if event.command_id in request.reviews:
            return with_command(asked_anew(request, event.command_id), event, at)
        case Closed() if request.state is State.REOPENED:
            return replace(noted(request, event, at), state=State.CLOSED, ended_at=at)
    return request


def _planned(request: RequestState, event: Planned, at: datetime) -> RequestState:
    commands = {
        item.command_id: told_to(Command(item.command_id, item.system), item) for item in event.commands
    }
    request = replace(
        request,
        plan=event.plan,
        planned_at=at,
        commands=commands,
        problem=None,
        behind=(),
        by_link=event.by_link,
        remarks=event.remarks,
        state=State.PLANNED,
        approval=bool(event.approval),
        kept=spans_from_json(event.kept or ()),
    )
    return stands(request) if any(item.by_hand for item in commands.values()) else request


def _runs(event: Forgetting) -> tuple[Run, ...]:
    # Versions before did not count beforehand.
    if event.going is None or event.as_of is None:
        return ()
    return (Run(event.going, event.as_of, frozenset(map(int, event.tag_sets))),)


def _forgotten(request: RequestState, event: Forgot) -> RequestState:
    """What is gone is what the runs since the last such event were to remove, without what is left of it.

    Runs that were interrupted count too. Where two processes forget at once the first that is through says it of both.
    """
    if event.counts is not None:
        removed = dict(event.counts)
    elif not request.runs:
        return request
    elif event.left is None:
        raise ValueError("a run that is through, and nobody says what is left of it")
    else:
        removed = {
            name: max(sum(run.going[name] for run in request.runs) - left, 0)
            for name, left in event.left.items()
        }
    earlier = request.forgotten or {}
    counts = {name: count + earlier.get(name, 0) for name, count in removed.items()}
    over = request.forgotten_as_planned or any(removed.values())
    return replace(
        request, forgotten=counts, forgotten_as_planned=over, unforgotten=NOTHING_WITHHELD, runs=()
    )


def _identified(request: RequestState, event: Planned | Replanned | Answered) -> RequestState:
    if event.identity is None:
        return request
    identity = IdentitySnapshot.read(event.identity)
    return replace(request, identity=identity, resolution=event.resolution)

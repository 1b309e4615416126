"""What becomes of a request by what its systems are told and answer: the part of the fold about commands. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from schemas.calendars import Calendar
from schemas.times import iso
from schemas.vocabulary import CommandState, ReceiptState
from streams.answers.attribution import IdentitySnapshot
from streams.rights.protocol.answering import Answer, Commanded, Copied, Escalated
from streams.rights.protocol.command import Command
from streams.rights.protocol.deadlines import due_at
from streams.rights.protocol.events import Lifting, PlannedCommand, Replanned, Widened
from streams.rights.protocol.handling import Accepted
from streams.rights.protocol.request import RequestState, State
from streams.rights.protocol.restricting import reaches_later
from streams.rights.protocol.withholding import NOTHING_WITHHELD

_NOT_THROUGH = (ReceiptState.ACCEPTED, ReceiptState.FAILED)


def replanned(request: RequestState, event: Replanned, at: datetime) -> RequestState:
    """After a new plan. What a system is told anew is to be sent; what it need not be told stays as it was answered."""
    commands = dict(request.commands)
    for item in event.commands:
        earlier = commands.get(item.command_id, Command(item.command_id, item.system))
        anew = Command(earlier.command_id, earlier.system, attempt=earlier.attempt)
        commands[earlier.command_id] = told_to(anew if item.again else earlier, item)
    runs = tuple(replace(run, replanned=True) for run in request.runs)
    request = replace(request, plan=event.plan, commands=commands, runs=runs, approval=bool(event.approval))
    request = replace(request, replanned_at=event.at or at)
    return stands(replace(request, problem=None, forgotten_as_planned=False, unforgotten=NOTHING_WITHHELD))


def told_to(command: Command, item: PlannedCommand) -> Command:
    """With what the index counted there, which requests from before it did lack."""
    begun = CommandState.SENT if item.by_hand and command.state is CommandState.UNSENT else command.state
    return replace(
        command,
        state=begun,
        kind=item.kind,
        by_hand=bool(item.by_hand),
        planned=item.planned,
        by_link=item.by_link,
        by_key=item.by_key or 0,
        described=item.described,
        records=item.records,
        least=item.least or {},
        events=item.events,
        reread=bool(item.reread),
    )


def with_command(request: RequestState, event: Commanded | Answer | Accepted, at: datetime) -> RequestState:
    """After something that is about one command; nothing changes one that is settled."""
    command = request.commands.get(event.command_id)
    if command is None or command.settled:
        return request
    match event:
        case Commanded():
            fresh = Command(command.command_id, command.system, CommandState.SENT, event.attempt)
            command = replace(
                fresh,
                kind=command.kind,
                sent_at=iso(at),
                heard_at=command.heard_at,
                planned=command.planned,
                by_link=command.by_link,
                by_key=command.by_key,
                described=command.described,
                records=command.records,
                least=command.least,
                events=command.events,
                escalated=command.escalated,
                reread=command.reread,
            )
        case Accepted():
            command = replace(command, accepted=command.doubtful or command.copies)
        case Answer() if command.state is CommandState.UNSENT and _is_interim(event):
            # Whoever told it died before it could write that down: it is told again, or nobody would wait for it.
            return request
        case Answer():
            command = replace(
                command,
                state=CommandState(event.state),
                # Of one that was told, and of which nobody came to write that down.
                attempt=max(command.attempt, event.attempt or 0),
                erased=event.erased,
                held=event.held,
                ground=event.ground,
                review_date=event.review_date.isoformat() if event.review_date else None,
                reason=event.reason,
                reported_at=iso(event.reported_at),
                heard_at=iso(at),
                known=event.known,
                outcomes=event.outcomes,
                after_end=request.ended,
                retryable=bool(event.retryable),
                citation=event.citation,
                lawful=bool(event.lawful),
                unlawful=event.unlawful,
                parts=event.parts or 0,
                copy_digest=event.copy_digest,
                copied=False,
                escalated=command.escalated and event.state in _NOT_THROUGH,
                others_stay=request.of_everybody and bool(request.kept or request.kept_since),
            )
    request = replace(request, commands={**request.commands, command.command_id: command})
    return request if request.ended else stands(request)


def _is_interim(answer: Answer) -> bool:
    """Whether more is to come of it by itself."""
    return answer.state is ReceiptState.ACCEPTED or (
        answer.state is ReceiptState.FAILED and bool(answer.retryable)
    )


def lifted(request: RequestState, event: Lifting, at: datetime, calendar: Calendar) -> RequestState:
    """Open again until the systems have ended the restriction; whatever is wrong with the event changes nothing."""
    if not (request.restricts or reaches_later(request)) or (request.forgets and not request.ended):
        return request
    begun = {
        name: item if item.settled else replace(item, state=CommandState.TAKEN_BACK)
        for name, item in request.commands.items()
    }
    ends = {item.command_id: told_to(Command(item.command_id, item.system), item) for item in event.commands}
    return stands(
        replace(
            request,
            commands={**begun, **ends},
            lifting=True,
            state=State.PLANNED,
            completed_at=None,
            ended_at=None,
            closing=False,
            problem=None,
            # The month for the request itself is over; this is something new.
            due=due_at(at, calendar),
        )
    )


def widened(request: RequestState, event: Widened, at: datetime, calendar: Calendar) -> RequestState:
    """Open again until those have answered who are told more; whatever else it is of changes nothing."""
    if not reaches_later(request):
        return request
    commands = dict(request.commands)
    for item in event.commands:
        earlier = commands.get(item.command_id, Command(item.command_id, item.system))
        anew = Command(earlier.command_id, earlier.system, attempt=earlier.attempt)
        commands[item.command_id] = told_to(anew, item)
    plan = {**(request.plan or {}), "restricted": event.restricted, "recipients": event.recipients}
    return stands(
        replace(
            request,
            plan=plan,
            commands=commands,
            identity=IdentitySnapshot.read(event.identity),
            remarks=event.remarks,
            state=State.PLANNED,
            completed_at=None,
            # The month for the request itself is over; this is something new.
            due=due_at(at, calendar),
        )
    )


def stands(request: RequestState) -> RequestState:
    """With the state that its commands give; one that a person ends is past that."""
    if request.closing:
        return request
    commands = request.commands.values()
    states = {item.state for item in commands}
    if any(item.urgent for item in commands):
        state = State.ATTENTION
    elif any(item.state is CommandState.UNSENT and not item.settled for item in commands):
        state = State.PLANNED
    elif states == {CommandState.SENT}:
        state = State.COMMANDED
    else:
        state = State.WAITING
    return replace(request, state=state)


def with_copy(request: RequestState, event: Copied) -> RequestState:
    """After all parts of a copy came."""
    command = request.commands.get(event.command_id)
    if command is None or request.ended or command.attempt != event.attempt:
        return request
    commands = {**request.commands, command.command_id: replace(command, copied=True)}
    request = replace(request, commands=commands)
    return request if request.state is State.ANSWERED else stands(request)


def escalated(request: RequestState, event: Escalated) -> RequestState:
    """A person is asked to look, unless the system has answered for good meanwhile."""
    command = request.commands.get(event.command_id)
    if command is None or not command.pending or command.attempt != event.attempt:
        return request
    commands = {**request.commands, command.command_id: replace(command, escalated=True)}
    return stands(replace(request, commands=commands))


def asked_anew(request: RequestState, command_id: str) -> RequestState:
    """Open again for a system whose reason to withhold is to be reviewed: what it answered does not count any more."""
    command = replace(request.commands[command_id], state=CommandState.UNSENT, lawful=False, unlawful=None)
    return replace(
        request,
        commands={**request.commands, command_id: command},
        reviews=tuple(name for name in request.reviews if name != command_id),
        state=State.PLANNED,
        completed_at=None,
        held=(),
        # What that system still has is in the index as it was planned; of the others whatever is there came since.
        unforgotten=request.unforgotten.beside(command),
    )

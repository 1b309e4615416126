"""What time alone brings to a request: a system is told again, a person is asked to look, a hold is reviewed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from schemas.calendars import NORWEGIAN, Calendar
from schemas.rights_rules import RightsRules
from streams.rights.protocol.command import Command
from streams.rights.protocol.deadlines import half_time
from streams.rights.protocol.request import RequestState

_A_DAY = timedelta(days=1)


def next_attempt_at(command: Command, pauses: Sequence[timedelta]) -> datetime | None:
    """When a system is told again that has not answered or could not just then; None: not by itself."""
    if not command.pending or command.sent_at is None or not 0 < command.attempt <= len(pauses):
        return None
    return _sent(command) + pauses[command.attempt - 1]


def to_tell_again(request: RequestState, now: datetime, rules: RightsRules) -> Iterator[Command]:
    """Those whose pause is over; also those told at a time that is further off than the pause: a clock of ours was
    ahead then, and nobody knows how long ago it was."""
    for command in _pending(request):
        at = next_attempt_at(command, rules.pauses)
        if at is not None and abs(now - _sent(command)) >= at - _sent(command):
            yield command


def to_escalate(
    request: RequestState, now: datetime, rules: RightsRules, calendar: Calendar = NORWEGIAN
) -> Iterator[Command]:
    """Those that were told often enough, or for which half of the time to answer is gone; each had its pause."""
    half_gone = calendar.day(now) >= half_time(request.received_at, request.due, calendar)
    pauses = rules.pauses or [_A_DAY]
    for command in _pending(request):
        if command.escalated or command.sent_at is None:
            continue
        waited = abs(now - _sent(command))
        enough = command.attempt >= min(rules.escalate_after_attempts, len(pauses) + 1)
        pause = pauses[min(command.attempt, len(pauses)) - 1] if command.attempt else _A_DAY
        if (enough or half_gone) and waited >= pause:
            yield command


def to_review(request: RequestState, today: date) -> Iterator[Command]:
    """Those of systems that withhold something until a day which has come."""
    if not request.carried_out or request.follow_up is not None or request.unread:
        return
    for command in request.commands.values():
        day = command.review_date if command.withholds and command.command_id not in request.reviews else None
        if day is not None and date.fromisoformat(day) <= today:
            yield command


def _sent(command: Command) -> datetime:
    return datetime.fromisoformat(command.sent_at or "")


def _pending(request: RequestState) -> Iterator[Command]:
    if not (request.ended or request.closing or request.unread or request.awaits_approval):
        yield from (item for item in request.commands.values() if item.pending)

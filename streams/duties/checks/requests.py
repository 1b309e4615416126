"""Rights requests: answered in time, by every system, by one clock; and an objection is respected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta

from schemas.calendars import Calendar
from schemas.tags import TagSet
from schemas.vocabulary import CommandState, Right
from streams.duties.check import Check, Checked, Evidence, Looking, Violation, event, judged, not_observable
from streams.rights.protocol.command import UNANSWERED
from streams.rights.protocol.deadlines import due_at
from streams.rights.protocol.request import RequestState, State
from streams.rights.protocol.standing import standing

PATIENCE = timedelta(days=7)
"""So long a system may take to answer a command before that is a finding of its own, whatever the deadline is."""
REMEMBERED = timedelta(days=90)
"""So long an answer that came too late breaks the duty after it was given: the answer itself does not make it one in
time, and whoever looks once a quarter sees it."""
_OVER = (State.COMPLETED, State.CLOSED, State.CANCELLED)
"""Nothing is to be done any more. What is open again was carried out, and is not over."""
_NONE = "No request of that kind has come yet, so nobody can say that one is answered in time."
_OBJECTED = ("e", "f")
"""Bases of GDPR Art. 6(1) on which what is objected to rests (Art. 21(1))."""


def overdue(right: Right) -> Callable[[Looking], Checked]:
    """Requests of that right whose deadline is over and that have no answer, are open again, or were answered late."""

    def run(looking: Looking) -> Checked:
        requests = [item for item in looking.requests() if item.type == right]
        if not requests:
            return not_observable(_NONE)
        late = (_late(item, right, looking) for item in requests)
        return judged(len(requests), [item for item in late if item is not None])

    return run


def _late(request: RequestState, right: Right, looking: Looking) -> Violation | None:
    calendar, now = looking.company.catalogue.calendar, looking.now
    stands, answered = standing(request, now, calendar), _answered(request)
    due, since = request.due, None
    if stands.overdue and stands.due is not None:
        due, what = stands.due, "has no answer"
    elif request.state is State.REOPENED and due < calendar.day(now):
        since = max((item.found_at for item in request.late_findings), default=None)
        what = "is open again since its answer"
    elif answered is not None and (due := _due(request, answered, calendar)) < calendar.day(answered):
        if now - answered >= REMEMBERED:
            return None
        what = f"was answered on {calendar.day(answered)}"
    else:
        return None
    over = datetime.combine(due + timedelta(days=1), time(), calendar.zone)
    return Violation(
        key=request.request_id,
        says=f"The request {request.request_id} ({right}) was due on {due} and {what}.",
        since=max(over, since or over),
        evidence=(_of(request),),
    )


def _answered(request: RequestState) -> datetime | None:
    """When whoever asked had the answer: what was ready and not sent yet is none, what was closed by hand is one."""
    if request.state not in _OVER or request.state is State.CANCELLED:
        return None
    return request.completed_at or request.answered_at or request.ended_at


def _due(request: RequestState, answered: datetime, calendar: Calendar) -> date:
    """The deadline as it was then; a clock that stood to the end stood until the answer."""
    if request.paused_since is None:
        return request.due
    return due_at(request.received_at, calendar, more=request.more, pauses=request.pauses, now=answered)


def commands_unanswered(looking: Looking) -> Checked:
    """Systems that were told a week ago or before and have given no final answer, or failed; also of requests that are
    open again."""
    requests = looking.requests()
    if not any(item.commands for item in requests):
        return not_observable(
            "No system has been told anything yet, so nobody can say that all of them answer."
        )
    return judged(
        sum(len(item.commands) for item in requests),
        [violation for item in requests for violation in _unanswered(item, looking.now)],
    )


def _unanswered(request: RequestState, now: datetime) -> Iterator[Violation]:
    if request.state in _OVER:
        return
    for command in request.commands.values():
        waits = command.state in UNANSWERED or command.state is CommandState.FAILED
        sent = datetime.fromisoformat(command.sent_at) if command.sent_at else None
        if waits and not command.settled and sent is not None and now - sent > PATIENCE:
            yield Violation(
                key=f"{request.request_id}/{command.system}",
                says=f"{command.system} was told by {request.request_id} on {sent:%Y-%m-%d}, and its last word is"
                f" {command.state}.",
                since=sent + PATIENCE,
                evidence=(_of(request),),
            )


def one_clock(looking: Looking) -> Checked:
    """Requests whose deadline is another day than the law counts from receipt, whichever channel they came by."""
    calendar = looking.company.catalogue.calendar
    requests = [item for item in looking.requests() if not item.runs_out]
    if not requests:
        return not_observable("No request has come yet, so nobody can say by which clock it is answered.")
    violations = []
    for item in requests:
        pauses = [pause for pause in item.pauses if pause.until is not None]
        due = due_at(item.received_at, calendar, more=item.more, pauses=pauses)
        if item.due != due or not item.channel.strip():
            violations.append(
                Violation(
                    key=item.request_id,
                    says=f"The request {item.request_id} is due on {item.due}, and the law counts to {due}"
                    + ("." if item.channel.strip() else "; by which channel it came is not known."),
                    since=item.received_at,
                    evidence=(_of(item),),
                )
            )
    return judged(len(requests), violations)


def used_after_objection(looking: Looking) -> Checked:
    """Events of a person after the objection was carried out, all of whose purposes were objected to.

    Purposes are said of an event as a whole: one that also serves another purpose may go on. Events are looked for
    under the customer's own identifiers.
    """
    requests = [item for item in looking.requests() if item.objects and item.carried_out and not item.lifting]
    if not requests:
        return not_observable(
            "No objection has been carried out yet, so nobody can say that one is respected."
        )
    return judged(len(requests), [found for item in requests for found in _used(item, looking)])


def _used(request: RequestState, looking: Looking) -> Iterator[Violation]:
    tokens = sorted(bytes.fromhex(token) for token in request.subjects)
    sets = [item.tags.id for item in looking.held.held() if _objected(item.tags, request)]
    tags = {item.tags.id: item.tags for item in looking.held.held()}
    seen = set[str]()
    for tag_set, row in looking.held.oldest_of(tokens, sets, since=request.completed_at):
        of = tags[tag_set]
        key = f"{request.request_id}/{of.topic}"
        if key not in seen:
            seen.add(key)
            yield Violation(
                key=key,
                says=f"Events on {of.topic} serve {', '.join(of.purposes)}, to which {request.request_id} objected.",
                since=row.at,
                evidence=(event(row), _of(request)),
            )


def _objected(tags: TagSet, request: RequestState) -> bool:
    if not tags.purposes or tags.held_only:
        return False
    if request.scope.purposes:
        return {*tags.purposes} <= {*request.scope.purposes}
    return all(tags.legal_basis.get(name) in _OBJECTED for name in tags.purposes)


def _of(request: RequestState) -> Evidence:
    return Evidence(note=f"request {request.request_id}")


CHECKS = (
    Check(
        "access_overdue",
        "Everybody who asks what is held gets an answer in time.",
        "GDPR Art. 12(3), 15",
        overdue(Right.ACCESS),
    ),
    Check(
        "erasure_overdue",
        "Everybody who asks for erasure gets it, or the reason why not, in time.",
        "GDPR Art. 12(3), 17",
        overdue(Right.ERASURE),
    ),
    Check(
        "rectification_overdue",
        "Everybody who asks for a correction gets it in time.",
        "GDPR Art. 12(3), 16",
        overdue(Right.RECTIFICATION),
    ),
    Check(
        "commands_unanswered",
        "Every system that is told of a right answers within a week.",
        "GDPR Art. 17(2), 19, 28(3)(e)",
        commands_unanswered,
    ),
    Check(
        "one_clock",
        "Every request is due by one clock, from whichever channel it came.",
        "GDPR Art. 12(3)",
        one_clock,
    ),
    Check(
        "used_after_objection",
        "Nothing that was objected to goes on.",
        "GDPR Art. 21(1), (3)",
        used_after_objection,
    ),
)

"""How requests stand against their deadlines, at a moment. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from schemas.calendars import NORWEGIAN, Calendar
from streams.rights.protocol.deadlines import due_at
from streams.rights.protocol.request import RequestState

SOON_DAYS = 7


@dataclass(frozen=True)
class Standing:
    """Of one request. `days_left` until `due`, below zero when that has passed.

    None where no deadline runs: the request has ended, or its clock stands. No `due`: nobody asked for it, so that
    nobody is to be answered within a month (GDPR Art. 12(3)).
    """

    due: date | None
    days_left: int | None

    @property
    def overdue(self) -> bool:
        return self.days_left is not None and self.days_left < 0

    @property
    def due_soon(self) -> bool:
        """Within a week, today included."""
        return self.days_left is not None and 0 <= self.days_left <= SOON_DAYS


def standing(request: RequestState, now: datetime, calendar: Calendar = NORWEGIAN) -> Standing:
    """How the request stands; a clock that stands moves its deadline day by day."""
    if request.runs_out:
        return Standing(None, None)
    if request.ended:
        return Standing(request.due, None)
    if request.paused_since is not None:
        pauses = request.pauses
        return Standing(
            due_at(request.received_at, calendar, more=request.more, pauses=pauses, now=now), None
        )
    return Standing(request.due, (request.due - calendar.day(now)).days)


def last_answers(requests: Iterable[RequestState]) -> dict[str, datetime]:
    """By system when it last answered a command of any right; one that never did is not in it."""
    found: dict[str, datetime] = {}
    for request in requests:
        for command in request.commands.values():
            if command.heard_at is not None:
                at = datetime.fromisoformat(command.heard_at)
                found[command.system] = max(found.get(command.system, at), at)
    return found


@dataclass(frozen=True)
class Counts:
    """How many requests there are in each state, and how many of the open ones are late or soon will be."""

    states: Mapping[str, int]
    overdue: int
    due_soon: int


def counts(requests: Iterable[RequestState], now: datetime, calendar: Calendar = NORWEGIAN) -> Counts:
    """Of all requests."""
    states: Counter[str] = Counter()
    late = soon = 0
    for request in requests:
        stands = standing(request, now, calendar)
        states[request.state.value] += 1
        late += stands.overdue
        soon += stands.due_soon
    return Counts(states, late, soon)

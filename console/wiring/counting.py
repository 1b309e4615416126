"""What the views of the index need counted now and then, as a role beside the requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from console.wiring.processes import Background
from schemas.calendars import Calendar
from schemas.company import Company
from schemas.in_force import in_force
from sinks.ports.views import RequestRow, ViewTables
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.standing import standing

_LOOK_SECONDS = 60.0
# A count of what is held is a scan of the index: at most every quarter of an hour, and a twentieth of the time.
_COUNT_SECONDS, _SHARE = 900.0, 20


class ViewFeed:
    """Keeps the tables of `sinks.ports.views` as they should be. Raises IndexUnavailable; it may begin anew then."""

    def __init__(
        self,
        views: ViewTables,
        company: Company,
        requests: Callable[[], Sequence[RequestState]],
        clock: Callable[[], datetime],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._views = views
        self._company = company
        self._requests = requests
        self._clock = clock
        self._seconds = seconds
        self._noted: dict[str, RequestRow] = {}
        self._due = self._seconds()

    def run(self, stop: threading.Event) -> None:
        """Until `stop`."""
        self._views.put_in_force(in_force(self._company), self._clock())
        while True:
            self.turn()
            if stop.wait(_LOOK_SECONDS):
                return

    def turn(self) -> None:
        """Note requests that moved; count what is held where that is due."""
        calendar = self._company.catalogue.calendar
        rows = [request_row(item, self._clock(), calendar) for item in self._requests()]
        # Also what moves with no event in the ledger: the deadline of a request that is paused, day by day.
        moved = [row for row in rows if self._noted.get(row.request_id) != row]
        if moved:
            self._views.note_requests(moved)
            self._noted |= {row.request_id: row for row in moved}
        begun = self._seconds()
        if begun >= self._due:
            self._views.count_held(calendar.zone.key, self._clock())
            ended = self._seconds()
            self._due = ended + max(_COUNT_SECONDS, _SHARE * (ended - begun))


def request_row(request: RequestState, now: datetime, calendar: Calendar) -> RequestRow:
    """How a request stands. Pure."""
    stands = standing(request, now, calendar)
    return RequestRow(
        request_id=request.request_id,
        length=request.length,
        type=request.type,
        channel=request.channel,
        state=request.state.value,
        received_at=request.received_at,
        due=stands.due,
        running=stands.days_left is not None,
        answered_at=request.answered_at or request.completed_at,
        ended_at=request.ended_at or request.completed_at,
        extended_months=request.more,
        problems=len(request.problems),
    )


def views_fed(
    views: ViewTables,
    company: Company,
    requests: Callable[[], Sequence[RequestState]],
    clock: Callable[[], datetime],
    ended: threading.Event,
) -> Background:
    """The role."""
    return Background("views", ViewFeed(views, company, requests, clock).run, ended)

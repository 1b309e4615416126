"""Requests against their deadlines, as metrics and as notices: what is overdue, what soon will be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge

from console.health.health import Health
from console.operations.system_keys import told_to_erase
from schemas.calendars import Calendar
from schemas.catalogue import Catalogue
from schemas.counted import are, counted
from streams.rights.protocol.lines import approving
from streams.rights.protocol.request import RequestState, State
from streams.rights.protocol.standing import counts, last_answers

_EVERY_SECONDS = 60.0


class RequestFigures:
    """Sets the gauges at each look. The look may raise IndexUnavailable."""

    def __init__(
        self,
        requests: Callable[[], Sequence[RequestState]],
        clock: Callable[[], datetime],
        calendar: Calendar,
        metrics: CollectorRegistry | None = None,
        systems: Sequence[str] = (),
    ) -> None:
        """`systems`: those that are told to erase."""
        self._systems = systems
        self._requests = requests
        self._clock = clock
        self._calendar = calendar
        self._states = Gauge("innsyn_requests", "Rights requests by state.", ["state"], registry=metrics)
        self._overdue = Gauge(
            "innsyn_requests_overdue", "Open requests whose deadline has passed.", registry=metrics
        )
        self._came_back = Gauge(
            "innsyn_requests_came_back",
            "Erasures of which something came back that was not erased again.",
            registry=metrics,
        )
        self._due_soon = Gauge(
            "innsyn_requests_due_soon", "Open requests that are due within seven days.", registry=metrics
        )

        self._answers = Gauge(
            "innsyn_system_last_answer_timestamp_seconds",
            "When a system that is told to erase last answered a command; 0: it never did.",
            ["system"],
            registry=metrics,
        )
        self._expired = Gauge(
            "innsyn_retention_completed_timestamp_seconds",
            "When the last retention run was completed; 0: none was.",
            registry=metrics,
        )
        self._runs = Gauge(
            "innsyn_retention_runs_open", "Retention runs that are not through.", registry=metrics
        )

    def look(self) -> list[str]:
        """A sentence where requests are overdue, and where erased data came back."""
        requests = self._requests()
        found = counts(requests, self._clock(), self._calendar)
        back = [item for item in requests if item.state is State.REOPENED and item.came_back is not None]
        self._came_back.set(len(back))
        answers = last_answers(requests)
        for system in self._systems:
            at = answers.get(system)
            self._answers.labels(system).set(at.timestamp() if at is not None else 0)
        for state in State:
            self._states.labels(state.value).set(found.states.get(state.value, 0))
        self._overdue.set(found.overdue)
        self._due_soon.set(found.due_soon)
        notices = self._of_runs([item for item in requests if item.of_everybody])
        if found.overdue:
            late = f"{counted(found.overdue, 'request')} {are(found.overdue)} overdue"
            notices.append(f"{late}; `innsyn requests` lists them first")
        if back:
            what = f"of {counted(len(back), 'erasure')} something came back that was not erased again"
            notices.append(
                f"{what}; `innsyn requests show {back[0].request_id}` says from where, and what to do"
            )
        return notices

    def _of_runs(self, runs: Sequence[RequestState]) -> list[str]:
        """A sentence where retention runs wait for a person."""
        ends = [item.completed_at for item in runs if item.carried_out and item.completed_at]
        self._expired.set(max(ends).timestamp() if ends else 0)
        self._runs.set(sum(not item.ended for item in runs))
        approval = [
            approving(item.request_id, item.digest, run=True) for item in runs if item.awaits_approval
        ]
        stands = [item.request_id for item in runs if item.state is State.ATTENTION or item.behind]
        said = []
        if approval:
            said.append(f"what has run out waits for approval: `{approval[0]}`")
        if stands:
            said.append(
                f"what has run out waits for a person: `innsyn requests show {stands[0]}` says for what"
            )
        return said


def watch_requests(
    health: Health,
    requests: Callable[[], Sequence[RequestState]],
    clock: Callable[[], datetime],
    catalogue: Catalogue,
    metrics: CollectorRegistry,
) -> None:
    """Look each minute; what is overdue is a notice, since innsyn itself works."""
    systems = told_to_erase(catalogue)
    figures = RequestFigures(requests, clock, catalogue.calendar, metrics, systems)
    health.watch("requests", figures.look, every=_EVERY_SECONDS, notice=True)

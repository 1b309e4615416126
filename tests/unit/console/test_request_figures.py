"""Requests against their deadlines in the metrics, and where a person sees it."""

from __future__ import annotations

from datetime import UTC, date, datetime

from prometheus_client import CollectorRegistry

from console.health.health import Health
from console.health.requests import RequestFigures, watch_requests
from schemas.calendars import NORWEGIAN
from streams.rights.protocol.request import RequestState, State

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def request(day: int, state: State = State.WAITING) -> RequestState:
    return RequestState("r-1", "erasure", "web", datetime(2026, 5, 1, tzinfo=UTC), date(2026, 6, day), state)


def test_gauges_follow_the_requests() -> None:
    """A state that nobody is in any more goes to nought."""
    metrics = CollectorRegistry()
    found = [request(1), request(8), request(9), request(9, State.ANSWERED), request(1, State.COMPLETED)]
    moments = iter([NOW, NOW.replace(day=2)])
    figures = RequestFigures(lambda: found, lambda: next(moments), NORWEGIAN, metrics)
    assert figures.look() == []

    def value(name: str, **labels: str) -> float | None:
        return metrics.get_sample_value(name, labels)

    assert (value("innsyn_requests_overdue"), value("innsyn_requests_due_soon")) == (0, 2)
    assert (value("innsyn_requests", state="waiting"), value("innsyn_requests", state="answered")) == (3, 1)
    assert value("innsyn_requests", state="attention") == 0
    found[:] = [request(1)]
    assert figures.look() == ["1 request is overdue; `innsyn requests` lists them first"]
    assert (value("innsyn_requests", state="waiting"), value("innsyn_requests", state="answered")) == (1, 0)


def test_what_is_overdue_is_a_notice_and_keeps_nothing_from_being_ready() -> None:
    health = Health(lambda: NOW)
    watch_requests(health, lambda: [request(1)], lambda: NOW.replace(day=5), NORWEGIAN, CollectorRegistry())
    health.look("requests")
    assert (len(health.notices()), health.problems()) == (1, [])

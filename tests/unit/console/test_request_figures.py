"""Requests against their deadlines in the metrics, and where a person sees it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from prometheus_client import CollectorRegistry

from console.health.health import Health
from console.health.requests import RequestFigures, watch_requests
from schemas.calendars import NORWEGIAN
from schemas.vocabulary import CommandState
from streams.rights.protocol.command import Command
from streams.rights.protocol.request import RequestState, State
from tests.support.company import model

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


def test_each_system_that_is_told_to_erase_has_the_moment_of_its_last_answer() -> None:
    """0 where it never answered: perhaps it has no job."""
    metrics = CollectorRegistry()
    answers = {
        f"r-{n}/crm": Command(f"r-{n}/crm", "crm", heard_at=f"2026-05-0{n}T12:00:00Z") for n in (1, 3, 2)
    }
    silent = {"r-1/web": Command("r-1/web", "web", CommandState.SENT, 2)}
    found = [replace(request(8), commands={**answers, **silent})]
    RequestFigures(lambda: found, lambda: NOW, NORWEGIAN, metrics, ["crm", "web"]).look()

    def value(system: str) -> float | None:
        return metrics.get_sample_value("innsyn_system_last_answer_timestamp_seconds", {"system": system})

    assert value("crm") == datetime(2026, 5, 3, 12, tzinfo=UTC).timestamp()
    assert (value("web"), value("mail")) == (0, None)


def test_what_is_overdue_is_a_notice_and_keeps_nothing_from_being_ready() -> None:
    health = Health(lambda: NOW)
    metrics = CollectorRegistry()
    watch_requests(health, lambda: [request(1)], lambda: NOW.replace(day=5), model().catalogue, metrics)
    health.look("requests")
    assert (len(health.notices()), health.problems()) == (1, [])

"""The role that runs checks: what is due by the clock, and nothing of it twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from console.wiring.controls import Controls
from schemas.errors import BrokerUnavailable
from tests.support.duties import Duties


def role(duties: Duties, seconds: float, sent: list[str]) -> Controls:
    return Controls(
        duties.desk,
        duties.findings,
        duties.controls,
        lambda topic, *_: sent.append(topic),
        seconds,
        lambda: duties.now,
    )


def test_checks_run_when_they_are_due_and_findings_are_told() -> None:
    """A new start goes on where the last one was: what ran a while ago waits its turn."""
    duties, sent = Duties(), list[str]()
    duties.breaks("first", "a")
    assert len(role(duties, 60.0, sent).turn()) == 2
    assert sent == ["duties.findings"]
    again = role(duties, 60.0, sent)
    assert again.turn() == []
    duties.now += timedelta(seconds=60)
    assert [run.check for run in again.turn()] == ["first", "second"]
    assert sent == ["duties.findings"]


def test_without_an_interval_nothing_runs_by_itself_and_what_changed_is_told() -> None:
    duties, sent = Duties(), list[str]()
    duties.breaks("first", "a")
    assert role(duties, 0.0, sent).turn() == []
    duties.desk.run()
    role(duties, 0.0, sent).turn()
    assert sent == ["duties.findings"]


def test_what_nobody_foresaw_ends_no_process() -> None:
    """A message that cannot be made; what is away is still for whoever starts roles anew."""
    duties = Duties()
    duties.breaks("first", "a")

    def broken(*_: object) -> None:
        raise KeyError("says")

    def away(*_: object) -> None:
        raise BrokerUnavailable("no broker")

    fails = Controls(duties.desk, duties.findings, duties.controls, broken, 60.0, lambda: duties.now)
    assert fails.turn() == []
    waits = Controls(duties.desk, duties.findings, duties.controls, away, 60.0, lambda: duties.now)
    with pytest.raises(BrokerUnavailable):
        waits.turn()

"""What every log of findings, and of runs of checks, promises: append-only, in order, nothing lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.findings import ClickHouseControls, ClickHouseFindings
from sinks.memory.findings import MemoryControls, MemoryFindings
from sinks.ports.findings import ControlLog, ControlRun, FindingEntry, FindingLog
from tests.support.index import NOW, empty


@pytest.fixture
def log(engine: ClickHouse | None) -> FindingLog:
    return MemoryFindings() if engine is None else ClickHouseFindings(empty(engine))


@pytest.fixture
def controls(engine: ClickHouse | None) -> ControlLog:
    return MemoryControls() if engine is None else ClickHouseControls(empty(engine))


LATER = NOW + timedelta(hours=1)


def entry(
    finding: str, sequence: int, kind: str = "opened", minutes: int = 0, check: str = "unruled"
) -> FindingEntry:
    at = NOW + timedelta(minutes=minutes, microseconds=1_234)
    return FindingEntry(finding, sequence, kind, at, check, "web.visits/C-21", {"says": "Ås has no rule."})


def run(minutes: int, verdict: str = "kept", check: str = "unruled", why: str = "") -> ControlRun:
    begun = NOW + timedelta(minutes=minutes)
    found = 2 if verdict == "broken" else 0
    return ControlRun(check, begun, begun + timedelta(milliseconds=7), verdict, 12, found, why)


def test_entries_are_read_as_they_were_written(log: FindingLog) -> None:
    """In order, the oldest finding first, whatever its name; of one check where it is named."""
    written = [entry("b", 0), entry("b", 1, "mended", 9), entry("a", 0, minutes=5, check="late")]
    assert [log.append(item) for item in (written[2], *written[:2])] == [True, True, True]
    assert list(log.entries()) == written
    assert [item.content for item in log.entries()] == [item.content for item in written]
    assert list(log.entries("late")) == written[2:]
    assert not log.entries("nothing")


def test_of_one_number_the_first_stands(log: FindingLog) -> None:
    """Who comes second is told so, and changes nothing."""
    assert log.append(entry("a", 0))
    assert not log.append(entry("a", 0, "mended", 3))
    assert list(log.entries()) == [entry("a", 0)]


def test_what_was_not_told_is_given_until_it_was(log: FindingLog) -> None:
    """In order, at most so many."""
    written = [entry("b", 0), entry("b", 1, "mended", 9), entry("a", 0, minutes=5)]
    for item in written:
        log.append(item)
    assert list(log.untold()) == written
    assert list(log.untold(limit=1)) == written[:1]
    for _ in range(2):
        log.tell(written[:2])
        assert list(log.untold()) == written[2:]


def test_runs_are_given_newest_first(controls: ControlLog) -> None:
    """Each once, however often it was stored; of one check where it is named."""
    stored = [run(0), run(9, "broken"), run(5, "failed", "late", "the index did not answer")]
    for item in (*stored, stored[0]):
        controls.store(item)
    assert list(controls.runs()) == [stored[1], stored[2], stored[0]]
    assert list(controls.runs(limit=1)) == [stored[1]]
    assert list(controls.runs("late")) == [stored[2]]


def test_a_check_stands_since_the_first_run_that_said_what_the_last_did(controls: ControlLog) -> None:
    """And the last run that did not fail is told beside it."""
    runs = [
        run(0),
        run(1, "broken"),
        run(2),
        run(3),
        run(4, "failed", why="down"),
        run(5, "failed", why="up"),
    ]
    assert not controls.stands(LATER)
    for item in (*runs[:4], run(2, "failed", "late", "down"), run(7, "broken", "always")):
        controls.store(item)
    always, late, unruled = controls.stands(LATER)
    assert (always.last, always.since, always.ran) == (run(7, "broken", "always"), run(7).begun, always.last)
    assert (late.since, late.ran) == (run(2).begun, None)
    assert (unruled.last, unruled.since, unruled.ran) == (runs[3], runs[2].begun, runs[3])
    for item in runs[4:]:
        controls.store(item)
    unruled = controls.stands(LATER)[2]
    assert (unruled.last, unruled.since, unruled.ran) == (runs[5], runs[4].begun, runs[3])


def test_a_run_of_a_clock_that_was_ahead_outranks_no_later_one(controls: ControlLog) -> None:
    """It counts only where the check has no other."""
    controls.store(run(600, "broken"))
    ((ahead,),) = [controls.stands(LATER)]
    assert (ahead.last, ahead.since) == (run(600, "broken"), run(600).begun)
    for item in (run(1), run(2)):
        controls.store(item)
    (stands,) = controls.stands(LATER)
    assert (stands.last, stands.since, stands.ran) == (run(2), run(1).begun, run(2))


def test_entries_of_a_finding_stay_together_where_the_first_is_lost(log: FindingLog) -> None:
    written = [entry("a", 1, "mended", 1), entry("a", 2, "reopened", 9), entry("b", 0, minutes=5)]
    for item in reversed(written):
        log.append(item)
    assert list(log.entries()) == written

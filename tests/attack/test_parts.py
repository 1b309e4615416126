"""Parts that die, hang, stall or come back: what /readyz, the metrics and the log say of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry

from console.api.app import create_app
from console.health.health import Health
from console.health.limits import files, space_problems
from console.health.parts import Part, turned
from console.wiring.rights import _recheck
from schemas.errors import IndexUnavailable
from streams.rights.protocol.request import RequestState
from streams.tagging.progress import STALLED_SECONDS, Progress
from streams.waits import Waits
from tests.support.api import services
from tests.support.asgi import InProcess
from tests.support.time_bounds import HANGING_SECONDS, await_that

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that the test moves: seconds, and the day that goes with them."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def day(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Iterator[Health]:
    made = Health(clock.day, CollectorRegistry(), monotonic=clock)
    yield made
    made.stop(wait=0)


def ready(tmp_path: Path, health: Health) -> tuple[int, list[dict[str, object]]]:
    """Status and parts of GET /readyz."""
    app = create_app(services(tmp_path, health=health))
    with httpx.Client(transport=InProcess(app), base_url="http://innsyn") as client:
        found = client.get("/readyz")
    return found.status_code, found.json()["parts"]


def test_the_time_of_a_part_moves_only_when_it_turns() -> None:
    """Ill with another sentence is still ill since the first."""
    later = NOW + timedelta(minutes=1)
    ill = turned(Part("index", NOW), ["away"], later)
    assert (ill.since, ill.well) == (later, False)
    assert turned(ill, ["away", "and full"], later + timedelta(minutes=1)) == Part(
        "index", later, ("away", "and full")
    )
    assert turned(Part("index", NOW), [], later) == Part("index", NOW)


def test_a_part_that_falls_ill_turns_readiness_with_its_sentence_and_time(
    tmp_path: Path, clock: Clock, health: Health
) -> None:
    """503 names the part, since when and why; 200 again once it is well, without a restart."""
    said: list[str] = []
    health.watch("index", lambda: said)
    health.look("index")
    assert ready(tmp_path, health) == (200, [{"part": "index", "since": NOW.isoformat(), "problems": []}])
    clock.seconds, said[:] = 5.0, ["the index is away; see `innsyn doctor`"]
    health.look("index")
    clock.seconds = 9.0
    health.look("index")
    since = (NOW + timedelta(seconds=5)).isoformat()
    assert ready(tmp_path, health) == (
        503,
        [{"part": "index", "since": since, "problems": ["the index is away; see `innsyn doctor`"]}],
    )
    said.clear()
    health.look("index")
    assert ready(tmp_path, health)[0] == 200


def test_a_look_that_never_returns_is_a_problem_and_delays_no_answer(
    tmp_path: Path, clock: Clock, health: Health
) -> None:
    """An index that hangs inside a call: the others are still looked at, and readiness answers at once."""
    release = threading.Event()
    returned = threading.Event()

    def hangs() -> Sequence[str]:
        release.wait(HANGING_SECONDS)
        returned.set()
        return []

    health.watch("index", hangs, patience=20.0)
    health.watch("broker", list)
    try:
        health.start(wait=0.05)
        assert ready(tmp_path, health)[0] == 200
        clock.seconds = 21.0
        status, parts = ready(tmp_path, health)
        assert (status, parts[0]["problems"]) == (503, ["index has not answered for 21 s"])
        assert not returned.is_set()
        assert (parts[0]["since"], parts[1]["problems"]) == (NOW.isoformat(), [])
    finally:
        release.set()
    await_that(lambda: health.problems() == [], "the index answers again")


def test_a_look_that_breaks_says_so_and_shows_no_value(health: Health) -> None:
    """A bug in one look ends neither the others nor itself."""

    def broken() -> Sequence[str]:
        raise ValueError("kari.nordmann@example.no")

    def away() -> Sequence[str]:
        raise IndexUnavailable("the index is away")

    health.watch("broken", broken)
    health.watch("index", away)
    for name in ("broken", "index"):
        health.look(name)
    first, second = health.problems()
    assert (first.startswith("looking at broken failed (ValueError in "), second) == (
        True,
        "the index is away",
    )
    assert "kari" not in first


def test_metric_and_log_say_what_turned_once(clock: Clock) -> None:
    """One gauge for each part, one line for each turn: not one each second."""
    registry, said = CollectorRegistry(), ["the broker is away"]
    health = Health(clock.day, registry, monotonic=clock)
    health.watch("broker", lambda: said)

    def told() -> list[str]:
        health.look("broker")
        with structlog.testing.capture_logs() as lines:
            health.tell()
            health.tell()
        return [f"{line['event']} {line['part']} {' '.join(line['problems'])}".strip() for line in lines]

    assert told() == ["part.wrong broker the broker is away"]
    assert registry.get_sample_value("innsyn_part_well", {"part": "broker"}) == 0
    assert told() == []
    said.clear()
    assert told() == ["part.well broker"]
    assert registry.get_sample_value("innsyn_part_well", {"part": "broker"}) == 1


def test_a_tagger_that_does_not_get_on_is_a_problem(clock: Clock) -> None:
    """A loop that does not turn, a write that does not end: told once they take too long, over once they go on."""
    progress = Progress(clock)
    assert progress.problems() == []
    progress.turn()
    progress.store()
    clock.seconds = STALLED_SECONDS
    assert progress.problems() == []
    clock.seconds += 1
    assert [line.partition(": ")[2] for line in progress.problems()] == [
        "the tagger has taken nothing up for 61 s",
        "a batch has been on its way into the index for 61 s",
    ]
    progress.turn()
    progress.stored()
    assert progress.problems() == []
    clock.seconds += STALLED_SECONDS + 1
    progress.rest()
    assert progress.problems() == []


def test_a_look_for_late_findings_that_never_ends_is_a_problem(clock: Clock) -> None:
    """It runs on the thread that would say so: whoever watches sees it from outside."""
    waits, seen = Waits(clock), list[str]()

    class Hangs:
        """A service whose look takes an hour."""

        def recheck(self, now: datetime) -> Sequence[RequestState]:
            clock.seconds += 3_600
            seen.extend(waits.said())
            return ()

        def came_back(self, now: datetime) -> Sequence[RequestState]:
            return ()

    _recheck(Hangs(), waits)
    assert seen == ["looking for what answers lack has been under way for 3600 s"]
    assert waits.said() == []


def test_what_two_threads_of_a_tagger_wait_for_does_not_clear_each_other() -> None:
    """The registry answers while the index is still away."""
    progress = Progress()
    progress.wait("index", "index away")
    progress.wait("registry", "registry away")
    progress.wait("registry", None)
    (line,) = progress.problems()
    assert line.endswith("index away")
    progress.rest()
    assert progress.problems() == []


def test_a_disk_that_fills_is_said_before_writing_stops(tmp_path: Path) -> None:
    """Once for each file system; a folder that is not there yet is none."""
    folders = [tmp_path, tmp_path, tmp_path / "later"]
    assert space_problems(folders, 0) == []
    (line,) = space_problems(folders, 10**9)
    assert "MiB are free where" in line
    assert "INNSYN_DISK_RESERVE_MB" in line


@pytest.mark.parametrize(
    ("limit", "used", "words"),
    [(256, 10, "256 open files are allowed, 840"), (20_000, 19_000, "19,000 of 20,000"), (20_000, 400, None)],
)
def test_too_few_files_are_said(limit: int, used: int, words: str | None) -> None:
    """A limit below what the topics need, and one that is nearly reached."""
    found = files(limit, 840, used)
    assert (not found) if words is None else found[0].startswith(words)

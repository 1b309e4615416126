"""Replays inside a running instance: over the API, and by `innsyn tag --replay` beside it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from console.api.app import create_app
from console.cli.main import app
from console.operations.replay import Replays
from schemas.errors import InputError, SettingsError, Unavailable
from streams.metrics import TagMetrics
from tests.support.api import NOW, TOKEN, services
from tests.support.asgi import InProcess
from tests.support.instance import running


def api(keys: Path, **other: Any) -> httpx.Client:
    return httpx.Client(
        transport=InProcess(create_app(services(keys, **other))),
        base_url="http://innsyn",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )


@dataclass
class Worker:
    """A tagger whose replay ends when it is let; it has written two events of three rows by then."""

    metrics: TagMetrics
    error: Exception | None = None
    go: threading.Event = field(default_factory=threading.Event)

    def run(self, stop: threading.Event, *, until_end: bool = False) -> None:
        assert until_end, "a replay beside a running tagger has to end"
        self.metrics.tagged.labels("web.visits").inc(2)
        self.metrics.rows.labels("web.visits").inc(3)
        while not self.go.wait(0.01) and not stop.is_set():
            pass
        if self.error is not None:
            raise self.error


@dataclass
class Made:
    """Replays of such workers, and what was asked of them."""

    error: Exception | None = None
    at_once: bool = True
    topics: list[Sequence[str]] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.replays = Replays(self._make, lambda: NOW)

    def _make(self, topics: Sequence[str], metrics: TagMetrics) -> Worker:
        if "nope" in topics:
            raise SettingsError("nope is not a tagged topic; use one of web.visits")
        self.topics.append(topics)
        self.workers.append(Worker(metrics, self.error))
        if self.at_once:
            self.workers[-1].go.set()
        return self.workers[-1]

    def ended(self, replay_id: str) -> str:
        for _ in range(1_000):
            found = self.replays.get(replay_id)
            if found.state != "running":
                break
            threading.Event().wait(0.01)
        return found.state


def test_a_replay_runs_to_its_end_and_counts() -> None:
    """What it wrote again is counted apart from what the tagger counts."""
    made = Made()
    replay = made.replays.start(["web.visits"])
    assert made.ended(replay.replay_id) == "done"
    found = made.replays.get(replay.replay_id)
    assert (found.events, found.rows, found.dead_letters, found.error) == (2, 3, 0, None)
    assert (found.started_at, found.ended_at, made.topics) == (NOW, NOW, [["web.visits"]])


def test_one_replay_at_a_time() -> None:
    """A second one is refused while the first runs, and stopping waits for it."""
    made = Made(at_once=False)
    replay = made.replays.start([])
    with pytest.raises(InputError, match=f"replay {replay.replay_id} is running; wait for its end"):
        made.replays.start([])
    made.replays.stop()
    assert made.replays.get(replay.replay_id).state == "stopped"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unavailable("the index is away"), "the index is away"),
        (ValueError("secret"), "ValueError in console/operations/replay.py, line "),
    ],
)
def test_a_replay_that_fails_says_why(error: Exception, said: str) -> None:
    """An error of ours in its own words, any other one without its text."""
    made = Made(error=error)
    replay = made.replays.start([])
    assert made.ended(replay.replay_id) == "failed"
    assert str(made.replays.get(replay.replay_id).error).startswith(said)
    assert "secret" not in str(made.replays.get(replay.replay_id))


def test_the_api_starts_a_replay_and_shows_it(tmp_path: Path) -> None:
    """POST /v1/replays and GET /v1/replays/{id}; unknown ones and processes without a tagger say so."""
    made = Made()
    client = api(tmp_path, replays=made.replays)
    answer = client.post("/v1/replays", json={"topics": ["web.visits"]})
    assert (answer.status_code, answer.json()["state"]) == (202, "running")
    made.ended(answer.json()["replay_id"])
    found = client.get(f"/v1/replays/{answer.json()['replay_id']}").json()
    assert (found["state"], found["events"], found["topics"]) == ("done", 2, ["web.visits"])
    assert client.post("/v1/replays", json={"topics": ["nope"]}).status_code == 422
    assert client.get("/v1/replays/replay-0").status_code == 422
    alone = api(tmp_path)
    answer = alone.post("/v1/replays", json={})
    assert answer.status_code == 503
    assert "has no tagger" in answer.json()["detail"]


def innsyn(home: Path, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    monkeypatch.setenv("INNSYN_HOME", str(home))
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_tag_beside_a_running_instance_goes_through_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its index takes one process: the replay runs there, a second tagger is refused, each in one line."""
    home, made = tmp_path / "home", Made()
    with running(home, services(tmp_path / "keys", replays=made.replays)) as address:
        done = innsyn(home, "tag", "--replay", "--topic", "web.visits", monkeypatch=monkeypatch)
        assert done[:2] == (0, "replayed web.visits: 2 events, 3 rows, 0 dead letters\n")
        status, out, err = innsyn(home, "tag", monkeypatch=monkeypatch)
        assert (status, out, len(err.splitlines())) == (2, "", 1)
        assert err.startswith(
            f"innsyn: the innsyn at {address} tags already, and its index takes one process"
        )
        status, out, err = innsyn(home, "tag", "--replay", "--topic", "nope", monkeypatch=monkeypatch)
        assert (status, out, err) == (2, "", "innsyn: nope is not a tagged topic; use one of web.visits\n")
        made.error = Unavailable("the index is away")
        status, out, err = innsyn(home, "tag", "--replay", monkeypatch=monkeypatch)
        assert (status, out) == (2, "")
        assert err.splitlines()[-1].endswith(" failed: the index is away")

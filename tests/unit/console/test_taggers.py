"""What nobody reads is a problem of readiness, and of `innsyn doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from console.api.app import create_app
from console.cli import doctor
from console.health.health import Health
from console.health.taggers import read_by_nobody, unread_problems
from schemas.errors import BrokerUnavailable
from schemas.settings import Settings
from streams.kafka.connection import Connection
from tests.support.api import NOW, services
from tests.support.asgi import InProcess


def test_the_sentence_names_some_and_counts_the_rest() -> None:
    """Three names, the group, and what to do."""
    line = read_by_nobody(["a", "b", "c", "d", "e"], "innsyn-tagger")
    assert line.startswith(
        "nobody reads a, b, c and 2 more (group innsyn-tagger), so answers lack what comes there;"
    )
    assert read_by_nobody(["a"], "g").startswith("nobody reads a (group g), ")


def test_an_instance_with_an_unread_topic_is_not_ready(tmp_path: Path) -> None:
    """503 with the reason; a broker that does not answer is a part of its own, one that does not tell is none."""

    def ready(answer: Sequence[str] | Exception | None) -> tuple[int, list[str]]:
        def ask() -> Sequence[str] | None:
            if isinstance(answer, Exception):
                raise answer
            return answer

        health = Health(lambda: NOW)
        health.watch("topics", lambda: unread_problems(ask, "innsyn-tagger", wait=lambda _: None))
        health.look("topics")
        app = create_app(services(tmp_path, health=health))
        with httpx.Client(transport=InProcess(app), base_url="http://innsyn") as client:
            found = client.get("/readyz")
        return found.status_code, found.json()["problems"]

    assert ready([]) == ready(None) == ready(BrokerUnavailable("no broker")) == (200, [])
    assert ready(["web.visits"]) == (503, [read_by_nobody(["web.visits"], "innsyn-tagger")])


def test_members_that_come_and_go_are_no_problem() -> None:
    """What has no reader at one moment and has one at the next is read."""
    answers: list[Sequence[str] | None] = [["a", "b"], ["b", "c"], ["a"], None, ["a"], []]
    said = [unread_problems(lambda: answers.pop(0), "g", wait=lambda _: None) for _ in range(3)]
    assert said == [(read_by_nobody(["b"], "g"),), (), ()]


@pytest.mark.parametrize(
    ("left", "state", "words"),
    [
        ([], "ok", "17 tagged topics are read"),
        (["tv.viewings"], "wrong", "nobody reads tv.viewings"),
        (None, "off", "not told by the broker"),
    ],
)
def test_doctor_says_what_nobody_reads(
    monkeypatch: pytest.MonkeyPatch, left: list[str] | None, state: str, words: str
) -> None:
    """One check, of the group that the settings name."""
    monkeypatch.setattr(doctor, "unread", lambda *_: left)
    (check,) = doctor._taggers(Settings(), Connection("127.0.0.1:1"))
    assert (check.name, check.state) == ("taggers", state)
    assert words.split(" ", 1)[-1] in check.detail

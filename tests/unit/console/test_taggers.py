"""What nobody reads is a problem of readiness, and of `innsyn doctor`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from console.api.app import create_app
from console.cli import doctor
from console.health.health import Health
from console.health.taggers import UnreadMessages, read_by_nobody, unread_problems
from schemas.errors import BrokerUnavailable
from schemas.settings import Settings
from streams.kafka.batches import Partition
from streams.kafka.connection import Connection
from streams.metrics import UnreadMetrics
from streams.tagging.behind import Stuck, Waiting
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


Members = Mapping[Partition, str] | None


def standing(members: Members, *looks: Mapping[str, tuple[int, int]]) -> tuple[Sequence[str], Sequence[str]]:
    """Problems and notices of the last look of some, half a minute apart: by topic its next offset and what waits."""
    now = [0.0]
    stuck = Stuck(lambda: members, lambda: now[0])
    messages = UnreadMessages(lambda: waiting, stuck, UnreadMetrics(CollectorRegistry()))
    for look in looks:
        waiting = {(name, 0): Waiting((0, offset), left) for name, (offset, left) in look.items()}
        problems = messages.problems()
        now[0] += 30
    return tuple(problems), tuple(messages.notices())


BUSY = [{"mine": (number, 900), "still": (7, 5)} for number in range(4)]
IDLE = [{"mine": (3, 0), "still": (7, 5)}] * 4


@pytest.mark.parametrize(
    ("members", "looks", "problem", "notice"),
    [
        pytest.param(
            {("mine", 0): "a", ("still", 0): "a"}, BUSY, "", "wait behind others", id="one tagger, busy"
        ),
        pytest.param(
            {("mine", 0): "a", ("still", 0): "b"}, BUSY, "its tagger does not take", "", id="another hangs"
        ),
        pytest.param(
            {("mine", 0): "a", ("still", 0): "a"}, IDLE, "its tagger does not take", "", id="it hangs"
        ),
        pytest.param({("mine", 0): "a"}, BUSY, "that nobody reads", "", id="nobody has it"),
        pytest.param({}, IDLE, "that nobody reads", "", id="there is no tagger"),
        pytest.param(None, BUSY, "5 messages that wait: nothing of it", "", id="the broker does not tell"),
    ],
)
def test_what_stands_still_is_said_as_it_is(
    members: Members, looks: list[dict[str, tuple[int, int]]], problem: str, notice: str
) -> None:
    """What waits behind a backlog of the same tagger turns nothing away; that nobody reads is said of nothing else."""
    problems, notices = standing(members, *looks)
    assert [problem in line for line in problems] == [True] * bool(problem)
    assert [notice in line for line in notices] == [True] * bool(notice)
    for line in (*problems, *notices):
        assert line.startswith("still/0 has 5 messages ")
        assert ("nobody reads" in line) == (problem == "that nobody reads")


def test_a_backlog_that_moves_or_was_read_is_not_told() -> None:
    """Nor one that was seen for less than a minute, nor a topic that is gone."""
    assert standing({}, *BUSY[:2]) == ((), ())
    assert standing({}, *IDLE[:3], {"still": (8, 5)}) == ((), ())
    assert standing({}, *IDLE[:3], {"still": (7, 0)}) == ((), ())
    assert standing({}, *IDLE[:3], {}) == ((), ())


def test_a_broker_that_does_not_answer_is_another_part(tmp_path: Path) -> None:
    """Whoever asks it for the members of the group says nothing then, of problems or notices."""

    def away() -> Members:
        raise BrokerUnavailable("no broker")

    now = [0.0]
    stuck = Stuck(away, lambda: now[0])
    messages = UnreadMessages(
        lambda: {("still", 0): Waiting((0, 7), 5)}, stuck, UnreadMetrics(CollectorRegistry())
    )
    for now[0] in (0.0, 61.0):
        assert not [*messages.problems(), *messages.notices()]


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

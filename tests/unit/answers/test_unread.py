"""An answer says which messages could not be read: more of the person may stand in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from console.cli.requests import _show
from console.cli.show.output import not_read
from console.health.health import Health
from console.health.taggers import UnreadMessages
from schemas.errors import BrokerUnavailable
from sinks.memory.index import MemoryIndex
from sinks.memory.requests import MemoryRequests
from sinks.ports.dead_letters import OpenLetters
from streams.answers.unread import unread
from streams.identity.identities import Identities
from streams.metrics import UnreadMetrics
from streams.rights.protocol.request import RequestState, digest_of
from streams.rights.protocol.states import summary
from streams.rights.service import RightsService
from streams.tagging.behind import Stuck, Waiting
from tests.support.api import EMAIL, NOW, TOTAL, fill, services
from tests.support.commands import PERSON, home, quiet, run
from tests.support.company import copies_by_hand, model
from tests.support.instance import running
from tests.support.pairs import ReadyKeyring

__all__ = ["home", "quiet"]

LETTERS = [
    OpenLetters("billing.invoices", "truncated", 2),
    OpenLetters("billing.invoices", "unknown_schema", 40),
    OpenLetters("combined:4f2a", "not_combined", 1),
    OpenLetters("gone.topic", "truncated", 3),
    OpenLetters("rights.requests", "unopened", 9),
    OpenLetters("web.visits", "future_time", 1),
]
SAID = {"billing.invoices": 42, "combined": 1, "gone.topic": 3, "web.visits": 1}


def test_letters_are_counted_by_topic_and_format() -> None:
    """Not those about requests; of one system alone not what is of another's topic for certain."""
    assert unread(LETTERS, model()) == SAID
    assert unread(LETTERS, model(), ["web"]) == {"combined": 1, "gone.topic": 3, "web.visits": 1}
    assert unread([], model()) == {}


def test_the_remark_names_the_most_first() -> None:
    """With what to look at; of one message it is no other number."""
    assert not_read(SAID) == (
        "47 messages could not be read, and more of this person may stand in them (billing.invoices 42, gone.topic 3,"
        " combined 1, web.visits 1); see `innsyn deadletters list`"
    )
    assert not_read({"web.visits": 1}).startswith(
        "1 message could not be read, and more of this person may stand in it"
    )


@pytest.fixture
def letters(home: Path) -> Iterator[None]:
    """An innsyn that runs, of whose messages some could not be read."""
    with running(home, services(home / "keys", open_letters=lambda: LETTERS)):
        yield


@pytest.mark.parametrize(
    "command",
    [("lookup",), ("access",), ("identity",), ("erase", "--dry-run")],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("who", [EMAIL, "somebody.else@example.no"], ids=["known", "unknown"])
@pytest.mark.usefixtures("letters")
def test_every_answer_says_so(command: tuple[str, ...], who: str) -> None:
    """For people and for programs, also where nothing is found; without a value of anybody."""
    status, out, _ = run(*command, "--id", f"email={who}")
    told = " ".join(out.split())
    assert status == 0
    assert "not read: 47 messages could not be read, and more of this person may stand in them" in told
    assert "example.no" not in out
    assert json.loads(run(*command, "--id", f"email={who}", "--json")[1])["dead_letters"] == SAID


@pytest.mark.usefixtures("letters")
def test_a_look_up_of_one_system_leaves_the_others_out() -> None:
    """What was asked about is in no message of another system."""
    answer = json.loads(run("lookup", *PERSON, "--system", "web", "--json")[1])
    assert answer["dead_letters"] == {"combined": 1, "gone.topic": 3, "web.visits": 1}
    assert answer["total_events"] < TOTAL


@pytest.mark.parametrize(
    "command",
    [("lookup",), ("access",), ("identity",), ("erase", "--dry-run")],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("who", [EMAIL, "somebody.else@example.no"], ids=["known", "unknown"])
def test_an_answer_from_an_index_that_has_not_read_all_says_so(
    home: Path, command: tuple[str, ...], who: str
) -> None:
    """Else whoever asks a minute after the start is told of half a person."""
    health = Health(lambda: NOW)
    health.waiting = lambda: {"web.visits": 1200, "crm.customers": 3}
    with running(home, services(home / "keys", health=health)):
        told = " ".join(run(*command, "--id", f"email={who}")[1].split())
        answer = json.loads(run(*command, "--id", f"email={who}", "--json")[1])
    assert told.count("1,203 messages are not read yet (crm.customers 3, web.visits 1,200)") == 1
    assert answer["waiting"] == {"crm.customers": 3, "web.visits": 1200}
    if command[0] == "erase":
        assert any("1,203 messages are not read yet" in line for line in answer["warnings"])


def test_what_waits_is_counted_by_topic_as_of_the_last_look() -> None:
    """Nobody knows where the broker does not say, and that is no nought."""
    waits = {("web.visits", 0): Waiting((0, 5), 7), ("web.visits", 1): Waiting((0, 5), 2)}
    answers: list[Any] = [{**waits, ("crm.customers", 0): Waiting((0, 9), 0)}, BrokerUnavailable("away")]

    def behind() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    messages = UnreadMessages(behind, Stuck(dict), UnreadMetrics(CollectorRegistry()))
    assert messages.waiting() is None
    messages.problems()
    assert messages.waiting() == {"web.visits": 9}
    messages.problems()
    assert messages.waiting() is None


def test_where_all_was_read_nothing_is_said(home: Path) -> None:
    """Neither a line nor a number."""
    with running(home, services(home / "keys")):
        assert "not read" not in run("access", *PERSON)[1]
        assert json.loads(run("access", *PERSON, "--json")[1])["dead_letters"] == {}


@pytest.mark.parametrize("right", ["erasure", "access"])
def test_a_request_keeps_what_could_not_be_read(tmp_path: Path, right: str) -> None:
    """Whoever approves or answers it sees it, under the digest that is approved; so does the certificate."""
    keyring = ReadyKeyring(tmp_path).made()
    index = MemoryIndex()
    fill(index, keyring)
    service = RightsService(
        MemoryRequests(),
        index,
        index,
        Identities(index, copies_by_hand().catalogue.identity_sources, index),
        keyring,
        copies_by_hand(),
        lambda *_: None,
        lambda: NOW,
        open_letters=lambda: LETTERS,
    )
    made = service.create(right, [("email", EMAIL)], reason=None, channel="email", received_at=NOW)
    request = service.advance(made.request_id)
    assert summary(request)["dead_letters"] == SAID
    kept = request.plan or request.report
    assert kept is not None
    assert kept["dead_letters"] == SAID
    without = {name: value for name, value in kept.items() if name != "dead_letters"}
    assert request.digest != digest_of(without)


def test_the_case_file_shows_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the second person reads before approving."""
    request = summary(RequestState("r-1", "access", "email", NOW, NOW.date(), report={"dead_letters": SAID}))
    _show(request)
    told = " ".join(capsys.readouterr().out.split())
    assert "not read when it was planned or answered: 47 messages could not be read" in told

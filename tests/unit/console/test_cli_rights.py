"""Commands by which a right is exercised: what they read and send, and what they say when nothing can come of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from console.cli.erase import end_of_receipt
from console.cli.options import in_order
from schemas.calendars import NORWEGIAN
from schemas.errors import InputError
from schemas.keys import Keyring
from sinks.memory.index import MemoryIndex
from streams.answers.erasure import preview
from streams.answers.question import Known, Question
from streams.rights.protocol.states import RequestState
from streams.rights.service import RightsService
from tests.support.api import EMAIL, fill, rights, services
from tests.support.commands import home, quiet, run
from tests.support.instance import running

__all__ = ["home", "quiet"]


class Heard:
    """A rights service that tells what it was asked to make."""

    def __init__(self, service: RightsService) -> None:
        self.given: list[dict[str, Any]] = []
        self.service = service

    def create(self, type: str, identifiers: Any, **more: Any) -> RequestState:
        self.given.append({"type": type, "identifiers": identifiers, **more})
        return self.service.create(type, identifiers, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.service, name)


@pytest.fixture
def heard(home: Path) -> Iterator[Heard]:
    """What a running innsyn is asked to make."""
    keyring, index = Keyring(home / "keys").made(), MemoryIndex()
    fill(index, keyring)
    listening = Heard(rights(index, keyring))
    with running(home, replace(services(home / "keys"), reader=index, rights=listening)):
        yield listening


NAME = "CustomerDetails.name"


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["--id", "email=-", "--set", f"{NAME}=-"], [EMAIL, "Kari"]),
        (["--set", f"{NAME}=-", "--id", "email=-"], ["Kari", EMAIL]),
        (
            [f"--set={NAME}=-", "--id=email=-", "--set", "CustomerDetails.address=-"],
            ["Kari", EMAIL, "Gata 1"],
        ),
    ],
)
def test_lines_of_standard_input_are_read_in_the_order_of_the_command(
    heard: Heard, words: list[str], lines: list[str]
) -> None:
    """Else the name would be taken for an identifier, and the identifier written as the name."""
    status, _, err = run("rectify", *words, stdin="".join(f"{line}\n" for line in lines))
    assert (status, err) == (0, "")
    (made,) = heard.given
    assert ([item.value for item in made["identifiers"]], made["corrections"][NAME]) == ([EMAIL], "Kari")


@pytest.mark.parametrize(
    ("words", "lines", "why"),
    [
        ([f"--set={NAME}=-"], "", f"no line for --set {NAME}="),
        ([f"--set={NAME}=a", f"--set={NAME}=b"], "", f"--set {NAME}= is corrected twice"),
    ],
)
def test_a_correction_that_is_not_clear_is_refused(
    heard: Heard, words: list[str], lines: str, why: str
) -> None:
    status, _, err = run("rectify", "--id", f"email={EMAIL}", *words, stdin=lines)
    assert (status, heard.given) == (2, [])
    assert why in err


def test_where_the_order_is_not_clear_two_options_do_not_share_standard_input() -> None:
    """A value that looks like an option."""
    given = {"--id": ["email=-"], "--set": [f"{NAME}=-"]}
    typed = ["--reason", "--id", "--set", f"{NAME}=-", "--id", "email=-"]
    with pytest.raises(InputError, match="in which order is not clear"):
        in_order(typed, given)
    alone = {**given, "--set": [f"{NAME}=Kari"]}
    assert in_order([], alone) == [("--id", "email=-"), ("--set", f"{NAME}=Kari")]


MAKING = pytest.mark.parametrize(
    "words",
    [
        ["erase", "--yes"],
        ["restrict"],
        ["object"],
        ["withdraw"],
        ["rectify", "--set", f"{NAME}=Kari"],
        ["access", "--request", "access"],
        ["access", "--request", "portability"],
    ],
)


@MAKING
def test_the_clock_starts_on_the_day_on_which_the_request_came_in(heard: Heard, words: list[str]) -> None:
    """A letter that lay for a week: GDPR Art. 12(3) counts from its receipt."""
    command = [*words, "--id", f"email={EMAIL}", "--received", "2026-05-20"]
    status, out, err = run(*command)
    assert (status, err) == (0, "")
    assert "due 2026-06-22" in out
    assert run(*command[:-1], "2999-01-01")[0] == 2
    assert run(*command[:-1], "soon")[0] == 2
    assert len(heard.given) == 1


@MAKING
def test_a_request_that_is_overdue_as_it_is_entered_is_said_to_be(heard: Heard, words: list[str]) -> None:
    """A year that was mistyped looks like that, and nothing else would show it."""
    status, _, err = run(*words, "--id", f"email={EMAIL}", "--received", "2025-11-20")
    assert status == 0
    assert "is overdue as it is entered: it was due on 2025-12-22; is the year of --received right?" in err


def test_the_plan_that_is_confirmed_is_of_the_day_on_which_the_request_came_in(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whom the identifiers led to on that day is meant, in the plan as in the request."""
    asked: list[datetime | None] = []

    def listening(question: Question, known: Known, now: datetime) -> dict[str, Any]:
        asked.append(question.received_at)
        return preview(question, known, now)

    monkeypatch.setattr("console.api.routes.requests.preview", listening)
    words = ["erase", "--id", f"email={EMAIL}", "--received", "2026-05-20"]
    assert run(*words, "--dry-run")[0] == 0
    assert asked == [datetime(2026, 5, 20, 21, 59, 59, tzinfo=UTC)]


def test_what_the_person_wrote_is_kept_with_an_access_request(heard: Heard) -> None:
    """A day and words belong to a request: a mere look takes neither."""
    person = ["--id", f"email={EMAIL}"]
    assert run("access", *person, "--request", "access", "--reason", "all that you have")[0] == 0
    assert heard.given[0]["reason"] == "all that you have"
    for words in (["--received", "2026-05-20"], ["--reason", "all"]):
        status, out, err = run("access", *person, *words)
        assert (status, out) == (2, "")
        assert "give --request access or portability" in " ".join(err.split())


def test_of_the_day_of_receipt_the_last_second_counts_in_the_companys_zone() -> None:
    now = datetime(2026, 6, 1, 22, 30, tzinfo=UTC)
    at = end_of_receipt("2026-05-20", NORWEGIAN, now).astimezone(UTC)
    assert at == datetime(2026, 5, 20, 21, 59, 59, tzinfo=UTC)
    # In Oslo it is the second of June already.
    assert end_of_receipt("2026-06-02", NORWEGIAN, now) == now
    with pytest.raises(InputError, match="a day to come"):
        end_of_receipt("2026-06-03", NORWEGIAN, now)

"""`innsyn breach`: what it shows, what it writes, and what it refuses."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.answers.breach import BreachFinder
from tests.support.commands import home, quiet, run
from tests.support.company import model
from tests.support.instance import running
from tests.support.town import KARI, town
from tests.unit.answers.test_breach import LETTERS, Kept

__all__ = ["home", "quiet"]
APPROVER = "the token of whoever approves, long enough"


@pytest.fixture(autouse=True)
def serving(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    there = town(tmp_path_factory.mktemp("keys"))
    finder = BreachFinder(
        there.index, there.index, there.identities, Kept(there, [KARI]), model(), lambda: LETTERS
    )
    with running(home, there.services(breaches=finder, approver_token=APPROVER)):
        yield


def test_people_categories_and_what_is_unknown_are_shown() -> None:
    status, out, err = run("breach", "--topic", "web.visits")
    assert (status, err) == (0, "")
    for said in (
        "7 events of at least 2 people",
        "web.visits",
        "C-21",
        "1 can be told by customer number, 1 cannot",
        "1 identifier may be several people's",
        "2 identifiers lead to nobody who is known",
        "web.visits 3",
    ):
        assert said in out, said
    assert KARI not in out


def test_a_place_without_events_says_so() -> None:
    status, out, _ = run("breach", "--system", "web", "--to", "2020-01-01T00:00Z")
    assert status == 0
    assert "No event of these places and this time is in the index" in out


def test_numbers_go_to_a_file_of_its_owner_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNSYN_API_TOKEN", APPROVER)
    wanted = home / "notify.csv"
    status, out, err = run("breach", "--topic", "billing.invoices", "--notify", str(wanted), "--json")
    assert (status, err) == (0, "")
    assert wanted.read_text().splitlines() == ["customer_number", KARI]
    assert stat.S_IMODE(wanted.stat().st_mode) == 0o600
    assert KARI not in out
    assert json.loads(out)["people"] == 1


def test_whoever_is_not_the_approver_gets_no_file(home: Path) -> None:
    wanted = home / "notify.csv"
    status, _, err = run("breach", "--topic", "billing.invoices", "--notify", str(wanted))
    assert status == 2
    assert "INNSYN_APPROVER_TOKEN" in err
    assert not wanted.exists()


def test_the_page_is_in_the_language_asked_for(home: Path) -> None:
    for lang, said in (("nb", "Behandlingsansvarlig"), ("en", "Controller")):
        wanted = home / f"breach-{lang}.html"
        assert run("breach", "--system", "billing", "--page", str(wanted), "--lang", lang)[0] == 0
        assert said in wanted.read_text("utf-8")


def test_events_are_named_in_a_file(home: Path) -> None:
    events = home / "events.csv"
    events.write_text("web.visits, 0, 0\nbilling.invoices,0,0\n")
    _, out, _ = run("breach", "--events", str(events), "--json")
    assert json.loads(out)["events"] == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("web.visits,0\n", "events.csv:1: is not topic,partition,offset"),
        ("web.visits,0,1\nweb.visits,0,x\n", "events.csv:2: is not topic,partition,offset"),
        ("", "has no line"),
    ],
)
def test_a_line_that_is_no_event_is_refused(home: Path, text: str, said: str) -> None:
    events = home / "events.csv"
    events.write_text(text)
    status, _, err = run("breach", "--events", str(events))
    assert status == 2
    assert said in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name topics, systems or events"),
        (["--topic", "web.visits", "--from", "yesterday"], "--from"),
        (["--topic", "web.visits", "--lang", "sv"], "--lang: unknown; use one of nb, en"),
        (["--topic", "web.visitors"], "use one of"),
        (["--events", "missing.csv"], "missing.csv: cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], said: str) -> None:
    status, out, err = run("breach", *words)
    assert (status, out) == (2, "")
    assert said in err


def test_no_file_is_written_over(home: Path) -> None:
    there = home / "breach.html"
    there.write_text("another")
    status, _, err = run("breach", "--system", "billing", "--page", str(there))
    assert status == 2
    assert "is there already" in err
    assert there.read_text() == "another"

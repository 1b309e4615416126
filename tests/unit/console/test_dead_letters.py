"""What a person does about dead letters, over the API and on the command line."""

from __future__ import annotations

import getpass
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from console.api.app import create_app
from console.cli.main import app
from console.operations.dead_letters import DeadLetterDesk
from console.operations.dead_reasons import OF_MESSAGES, OF_RETRIES, meaning
from sinks.memory.dead_letters import MemoryDeadLetters
from sinks.memory.index import MemoryIndex
from sinks.ports.dead_letters import Coordinates, DeadRow
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from streams.feeds.lines.reasons import EXPLANATIONS
from streams.identity.claims import reading
from streams.rights import again as rights
from streams.rights import intake
from streams.tagging import prepare, retry
from streams.tagging.decode import apart, child, deletions, isolated, schema_lookup
from tests.support.api import NOW, TOKEN, services
from tests.support.asgi import InProcess
from tests.support.instance import running

PLACES = [("tv.viewings", 0, 7), ("web.visits", 0, 1), ("web.visits", 2, 1)]


def three_letters() -> MemoryDeadLetters:
    index = MemoryIndex()
    dead = [DeadRow(*place, "unknown_schema", "00", 9, NOW) for place in PLACES]
    index.write(LineageBatch(ROW_SCHEMA.empty_table(), dead=dead), lambda: NOW)
    return MemoryDeadLetters(index)


@dataclass
class Desk:
    """The desk on such letters; `outcome` is what a retry of any of them comes to."""

    letters: MemoryDeadLetters = field(default_factory=three_letters)
    outcome: str = "tagged"

    def retry(self, places: Sequence[Coordinates]) -> Mapping[Coordinates, str]:
        return dict.fromkeys(places, self.outcome)

    def services(self, keys: Path) -> Any:
        desk = DeadLetterDesk(self.letters, self, lambda: NOW)
        return services(keys, dead_letters=self.letters.find, desk=desk)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def api(desk: Desk, tmp_path: Path) -> httpx.Client:
    return httpx.Client(
        transport=InProcess(create_app(desk.services(tmp_path / "keys"))),
        base_url="http://innsyn",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )


def listed(api: httpx.Client, **limits: str) -> list[tuple[str, str]]:
    items = api.get("/v1/deadletters", params=limits).json()["items"]
    return [(f"{item['topic']}/{item['partition']}/{item['offset']}", item["state"]) for item in items]


def test_a_drop_is_kept_with_who_when_and_why(api: httpx.Client) -> None:
    """The letters chosen are dropped, the others stay open; a reason and a choice are asked for."""
    answer = api.post(
        "/v1/deadletters/drop", json={"topic": "web.visits", "why": "a test client", "by": "ola"}
    )
    assert answer.json() == {"letters": 2, "outcomes": {"dropped": 2}, "more": False}
    assert listed(api, state="open") == [("tv.viewings/0/7", "open")]
    dropped = api.get("/v1/deadletters", params={"state": "dropped"}).json()["items"]
    (done,) = dropped[0]["history"]
    assert (done["kind"], done["by"], done["why"], done["outcome"]) == ("drop", "ola", "a test client", None)
    assert datetime.fromisoformat(done["at"]) == NOW
    for body in ({"topic": "web.visits"}, {"topic": "web.visits", "why": " "}, {"why": "all of them"}):
        assert api.post("/v1/deadletters/drop", json=body).status_code == 422, body


def test_a_retry_takes_open_letters_and_counts_outcomes(api: httpx.Client, desk: Desk) -> None:
    """One that stays dead can be tried again and counts its tries; one that is tagged is done."""
    desk.outcome = "unknown_schema"
    for tries in (1, 2):
        answer = api.post("/v1/deadletters/retry", json={"topic": "tv.viewings"})
        assert answer.json() == {"letters": 1, "outcomes": {"unknown_schema": 1}, "more": False}
        assert api.get("/v1/deadletters").json()["items"][0]["retries"] == tries
    desk.outcome = "tagged"
    assert api.post("/v1/deadletters/retry", json={}).json()["outcomes"] == {"tagged": 3}
    assert api.post("/v1/deadletters/retry", json={}).json() == {"letters": 0, "outcomes": {}, "more": False}
    again = {"letters": [{"topic": "web.visits", "partition": 2, "offset": 1}]}
    answer = api.post("/v1/deadletters/retry", json=again)
    assert (answer.status_code, "is tagged already" in answer.json()["detail"]) == (422, True)


def test_a_letter_dropped_by_mistake_is_tried_by_its_place(api: httpx.Client) -> None:
    """A choice by topic takes what is open alone; a letter that is named is taken as it stands."""
    where = {"topic": "web.visits", "partition": 2, "offset": 1}
    api.post("/v1/deadletters/drop", json={"letters": [where], "why": "a test client"})
    assert api.post("/v1/deadletters/retry", json={"topic": "web.visits"}).json()["letters"] == 1
    assert api.post("/v1/deadletters/retry", json={"letters": [where]}).json()["outcomes"] == {"tagged": 1}
    nowhere = {"letters": [{**where, "offset": 5}]}
    answer = api.post("/v1/deadletters/retry", json=nowhere)
    assert (answer.status_code, "web.visits/2/5 is no dead letter" in answer.json()["detail"]) == (422, True)


def test_a_process_without_a_broker_says_so(tmp_path: Path) -> None:
    """It lists, and cannot open."""
    transport = InProcess(create_app(services(tmp_path)))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(transport=transport, base_url="http://innsyn", headers=headers) as client:
        answer = client.post("/v1/deadletters/retry", json={})
    assert (answer.status_code, "no broker" in answer.json()["detail"]) == (503, True)


@pytest.fixture
def home(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home in which an instance with such letters runs."""
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path / "home"))
    with running(tmp_path / "home", desk.services(tmp_path / "keys")):
        yield tmp_path / "home"


def innsyn(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["deadletters", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.usefixtures("home")
def test_the_command_lists_retries_and_drops(desk: Desk) -> None:
    """As the API does, with the user's own name; what stays dead is told in words and exit status 1."""
    later = (NOW + timedelta(hours=1)).isoformat()
    assert json.loads(innsyn("list", "--json", "--since", later)[1])["items"] == []
    assert len(json.loads(innsyn("list", "--json")[1])["items"]) == 3
    desk.outcome = "no_key"
    status, out, _ = innsyn("retry", "--at", "web.visits/0/1")
    assert (status, out.splitlines()[0]) == (1, "1 letter")
    assert f"still dead, no_key: {OF_RETRIES['no_key']}" in out
    desk.outcome = "tagged"
    assert innsyn("retry", "--topic", "web.visits")[:2] == (0, "2 letters\n  2 tagged\n")
    assert innsyn("drop", "--topic", "tv.viewings", "--why", "a test client")[:2] == (
        0,
        "1 letter\n  1 dropped\n",
    )
    assert json.loads(innsyn("list", "--json")[1])["items"] == []
    shown = json.loads(innsyn("list", "--json", "--state", "all")[1])["items"]
    assert [(item["state"], item["retries"]) for item in shown] == [
        ("dropped", 0),
        ("tagged", 2),
        ("tagged", 1),
    ]
    assert {item["by"] for letter in shown for item in letter["history"]} == {getpass.getuser()}
    status, out, _ = innsyn("list", "--state", "dropped")
    assert (status, "a test client" in " ".join(out.split())) == (0, True)
    (letter,) = [item for item in shown if item["state"] == "dropped"]
    # What the code means, once for each code that is shown.
    assert " ".join(out.split()).count(meaning(letter["reason"])) == 1


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["drop", "--why", "x"], "say which letters to drop"),
        (["list", "--state", "shut"], "--state takes one of open, tagged, dropped, all"),
        (["retry", "--at", "web.visits"], "--at takes TOPIC/PARTITION/OFFSET"),
        (["retry", "--since", "yesterday"], "--since takes a time with zone"),
    ],
)
def test_a_command_that_cannot_be_is_one_line(arguments: list[str], words: str) -> None:
    """Exit status 2 and what to write instead."""
    status, out, err = innsyn(*arguments)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert words in err


ROOT = Path(__file__).parents[3]
# Feeds have a list of their own.
SOURCES = [
    path
    for folder in ("schemas", "streams/tagging", "streams/rights", "streams/kafka", "streams/identity")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def test_every_code_that_the_source_gives_has_its_sentence() -> None:
    """Those that are raised, and those that a library of rules puts beside its rows."""
    given = re.compile(r"\b(?:DecodeError|UnknownSchema|Refused)\(\s*\"([a-z_]+)\"")
    found = {code for path in SOURCES for code in given.findall(path.read_text())}
    found |= {
        prepare.ENDED_PROCESS,
        prepare.UNREADABLE_BATCH,
        isolated.GIVEN_UP,
        isolated.UNAVAILABLE,
        deletions.UNNAMED,
        apart.FAILED,
        reading.TOO_MANY_LINKS,
    }
    found |= {child.LIMIT, child.CRASHED, schema_lookup.BROKEN, schema_lookup.SAYS_LESS, intake.UNOPENED}
    found |= {rights.CANNOT_BE, rights.UNKNOWN, rights.BROKEN, retry.NO_KEY, retry.GONE, retry.NOT_TAGGED}
    found |= {
        "future_time",
        "time_out_of_range",
        "invalid_identifier",
        "unsupported_prefix",
        "bad_assignment",
    }
    found |= {f"unknown_{noun.replace(' ', '_')}" for noun in schema_lookup.NOUNS}
    assert found - {"unknown_schema"} == {*OF_MESSAGES, *OF_RETRIES} - {"unknown_schema"}
    for sentence in [*OF_MESSAGES.values(), *OF_RETRIES.values()]:
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert len(sentence) <= 110, sentence


def test_a_word_that_is_used_of_both_is_told_apart() -> None:
    """A body that breaks off, and a log file; and what another version wrote is shown as it is."""
    assert meaning("truncated", "web.visits") == OF_MESSAGES["truncated"]
    assert meaning("truncated", "radius-detail:0a1b") == EXPLANATIONS["truncated"]
    assert meaning("not_json") == EXPLANATIONS["not_json"]
    assert meaning("from_tomorrow") == "from_tomorrow"


def test_the_page_of_codes_is_the_list() -> None:
    """`docs/dead-letters.md`: rows of code and sentence, in order."""
    rows = re.findall(
        r"^\| `([a-z0-9_]+)` \| (.+) \|$", (ROOT / "docs" / "dead-letters.md").read_text(), re.MULTILINE
    )
    assert rows == [
        item for codes in (OF_MESSAGES, OF_RETRIES, EXPLANATIONS) for item in sorted(codes.items())
    ]

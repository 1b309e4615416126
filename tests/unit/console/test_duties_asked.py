"""Findings and controls over HTTP and by the command line: who may act, what is shown, what is on record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.api.protection.doors import caller_name
from console.api.protection.recorder import Recorder
from schemas.promises import Promise
from sinks.memory.audit import MemoryAudit
from sinks.ports.audit import Looked
from streams.duties.check import Checked, judged
from tests.support.api import services
from tests.support.commands import home, quiet, run
from tests.support.duties import Duties
from tests.support.instance import running

__all__ = ["home", "quiet"]
APPROVER = "the token of whoever approves, long enough"


def promise(name: str, *checks: str) -> Promise:
    said = {"nb": "Alt slettes.", "en": "All goes."}
    return Promise.model_validate({"id": name, "name": said, "line": 1, "checks": checks, "certainty": ["D"]})


@pytest.fixture
def duties() -> Duties:
    made = Duties(promises={"R1": promise("R1", "first"), "R2": promise("R2", "second")})
    made.breaks("first", "a", "b")
    made.says["second"] = ValueError("not shown")
    return made


@pytest.fixture
def audit() -> MemoryAudit:
    return MemoryAudit()


@pytest.fixture(autouse=True)
def serving(home: Path, duties: Duties, audit: MemoryAudit) -> Iterator[None]:
    recorder = Recorder(audit)
    with running(
        home, services(home / "keys", duties=duties.desk, approver_token=APPROVER, recorder=recorder)
    ):
        yield
    recorder.stop()


def first_id(duties: Duties) -> str:
    return duties.desk.findings()[0].id


def test_nothing_is_there_before_the_first_run() -> None:
    assert "There is no finding" in run("findings")[1]
    assert "never ran" in run("controls")[1]


def test_checks_run_on_command_and_one_that_breaks_is_told(duties: Duties) -> None:
    """It ends with 1 then; a broken duty alone is a result."""
    status, out, _ = run("controls", "run")
    assert status == 1
    assert "a bug in the check: ValueError" in " ".join(out.split())
    assert run("controls", "run", "first")[0] == 0
    assert run("controls", "run", "third")[0] == 2
    shown = json.loads(run("controls", "--json")[1])["items"]
    assert [(item["check"], item["open"], item["last"]["verdict"]) for item in shown] == [
        ("first", 2, "broken"),
        ("second", 0, "failed"),
    ]
    assert "broken" in run("controls")[1]


def test_checks_run_for_one_at_a_time(duties: Duties) -> None:
    """Who comes while they run is told so; nobody after that."""
    told = list[tuple[int, str]]()

    def meanwhile(*_: object) -> Checked:
        status, _out, err = run("controls", "run")
        told.append((status, " ".join(err.split())))
        return judged(1, [])

    duties.says["first"] = meanwhile
    assert run("controls", "run", "first")[0] == 0
    ((status, err),) = told
    assert status != 0
    assert "checks run already" in err
    duties.says["first"] = judged(1, [])
    assert run("controls", "run", "first")[0] == 0


def test_findings_are_listed_with_where_to_look(duties: Duties) -> None:
    duties.desk.run(["first"])
    out = " ".join(run("findings")[1].split())
    for said in (first_id(duties), "It has no rule.", "web.visits/3/17 (history 1)", "2 findings, 2 open"):
        assert said in out, said
    lines = run("findings", "--csv")[1].splitlines()
    assert lines[0].startswith("finding,check,key,state,says,since")
    assert len(lines) == 3
    found = json.loads(run("findings", "--json", "--limit", "1")[1])
    assert (len(found["items"]), found["more"]) == (1, True)
    assert found["items"][0]["evidence"][0]["token"] == "0a" * 16
    assert json.loads(run("findings", "--json", "--check", "second")[1])["items"] == []


def test_a_finding_is_explained_and_what_was_done_is_on_record(duties: Duties, audit: MemoryAudit) -> None:
    duties.desk.run(["first"])
    name = first_id(duties)
    status, out, _ = run("findings", "explain", name, "--reason", "a trial")
    assert (status, out.strip()) == (0, f"{name} is explained")
    found = duties.desk.finding(name)
    assert (found.reason, found.by) == ("a trial", caller_name("an-invented-token-for-tests"))
    entry = next(
        item for item in audit.find(Looked(), 50) if item.action == "POST /v1/findings/{finding}/explain"
    )
    assert (entry.request_id, entry.status) == (name, 200)
    states = [item["state"] for item in json.loads(run("findings", "--json")[1])["items"]]
    assert states == ["explained", "open"]
    assert "f-0000" not in run("findings", "--state", "mended")[1]


def test_only_the_approver_accepts(duties: Duties, monkeypatch: pytest.MonkeyPatch) -> None:
    duties.desk.run(["first"])
    words = ("findings", "accept", first_id(duties), "--reason", "until the move", "--until", "2026-06-30")
    status, _, err = run(*words)
    assert status == 2
    assert "by the approver alone" in err
    monkeypatch.setenv("INNSYN_API_TOKEN", APPROVER)
    status, out, _ = run(*words)
    assert (status, out.strip()) == (0, f"{first_id(duties)} is accepted until 2026-06-30")


def test_promises_are_shown_with_what_breaks_them(duties: Duties) -> None:
    """In a table, as CSV and JSON; one of them with its checks and where to look."""
    assert "not observable" in run("promises")[1]
    duties.desk.run()
    out = " ".join(run("promises")[1].split())
    for said in ("R1", "All goes.", "It has no rule. (and 1 more)", "0 kept, 1 broken, 1 not observable"):
        assert said in out, said
    one = " ".join(run("promises", "R1")[1].split())
    for said in ("line 1: «Alt slettes.»", "first", "web.visits/3/17", first_id(duties)):
        assert said in one, said
    assert "R2" not in one
    assert run("promises", "--csv")[1].splitlines()[1].startswith("R1,1,All goes.,broken,2026-06-01T08:00")
    (broken,) = json.loads(run("promises", "--json", "--state", "broken")[1])["items"]
    assert (broken["promise"], broken["open"], broken["checks"][0]["verdict"]) == ("R1", 2, "broken")
    status, _, err = run("promises", "R99")
    assert (status, "no promise of that id" in err) == (2, True)


def test_what_cannot_be_is_refused_without_repeating_it(duties: Duties) -> None:
    duties.desk.run(["first"])
    name = first_id(duties)
    for words, said in (
        (("explain", "kari@example.no", "--reason", "x"), "no id of a finding"),
        (("explain", "f-0000000000000000", "--reason", "x"), "no finding of that id"),
        (("explain", name, "--reason", " "), "say why"),
        (("accept", name, "--reason", "x", "--until", "soon"), "--until takes a day"),
    ):
        status, _, err = run("findings", *words)
        assert status == 2
        assert said in err
        assert "kari" not in err

"""The command line where addresses are people's: who it was, as known when, and what came to light later."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from console.cli.main import app
from console.wiring.rights import run_rights_role
from schemas.errors import IndexUnavailable
from schemas.vocabulary import ToldBy
from streams.rights.protocol.states import RequestState
from tests.support.api import NOW, rights
from tests.support.instance import running
from tests.support.town import KARI, MOVED, OLA, SHARED, Town, moment, town

ELEVEN = "2026-05-01T11:00:00Z"
PERSON = ["--id", f"customer_number={KARI}"]


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def answer(*arguments: str) -> dict[str, Any]:
    status, out, err = run(*arguments, "--json")
    assert (status, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    """An innsyn that runs on the index of a town."""
    monkeypatch.setattr("console.api.routes.lineage.log", structlog.testing.CapturingLogger())
    monkeypatch.setattr("console.api.routes.requests.log", structlog.testing.CapturingLogger())
    for name in [name for name in os.environ if name.startswith("INNSYN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path))
    there = town(tmp_path / "keys")
    with running(tmp_path, there.services()):
        yield there


def test_who_it_was_fits_and_shows_no_value(instance: Town) -> None:
    """A headline, the links in a table of at most 100 columns, and that the subscriber need not be the user."""
    status, out, _ = run("identity", "--id", f"ip={SHARED}", "--at", ELEVEN, "--port", "2500")
    assert status == 0
    ola = instance.token("customer_number", OLA).hex()[:12]
    assert out.startswith(f"unique: leads to {ola}\n")
    for part in ("ports 2000-2999", "2026-05-01 09:00:00Z", "stated", "subscriber", "network.assignments"):
        assert part in out
    assert "need not be the user" in out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 100
    for value in (SHARED, OLA, KARI):
        assert value not in out


def test_a_narrow_terminal_cuts_nothing(instance: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 80 columns each table uses no more, and its last column is whole."""
    assert instance.token("customer_number", OLA)
    monkeypatch.setattr("console.cli.show.output.WIDTH", 80)
    asked = ["identity", "--id", f"ip={SHARED}", "--at", ELEVEN, "--port", "2500"]
    for command, last in (
        (asked, ("said by", "subscriber")),
        (["access", *PERSON], ("seen", "2026-05-")),
    ):
        status, out, _ = run(*command)
        assert status == 0
        assert max(len(line.rstrip()) for line in out.splitlines()) <= 80
        for part in last:
            assert part in out, out


def test_who_it_was_may_be_several_or_nobody(instance: Town) -> None:
    """Said in the headline; the links of all times are listed."""
    assert run("identity", "--id", f"ip={MOVED}")[1].startswith("ambiguous: 2 candidates\n")
    assert answer("identity", "--id", f"ip={MOVED}")["links_total"] == 2
    assert run("identity", "--id", "ip=203.0.113.99")[1] == "none: no link says whose that was.\n"


@pytest.mark.parametrize("command", [["access"], ["erase", "--dry-run"]])
def test_an_address_without_a_time_asks_for_it(instance: Town, command: list[str]) -> None:
    """Nothing is linked, and a sentence says what to give; with the time it is the person."""
    status, out, _ = run(*command, "--id", f"ip={MOVED}")
    assert status == 0
    assert "give the time at which the address was used" in " ".join(out.split())
    assert "Nothing is held" not in out
    assert answer(*command, "--id", f"ip={MOVED}", "--at", ELEVEN)["total_events"] == 3


def test_an_erasure_by_an_ambiguous_address_does_not_ask(
    instance: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to say yes to."""
    monkeypatch.setattr("console.cli.erase.reads_stdin", lambda _: False)
    monkeypatch.setattr("console.cli.erase.sys", type("Terminal", (), {"stdin": _Terminal()}))
    status, out, err = run("erase", "--id", f"ip={MOVED}")
    assert (status, err) == (0, "")
    assert "ambiguous" in out
    assert answer("requests") == {"items": []}


class _Terminal:
    def isatty(self) -> bool:
        return True


def test_who_confirms_an_erasure_sees_what_to_look_after(instance: Town) -> None:
    """Each warning of the plan stands under it, whole: what no system can be told, and what may be another's."""
    plan = answer("erase", *PERSON, "--dry-run")
    assert len(plan["warnings"]) == 2
    status, out, _ = run("erase", *PERSON, "--dry-run")
    assert status == 0
    said = " ".join(out.split())
    for warning in plan["warnings"]:
        assert f"look after this: {warning}" in said
    assert "web: 2 of 2 events planned there are this person's by link only" in said


def test_the_time_goes_with_what_it_is_said_of(instance: Town) -> None:
    """Of a person named otherwise as well, everything is answered; a port takes an address."""
    for at in (ELEVEN, f"ip={ELEVEN}"):
        assert answer("access", "--id", f"ip={MOVED}", *PERSON, "--at", at)["total_events"] == 3
    assert answer("access", *PERSON, "--at", ELEVEN)["total_events"] == 3
    status, _, err = run("access", *PERSON, "--port", "2500")
    assert (status, err.count("\n")) == (2, 1)
    assert "--id ip=" in err


def test_shared_events_and_proofs_are_said(instance: Town) -> None:
    """What is in nobody's count, and that a subscriber need not be who used it."""
    for command in ("access", "lookup"):
        out = " ".join(run(command, *PERSON)[1].split())
        assert "1 event may be this person's or somebody else's" in out
        assert "the subscriber need not be the user" in out


def test_an_answer_of_then_is_shown_with_what_changed(instance: Town) -> None:
    """For people always, as JSON on demand; --changes needs a moment."""
    instance.lease(MOVED, KARI, moment(14), moment(16), moment(17))
    then = ["--known-at", "2026-05-01T16:00:00Z"]
    for command in ("access", "lookup"):
        assert "3 events then, 4 now; links: 1 new" in " ".join(run(command, *PERSON, *then)[1].split())
        assert "changed_since" not in answer(command, *PERSON, *then)
        assert answer(command, *PERSON, *then, "--changes")["changed_since"]["events_now"] == 4
        status, _, err = run(command, *PERSON, "--changes")
        assert (status, err.count("\n")) == (2, 1)
        assert "--known-at" in err


def test_what_is_locked_is_in_the_table(instance: Town) -> None:
    """Held for the police alone: the rule is there, no count and no day."""
    instance.retained(KARI, moment(9), moment(15))
    for command in ("access", "lookup"):
        out = run(command, *PERSON)[1]
        assert "T06" in out
        assert "locked" in out


def test_a_late_finding_is_followed_up(instance: Town, tmp_path: Path) -> None:
    """Listed with what to do; --follow-up makes the new request and says which."""
    with running(tmp_path, instance.services(rights=(service := rights(instance.index, instance.keyring)))):
        made = service.create(
            "access", [("customer_number", KARI)], reason=None, channel="cli", received_at=moment(16)
        )
        service.advance(made.request_id)
        instance.visit(MOVED, moment(10, 15), NOW + timedelta(hours=1))
        service.tell(made.request_id, ToldBy.EMAIL)
        service.recheck(NOW + timedelta(hours=2))
        assert "came to light" in run("requests")[1]
        shown = " ".join(run("requests", "show", made.request_id)[1].split())
        assert f"innsyn requests --follow-up {made.request_id}" in shown
        status, out, _ = run("requests", "--follow-up", made.request_id)
        assert status == 0
        assert f"it follows {made.request_id} up" in " ".join(out.split())
        assert "dealt with by" in run("requests", "show", made.request_id)[1]
        assert len(answer("requests")["items"]) == 2
        for wrong in ("r-0000000000000000", "kari@example.no"):
            status, _, err = run("requests", "--follow-up", wrong)
            assert (status, err.count("\n")) == (2, 1)
            assert "kari" not in err


class _Worker:
    error: Exception | None = None

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.stopped = True


def test_the_rights_worker_looks_again_and_again() -> None:
    """Every few seconds, also after a look that failed because the index was away; until it is told to stop."""
    import threading

    stop, looks = threading.Event(), []

    class Service:
        def recheck(self, now: datetime) -> list[RequestState]:
            looks.append(1)
            if len(looks) == 3:
                stop.set()
            raise IndexUnavailable("away")

        def came_back(self, now: datetime) -> list[RequestState]:
            return []

    worker = _Worker()
    run_rights_role(worker, Service(), 0.01, stop)
    assert len(looks) == 3
    assert worker.stopped

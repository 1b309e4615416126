"""`innsyn certificate` and the route behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli.certificate import app
from console.cli.requests import app as requests
from sinks.ports.dead_letters import OpenLetters
from streams.evidence.book import LogBook
from tests.support.api import services
from tests.support.index import memory_index
from tests.support.instance import running
from tests.support.issuing import Desk, customer, erased
from tests.support.office import Office
from tests.support.suppressing import KARI
from tests.unit.rights.test_expiry_run import LONG_AGO, through, view


def called(*words: str, status: int = 0) -> str:
    found = CliRunner().invoke(app, list(words))
    assert found.exit_code == status, (found.output, found.exception)
    return found.output


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A running innsyn in whose office somebody is to be erased."""
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INNSYN_KEYS_DIR", str(tmp_path / "keys"))
    with ExitStack() as stack:
        office = Office(tmp_path, memory_index(), stack)
        office.put("crm.customers", customer())
        made = Desk(office)
        book = LogBook(made.log, made.key, made.clock, issuer=made.issuer)
        stack.enter_context(
            running(tmp_path / "home", services(tmp_path / "keys", rights=office.service, book=book))
        )
        yield made


def test_it_is_shown_written_and_checked_anywhere(desk: Desk, tmp_path: Path) -> None:
    request_id = erased(desk)
    desk.issuer.turn()
    shown = called("show", request_id)
    assert "completed 2026-11-22\nbytes gone 2026-11-22, issued 2026-11-22 under head 0 of the log" in shown
    file = tmp_path / "certificate.json"
    called("show", request_id, "--to", str(file))
    said = called("verify", str(file), "--key", desk.key().public.text)
    assert said.startswith(f"the erasure {request_id} was completed at ")
    assert said == called("verify", str(file))
    assert json.loads(called("show", request_id, "--json")) == json.loads(file.read_text())


def test_that_of_a_retention_run_is_shown_as_one_with_its_records(desk: Desk) -> None:
    """Nobody made it, so nothing is due."""
    view(desk.office, KARI, LONG_AGO, LONG_AGO)
    run = through(desk.office)
    desk.issuer.turn()
    shown = called("show", run.request_id)
    assert f"{run.request_id} retention run of 2026-11-22, completed 2026-11-22" in shown
    assert [text in shown for text in ("erasure", ", due ")] == [False, False]
    line = next(line for line in shown.splitlines() if "TvViewing" in line)
    assert line.split() == ["tv_middleware", "TvViewing", "2026-10-10", "T31", "2", "0"]


def test_what_happened_since_it_was_issued_is_said_beside_it(desk: Desk, tmp_path: Path) -> None:
    """Nobody hands one on that the request has left behind without knowing."""
    request_id = erased(desk)
    desk.issuer.turn()
    desk.office.now += timedelta(hours=1)
    desk.office.put("crm.customers", customer())
    desk.office.service.recheck(desk.office.now)
    for more in ((), ("--json",), ("--to", str(tmp_path / "certificate.json"))):
        found = CliRunner().invoke(app, ["show", request_id, *more])
        assert found.exit_code == 0
        assert "as of 2026-11-22, and the request went on: something came to light" in found.stderr


def test_the_request_says_whether_there_is_one(desk: Desk) -> None:
    """And why not, or what happened since."""
    request_id = erased(desk)

    def told() -> str:
        found = CliRunner().invoke(requests, ["show", request_id])
        assert found.exit_code == 0, found.exception
        return " ".join(found.output.split())

    assert "no certificate: " in told()
    desk.issuer.turn()
    issued = f"certificate 1 issued 2026-11-22, `innsyn certificate show {request_id}`"
    assert issued in told()
    assert f"{issued}; the request went on" not in told()
    as_json = json.loads(CliRunner().invoke(requests, ["show", request_id, "--json"]).output)
    assert (as_json["certificate"]["number"], as_json["certificate"]["why_not"]) == (1, None)
    desk.office.now += timedelta(hours=1)
    desk.office.put("crm.customers", customer())
    desk.office.service.recheck(desk.office.now)
    assert f"{issued}; the request went on: something came to light" in told()


def test_one_that_was_changed_has_status_1_and_one_sentence(desk: Desk, tmp_path: Path) -> None:
    request_id = erased(desk)
    desk.issuer.turn()
    file = tmp_path / "certificate.json"
    called("show", request_id, "--to", str(file))
    file.write_text(file.read_text().replace("2026-11-22T12:0", "2026-11-21T12:0"))
    said = called("verify", str(file), status=1)
    assert said.startswith("the certificate is not signed by key ")
    assert said.count("\n") == 1


def test_why_there_is_none_is_said_with_status_1(desk: Desk) -> None:
    """While the bytes are there, and for good where a person ended the request."""
    desk.purge.waits = ["lineage: 2 parts from before are not removed from the disk yet"]
    request_id = erased(desk)
    desk.issuer.turn()
    assert "it is completed, and its certificate is issued as soon as" in called("show", request_id, status=1)
    assert json.loads(called("show", request_id, "--json", status=1))["certificate"] is None


def test_a_request_that_is_not_there_is_said_to_be_none(desk: Desk) -> None:
    found = CliRunner().invoke(app, ["show", "r-0000000000000000"])
    assert "there is no request of that id" in str(found.exception)
    assert "that is not a request id" in str(CliRunner().invoke(app, ["show", "Kari Nordmann"]).exception)


def test_it_says_what_could_not_be_read(desk: Desk) -> None:
    """More of the person may stand there, so nobody takes it for the whole."""
    desk.office.letters = [OpenLetters("web.visits", "invalid_identifier", 2)]
    request_id = erased(desk)
    desk.office.service.waive(request_id, "they are of a test")
    desk.office.deliver()
    desk.issuer.turn()
    made = json.loads(called("show", request_id, "--json"))
    assert made["dead_letters"] == {"web.visits": 2}
    assert made["waived"] == {"dead_letters": {"web.visits": 2}, "shared_events": 0}
    assert "2 messages could not be read" in " ".join(called("show", request_id).split())

"""`innsyn retention`, and the route behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from console.api.app import create_app
from console.cli.retention import app
from sinks.memory.index import MemoryIndex
from tests.support.api import NOW, TOKEN, fill, services
from tests.support.asgi import InProcess
from tests.support.instance import running
from tests.support.pairs import ReadyKeyring

LATER = datetime(2026, 8, 15, 12, tzinfo=UTC)
"""When the visits of 1 May that the tests' person has are beyond their 90 days."""


def called(*words: str, status: int = 0) -> str:
    found = CliRunner().invoke(app, list(words))
    assert found.exit_code == status, (found.output, found.exception)
    return found.output


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INNSYN_KEYS_DIR", str(tmp_path / "keys"))
    return tmp_path


@pytest.fixture
def index(home: Path) -> MemoryIndex:
    index = MemoryIndex()
    fill(index, ReadyKeyring(home / "keys").made())
    return index


@pytest.fixture
def serving(home: Path, index: MemoryIndex) -> Iterator[None]:
    with ExitStack() as stack:
        given = services(home / "keys", reader=index, expiry=index, clock=lambda: LATER)
        stack.enter_context(running(home / "home", given))
        yield


@pytest.mark.usefixtures("serving")
def test_what_has_run_out_is_shown_by_system_and_rule() -> None:
    """With what it means for the event; an invoice and a device wait for clocks of the person."""
    shown = called("preview", "--months", "6")
    assert all(len(line) <= 100 for line in shown.splitlines())
    assert "T30: 90 days after event" in shown
    assert "nothing is left of it" in shown
    assert "another day for each person" in shown
    assert "contract end" in shown
    assert "invoice settled" in shown
    found = json.loads(called("preview", "--months", "6", "--json"))
    (visits,) = (item for item in found["items"] if item["rule"] == "T30")
    assert (visits["system"], visits["means"], visits["overdue"], visits["kept"]) == ("web", "delete", 3, 0)
    assert found["months"] == ["2026-08", "2026-09", "2026-10", "2026-11", "2026-12", "2027-01"]
    assert {item["system"] for item in found["waiting"]} == {"billing", "provisioning"}


def test_where_nothing_runs_out_that_is_said(home: Path) -> None:
    with running(home / "home", services(home / "keys", expiry=MemoryIndex())):
        shown = called("preview")
    assert "Nothing has run out by 2026-06-01 for everybody, and nothing will until 2026-08 ends" in shown


@pytest.mark.usefixtures("home")
def test_without_a_running_innsyn_it_says_so() -> None:
    assert "no innsyn is running" in str(CliRunner().invoke(app, ["preview"]).exception)


@pytest.mark.parametrize(("months", "status"), [("0", 422), ("25", 422), ("x", 422), ("1", 200), ("24", 200)])
def test_months_are_bounded(home: Path, index: MemoryIndex, months: str, status: int) -> None:
    given = services(home / "keys", expiry=index, clock=lambda: NOW)
    with httpx.Client(
        transport=InProcess(create_app(given)),
        base_url="http://innsyn",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as client:
        answer = client.get("/v1/retention/preview", params={"months": months})
    assert answer.status_code == status, answer.text
    assert status == 200 or "months" in answer.text


def test_an_api_that_cannot_count_says_so(home: Path) -> None:
    with httpx.Client(
        transport=InProcess(create_app(services(home / "keys"))),
        base_url="http://innsyn",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as client:
        assert client.get("/v1/retention/preview").status_code == 503

"""A system that never answers, as those see it who look after requests: the list, the metrics, no certificate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from console.cli.main import app
from console.health.requests import RequestFigures
from schemas.calendars import NORWEGIAN
from streams.evidence.book import LogBook
from tests.support.api import TOKEN, services
from tests.support.index import memory_index
from tests.support.instance import running
from tests.support.issuing import COOKIE, GONE, KARI, Desk, customer
from tests.support.office import Office


def called(*words: str, status: int = 0) -> str:
    found = CliRunner().invoke(app, list(words))
    assert found.exit_code == status, (found.output, found.exception)
    return found.output


class Watched(Desk):
    """A running innsyn whose customer system hears of no command."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        office = Office(folder, memory_index(), stack)
        office.put("crm.customers", customer())
        office.deaf = {"crm"}
        super().__init__(office)
        registry = CollectorRegistry()
        self.figures = RequestFigures(office.service.requests, self.clock, NORWEGIAN, registry)
        book = LogBook(self.log, self.key, self.clock, issuer=self.issuer)
        given = services(
            folder / "keys", rights=office.service, book=book, metrics=registry, clock=self.clock
        )
        self.address = stack.enter_context(running(folder / "home", given))

    def pass_by(self, days: int) -> None:
        """Day by day, what a running innsyn does as time passes."""
        for _ in range(days):
            self.office.now += timedelta(days=1)
            self.office.service.on_time(self.office.now)
            self.office.deliver()
        self.issuer.turn()

    def metric(self, name: str) -> float:
        """What is read at /metrics after the next look."""
        self.figures.look()
        text = httpx.get(f"{self.address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} "))


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INNSYN_KEYS_DIR", str(tmp_path / "keys"))
    monkeypatch.setenv("COLUMNS", "160")
    with ExitStack() as stack:
        yield Watched(tmp_path, stack)


def test_a_system_that_never_answers_is_seen_and_certifies_nothing(watched: Watched) -> None:
    """Told again, escalated, overdue in list and metrics; only its answer brings the certificate."""
    request = watched.office.erase(KARI, COOKIE, anchors=GONE).request_id
    assert "1 open, 0 overdue" in called("requests")
    assert watched.metric("innsyn_requests_overdue") == 0
    watched.pass_by(40)
    said = json.loads(called("requests", "show", "--json", request))
    assert (said["state"], said["overdue"], said["completed_at"]) == ("attention", True, None)
    assert any(line.startswith("crm: told ") for line in said["problems"])
    assert [item["attempt"] > 5 for item in said["commands"] if item["system"] == "crm"] == [True]
    assert "1 open, 1 overdue" in called("requests")
    assert "overdue by " in called("requests", "show", request)
    assert watched.metric("innsyn_requests_overdue") == 1
    assert f"there is no certificate of {request}" in called("certificate", "show", request, status=1)

    shown = json.loads(CliRunner().invoke(app, ["systems", "show", "--json"]).output)["items"]
    answered = {item["system"]: item["last_answer"] for item in shown}
    assert (answered["crm"], answered["mail"]) == (None, None)
    assert "never" in CliRunner().invoke(app, ["systems", "show"]).output
    watched.office.deaf = set()
    called("requests", "resend", request)
    watched.office.deliver()
    watched.pass_by(1)
    shown = json.loads(CliRunner().invoke(app, ["systems", "show", "--json"]).output)["items"]
    heard = {item["system"]: item["last_answer"] for item in shown}["crm"]
    assert heard[:10] == (watched.office.now - timedelta(days=1)).date().isoformat()
    assert "1 overdue" not in called("requests")
    assert watched.metric("innsyn_requests_overdue") == 0
    assert json.loads(called("certificate", "show", request, "--json"))

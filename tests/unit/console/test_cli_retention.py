"""`innsyn retention`, and the route behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from console.api.app import create_app
from console.cli.main import app as whole
from console.cli.retention import app
from schemas.layers import MODEL
from sinks.memory.copies import MemoryCopies
from sinks.memory.index import MemoryIndex
from sinks.memory.requests import MemoryRequests
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from sinks.ports.offsets import OffsetRange
from streams.identity.identities import Identities
from streams.rights.right import Retention
from streams.rights.service import RightsService
from tests.support.api import NOW, TOKEN, fill, services
from tests.support.asgi import InProcess
from tests.support.company import copy_of_model, model
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


@pytest.fixture
def service(home: Path, index: MemoryIndex) -> RightsService:
    """What carries runs out, with nobody at the other end of Kafka."""
    return RightsService(
        MemoryRequests(),
        index,
        index,
        Identities(index, model().identity_sources, index),
        ReadyKeyring(home / "keys").made(),
        model(),
        lambda *_: None,
        lambda: LATER,
        copies=MemoryCopies(),
        retention=Retention(index, index, 100),
    )


def test_a_run_is_begun_shown_and_approved_by_another(
    home: Path, index: MemoryIndex, service: RightsService
) -> None:
    """Nothing is told before that; a second run waits for the first."""
    given = services(home / "keys", reader=index, expiry=index, rights=service, clock=lambda: LATER)
    # As the tagger writes it: how far the index has read.
    ranges = [OffsetRange("web.visits", 0, 0, 1_000, 1)]
    index.write(LineageBatch(ROW_SCHEMA.empty_table(), ranges=ranges), lambda: NOW)
    with running(home / "home", given):
        assert "No run was ever begun" in called("status")
        assert "x-20260815-1: received" in called("run")
        service.resume()
        shown = called("status")
        assert "awaits approval" in shown
        assert "WebVisit: 3 before 2026-05" in " ".join(shown.split())
        (run,) = json.loads(called("status", "--json"))["runs"]
        assert (run["run"], run["state"], run["awaits_approval"]) == ("x-20260815-1", "planned", True)
        # Whoever looks at it as a request is told the same command.
        (problem,) = service.get("x-20260815-1").problems
        assert f"`innsyn retention approve x-20260815-1 --digest {run['digest']}`" in problem
        assert "is under way" in called("run")
        # Whoever began it is no second person.
        words = ["approve", "x-20260815-1", "--digest", run["digest"]]
        assert "same credential" in str(CliRunner().invoke(app, words).exception)
        service.approve("x-20260815-1", run["digest"], "another")
        service.advance("x-20260815-1")
        assert json.loads(called("status", "--json"))["runs"][0]["waiting_for"] == ["web"]
        listed = " ".join(CliRunner().invoke(whole, ["requests"]).output.split())
        assert (
            "There are no requests. besides 1 of what ran out by its retention rule, 1 of them open" in listed
        )
        (item,) = json.loads(
            CliRunner().invoke(whole, ["requests", "list", "--type", "retention", "--json"]).output
        )["items"]
        assert (item["request_id"], item["due_at"], item["overdue"]) == ("x-20260815-1", None, False)
        shown = CliRunner().invoke(whole, ["requests", "show", "x-20260815-1"]).output
        assert ", due " not in shown


def test_other_rules_are_counted_beside_those_in_force(home: Path, index: MemoryIndex) -> None:
    """Nothing changes by it; what is no rule is refused."""
    rules = {name: rule.model_dump(mode="json") for name, rule in model().catalogue.retention_rules.items()}
    with httpx.Client(
        transport=InProcess(create_app(services(home / "keys", expiry=index, clock=lambda: LATER))),
        base_url="http://innsyn",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as client:

        def overdue(said: dict[str, Any]) -> int:
            answer = client.post("/v1/retention/preview", json={"rules": said})
            assert answer.status_code == 200, answer.text
            return sum(item["overdue"] for item in answer.json()["items"] if item["rule"] == "T30")

        assert (overdue(rules), overdue({**rules, "T30": {**rules["T30"], "period": "P5Y"}})) == (3, 0)
        assert client.post("/v1/retention/preview", json={"rules": {"T30": {"period": 7}}}).status_code == 422


def test_a_company_s_rules_are_taken_from_its_folder(home: Path, index: MemoryIndex) -> None:
    with running(home / "home", services(home / "keys", expiry=index, clock=lambda: LATER)):
        found = json.loads(called("preview", "--company", str(MODEL), "--json"))
    assert found["today"] == found["other"]


def test_the_folder_of_other_rules_is_not_the_company_that_runs(
    home: Path, index: MemoryIndex, tmp_path: Path
) -> None:
    """Given to the whole of innsyn, whose commands share an option of that name."""
    folder = copy_of_model(tmp_path / "ours")
    rules = folder / "catalogue" / "retention.yaml"
    longer = re.sub(r"(\nT30:.*?period: )\w+", r"\1P9Y", rules.read_text("utf-8"), count=1, flags=re.DOTALL)
    rules.write_text(longer, "utf-8")
    with running(home / "home", services(home / "keys", expiry=index, clock=lambda: LATER)):
        said = CliRunner().invoke(whole, ["retention", "preview", "--company", str(folder), "--json"])
        nowhere = CliRunner().invoke(whole, ["retention", "preview", "--company", str(tmp_path / "nowhere")])
    assert json.loads(said.output)["today"] != json.loads(said.output)["other"]
    assert nowhere.exit_code != 0

"""`innsyn report`, and the routes behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from console.api.app import create_app
from console.cli.main import app
from sinks.ports.reports import REPORTS, Aggregate, Dimension, Report, Rows
from tests.support.api import TOKEN, services
from tests.support.asgi import InProcess
from tests.support.instance import running

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Answers:
    """Reports that keep what they were asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def aggregate(self, asked: Aggregate) -> Rows:
        self.asked.append(asked)
        return Rows(("purpose", "events_tagged", "people_held"), [("P-WEB", 12_345, 7)], more=True)

    def report(self, report: Report, since: date | None, until: date | None, limit: int) -> Rows:
        self.asked.append((report.name, since, until, limit))
        rows = [
            ("web", date(2026, 8, 30), ["contract_end", "need_end"], 1_200, True, AT, ""),
            ("crm", None, [], None, False, None, ""),
        ]
        return Rows(
            ("system", "until", "clocks", "events", "unjudged", "counted_at", "empty"), rows, more=False
        )


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INNSYN_KEYS_DIR", str(tmp_path / "keys"))
    with ExitStack() as stack:
        found = Answers()
        stack.enter_context(running(tmp_path / "home", services(tmp_path / "keys", reports=found)))
        yield found


def called(*words: str) -> str:
    found = CliRunner().invoke(app, ["report", *words])
    assert found.exit_code == 0, (found.output, found.exception)
    return found.stdout


def refused(*words: str) -> str:
    found = CliRunner().invoke(app, ["report", *words])
    assert found.exit_code
    return " ".join(f"{found.output} {found.exception}".split())


def test_reports_are_listed_with_a_line_each() -> None:
    """Without asking anybody; in CSV and JSON too."""
    shown = called()
    assert all(name in shown for name in REPORTS)
    assert all(len(line) <= 100 for line in shown.splitlines())
    assert [item["name"] for item in json.loads(called("--json"))["items"]] == list(REPORTS)
    assert called("--csv").splitlines()[1] == "purposes,events and people of each purpose"


def test_a_report_is_a_table_without_what_is_empty(answers: Answers) -> None:
    shown = called("expiry", "--since", "2026-06-01", "--until", "2026-12-31")
    assert answers.asked == [("expiry", date(2026, 6, 1), date(2026, 12, 31), 1_000)]
    head, _, first, second = shown.strip().splitlines()[:4]
    assert head.split() == ["system", "until", "clocks", "events", "unjudged", "counted", "at"]
    assert first.split() == [
        *["web", "2026-08-30", "contract_end,", "need_end", "1,200", "yes", "2026-06-01", "12:00:00"]
    ]
    assert second.split() == ["crm", "–", "–", "–", "–"]
    assert "as counted at counted_at" in " ".join(shown.split())


def test_csv_and_json_hold_every_column(answers: Answers) -> None:
    assert called("expiry", "--csv").splitlines() == [
        "system,until,clocks,events,unjudged,counted_at,empty",
        "web,2026-08-30,contract_end need_end,1200,true,2026-06-01T12:00:00Z,",
        "crm,,,,false,,",
    ]
    found = json.loads(called("expiry", "--json"))
    assert found["items"][1]["until"] is None
    assert found["more"] is False


def test_what_is_counted_by_is_chosen(answers: Answers) -> None:
    """Values of one dimension are together; that there is more is said where no program reads."""
    words = (
        "--by",
        "purpose",
        "--by",
        "day",
        "--where",
        "system=web",
        "--where",
        "system=crm",
        "--limit",
        "5",
    )
    result = CliRunner().invoke(app, ["report", *words])
    assert "12,345" in result.stdout
    assert "more than 5 rows" in result.stderr
    (asked,) = answers.asked
    assert asked == Aggregate([Dimension.PURPOSE, Dimension.DAY], {Dimension.SYSTEM: ["web", "crm"]}, limit=5)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("nothing",), "no report of that name"),
        (("expiry", "--by", "purpose"), "without one"),
        (("expiry", "--since", "yesterday"), "--since takes a day"),
        (("--where", "system=web"), "--by as well"),
        (("--by", "system", "--where", "shoe=9"), "DIMENSION=VALUE"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(words: tuple[str, ...], why: str) -> None:
    assert why in refused(*words)


def test_a_report_that_is_not_there_and_an_index_without_views_are_said(tmp_path: Path) -> None:
    """And nobody asks without the token."""
    transport = InProcess(create_app(services(tmp_path / "keys")))
    with httpx.Client(transport=transport, base_url="http://api.test") as client:
        assert client.get("/v1/reports").status_code == 401
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        assert client.get("/v1/reports/nothing").status_code == 404
        assert client.get("/v1/reports/coverage").status_code == 503
        assert client.post("/v1/lineage/aggregate", json={"by": ["shoe"]}).status_code == 422
        listed = client.get("/v1/reports").json()["items"]
    assert [item["name"] for item in listed] == list(REPORTS)

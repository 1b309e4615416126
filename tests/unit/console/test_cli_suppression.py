"""`innsyn suppression`, the routes behind it, and who is told that something came back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from console.cli.suppression import app
from console.health.requests import RequestFigures
from schemas.calendars import NORWEGIAN
from streams.rights.protocol.request import State
from streams.rights.protocol.states import summary
from tests.support.api import services
from tests.support.index import memory_index
from tests.support.instance import running
from tests.support.office import NOW
from tests.support.suppressing import KARI, Watchful

DAY = timedelta(days=1)
SECRET = "the person wants the old viewings of Kari back"


def called(*words: str, status: int = 0) -> str:
    found = CliRunner().invoke(app, list(words))
    assert found.exit_code == status, (found.output, found.exception)
    return found.output


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watchful]:
    """A running innsyn in whose office Kari's viewing is in the index."""
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INNSYN_KEYS_DIR", str(tmp_path / "keys"))
    monkeypatch.setenv("COLUMNS", "160")
    with ExitStack() as stack:
        made = Watchful(tmp_path, memory_index(), stack)
        made.viewing(KARI, NOW - DAY)
        given = services(tmp_path / "keys", rights=made.service, clock=lambda: made.now)
        stack.enter_context(running(tmp_path / "home", given))
        yield made


def test_nothing_is_looked_out_for_before_the_first_erasure(office: Watchful) -> None:
    assert "no erasure was carried out yet" in called("show")
    assert json.loads(called("show", "--json")) == {"items": []}


def test_what_is_looked_out_for_is_shown_with_what_came_back(office: Watchful) -> None:
    request = office.erase(("customer_number", KARI))
    office.later(timedelta(minutes=1))
    assert "2031-11-22" in called("show")
    office.contract(KARI, office.now)
    office.viewing(KARI, NOW - DAY)
    office.look()
    shown = called("show", request.request_id)
    assert "came back: 1 event by a producer (tv.viewings/0, offsets 1 to 1), last on 2026-11-22" in shown
    (item,) = json.loads(called("show", "--json"))["items"]
    assert (item["stands"], item["ending"]) == (True, None)
    (origin,) = item["came_back"]
    assert (origin["topic"], origin["partition"], origin["history"]) == ("tv.viewings", 0, 0)
    again = summary(office.service.get(request.request_id))
    assert [found["events"] for found in again["came_back"]["origins"]] == [1]


def test_what_is_lifted_says_so_and_keeps_its_reason_sealed(office: Watchful) -> None:
    """A second time there is nothing to lift, and an unknown id is told without being repeated."""
    request = office.erase(("customer_number", KARI))
    assert "no more" in called("lift", request.request_id, "--reason", SECRET)
    assert "lifted by a person" in called("show")
    (note,) = office.service.get(request.request_id).notes
    assert (note.what, note.reason) == ("look-out lifted", SECRET)
    assert all(SECRET not in json.dumps(event.content) for event in office.ledger.events(request.request_id))
    for name in (request.request_id, "r-0000000000000000"):
        found = CliRunner().invoke(app, ["lift", name, "--reason", SECRET])
        assert "looked out for of" in str(found.exception)
        assert SECRET not in str(found.exception)
    office.viewing(KARI, NOW - DAY)
    assert office.look() == []


def test_an_unknown_request_is_refused(office: Watchful) -> None:
    assert "nothing is looked out for" in str(CliRunner().invoke(app, ["show", "r-1"]).exception)


def test_what_stands_is_a_notice_and_a_figure(office: Watchful) -> None:
    """Until a person has dealt with it."""
    metrics = CollectorRegistry()
    figures = RequestFigures(office.service.requests, lambda: office.now, NORWEGIAN, metrics)
    request = office.erase(("customer_number", KARI))
    office.later(timedelta(minutes=1))
    assert figures.look() == []
    office.contract(KARI, office.now)
    office.viewing(KARI, NOW - DAY)
    office.look()
    (notice,) = figures.look()
    assert notice.startswith("of 1 erasure something came back that was not erased again")
    assert request.request_id in notice
    assert metrics.get_sample_value("innsyn_requests_came_back") == 1
    office.service.follow_up(request.request_id)
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED
    assert figures.look() == []
    assert metrics.get_sample_value("innsyn_requests_came_back") == 0

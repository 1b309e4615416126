"""The log of requests, the same in memory, on the embedded engine and over HTTP."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import IndexUnavailable
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.requests import ClickHouseRequests
from sinks.memory.requests import MemoryRequests
from sinks.ports.requests import RequestEvent, RequestLogOfMany, Seen
from tests.support.clickhouse_http import ClickHouseHttpServer
from tests.support.index import empty
from tests.support.ledger_writer import write
from tests.support.time_bounds import HANGING_SECONDS

NOON = datetime(2026, 3, 9, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.fixture
def log(engine: ClickHouse | None) -> RequestLogOfMany:
    return ClickHouseRequests(empty(engine)) if engine else MemoryRequests()


@pytest.fixture
def index(database: ClickHouse) -> ClickHouse:
    return database


@pytest.fixture
def ledger(index: ClickHouse) -> ClickHouseRequests:
    return ClickHouseRequests(index)


def test_events_come_back_in_order_as_they_went_in(log: RequestLogOfMany) -> None:
    """Kind, moment to the millisecond and content survive; the order is the sequence, not the time of writing."""
    content: dict[str, Any] = {
        "reason": 'sitat " og \\ og linje\nskift, æøå',
        "counts": {"rows": 3},
        "held": [None, True],
    }
    assert log.append("r-1", 1, "planned", NOON + timedelta(seconds=1), content)
    assert log.append("r-1", 0, "received", NOON, {})
    assert log.append("r-2", 0, "received", NOON, {})
    assert log.events("r-1") == [
        RequestEvent("r-1", 0, "received", NOON, {}),
        RequestEvent("r-1", 1, "planned", NOON + timedelta(seconds=1), content),
    ]
    assert log.events("r-3") == []


def test_many_events_at_once_are_stored_as_each_would_be_alone(log: RequestLogOfMany) -> None:
    """Of several with one number the first stands, here as well; each request's events come back at its place."""
    number = count()

    def check(said: list[tuple[int, int, str]]) -> None:
        whole, alone = f"r-w{next(number)}x", f"r-a{next(number)}x"
        many = [
            RequestEvent(f"{whole}{request}", at, kind, NOON, {"n": n})
            for n, (request, at, kind) in enumerate(said)
        ]
        each = [
            log.append(f"{alone}{request}", at, kind, NOON, {"n": n})
            for n, (request, at, kind) in enumerate(said)
        ]
        cut = len(many) // 2
        assert log.append_each(many[:cut]) + log.append_each(many[cut:]) == each
        names = [f"{whole}{request}" for request in (2, 0, 1, 0, 9)]
        found = log.events_each(names)
        assert found == [log.events(name) for name in names]
        other = log.events_each([name.replace(whole, alone) for name in names])
        assert [[(item.kind, item.content) for item in events] for events in found] == [
            [(item.kind, item.content) for item in events] for events in other
        ]

    events = st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from(["received", "planned"]))
    )
    settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))(given(events)(check))()


def test_a_sequence_number_is_given_once(log: RequestLogOfMany) -> None:
    """The second event of the same number changes nothing, whatever it says."""
    assert log.append("r-1", 0, "received", NOON, {"type": "erasure"})
    assert not log.append("r-1", 0, "received", NOON, {"type": "erasure"})
    assert not log.append("r-1", 0, "completed", NOON, {"type": "access"})
    assert [(event.kind, event.content) for event in log.events("r-1")] == [("received", {"type": "erasure"})]


def test_every_request_is_listed_oldest_first(log: RequestLogOfMany) -> None:
    """Requests by the time of their first event, each with all its events."""
    log.append("r-b", 0, "received", NOON, {})
    log.append("r-a", 0, "received", NOON + timedelta(days=1), {})
    log.append("r-b", 1, "planned", NOON + timedelta(days=2), {})
    listed = log.requests()
    assert [(name, [event.kind for event in events]) for name, events in listed.items()] == [
        ("r-b", ["received", "planned"]),
        ("r-a", ["received"]),
    ]


def test_an_index_that_is_away_is_said_to_be() -> None:
    """One error of ours, which names the index and not the statement."""
    away = ClickHouseRequests(ClickHouse("http://127.0.0.1:9/default"))
    with pytest.raises(IndexUnavailable, match=r"127\.0\.0\.1") as caught:
        away.append("r-1", 0, "received", NOON, {"secret": "K-100200"})
    assert "K-100200" not in str(caught.value)


def contents(ledger: ClickHouseRequests, request_id: str = "r-1") -> Sequence[Mapping[str, Any]]:
    return [event.content for event in ledger.events(request_id)]


@pytest.mark.parametrize("merged", [False, True])
def test_of_two_that_saw_a_number_free_the_first_to_store_wins(
    ledger: ClickHouseRequests, index: ClickHouse, monkeypatch: pytest.MonkeyPatch, merged: bool
) -> None:
    """The second is told so, whatever it wrote is nobody's answer, and merging the table changes nothing of it."""
    other, said, insert = ClickHouseRequests(index), [], index.insert_rows

    def late(*given: Any, **named: Any) -> None:
        monkeypatch.setattr(index, "insert_rows", insert)
        # Exactly between the other's look and its write.
        said.append(other.append("r-1", 0, "received", NOON, {"by": "the first"}))
        if merged:
            index.command("OPTIMIZE TABLE request_events FINAL")
        insert(*given, **named)

    monkeypatch.setattr(index, "insert_rows", late)
    assert not ledger.append("r-1", 0, "received", NOON, {"by": "the second"})
    assert said == [True]
    for _ in range(2):
        assert contents(ledger) == contents(other) == [{"by": "the first"}]
        assert ledger.requests()["r-1"] == ledger.events("r-1")
        index.command("OPTIMIZE TABLE request_events FINAL")
    assert not ledger.append("r-1", 0, "received", NOON, {"by": "a third"})
    assert ledger.append("r-1", 1, "planned", NOON, {"by": "the second"})


def test_threads_on_one_engine_lose_nothing(ledger: ClickHouseRequests, index: ClickHouse) -> None:
    """Every event of every writer is there, once, under numbers without a gap, in each writer's order."""
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda name: write(ClickHouseRequests(index), "r-1", name, 8), "abc"))
    _all_there(ledger, "abc", 8)


def test_processes_over_http_lose_nothing(tmp_path: Path) -> None:
    """The same between processes, each with a connection of its own."""
    with ClickHouseHttpServer(tmp_path / "db") as server:
        url = f"http://{server.host}:{server.port}/default"
        index = ClickHouse(url, user=server.user, password=server.password)
        migrate(index, NOON)
        command = [sys.executable, "-m", "tests.support.ledger_writer", url, server.user, "r-1"]
        writers = [
            subprocess.Popen([*command, name, "12"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for name in "ab"
        ]
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write(f"{server.password}\n")
            writer.stdin.flush()
        for writer in writers:
            out, _ = writer.communicate(timeout=HANGING_SECONDS)
            assert (writer.returncode, out.strip().isdigit()) == (0, True)
        _all_there(ClickHouseRequests(index), "ab", 12)
        index.close()


def _all_there(ledger: ClickHouseRequests, names: str, count: int) -> None:
    events = ledger.events("r-1")
    assert [event.sequence for event in events] == list(range(len(names) * count))
    for name in names:
        mine = [event.content["number"] for event in events if event.content["by"] == name]
        assert mine == list(range(count))


def test_a_ledger_of_before_is_read_as_it_was(index: ClickHouse) -> None:
    """Rows written before entries had a name keep their place, and their numbers are taken."""
    columns = ("request_id", "sequence", "kind", "occurred_at", "content")
    for number, kind in enumerate(("received", "planned")):
        index.insert_rows("request_events", columns, [("r-1", number, kind, NOON, "{}")])
    index.command("OPTIMIZE TABLE request_events FINAL")
    ledger = ClickHouseRequests(index)
    assert not ledger.append("r-1", 1, "completed", NOON, {})
    assert ledger.append("r-1", 2, "completed", NOON, {})
    assert [event.kind for event in ledger.events("r-1")] == ["received", "planned", "completed"]


def test_only_what_is_new_is_read_on(log: RequestLogOfMany) -> None:
    """All that a request has when anything of it is new, nothing while nothing is."""
    log.append("r-1", 0, "received", NOON, {})
    log.append("r-2", 0, "received", NOON, {})
    seen, changed = log.since(Seen())
    assert changed == log.requests()
    seen, changed = log.since(seen)
    assert not changed
    log.append("r-2", 1, "planned", NOON, {})
    seen, changed = log.since(seen)
    assert {name: [event.kind for event in events] for name, events in changed.items()} == {
        "r-2": ["received", "planned"]
    }
    assert not log.append("r-2", 1, "planned", NOON, {})
    assert not log.since(seen)[1]

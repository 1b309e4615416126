"""Questions without end: as many as one likes at once, ones that take for ever, clients that leave."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from console.api.app import create_app
from console.api.protection.pool import QuestionLimits, Questions
from console.wiring.serving import ApiServer
from schemas.errors import QuestionAbandoned, QuestionTooLong
from schemas.patience import Patience, check, patience
from sinks.clickhouse.client import ClickHouse
from sinks.memory.index import MemoryIndex
from sinks.ports.lineage import NO_LIMITS, Filter, Found, Span
from tests.support.api import EMAIL, TOKEN, services
from tests.support.index import SQL_KINDS, running
from tests.support.time_bounds import HANGING_SECONDS, await_that

QUESTION = json.dumps({"identifiers": [{"kind": "email", "value": EMAIL}]}).encode()
ENDLESS = "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 5"
ROUTES = ("/v1/lineage/query", "/v1/access", "/v1/requests/plan")


class Slow(MemoryIndex):
    """Answers when it may, in steps: between them it looks whether anybody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()
        self.begun = 0
        self.ended: list[str] = []

    def find(self, spans: Sequence[Span], limits: Filter = NO_LIMITS, known_at: Any = None) -> Found:
        self.begun += 1
        try:
            while not self.may.wait(0.005):
                check()
        except Exception as error:
            self.ended.append(type(error).__name__)
            raise
        self.ended.append("answered")
        return super().find(spans, limits, known_at)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., tuple[str, Slow, Questions]]]:
    """Starts a server of the API over a slow index; the address, the index and the pool."""
    with ExitStack() as stack:

        def start(**limits: Any) -> tuple[str, Slow, Questions]:
            index = Slow()
            app = create_app(services(tmp_path, reader=index, limits=QuestionLimits(**limits)))
            server, stop = ApiServer(app, "127.0.0.1", 0), threading.Event()
            thread = threading.Thread(target=server.run, args=(stop,))
            thread.start()
            stack.callback(thread.join, HANGING_SECONDS)
            stack.callback(stop.set)
            stack.callback(index.may.set)
            return server.address, index, app.state.questions

        yield start


def ask(address: str, path: str = ROUTES[0]) -> socket.socket:
    """A question on a connection of its own; its answer is not waited for."""
    parts = urlsplit(address)
    one = socket.create_connection((parts.hostname, parts.port), timeout=HANGING_SECONDS)
    head = f"POST {path} HTTP/1.1\r\nHost: i\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(QUESTION)}\r\n\r\n"
    one.sendall(head.encode() + QUESTION)
    return one


def answer(one: socket.socket) -> tuple[int, str, dict[str, Any]]:
    """Status, head and body."""
    with closing(one):
        taken = b""
        while part := one.recv(65_536):
            taken += part
    head, _, body = taken.decode().partition("\r\n\r\n")
    return int(head.split()[1]), head.lower(), json.loads(body)


def healthy(address: str) -> bool:
    """Whether /healthz says so."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=HANGING_SECONDS) as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: i\r\nConnection: close\r\n\r\n")
        return one.recv(65_536).startswith(b"HTTP/1.1 200")


def test_45_questions_at_once_do_not_hold_health_up_and_all_but_a_few_are_told_to_repeat(serve: Any) -> None:
    """All 45 were worked on, and /healthz waited for minutes."""
    address, index, _ = serve(workers=2, waiting=4)
    asked = [ask(address, ROUTES[number % len(ROUTES)]) for number in range(45)]
    await_that(lambda: index.begun == 2, "two questions are worked on")
    # No question is answered before the index may.
    assert all(healthy(address) for _ in range(5))
    index.may.set()
    found = [answer(one) for one in asked]
    refused = [(head, body) for status, head, body in found if status == 503]
    assert len(refused) == 45 - 6
    assert sorted(status for status, _, _ in found if status != 503) == [200] * 6
    for head, body in refused:
        assert "retry-after: 5" in head
        assert "repeat it soon" in body["detail"]


def test_a_question_that_takes_too_long_is_ended_and_says_what_to_do(serve: Any) -> None:
    """504 with how to narrow it; the next question has its thread."""
    address, index, _ = serve(seconds=1.0, workers=1)
    status, _, body = answer(ask(address))
    assert status == 504
    assert "narrow it by time" in body["detail"]
    assert "1 s" in body["detail"]
    await_that(lambda: index.ended == ["QuestionTooLong"], "the work ended as well")
    index.may.set()
    assert answer(ask(address))[0] == 200


def test_nothing_is_worked_out_for_clients_that_left(serve: Any) -> None:
    """What runs ends at its next step, what waits is never begun."""
    address, index, pool = serve(workers=1, waiting=10)
    first = ask(address)
    await_that(lambda: index.begun == 1, "the first is worked on")
    waiting = [ask(address) for _ in range(5)]
    stays = ask(address)
    await_that(lambda: pool.taken == 7, "six wait")
    for one in waiting:
        one.close()
    await_that(lambda: pool.taken == 2, "the places of those who left are free")
    first.close()
    await_that(lambda: index.ended == ["QuestionAbandoned"], "the work for the first ends")
    index.may.set()
    assert answer(stays)[0] == 200
    assert index.begun == 2


def test_the_description_of_the_api_names_the_limit_and_the_full_pool(tmp_path: Path) -> None:
    """503 and 504, at every question about a person."""
    described = create_app(services(tmp_path)).openapi()["paths"]
    for path in (*ROUTES, "/v1/identity"):
        answers = described[path]["post"]["responses"]
        assert "Retry-After" in answers["503"]["description"]
        assert "narrow" in answers["504"]["description"]


@pytest.fixture(scope="module", params=SQL_KINDS)
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """An index of each kind, empty."""
    with running(request.param, tmp_path_factory.mktemp("index")) as (database, _):
        yield database


@pytest.mark.parametrize("way", ["query", "query_arrow"])
def test_a_statement_is_ended_by_the_index_when_the_question_is_out_of_time(
    index: ClickHouse, way: str
) -> None:
    """Not after the statement: within it."""
    began = time.monotonic()
    with patience(Patience(0.3)), pytest.raises(QuestionTooLong):
        getattr(index, way)(ENDLESS)
    assert time.monotonic() - began < HANGING_SECONDS
    # Of the next answer nothing is of the one that broke off.
    assert index.query("SELECT 1") == [(1,)]


def test_a_statement_is_cancelled_when_nobody_waits_for_it_any_more(index: ClickHouse) -> None:
    """By another handle, while it runs."""
    asked = Patience(60)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            with patience(asked):
                index.query(ENDLESS)
        except BaseException as error:  # noqa: BLE001 - looked at below
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    seen = (
        "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'"
    )
    await_that(lambda: index.query(seen) == [(1,)], "the statement runs")
    asked.leave()
    thread.join(HANGING_SECONDS)
    assert [type(error) for error in raised] == [QuestionAbandoned]
    with patience(asked), pytest.raises(QuestionAbandoned):
        index.query("SELECT 1")


def test_outside_of_a_question_nothing_is_limited(index: ClickHouse) -> None:
    """And within one that has time, an answer is what it was."""
    plain = index.query("SELECT number FROM numbers(3)")
    with patience(Patience(60)):
        assert index.query("SELECT number FROM numbers(3)") == plain
        assert index.query_arrow("SELECT number FROM numbers(3)").num_rows == 3
    check()


def test_a_question_that_is_cut_off_by_a_stop_is_told_so(tmp_path: Path) -> None:
    """It was told of a bug (500), though nothing was wrong with it."""
    index = Slow()
    server, stop = ApiServer(create_app(services(tmp_path, reader=index)), "127.0.0.1", 0), threading.Event()
    server._server.config.timeout_graceful_shutdown = 1
    thread = threading.Thread(target=server.run, args=(stop,))
    thread.start()
    try:
        one = ask(server.address)
        await_that(lambda: index.begun == 1, "the question is worked on")
        stop.set()
        status, head, body = answer(one)
    finally:
        index.may.set()
        stop.set()
        thread.join(HANGING_SECONDS)
    assert (status, "retry-after: 30" in head) == (503, True)
    assert "innsyn is being stopped and did not finish this" in body["detail"]

"""A query in SQL that runs on and on stops neither tagging nor answers, and ends when whoever asked it leaves."""

from __future__ import annotations

import base64
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from console.operations.new_company import write_company
from console.wiring.local import LocalInstance, running
from console.wiring.processes import raise_first
from schemas.codec import encode
from schemas.company import load_company
from schemas.policy import RetentionAnchors
from schemas.settings import Settings
from streams.answers.lookup import access
from streams.answers.question import Identifier, Question
from streams.kafka.brokers.in_process import InProcessBroker
from streams.kafka.producer import EventProducer
from tests.support.kinds import KINDS
from tests.support.time_bounds import HANGING_SECONDS, await_that

SLOW = (
    "SELECT count() FROM v_lineage AS a, v_lineage AS b, v_lineage AS c, v_lineage AS d, v_lineage AS e"
    " WHERE cityHash64(a.token, b.token, c.token, d.token, e.token) % 7 = 8"
)
FIRST = 60


@contextmanager
def asking(instance: LocalInstance, token: str) -> Iterator[socket.socket]:
    """While somebody waits for the slow query, who leaves at the end."""
    parts = urlsplit(instance.sql_address or "")
    login = base64.b64encode(f"analyst:{token}".encode()).decode()
    head = (
        f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\nContent-Length: {len(SLOW)}\r\n\r\n"
    )
    with socket.create_connection((str(parts.hostname), parts.port or 0)) as connection:
        connection.sendall((head + SLOW).encode())
        yield connection


def answered(connection: socket.socket) -> bool:
    """Whether something has come."""
    return bool(select.select([connection], [], [], 0)[0])


def quick(instance: LocalInstance, token: str) -> int:
    """Status of another query: 503 while all workers are taken."""
    assert instance.sql_address is not None
    answer = httpx.post(instance.sql_address, content="SELECT 1", auth=("analyst", token), trust_env=False)
    return answer.status_code


def test_a_slow_query_stops_neither_tagging_nor_answers(tmp_path: Path) -> None:
    write_company(tmp_path / "ours", "minimal", {})
    company = load_company(tmp_path / "ours")
    settings = Settings(
        home=tmp_path / "home", company=tmp_path / "ours", api_port=0, tag_batch_seconds=0.1,
        sql_seconds=HANGING_SECONDS, sql_workers=1, sql_queue=0,
    )  # fmt: skip
    settings.home.mkdir()
    (order,) = company.examples("OrderPlaced")
    person = Question([Identifier(KINDS["customer_number"], "700104")], RetentionAnchors())
    with InProcessBroker() as broker:
        for name in company.topics:
            broker.make_topic(name)
        with running(settings, broker.connection) as instance, EventProducer(broker.connection) as producer:

            def send(first: int, count: int) -> None:
                for number in range(first, first + count):
                    value = {**order, "order_number": f"2026-{number}"}
                    producer.send("shop.orders", encode(company.records["OrderPlaced"], value), key=b"700104")
                producer.flush()

            def found(events: int) -> bool:
                raise_first(instance.roles)
                return bool(access(person, instance.answering, datetime.now(UTC))["total_events"] == events)

            send(0, FIRST)
            await_that(lambda: found(FIRST), "the first are tagged")
            token = (settings.home / "sql-token").read_text().strip()
            with asking(instance, token) as slow:
                await_that(lambda: quick(instance, token) == 503, "the slow one runs")
                send(FIRST, 3)
                await_that(
                    lambda: found(FIRST + 3), "events that came meanwhile are tagged, and answered for"
                )
                assert not answered(slow)
                assert quick(instance, token) == 503
            await_that(lambda: quick(instance, token) == 200, "whoever left has its query ended")

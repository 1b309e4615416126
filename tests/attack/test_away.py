"""A broker or an index that is away: what is said of it, what is made anew, and what nobody shall ask twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import KafkaError

from console.api.app import create_app
from console.client import Client
from console.health.taggers import unread_problems
from console.instance import ApiAddress
from console.wiring.processes import Background, raise_first
from schemas.errors import BrokerUnavailable, IndexUnavailable, Unavailable
from schemas.keys import Keyring
from sinks.memory.index import MemoryIndex
from sinks.memory.requests import MemoryRequests
from streams.kafka.brokers.in_process import InProcessBroker
from streams.kafka.brokers.keeper import Keeper
from streams.kafka.connection import Connection
from streams.kafka.groups import reach
from streams.kafka.producer import EventProducer
from streams.rights.protocol.request import RequestState
from tests.support.api import EMAIL, TOKEN, fill, rights, services
from tests.support.asgi import InProcess
from tests.support.time_bounds import HANGING_SECONDS, await_that

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def test_a_broker_that_is_away_is_said_once() -> None:
    """The broker's own part says it; that nobody can say who reads is no second problem."""

    def away() -> Sequence[str]:
        raise BrokerUnavailable("no broker")

    assert unread_problems(away, "innsyn-tagger") == ()


def test_a_broker_that_is_away_is_told_in_our_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Address and mend, no library's text."""
    monkeypatch.setattr("streams.kafka.groups._TIMEOUT", 0.2)
    with pytest.raises(
        BrokerUnavailable, match=r"Kafka at 127\.0\.0\.1:1 does not answer while being looked at"
    ):
        reach(Connection("127.0.0.1:1"))


class Lost:
    """A broker that swallows what it is sent, or does not: `away` says which."""

    def __init__(self) -> None:
        self.away = True
        self.sent: list[str] = []

    def __call__(self, topic: str, message: bytes, key: bytes) -> None:
        if self.away:
            raise BrokerUnavailable("Kafka does not answer")
        self.sent.append(topic)


def test_a_request_recorded_while_kafka_is_away_says_that_nobody_shall_ask_again(tmp_path: Path) -> None:
    """201 with its id and the sentence, where it was 503: whoever asked again made a second request."""
    send = Lost()
    keyring, index = Keyring(tmp_path).made(), MemoryIndex()
    fill(index, keyring)
    service = rights(index, keyring, send=send)
    app = create_app(services(tmp_path, rights=service))
    body = {"type": "access", "identifiers": [{"kind": "email", "value": EMAIL}]}
    with httpx.Client(
        transport=InProcess(app), base_url="http://innsyn", headers={"Authorization": f"Bearer {TOKEN}"}
    ) as client:
        made = client.post("/v1/requests", json=body)
        assert made.status_code == 201
        found = made.json()
        assert found["notice"].startswith(f"recorded as {found['request_id']}, which goes on by itself")
        assert "do not ask again" in found["notice"]
        (known,) = client.get("/v1/requests").json()["items"]
        assert known["request_id"] == found["request_id"]
        send.away = False
        service.resume()
        assert client.get(f"/v1/requests/{found['request_id']}").json()["state"] == "answered"


@pytest.mark.parametrize(
    ("written", "readable", "words"),
    [
        (True, True, None),
        (
            True,
            False,
            "may be recorded as r-0101010101010101: look at `innsyn requests` before you ask again",
        ),
        (False, True, "the index is away"),
    ],
)
def test_an_index_that_fails_while_a_request_is_recorded_leaves_nobody_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bool, readable: bool, words: str | None
) -> None:
    """The write was done but its answer lost; the same, and nobody can look; it was not done."""
    keyring, index = Keyring(tmp_path), MemoryIndex()
    append, events = MemoryRequests.append, MemoryRequests.events
    failing = threading.Event()

    def loses(self: MemoryRequests, *event: Any) -> bool:
        if event[2] != "received":
            return append(self, *event)
        if written:
            append(self, *event)
        if not readable:
            failing.set()
        raise IndexUnavailable("the index is away")

    def reads(self: MemoryRequests, request_id: str) -> Any:
        if failing.is_set():
            raise IndexUnavailable("the index is away")
        return events(self, request_id)

    monkeypatch.setattr(MemoryRequests, "append", loses)
    monkeypatch.setattr(MemoryRequests, "events", reads)
    service = rights(index, keyring)

    def create() -> RequestState:
        return service.create("access", [("email", EMAIL)], reason=None, channel="api", received_at=NOW)

    if words is None:
        assert create().state.value == "received"
        return
    with pytest.raises(Unavailable) as raised:
        create()
    assert words in str(raised.value)


def test_a_command_that_got_no_answer_says_where_to_look_first() -> None:
    """A time-out of a request that may be recorded; one that never reached anybody is only not there."""

    def failing(error: Exception) -> str:
        def respond(_: httpx.Request) -> httpx.Response:
            raise error

        client = Client(ApiAddress("http://innsyn", TOKEN), transport=httpx.MockTransport(respond))
        with pytest.raises(Unavailable) as raised:
            client.create_request({})
        return str(raised.value)

    assert "may be recorded; look at `innsyn requests` before you ask again" in failing(httpx.ReadTimeout(""))
    assert "may be recorded" in failing(httpx.RemoteProtocolError(""))
    assert "may be recorded" not in failing(httpx.ConnectError(""))


class Kafka:
    """A broker of the keeper: it ends when the test says so, and comes back unless it cannot."""

    def __init__(self) -> None:
        self.ended: str | None = None
        self.fails = 0
        self.restarted = threading.Event()

    def restart(self, give_up: Callable[[], bool]) -> None:
        if self.fails:
            self.fails -= 1
            raise BrokerUnavailable("Kafka could not start (No space left on device)")
        self.ended = None
        self.restarted.set()


def kept(
    kafka: Kafka, answers: Callable[[], object], hung_seconds: float = HANGING_SECONDS
) -> tuple[Keeper, Background]:
    """The keeper at work on it."""
    keeper = Keeper(kafka, answers, pauses=(0.0, 0.01), look_seconds=0.005, hung_seconds=hung_seconds)
    role = Background("kafka", keeper.run, threading.Event())
    role.start()
    return keeper, role


def test_a_broker_that_was_killed_is_started_again_also_once_there_is_space() -> None:
    """Tried again and again with the reason of the last try; well again without a hand."""
    kafka = Kafka()
    keeper, role = kept(kafka, list)
    kafka.fails, kafka.ended = 5, "Kafka was killed by signal 9"
    await_that(lambda: any("No space left" in line for line in keeper.problems()), "the reason is told")
    assert kafka.restarted.wait(HANGING_SECONDS)
    await_that(lambda: not keeper.problems(), "it is well again")
    role.stop()
    raise_first([role])


def test_a_broker_that_hangs_is_started_again() -> None:
    """Its process is there, but it does not answer: as long as that may pass by itself it is left alone."""
    kafka, hangs = Kafka(), threading.Event()

    def answers() -> None:
        if hangs.is_set() and not kafka.restarted.is_set():
            raise BrokerUnavailable("no answer")

    _, role = kept(kafka, answers, hung_seconds=0.05)
    hangs.set()
    assert kafka.restarted.wait(HANGING_SECONDS)
    role.stop()


def test_a_keeper_ends_although_its_broker_never_comes_back() -> None:
    """Stopping waits for no pause and no try."""
    kafka = Kafka()
    kafka.fails, kafka.ended = 10**9, "Kafka ended with status 1"
    keeper, role = kept(kafka, list)
    await_that(lambda: bool(keeper.problems()), "it is noticed")
    role.stop()
    assert not role.alive


def test_a_producer_that_kafka_refuses_for_good_is_made_anew() -> None:
    """librdkafka's fatal errors end one producer for ever; what is sent after one was told arrives."""
    with InProcessBroker() as broker, EventProducer(broker.connection, linger_ms=0) as producer:
        producer._failed = KafkaError(KafkaError._FATAL, "out of order", fatal=True), "web.visits"
        with pytest.raises(BrokerUnavailable):
            producer.send("web.visits", b"lost")
        producer.send("web.visits", b"kept")
        producer.flush()

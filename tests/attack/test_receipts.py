"""Whoever can write to Kafka speaks for a system, for innsyn or for nobody: what was tried on requests and receipts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import httpx
import pytest
from confluent_kafka import Producer

from console.client import Client
from console.instance import ApiAddress
from schemas.codec import encode
from schemas.errors import InputError
from schemas.records import load_records
from streams.kafka.connection import Connection
from streams.kafka.dead_letters import DeadLetterStore
from streams.kafka.follow import messages_of
from streams.kafka.topics import create_topics
from streams.rights.case import CaseFile
from streams.rights.protocol.messages import DELETION, RECEIPTS, REQUESTS, Named
from streams.rights.service import RightsService
from streams.rights.worker import RightsWorker
from tests.support.company import model
from tests.support.index import memory_index
from tests.support.office import NOW, Office
from tests.support.taken import taken
from tests.support.time_bounds import HANGING_SECONDS

RECORDS = load_records()
BAD_IDS = [
    "[/b]x",
    "[bold]r-1",
    "r-1\x1b[2J",
    "r-1\x9b31m",
    "r-1\n",
    "r-1\r\nX-Header: y",
    "r-\u202e1",
    "r-" + "1" * 5_000,
    "r-1/../../healthz",
    "r-1/crm",
    "",
    "-",
    "01814512345",
    "kari@mail.example.no",
    "r-1 OR 1=1",
    "r-ø",
]


def announced(request_id: str, channel: str = "post") -> dict[str, Any]:
    return {
        "request_id": request_id,
        "type": "erasure",
        "sealed_identifiers": b"?",
        "channel": channel,
        "reason": None,
        "received_at": NOW,
    }


class Message:
    """Where a message of Kafka lies."""

    partition, offset = 0, 7

    def __init__(self, topic: str) -> None:
        self.topic = topic


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        yield Office(tmp_path, memory_index(), stack)


@pytest.mark.parametrize("request_id", BAD_IDS)
def test_an_id_that_is_none_is_a_dead_letter_and_never_in_the_ledger(office: Office, request_id: str) -> None:
    """Markup, control characters, other people's addresses: before anything stores or prints them."""
    aside: list[tuple[Any, ...]] = []
    message = encode(RECORDS["RightsRequest"], announced(request_id))
    place = Message(REQUESTS)
    taken(
        RECORDS["RightsRequest"], message, place, office.service.on_request, lambda *said: aside.append(said)
    )
    assert [said[:4] for said in aside] == [(REQUESTS, 0, 7, "malformed_id")]
    assert office.service.requests() == []


def test_a_channel_that_is_no_word_is_a_dead_letter(office: Office) -> None:
    """It is printed with the request."""
    aside: list[tuple[Any, ...]] = []
    message = encode(RECORDS["RightsRequest"], announced("r-1", "[/red]\x1b]0;x\x07"))
    place = Message(REQUESTS)
    taken(
        RECORDS["RightsRequest"], message, place, office.service.on_request, lambda *said: aside.append(said)
    )
    assert [said[3] for said in aside] == ["malformed_id"]
    assert office.service.requests() == []


@pytest.mark.parametrize("request_id", ["r-1", "r-2026-0001", "case-7.b_2", "r-" + "f" * 60])
def test_what_kafka_takes_for_an_id_the_command_line_can_name(office: Office, request_id: str) -> None:
    """One form at every edge: a request that came over Kafka can be closed by hand."""
    file = CaseFile(office.ledger, office.keyring, lambda: NOW)
    sealed = file.seal(request_id, [Named("customer_number", "10043")], None)
    message = encode(RECORDS["RightsRequest"], announced(request_id) | {"sealed_identifiers": sealed})
    taken(RECORDS["RightsRequest"], message, Message(REQUESTS), office.service.on_request, _fail)
    assert [item.request_id for item in office.service.requests()] == [request_id]
    asked: list[str] = []
    _client(asked).request(request_id)
    assert asked == [f"/v1/requests/{request_id}"]


@pytest.mark.parametrize("request_id", BAD_IDS)
def test_the_command_line_puts_nothing_else_into_an_address(request_id: str) -> None:
    """Refused before anything is sent, and not quoted."""
    asked: list[str] = []
    with pytest.raises(InputError) as refused:
        _client(asked).request(request_id)
    assert asked == []
    assert str(refused.value) == "that is not a request id; `innsyn requests` lists them"


def _fail(*_: Any) -> None:
    raise AssertionError


def _client(asked: list[str]) -> Client:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return httpx.Response(200, json={})

    return Client(ApiAddress("http://innsyn", "t"), transport=httpx.MockTransport(answer))


def _aborted_then_said(bootstrap: str, topic: str, aborted: bytes, said: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"attack-{topic}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, aborted, key=b"r-1")
    producer.flush(HANGING_SECONDS)
    producer.abort_transaction(30)
    producer.begin_transaction()
    producer.produce(topic, said, key=b"r-1")
    producer.commit_transaction(30)


def test_the_agents_do_not_hear_what_an_aborted_transaction_said(kafka_bootstrap: str) -> None:
    """On a real broker; the in-process one shows aborted messages to everybody."""
    connection = Connection(kafka_bootstrap)
    create_topics(connection, [model().topics[topic] for topic in (REQUESTS, RECEIPTS)])
    heard: list[str] = []
    done = threading.Event()

    def hear(value: Any) -> object:
        heard.append(value["request_id"])
        if value["request_id"] == "r-said":
            done.set()
        return object()

    service = create_autospec(RightsService, instance=True, copies_asked=False)
    service.on_requests.side_effect = lambda values: [hear(value) for value in values]
    aborted, said = (
        encode(RECORDS["RightsRequest"], announced(name) | {"received_at": datetime.now(UTC)})
        for name in ("r-aborted", "r-said")
    )
    _aborted_then_said(kafka_bootstrap, REQUESTS, aborted, said)
    worker = RightsWorker(connection, service, create_autospec(DeadLetterStore, instance=True))
    worker.start()
    try:
        assert done.wait(HANGING_SECONDS)
    finally:
        worker.stop()
    assert "r-said" in heard
    assert "r-aborted" not in heard


def test_a_job_does_not_hear_what_an_aborted_transaction_said(kafka_bootstrap: str) -> None:
    """Its consumer as well reads committed messages alone."""
    topic, stop = f"{DELETION}crm", threading.Event()
    create_topics(Connection(kafka_bootstrap), [model().topics[topic]])
    _aborted_then_said(kafka_bootstrap, topic, b"aborted", b"said")
    messages = messages_of(Connection(kafka_bootstrap), topic, "attack", stop)
    try:
        value, _ = next(messages)
    finally:
        stop.set()
        messages.close()
    assert value == b"said"

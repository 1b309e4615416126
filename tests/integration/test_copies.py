"""Copies over Kafka: a command goes out, parts and receipt come back, and what is no part is a dead letter."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from schemas.codec import decode
from schemas.own import own_record
from streams.kafka.connection import Connection
from streams.kafka.follow import messages_of
from streams.kafka.sender import sender
from streams.kafka.topics import create_topics
from streams.rights.protocol.messages import COPIES, RECEIPTS, REQUESTS
from streams.rights.protocol.states import State
from streams.rights.worker import RightsWorker
from tests.support.company import model
from tests.support.copying import copy_of, receipt_of
from tests.support.index import memory_index
from tests.support.office import Office
from tests.support.receipts import job_key
from tests.support.time_bounds import HANGING_SECONDS
from tests.unit.rights.test_short import COOKIE, visit


@pytest.mark.kafka
def test_a_copy_comes_over_kafka(kafka_bootstrap: str, tmp_path: Path) -> None:
    """The receipt first, then the parts, one of them twice; a message that is no part keeps nobody waiting."""
    connection, stop = Connection(kafka_bootstrap), threading.Event()
    topics = model().topics
    access = topics["restriction.web"].model_copy(update={"name": "access.web"})
    create_topics(connection, [topics[REQUESTS], topics[RECEIPTS], topics[COPIES], access])
    aside: set[tuple[str, bytes]] = set()
    with ExitStack() as stack:
        office = Office(tmp_path, memory_index(), stack, copying=["web"])
        office.put("web.visits", visit(1), visit(2), visit(3))
        send = stack.enter_context(sender(connection))
        office.service._sending._send = send
        worker = RightsWorker(
            connection, office.service, lambda topic, _, __, ___, payload: aside.add((topic, payload))
        )
        stack.callback(worker.stop)
        worker.start()
        made = office.service.create(
            "access", [COOKIE], reason=None, channel="web", received_at=office.now
        ).request_id
        commands = stack.enter_context(closing(messages_of(connection, "access.web", "job", stop)))
        message, _ = next(commands)
        told = decode(own_record("RightsCommand"), message)
        records = [("WebVisit", visit(number)) for number in (1, 2, 3)]
        key = job_key(office.keyring, "web")
        parts, said = copy_of(told, records, key, office.now, each=1)
        send(RECEIPTS, receipt_of(told, key, office.now, **said), made.encode())
        for part in (b"no part", parts[2], parts[0], parts[0], parts[1]):
            send(COPIES, part, made.encode())
        deadline, pause = time.monotonic() + HANGING_SECONDS, threading.Event()
        while office.service.get(made).state is not State.ANSWERED:
            assert time.monotonic() < deadline, office.service.get(made)
            pause.wait(0.05)
        stop.set()
    # Other tests leave requests on the same broker, of which nobody here has the keys. After a rebalance a message
    # comes again, and is set aside again.
    assert {payload for topic, payload in aside if topic == COPIES} == {b"no part"}
    assert office.copies.count(told["command_id"], 1) == 3

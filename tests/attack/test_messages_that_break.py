"""One message or letter whose step breaks: it is set aside and taken again, and the agents go on."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock, create_autospec

import pytest

from console.wiring.rights import run_rights_role
from schemas.codec import encode
from schemas.errors import IndexUnavailable
from schemas.records import load_records
from schemas.together import tried
from sinks.ports.lineage import IndexWriter
from streams.feeds.run import refused
from streams.kafka.brokers.in_process import InProcessBroker
from streams.kafka.producer import EventProducer
from streams.rights.again import TAKEN, again
from streams.rights.protocol.messages import RECEIPTS, REQUESTS
from streams.rights.protocol.states import State
from streams.rights.service import RightsService
from streams.rights.worker import RightsWorker
from tests.support.faulty import KARI, SECRET, office, receipt
from tests.support.office import NOW, Office
from tests.support.time_bounds import HANGING_SECONDS

__all__ = ["office"]


RECORDS = load_records()


def test_a_message_whose_step_breaks_is_set_aside_and_the_next_one_is_taken() -> None:
    """Nothing ends the agents: not the step, not what keeps the message, which is tried until it is kept."""
    service, kept, taken = (
        create_autospec(RightsService, instance=True, copies_asked=False),
        [],
        threading.Event(),
    )
    refusals = [KeyError("no key"), None]

    def keep(topic: str, partition: int, offset: int, reason: str, payload: bytes) -> None:
        if (error := refusals.pop(0)) is not None:
            raise error
        kept.append((topic, reason))

    def step(value: Any) -> Any:
        if value["request_id"] == "r-bad":
            raise ZeroDivisionError(SECRET)
        taken.set()
        return object()

    service.on_receipts.side_effect = lambda values: [tried(step, value) for value in values]
    service.resume.side_effect = OverflowError("date value out of range")
    with InProcessBroker() as broker:
        for name in (REQUESTS, RECEIPTS):
            broker.make_topic(name)
        worker = RightsWorker(broker.connection, service, keep)
        worker.start()
        try:
            with EventProducer(broker.connection) as producer:
                for name in ("r-bad", "r-good"):
                    producer.send(RECEIPTS, encode(RECORDS["ErasureReceipt"], receipt(name)), key=b"r")
            assert taken.wait(HANGING_SECONDS)
            assert worker.error is None
        finally:
            worker.stop()
    assert kept == [(RECEIPTS, "step_failed")]


def test_looking_for_late_findings_never_ends_the_worker() -> None:
    """Whatever it raises: it looks again, and requests are served meanwhile."""
    stop, looked = threading.Event(), []

    class Service:
        def recheck(self, now: datetime) -> list[Any]:
            looked.append(now)
            if len(looked) == 3:
                stop.set()
            raise OverflowError(SECRET)

        def came_back(self, now: datetime) -> list[Any]:
            return []

    worker = create_autospec(RightsWorker, instance=True)
    worker.error = None
    run_rights_role(worker, Service(), 0.01, stop)
    assert len(looked) == 3


def test_a_letter_of_a_feed_that_cannot_be_is_passed_over() -> None:
    """A line below zero, a day of the year 9999, an index that chokes on it: the next letter is entered."""
    record, index = RECORDS["DeadLetter"], create_autospec(IndexWriter, instance=True)
    letter = {
        **{item.name: None for item in record.fields if "." not in item.name},
        "topic": "network.assignments", "partition": -1, "offset": 4, "reason": "bad_time", "schema_key": "",
        "sealed_payload": b"x" * 40, "first_seen_at": NOW, "feed": "kea:a", "line": 4,
    }  # fmt: skip
    known = {item.name for item in record.fields}
    letter = {name: value for name, value in letter.items() if name in known}
    for more in (
        {"line": -4},
        {"first_seen_at": datetime(9999, 12, 31, tzinfo=UTC)},
        {"sealed_payload": b""},
    ):
        assert refused._row(record, encode(record, {**letter, **more})) is None
    row = refused._row(record, encode(record, letter))
    assert row is not None
    index.write.side_effect = OverflowError(SECRET)
    assert refused._entered(index, row, threading.Event())


def test_a_receipt_that_was_set_aside_is_taken_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours broke its step, and only `resend` brought the request on: it is judged as one that comes now."""
    with monkeypatch.context() as lost:
        lost.setattr(office.service, "on_receipt", lambda _: None)
        made = office.erase(KARI)
    answers = [encode(RECORDS["ErasureReceipt"], value) for value in office.receipts]
    taken = again(RECEIPTS, office.service.on_receipt, RECORDS["ErasureReceipt"])
    with monkeypatch.context() as broken:
        broken.setattr(office.service._receipts, "take", Mock(side_effect=ZeroDivisionError(SECRET)))
        assert {taken(answer) for answer in answers} == {"step_failed"}
    assert {taken(answer) for answer in answers} == {TAKEN}
    office.deliver()
    assert office.service.get(made.request_id).state is State.COMPLETED
    nowhere = encode(RECORDS["ErasureReceipt"], {**office.receipts[-1], "request_id": "r-none"})
    assert (taken(nowhere), taken(b"")) == ("unknown_request", "empty_payload")
    with monkeypatch.context() as away:
        away.setattr(office.service._receipts, "take", Mock(side_effect=IndexUnavailable("away")))
        with pytest.raises(IndexUnavailable):
            taken(answers[-1])

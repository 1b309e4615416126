"""Single messages, each stored when the call returns."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import cast

import pytest
from confluent_kafka import KafkaError, Message

from schemas.errors import BrokerUnavailable
from streams.kafka import sender as module
from streams.kafka.follow import follow
from streams.kafka.inprocess import InProcessBroker
from streams.kafka.producer import EventProducer
from streams.kafka.sender import sender


class _FailsOnce(EventProducer):
    """Its first message is reported as not delivered."""

    failed = False

    def flush(self) -> None:
        if not self.failed:
            self.failed = True
            self._delivered(KafkaError(KafkaError._TRANSPORT), cast(Message, None))
        super().flush()


def test_a_failure_does_not_stop_what_is_sent_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failed call says so, the next one is stored."""
    monkeypatch.setattr(module, "EventProducer", _FailsOnce)
    with InProcessBroker() as broker, sender(broker.connection) as send:
        with pytest.raises(BrokerUnavailable):
            send("rights.requests", b"m", b"k")
        send("rights.requests", b"m", b"k")


def test_a_message_is_there_when_the_call_returns() -> None:
    """Read back by a follower that starts afterwards."""
    with InProcessBroker() as broker, sender(broker.connection) as send:
        send("rights.receipts", b"first", b"k")
        messages = follow(broker.connection, "rights.receipts", "readers", threading.Event())
        with closing(messages):
            message, commit = next(messages)
            commit()
        assert message == b"first"

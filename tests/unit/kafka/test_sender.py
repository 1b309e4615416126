"""Single messages, each stored when the call returns."""

from __future__ import annotations

import threading
from contextlib import closing
from unittest.mock import create_autospec

import pytest
from confluent_kafka import KafkaError, Message

from schemas.errors import BrokerUnavailable
from streams.kafka import sender as module
from streams.kafka.brokers.in_process import InProcessBroker
from streams.kafka.follow import messages_of
from streams.kafka.producer import EventProducer
from streams.kafka.sender import sender
from tests.support.fetch import codecs


class _FailsOnce(EventProducer):
    """Its first message is reported as not delivered."""

    failed = False

    def flush(self) -> None:
        if not self.failed:
            self.failed = True
            self._delivered(KafkaError(KafkaError._TRANSPORT), create_autospec(Message, instance=True))
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
        messages = messages_of(broker.connection, "rights.receipts", "readers", threading.Event())
        with closing(messages):
            message, commit = next(messages)
            commit()
        assert message == b"first"


def test_control_messages_are_written_uncompressed() -> None:
    """Every client reads them, also one without LZ4; events stay compressed."""
    with InProcessBroker() as broker:
        address = broker.connection.bootstrap
        with sender(broker.connection) as send:
            send("deletion.billing", bytes(10_000), b"k")
            send("rights.receipts", bytes(10_000), b"k")
        with EventProducer(broker.connection) as producer:
            producer.send("web.visits", bytes(10_000), partition=0)
        for topic, codec in (
            ("deletion.billing", "none"),
            ("rights.receipts", "none"),
            ("web.visits", "lz4"),
        ):
            found = [name for partition in range(4) for name in codecs(address, topic, partition)]
            assert found == [codec], topic

"""Single messages, each stored when the call returns."""

from __future__ import annotations

import threading
from contextlib import closing
from unittest.mock import create_autospec

import pytest
from confluent_kafka import KafkaError, Message

from schemas.errors import BrokerUnavailable
from schemas.together import Together
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


def test_what_a_batch_sends_at_once_is_there_when_it_goes_on() -> None:
    """All of it, in order."""
    with InProcessBroker() as broker, sender(broker.connection) as send:
        sent = [f"message {number}".encode() for number in range(40)]
        outcomes = Together(50).each(sent, lambda message: send("rights.receipts", message, b"k"))
        assert outcomes == [None] * 40
        messages = messages_of(broker.connection, "rights.receipts", "readers", threading.Event())
        with closing(messages):
            assert [next(messages)[0] for _ in sent] == sent


def test_messages_of_one_topic_fail_without_those_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose topic is missing waits alone."""
    monkeypatch.setattr(module, "EventProducer", _FailsOnce)
    with InProcessBroker() as broker, sender(broker.connection) as send:
        topics = ["deletion.crm", "deletion.web", "deletion.crm"]
        first, second, third = Together(4).each(topics, lambda topic: send(topic, b"m", b"k"))
        assert isinstance(first, BrokerUnavailable)
        assert isinstance(third, BrokerUnavailable)
        assert second is None


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

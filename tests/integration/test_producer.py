"""Why an event could not be stored: what the producer says names the topic and the mend."""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.errors import BrokerUnavailable
from streams.kafka.connection import Connection
from streams.kafka.producer import EventProducer
from tests.support.time_bounds import HANGING_SECONDS


def topic(bootstrap: str, **config: str) -> str:
    name = f"producer-{uuid.uuid4().hex[:8]}"
    wanted = NewTopic(name, 1, 1, config={key.replace("_", "."): value for key, value in config.items()})
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([wanted])[name].result(HANGING_SECONDS)
    return name


@pytest.mark.kafka
def test_a_topic_that_is_missing_is_named_with_the_mend(kafka_bootstrap: str) -> None:
    """Kafka's library only says that it waited too long; the next message to a topic that is there is stored."""
    there, connection = topic(kafka_bootstrap), Connection(kafka_bootstrap)
    with EventProducer(connection, linger_ms=0, timeout_seconds=1.5) as producer:
        producer.send("nobody.made.this", b"lost")
        with pytest.raises(BrokerUnavailable) as raised:
            producer.flush()
        assert str(raised.value) == (
            f"Kafka at {kafka_bootstrap} has no topic nobody.made.this; `innsyn up` or `innsyn migrate` makes it"
        )
        producer.send(there, b"kept")
        producer.flush()


@pytest.mark.kafka
def test_a_message_that_is_refused_is_no_broker_that_is_away(kafka_bootstrap: str) -> None:
    """It answers: what it does not take is said, and to which topic."""
    small = topic(kafka_bootstrap, max_message_bytes="1000")
    with EventProducer(Connection(kafka_bootstrap), linger_ms=0, compression="none") as producer:
        producer.send(small, bytes(5_000))
        said = rf"refuses a message to {small} \(MSG_SIZE_TOO_LARGE\); raise max.message.bytes of the topic"
        with pytest.raises(BrokerUnavailable, match=said):
            producer.flush()


def test_a_broker_that_is_away_is_said_to_be_away() -> None:
    """And which topic was written to."""
    producer = EventProducer(Connection("127.0.0.1:1"), linger_ms=0, timeout_seconds=1.0)
    producer.send("web.visits", b"lost")
    with pytest.raises(
        BrokerUnavailable, match=r"does not answer while writing to web\.visits \(_MSG_TIMED_OUT\)"
    ):
        producer.flush()
    producer.abandon()

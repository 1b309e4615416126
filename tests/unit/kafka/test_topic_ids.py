"""The ids of topics are asked for again and again, also after a broker that hung."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas.errors import BrokerUnavailable
from streams.kafka import topic_ids
from streams.kafka.connection import Connection
from streams.kafka.topic_ids import TopicIds


class Client:
    """A client of librdkafka's: the first that is made never answers again, whatever becomes of the broker."""

    made = 0

    def __init__(self, _: Any) -> None:
        Client.made += 1
        self._hangs = Client.made == 1

    def list_topics(self, timeout: float) -> Any:
        return SimpleNamespace(controller_id=1, brokers={1: None}, topics={"t": None})

    def describe_topics(self, _: Any, request_timeout: float) -> dict[str, Future[Any]]:
        answer: Future[Any] = Future()
        if self._hangs:
            answer.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
        else:
            answer.set_result(SimpleNamespace(topic_id="an-id"))
        return {"t": answer}


def test_a_client_that_timed_out_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next question goes through a new one; a client that answers is kept."""
    monkeypatch.setattr(topic_ids, "AdminClient", Client)
    ids = TopicIds(Connection("127.0.0.1:1"))
    with pytest.raises(BrokerUnavailable, match="asking for the id of t"):
        ids.of(["t"])
    assert [ids.of(["t"]), ids.of(["t"]), Client.made] == [{"t": "an-id"}, {"t": "an-id"}, 2]

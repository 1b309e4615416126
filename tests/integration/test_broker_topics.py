"""Topics on a real broker: made from topics.yaml, and every difference to it found."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from schemas.errors import BrokerUnavailable
from schemas.topics import Topic
from streams.kafka import topics
from streams.kafka.connection import Connection
from tests.support.company import model
from tests.support.time_bounds import HANGING_SECONDS


def named(name: str) -> list[Topic]:
    """Two topics of ours under a name that no other test uses, the first with the second for its dead letters."""
    web, dead = model().topics["web.visits"], model().topics["lineage.dead-letters"]
    return [
        web.model_copy(update={"name": name, "dead_letter": f"{name}.dead"}),
        dead.model_copy(update={"name": f"{name}.dead"}),
    ]


def settled(connection: Connection, wanted: list[Topic]) -> list[str]:
    """The drift once the brokers have told each other of new topics."""
    deadline = time.monotonic() + HANGING_SECONDS
    while (found := topics.drift(connection, wanted)) and time.monotonic() < deadline:
        continue
    return found


def test_topics_are_made_once_and_as_said(kafka_bootstrap: str) -> None:
    """What is missing is named, then made; a second time there is nothing to make and nothing differs."""
    connection, wanted = Connection(kafka_bootstrap), named("topics.made")
    names = [topic.name for topic in wanted]
    assert topics.missing(connection, [topic.name for topic in wanted]) == names
    assert [line.split()[0] for line in topics.drift(connection, wanted)] == names
    assert topics.create_topics(connection, wanted) == names
    assert settled(connection, wanted) == []
    assert topics.create_topics(connection, wanted) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"partitions": 7}, "6 partitions"),
        ({"retention": timedelta(days=2)}, "retention.ms"),
        ({"cleanup_policy": "compact"}, "cleanup.policy"),
    ],
)
def test_a_difference_is_one_line(kafka_bootstrap: str, change: dict[str, object], word: str) -> None:
    """Other partitions, retention or clean-up than topics.yaml says: one line each, with the topic's name."""
    connection, wanted = Connection(kafka_bootstrap), named("topics.drift")
    topics.create_topics(connection, wanted)
    assert settled(connection, wanted) == []
    found = topics.drift(connection, [wanted[0].model_copy(update=change), wanted[1]])
    assert len(found) == 1
    assert found[0].startswith("topics.drift ")
    assert word in found[0]


def test_a_broker_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody at the address: one of our errors, with what to do."""
    monkeypatch.setattr(topics, "_LOOK_TIMEOUT", 0.2)
    with pytest.raises(BrokerUnavailable, match="innsyn up"):
        topics.create_topics(Connection("127.0.0.1:9"), named("topics.none"))

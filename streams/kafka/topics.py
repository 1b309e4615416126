"""Topics on the broker: made from a company's `topics.yaml`, and held against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from schemas.topics import Topic
from streams.kafka.connection import Connection

_TIMEOUT = 15.0
# Somebody waits at a terminal: a broker that is there answers in a fraction of it.
_LOOK_TIMEOUT = 4.0
# A dead letter carries a whole message, sealed, so it outgrows the broker's usual limit of 1 MiB.
_DEAD_LETTER_BYTES = 17 * 1024 * 1024


def create_topics(connection: Connection, topics: Iterable[Topic], replication: int = 1) -> list[str]:
    """Make the topics that are not there and return their names. Those that are there are left as they are.

    Raises BrokerUnavailable.
    """
    wanted = {topic.name: topic for topic in topics}
    absent = missing(connection, wanted)
    if not absent:
        return []
    admin = _admin(connection)
    dead_letters = {topic.dead_letter for topic in wanted.values()}
    started = admin.create_topics(
        [
            NewTopic(
                name,
                num_partitions=wanted[name].partitions,
                replication_factor=replication,
                config=_config(wanted[name], name in dead_letters),
            )
            for name in absent
        ],
        operation_timeout=_TIMEOUT,
        request_timeout=_TIMEOUT,
    )
    return [name for name, future in started.items() if _created(connection, name, future)]


def missing(connection: Connection, names: Iterable[str]) -> list[str]:
    """Which of the topics are not on the broker. Raises BrokerUnavailable."""
    there = _partitions(connection, _admin(connection))
    return [name for name in names if name not in there]


def require(connection: Connection, topics: Iterable[Topic]) -> None:
    """Return at once when the topics are there. Raises BrokerUnavailable when the broker or one of them is not."""
    if absent := missing(connection, [topic.name for topic in topics]):
        raise connection.without(absent[0])


def drift(connection: Connection, topics: Iterable[Topic]) -> list[str]:
    """What differs between the broker and `topics.yaml`, one line each; empty: nothing. Raises BrokerUnavailable."""
    wanted = {topic.name: topic for topic in topics}
    admin = _admin(connection)
    partitions = _partitions(connection, admin)
    there = [name for name in wanted if name in partitions]
    configs = _configs(connection, admin, there)
    dead_letters = {topic.dead_letter for topic in wanted.values()}
    found = []
    for name, topic in wanted.items():
        if name not in partitions:
            found.append(f"{name} is missing on the broker; `innsyn migrate` makes it")
            continue
        if partitions[name] != topic.partitions:
            found.append(
                f"{name} has {partitions[name]} partitions, topics.yaml says {topic.partitions}; make the two agree"
            )
        for key, said in _config(topic, name in dead_letters).items():
            real = configs[name].get(key, "")
            if sorted(real.split(",")) != sorted(said.split(",")):
                found.append(f"{name} has {key} {real or 'unset'}, topics.yaml says {said}; alter the topic")
    return found


def _admin(connection: Connection) -> AdminClient:
    # Silent: what fails here is raised, librdkafka would also write it to standard error.
    options = connection.client(log_level=0, socket_timeout_ms=int(_TIMEOUT * 1000))
    return connection.made(AdminClient, options)


def _config(topic: Topic, dead_letters: bool) -> dict[str, str]:
    config = {"cleanup.policy": topic.cleanup_policy, "retention.ms": str(topic.retention_ms)}
    return config | ({"max.message.bytes": str(_DEAD_LETTER_BYTES)} if dead_letters else {})


def _partitions(connection: Connection, admin: AdminClient) -> Mapping[str, int]:
    try:
        listed = admin.list_topics(timeout=_LOOK_TIMEOUT).topics
    except KafkaException as error:
        raise connection.unavailable("listing topics", error.args[0]) from None
    return {name: len(topic.partitions) for name, topic in listed.items() if topic.error is None}


def _created(connection: Connection, name: str, future: Future[Any]) -> bool:
    try:
        future.result()
    except KafkaException as error:
        # Another process made it between our look and our request.
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise connection.unavailable(f"making the topic {name}", error.args[0]) from None
    return True


def _configs(connection: Connection, admin: AdminClient, names: list[str]) -> Mapping[str, Mapping[str, str]]:
    if not names:
        return {}
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    try:
        answers = {
            resource.name: future.result(_TIMEOUT)
            for resource, future in admin.describe_configs(asked, request_timeout=_TIMEOUT).items()
        }
    except KafkaException as error:
        raise connection.unavailable("reading the topics' settings", error.args[0]) from None
    return {name: _values(entries) for name, entries in answers.items()}


def _values(entries: Mapping[str, ConfigEntry]) -> dict[str, str]:
    return {key: str(entry.value) for key, entry in entries.items()}

"""Who reads what: the members of a consumer group and the partitions they have."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from streams.kafka.connection import Connection

_TIMEOUT = 5.0
_STABLE, _NOBODY = "Stable", frozenset({"Empty", "Dead"})
# The in-process broker does not describe groups; others may not allow it.
_UNTOLD = frozenset(
    {
        KafkaError._UNSUPPORTED_FEATURE,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)


def reach(connection: Connection) -> list[str]:
    """Nothing, once the broker has said who it is. Raises BrokerUnavailable."""
    admin = _admin(connection)
    try:
        if admin.list_topics(timeout=_TIMEOUT).brokers:
            return []
    except KafkaException as error:
        raise connection.unavailable("being looked at", error.args[0]) from None
    raise connection.unavailable("being looked at")


def unread(connection: Connection, group: str, topics: Iterable[str]) -> list[str] | None:
    """The topics on the broker with a partition that no member of the group has, sorted.

    None: it cannot be said, because members come and go just now, or because the broker does not tell.
    Raises BrokerUnavailable.
    """
    admin = _admin(connection)
    try:
        there = admin.list_topics(timeout=_TIMEOUT).topics
        state, taken = _described(admin, group)
    except KafkaException as error:
        if error.args[0].code() in _UNTOLD:
            return None
        raise connection.unavailable(f"describing the group {group}", error.args[0]) from None
    if state not in (_STABLE, *_NOBODY):
        return None
    wanted = [(name, number) for name in topics if name in there for number in there[name].partitions]
    return sorted({name for name, number in wanted if (name, number) not in taken})


def readers(connection: Connection, group: str) -> Mapping[tuple[str, int], str] | None:
    """Which member of the group has each partition; one that is left out nobody has.

    None and what it raises: as of `unread`.
    """
    try:
        state, taken = _described(_admin(connection), group)
    except KafkaException as error:
        if error.args[0].code() in _UNTOLD:
            return None
        raise connection.unavailable(f"describing the group {group}", error.args[0]) from None
    return taken if state in (_STABLE, *_NOBODY) else None


def bounds(connection: Connection, topics: Iterable[str]) -> Mapping[tuple[str, int], tuple[int, int]]:
    """Of each partition that is there: the oldest offset, and the one that a reader of what is committed waits for.

    Raises BrokerUnavailable.
    """
    admin = _admin(connection)
    try:
        there = admin.list_topics(timeout=_TIMEOUT).topics
        wanted = [
            TopicPartition(name, number)
            for name in topics
            if name in there
            for number in there[name].partitions
        ]
        low, high = (
            admin.list_offsets(
                dict.fromkeys(wanted, spec),
                isolation_level=IsolationLevel.READ_COMMITTED,
                request_timeout=_TIMEOUT,
            )
            for spec in (_spec("earliest"), _spec("latest"))
        )
        return {
            (item.topic, item.partition): tuple(
                found[item].result(_TIMEOUT + 1).offset for found in (low, high)
            )
            for item in wanted
        }
    except TimeoutError:
        raise connection.unavailable("asking for the ends of topics") from None
    except KafkaException as error:
        raise connection.unavailable("asking for the ends of topics", error.args[0]) from None


def _described(admin: AdminClient, group: str) -> tuple[str, dict[tuple[str, int], str]]:
    """State of the group, and which member has which partition. A group that is not there is dead.

    `describe_consumer_groups` is the newer call, but while a broker hangs librdkafka 2.16 may fail an assertion in it
    (`eonce->refcnt > 0`), which ends the process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        # Its type hints say that each field is None.
        groups: list[Any] = list(admin.list_groups(group, timeout=_TIMEOUT))
    for found in groups:
        if found.error:
            raise KafkaException(found.error)
        # The broker keeps what a member was assigned without reading it.
        return found.state, {
            (name, number): str(member.id)
            for member in found.members
            if member.assignment
            for name, numbers in ConsumerProtocolMemberAssignment.decode(member.assignment).assignment
            for number in numbers
        }
    return "Dead", {}


def _spec(which: str) -> OffsetSpec:
    # The methods carry no types.
    spec: OffsetSpec = getattr(OffsetSpec, which)()
    return spec


def _admin(connection: Connection) -> AdminClient:
    """A new one each time: one that is kept waits longer and longer before it looks for a broker that was away."""
    options = connection.client(log_level=0)
    return connection.made(AdminClient, options)

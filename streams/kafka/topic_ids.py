"""Which topic a name stands for: its id (KIP-516), another one after it was deleted and made anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from schemas.errors import BrokerUnavailable
from streams.kafka.connection import Connection

_TIMEOUT = 5.0


class TopicIds:
    """Asks one broker for ids. Safe from several threads; connects with the first question."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._admin: AdminClient | None = None
        self._told: bool | None = None

    def of(self, topics: Collection[str]) -> Mapping[str, str]:
        """The id of each topic that is there; "" where the broker tells none. Raises BrokerUnavailable."""
        try:
            return self._ask(topics) if topics else {}
        except BrokerUnavailable:
            # A client that met a broker which hung for a while may time out for ever after: the next one is new.
            self._admin = None
            raise

    def _ask(self, topics: Collection[str]) -> Mapping[str, str]:
        admin = self._client()
        try:
            if self._told is None:
                self._told = self._has_controller(admin)
            if not self._told:
                there = admin.list_topics(timeout=_TIMEOUT).topics
                return {name: "" for name in topics if name in there}
            asked = admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=_TIMEOUT)
        except KafkaException as error:
            raise self._connection.unavailable("asking for the topics' ids", error.args[0]) from None
        found = {}
        for name, answer in asked.items():
            try:
                told = str(answer.result(_TIMEOUT + 1).topic_id)
            except TimeoutError:
                raise self._connection.unavailable("asking for the topics' ids") from None
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise self._connection.unavailable(f"asking for the id of {name}", error.args[0]) from None
            found[name] = "" if set(told) <= {"A"} else told
        return found

    def _client(self) -> AdminClient:
        admin = self._admin
        if admin is None:
            # Silent: what fails here is raised, librdkafka would also write it to standard error.
            # It is kept, so it must not wait ever longer before it looks for a broker that was away.
            options = self._connection.client(log_level=0, reconnect_backoff_max_ms=1_000)
            admin = self._connection.made(AdminClient, {name: str(value) for name, value in options.items()})
            self._admin = admin
        return admin

    def _has_controller(self, admin: AdminClient) -> bool:
        # librdkafka's in-process broker has none, and a client that asks for ids waits for one.
        seen = admin.list_topics(timeout=_TIMEOUT)
        if seen.controller_id < 0:
            raise self._connection.unavailable("electing its controller")
        return seen.controller_id in seen.brokers

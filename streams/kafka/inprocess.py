"""librdkafka's in-process broker: a Kafka without installation, for the demo and quick tests.

In memory and bounded: a partition silently forgets its oldest messages beyond about 5 MiB, so whoever writes must
watch the reader's lag. It has no topic administration, no retention and no real transactions. Throughput and fault
claims need the real broker.
"""

from __future__ import annotations

from types import TracebackType

from confluent_kafka import Producer

from schemas.errors import BrokerUnavailable
from streams.kafka.connection import Connection


class InProcessBroker:
    """Lives as long as this object. Other processes of the machine may connect to `connection` meanwhile."""

    def __init__(self) -> None:
        self._owner: Producer | None = None
        self.connection = Connection("")

    def start(self) -> Connection:
        """Raises BrokerUnavailable if this librdkafka has no in-process broker."""
        self._owner = Producer({"test.mock.num.brokers": 1, "log_level": 2})
        brokers = self._owner.list_topics(timeout=10).brokers
        if not brokers:
            raise BrokerUnavailable("librdkafka's in-process broker did not start; use `innsyn up` instead")
        first = next(iter(brokers.values()))
        self.connection = Connection(f"{first.host}:{first.port}")
        return self.connection

    def make_topic(self, name: str) -> None:
        """Create a topic with the broker's four partitions by asking for it."""
        assert self._owner is not None
        self._owner.list_topics(name, timeout=10)

    def stop(self) -> None:
        if self._owner is not None:
            self._owner.flush(0)
            self._owner = None

    def __enter__(self) -> InProcessBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

"""Faust's Kafka transport, reading committed messages alone: what an aborted transaction wrote was never said.

And within bounds: aiokafka unpacks a batch whatever it comes to, and raises out of its reader over one that is damaged.
One that comes to more than any of ours, or cannot be unpacked, is one message whose value is `Unreadable`.
"""

from __future__ import annotations

from typing import Any

import structlog
from aiokafka.consumer import fetcher
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

from streams.kafka.unpacking import Measured

_MOST_UNPACKED = 16 << 20
_log = structlog.get_logger(__name__)


class _Answer(Measured):
    """Where aiokafka makes its `MemoryRecords` of an answer."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data, 0, _MOST_UNPACKED)


class _Records(fetcher.PartitionRecords):  # type: ignore[misc]
    """Knows whose messages they are, and from where on."""

    def __init__(self, tp: Any, records: Measured, aborted: Any, fetch_offset: int, *more: Any) -> None:
        def tell(first: int, behind: int) -> None:
            _log.error(
                "batch.unreadable", topic=tp.topic, partition=tp.partition, first=first, last=behind - 1
            )

        # The tagger measures for itself, and where this was imported first it has this class from aiokafka too.
        if isinstance(records, _Answer):
            records.begin(fetch_offset, tell)
        super().__init__(tp, records, aborted, fetch_offset, *more)


# It has no setting for this. All that reads by its fetcher in this process are the rights agents.
fetcher.MemoryRecords, fetcher.PartitionRecords = _Answer, _Records


class _Thread(AIOKafkaConsumerThread):  # type: ignore[misc]
    def _create_worker_consumer(self, transport: Any) -> Any:
        # Faust has no setting for it: it asks whether the app itself writes in transactions, which ours does not.
        consumer = self.consumer
        consumer.in_transaction = True
        try:
            return super()._create_worker_consumer(transport)
        finally:
            consumer.in_transaction = False


class _Consumer(Consumer):  # type: ignore[misc]
    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class CommittedTransport(Transport):  # type: ignore[misc]
    """`app.transport = CommittedTransport(app.conf.broker_consumer, app)` before the app starts."""

    Consumer = _Consumer

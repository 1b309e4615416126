"""Faust's Kafka transport, reading committed messages alone: what an aborted transaction wrote was never said."""

from __future__ import annotations

from typing import Any

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport


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

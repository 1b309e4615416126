"""A compacted topic as a job reads and writes it: every message up to an end, and messages that are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from innsyn_sdk.compacted_values import Message

SECONDS = 30.0
Place = tuple[int, bytes]
"""A partition and a key. The same key stands in several partitions where the topic got more of them, or where clients
choose them in different ways; compaction leaves the newest value of each."""


class Log:
    """Topics on one broker. Every method may raise KafkaException."""

    def __init__(self, kafka: Mapping[str, Any]) -> None:
        self.kafka = dict(kafka)

    @contextmanager
    def consumer(self) -> Iterator[Consumer]:
        options = {"isolation.level": "read_committed", **self.kafka}
        consumer = Consumer(
            {
                **options,
                "group.id": "innsyn-compacted",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        try:
            yield consumer
        finally:
            consumer.close()

    @staticmethod
    def partitions(consumer: Consumer, topic: str) -> list[int]:
        found = consumer.list_topics(topic, timeout=SECONDS).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return sorted(found.partitions)

    @staticmethod
    def messages(
        consumer: Consumer, topic: str, begin: Mapping[int, int], ends: dict[int, int]
    ) -> Iterator[tuple[Place, Message]]:
        """Every message from there to the end as it is met. `ends` gets, by partition, the offset of that end."""
        consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in begin.items()])
        open_ones = set(begin)
        while open_ones:
            message: Any = consumer.poll(SECONDS)
            if message is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            error = message.error()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                ends.setdefault(message.partition(), message.offset())
                open_ones.discard(message.partition())
                continue
            key = message.key()
            if message.partition() not in open_ones:
                # It came after the end up to which this partition is looked through.
                continue
            if key is not None:
                headers = tuple(message.headers() or ())
                place = message.partition(), key
                yield place, Message(message.partition(), message.offset(), message.value(), headers)

    def overtaken(self, consumer: Consumer, topic: str, own: Mapping[Place, Message]) -> dict[Place, Message]:
        """By place the newest message of others that one of ours fell upon unseen, where ours is the newest still."""
        begin: dict[int, int] = {}
        for message in own.values():
            seen, _ = message.judged or (message.offset, "")
            begin[message.partition] = min(begin.get(message.partition, seen), seen)
        lost: dict[Place, Message] = {}
        for place, message in self.messages(consumer, topic, begin, {}) if begin else ():
            ours = own.get(place)
            if ours is None or ours.judged is None or is_own(message, ours.judged[1]):
                continue
            if message.offset > ours.offset:
                # Newer than what was written here.
                lost.pop(place, None)
            elif message.offset >= ours.judged[0]:
                lost[place] = message
        return lost

    def sent(self, topic: str, messages: Sequence[tuple[Place, Message]]) -> dict[Place, Message]:
        """The messages as they are stored, by place: at another offset of the same partition."""
        if not messages:
            return {}
        producer = Producer({**self.kafka, "acks": "all", "enable.idempotence": True})
        stored: dict[Place, int] = {}
        errors: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: Any) -> None:
            if error is not None:
                errors.append(error)
            else:
                stored[message.partition(), message.key()] = message.offset()

        for (partition, key), item in messages:
            while True:
                try:
                    producer.produce(
                        topic,
                        item.value,
                        key,
                        partition,
                        headers=list(item.headers),
                        on_delivery=delivered,
                    )
                    break
                except BufferError:
                    producer.poll(1.0)
            producer.poll(0)
        producer.flush(2 * SECONDS)
        if errors or len(stored) != len(messages):
            raise KafkaException(errors[0] if errors else KafkaError(KafkaError._MSG_TIMED_OUT))
        return {place: replace(item, offset=stored[place]) for place, item in messages}


def is_own(message: Message, purpose: str) -> bool:
    """Whether a job wrote it for that."""
    return message.judged is not None and message.judged[1] == purpose

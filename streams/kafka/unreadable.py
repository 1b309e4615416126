"""Batches on the broker that no reader can read: where they end, so that what lies behind them is read.

A few kilobytes may unpack to more than librdkafka takes, and one that it refuses it asks for again without end. The
header with the length is not handed out, so it is found by asking for offsets behind it.
"""

from __future__ import annotations

from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams.kafka.connection import Connection

UNREADABLE = frozenset([KafkaError._BAD_COMPRESSION, KafkaError._BAD_MSG])
"""Codes by which librdkafka says that a batch cannot be read."""
_SECONDS = 20.0


def behind_unreadable(connection: Connection, topic: str, partition: int, first: int) -> int:
    """The first offset after the unreadable batch that has `first`; `first` if none has. Raises BrokerUnavailable."""
    options = connection.client(
        group_id="innsyn-unreadable",
        enable_auto_commit=False,
        enable_partition_eof=True,
        auto_offset_reset="latest",
        check_crcs=True,
        fetch_message_max_bytes=1,
        fetch_wait_max_ms=10,
        fetch_error_backoff_ms=10,
        log_level=0,
    )
    consumer: Consumer = connection.made(Consumer, options)

    def batch_at(offset: int) -> int | None:
        """The first offset of the unreadable batch that has this one, None where it is readable or the end."""
        consumer.assign([TopicPartition(topic, partition, offset)])
        found = consumer.poll(_SECONDS)
        if found is None:
            raise connection.unavailable(f"looking behind an unreadable batch of {topic}/{partition}")
        error = found.error()
        return found.offset() if error is not None and error.code() in UNREADABLE else None

    try:
        batch = batch_at(first)
        if batch is None:
            # Readable by now.
            return first
        inside, outside = first, first + 1
        while batch_at(outside) == batch:
            inside, outside = outside, outside + 2 * (outside - first)
        while outside - inside > 1:
            middle = (inside + outside) // 2
            if batch_at(middle) == batch:
                inside = middle
            else:
                outside = middle
        return outside
    finally:
        consumer.close()

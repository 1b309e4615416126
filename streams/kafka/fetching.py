"""How source topics are fetched: in pieces of a bounded size, only what is committed, without a silent jump."""

from __future__ import annotations

from confluent_kafka import Consumer

from streams.kafka.connection import Connection

# How much is fetched ahead, in librdkafka's names: 32 MiB at most (it keeps some 400 bytes more for each message), and
# no long pauses. In pieces of 1 MiB of each partition: with larger ones those that are first filled the queue, and
# others of a backlog waited for minutes.
FETCH = {
    "fetch.message.max.bytes": 1024 * 1024,
    "fetch.wait.max.ms": 50,
    "fetch.queue.backoff.ms": 50,
    "queued.min.messages": 200_000,
    "queued.max.messages.kbytes": 32_768,
}
# New partitions and topics are looked for this often; librdkafka's own 5 minutes are long for somebody who waits.
_REFRESH_MS = 15_000


def source_client(connection: Connection, group: str, member: str | None) -> Consumer:
    """A client that reads as one of the group, and keeps no offsets of its own.

    `member`: see `streams.kafka.consumer.SourceConsumer`. Raises SettingsError.
    """
    static = {"group_instance_id": member} if member else {}
    options = connection.client(
        **static,
        group_id=group,
        enable_auto_commit=False,
        enable_auto_offset_store=False,
        enable_partition_eof=True,
        # An offset out of range is a finding, never a silent jump.
        auto_offset_reset="error",
        partition_assignment_strategy="cooperative-sticky",
        isolation_level="read_committed",
        check_crcs=True,
        topic_metadata_refresh_interval_ms=_REFRESH_MS,
    )
    client: Consumer = connection.made(Consumer, options | FETCH)
    return client

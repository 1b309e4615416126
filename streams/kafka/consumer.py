"""Reads source topics in batches, from where the index's ledger says, and tells when partitions come and go."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import methodcaller

import numpy as np
import numpy.typing as npt
import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.errors import BrokerUnavailable, InputError, Unavailable
from streams.kafka.connection import Connection
from streams.kafka.groups import unread

Partition = tuple[str, int]

_log = structlog.get_logger(__name__)
# How much is fetched ahead, in librdkafka's names: large pieces, 128 MiB at most, and no long pauses.
FETCH = {
    "fetch.message.max.bytes": 8 * 1024 * 1024,
    "fetch.wait.max.ms": 50,
    "fetch.queue.backoff.ms": 50,
    "queued.min.messages": 200_000,
    "queued.max.messages.kbytes": 131_072,
}
# librdkafka hands over at most this many at once; between calls rebalances are served.
_CHUNK = 16_384
# How long a group is given to come to rest before it is asked who has what, and how often that is tried.
_LOOK_SECONDS = 2.0
_MOST_JOINS = 15
# Called for every message: half the time of a comprehension that spells the call out.
_ERROR, _TOPIC, _VALUE = methodcaller("error"), methodcaller("topic"), methodcaller("value")
_PARTITION, _OFFSET = methodcaller("partition"), methodcaller("offset")


@dataclass(frozen=True)
class TopicBatch:
    """Messages of one topic in the order read. `values` holds None for a tombstone."""

    topic: str
    values: Sequence[bytes | None]
    partition: npt.NDArray[np.int32]
    offset: npt.NDArray[np.int64]
    oldest_ms: int  # Kafka's time of the first message; -1 unknown
    size: int  # bytes of all values

    def __repr__(self) -> str:
        return f"TopicBatch({self.topic!r}, {len(self.values)} messages)"


@dataclass(frozen=True)
class Gap:
    """Offsets [first, next) that Kafka no longer has although the index never saw them."""

    topic: str
    partition: int
    first: int
    next: int


class SourceConsumer:
    """One member of the taggers' group. Not for several threads; both callbacks run inside `poll`.

    start(partitions) -> next offset of each that the index has seen (absent: begin at the beginning).
    gone(partitions): they belong to somebody else, or soon will; finish what is in flight.
    """

    def __init__(
        self,
        connection: Connection,
        group: str,
        topics: Sequence[str],
        *,
        start: Callable[[Sequence[Partition]], Mapping[Partition, int]],
        gone: Callable[[Sequence[Partition]], None],
        member: str | None = None,
    ) -> None:
        """`member`: a name of its own that this worker keeps over restarts; it then gets its partitions back at
        once, where the group would otherwise wait for the dead one's session to run out (KIP-345)."""
        self._connection = connection
        self._start = start
        self._gone = gone
        self._gaps: list[Gap] = []
        self._failure: Exception | None = None
        # Where each partition began or last reported its end. Its position is unknown before the first message, and
        # stays behind the end when the last offsets are markers of a transaction.
        self._reached: dict[Partition, int] = {}
        static = {"group_instance_id": member} if member else {}
        self._consumer = connection.made(
            Consumer,
            connection.client(
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
            )
            | FETCH,
        )
        self._group = group
        self._topics = list(topics)
        # A member with a name of its own that comes back gets the assignment it had, whatever it subscribes to now
        # (KIP-345): whether it has all is asked once the group stands still.
        self._ask_at = time.monotonic() + _LOOK_SECONDS if member else None
        self._joins = _MOST_JOINS
        self._subscribe()

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def _join_anew(self) -> None:
        """Leave and come back if topics of ours are read by nobody: that makes the group share out anew."""
        self._ask_at = time.monotonic() + _LOOK_SECONDS
        try:
            left = unread(self._connection, self._group, self._topics)
        except Unavailable as error:
            _log.warning("group.untold", error=str(error))
            return
        self._joins -= 1
        if left == [] or not self._joins:
            self._ask_at = None
        if not left:
            return
        _log.info("group.joined_anew", unread=left)
        self._consumer.unsubscribe()
        self._subscribe()

    def poll(self, most: int, seconds: float) -> list[TopicBatch]:
        """Messages, at most `most`, grouped by topic; empty when none came within `seconds`.

        Raises BrokerUnavailable, what `start` raised, and InputError where the ledger is ahead of the topic.
        """
        if self._ask_at is not None and time.monotonic() >= self._ask_at:
            self._join_anew()
        try:
            messages = self._consumer.consume(min(most, _CHUNK), timeout=seconds)
        except KafkaException as error:
            raise self._connection.unavailable("reading", error.args[0]) from error
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if any(map(_ERROR, messages)):
            messages = [message for message in messages if not self._is_error(message)]
        return _by_topic(messages)

    def take_gaps(self) -> list[Gap]:
        """Gaps met since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps

    def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        """Tell Kafka how far the index is: for lag tools only, the ledger is what counts. Does not wait."""
        offsets = [TopicPartition(topic, number, offset) for (topic, number), offset in next_offsets.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            raise self._connection.unavailable("committing", error.args[0]) from error

    def pause(self) -> None:
        """Stop fetching; `poll` then only serves the group."""
        self._consumer.pause(self._consumer.assignment())

    def resume(self) -> None:
        self._consumer.resume(self._consumer.assignment())

    def lag(self) -> dict[str, int]:
        """Messages not read yet by topic, from what the last fetches said."""
        behind: dict[str, int] = {}
        for item in self._consumer.position(self._consumer.assignment()):
            _, high = self._consumer.get_watermark_offsets(item, cached=True)
            if item.offset >= 0 and high >= 0:
                behind[item.topic] = behind.get(item.topic, 0) + max(0, high - item.offset)
        return behind

    def at_end(self) -> bool:
        """Whether partitions are ours and none of them has a message that was not handed out."""
        mine = self._consumer.assignment()
        if not mine:
            return False
        for item in self._consumer.position(mine):
            low, high = self._consumer.get_watermark_offsets(item, timeout=10)
            if max(low, item.offset, self._reached.get((item.topic, item.partition), low)) < high:
                return False
        return True

    def close(self) -> None:
        """Leave the group; `gone` is called for what is still held."""
        self._consumer.close()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # An exception inside a callback would be lost in librdkafka: kept, and raised by `poll`.
        try:
            at = self._start([(item.topic, item.partition) for item in partitions])
            for item in partitions:
                where = item.topic, item.partition
                item.offset = self._checked(item, at.get(where))
                self._reached[where] = item.offset
            consumer.incremental_assign(partitions)
        except (KafkaException, Unavailable, InputError) as error:
            self._failure = error if not isinstance(error, KafkaException) else self._translated(error)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._gone([(item.topic, item.partition) for item in partitions])
        consumer.incremental_unassign(partitions)

    def _checked(self, item: TopicPartition, known: int | None) -> int:
        low, high = self._consumer.get_watermark_offsets(item, timeout=10)
        if known is None:
            return low if low > 0 else OFFSET_BEGINNING
        if known > high:
            raise InputError(
                f"{item.topic}/{item.partition} ends at {high}, but the index has seen {known}: the topic was made "
                "anew or cut; use a new INNSYN_HOME (or database) for it, or restore the topic"
            )
        if known < low:
            self._gaps.append(Gap(item.topic, item.partition, known, low))
            return low
        return known

    def _translated(self, error: KafkaException) -> BrokerUnavailable:
        return self._connection.unavailable("joining the group", error.args[0])

    def _is_error(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return False
        topic, partition = message.topic(), message.partition()
        if topic is not None and partition is not None and error.code() == KafkaError._PARTITION_EOF:
            self._reached[topic, partition] = message.offset() or 0
        elif topic is not None and partition is not None and error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._skip_removed(topic, partition)
        elif error.fatal() or error.code() in (
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.GROUP_AUTHORIZATION_FAILED,
            KafkaError._AUTHENTICATION,
        ):
            raise self._connection.unavailable("reading", error)
        return True

    def _skip_removed(self, topic: str, partition: int) -> None:
        """Kafka's retention overtook us: note what is lost and go on with the oldest there is."""
        item = TopicPartition(topic, partition)
        (position,) = self._consumer.position([item])
        at = max(position.offset, self._reached.get((topic, partition), position.offset))
        low, _ = self._consumer.get_watermark_offsets(item, timeout=10)
        if 0 <= at < low:
            self._gaps.append(Gap(topic, partition, at, low))
        # Fetching has ended with the error, so there is nothing to seek in: taken up anew.
        self._consumer.incremental_unassign([item])
        self._consumer.incremental_assign([TopicPartition(topic, partition, low)])


def _by_topic(messages: Sequence[Message]) -> list[TopicBatch]:
    topics = list(map(_TOPIC, messages))
    if topics.count(topics[0] if topics else None) == len(topics):
        return [_batch(str(topics[0]), messages)] if messages else []
    groups: dict[str, list[Message]] = {}
    for topic, message in zip(topics, messages, strict=True):
        groups.setdefault(topic, []).append(message)
    return [_batch(topic, group) for topic, group in groups.items()]


def _batch(topic: str, messages: Sequence[Message]) -> TopicBatch:
    count = len(messages)
    _, oldest = messages[0].timestamp()
    values: list[bytes | None] = list(map(_VALUE, messages))
    return TopicBatch(
        topic,
        values,
        np.fromiter(map(_PARTITION, messages), np.int32, count),
        np.fromiter(map(_OFFSET, messages), np.int64, count),
        oldest,
        sum(map(len, filter(None, values))),
    )

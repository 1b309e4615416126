"""Reads source topics in batches, from where the index's ledger says, and tells when partitions come and go."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from operator import methodcaller
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.errors import BrokerUnavailable, InputError, Unavailable
from sinks.ports.offsets import in_kafka
from streams.kafka.apart import ReadApart
from streams.kafka.connection import Connection
from streams.kafka.groups import unread
from streams.kafka.unreadable import UNREADABLE, behind_unreadable

Partition = tuple[str, int]

_log = structlog.get_logger(__name__)
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
# librdkafka hands over at most this many at once; between calls rebalances are served.
_CHUNK = 16_384
# New partitions and topics are looked for this often; librdkafka's own 5 minutes are long for somebody who waits.
_REFRESH_MS = 15_000
# How long a group is given to come to rest before it is asked who has what; how often that is asked while all is read,
# and while joining anew does not help.
_LOOK_SECONDS = 2.0
_CALM_SECONDS = 15.0
_LONGEST_SECONDS = 300.0
# So often it joins anew in vain before it ends, and whoever runs it begins with another client: librdkafka 2.16 takes
# an answer without brokers, as one gives that is not well yet, at its word, and may look for none any more.
_MOST_IN_VAIN = 4
# A partition that is new, or whose leader changes, is a matter of moments.
_MOVING = frozenset(
    [
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    ]
)
_MOVING_SECONDS = 10.0
# Called for every message: half the time of a comprehension that spells the call out.
_ERROR, _TOPIC, _VALUE = methodcaller("error"), methodcaller("topic"), methodcaller("value")
_PARTITION, _OFFSET = methodcaller("partition"), methodcaller("offset")


class Tombstone(NamedTuple):
    """What a message without a value has: its key, and when it was written (milliseconds)."""

    key: bytes
    at: int


@dataclass(frozen=True)
class TopicBatch:
    """Messages of one topic in the order read. `values` holds None for a tombstone.

    `partition`: as the index numbers it, see `sinks.ports.offsets`. `tombstones`: those with a key, by partition
    and offset.
    """

    topic: str
    values: Sequence[bytes | None]
    partition: npt.NDArray[np.int32]
    offset: npt.NDArray[np.int64]
    oldest_ms: int  # Kafka's time of the first message; -1 unknown
    size: int  # bytes of all values
    unreadable: bool = (
        False  # Kafka has them, but they cannot be decompressed within bounds: values are empty
    )
    tombstones: Mapping[tuple[int, int], Tombstone] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"TopicBatch({self.topic!r}, {len(self.values)} messages)"


@dataclass(frozen=True)
class Gap:
    """Offsets [first, next) that Kafka no longer has although the index never saw them."""

    topic: str
    partition: int
    first: int
    next: int


@dataclass(frozen=True)
class Place:
    """Where to go on: the number of the partition in the index, and the next offset, None for the beginning."""

    stored: int
    offset: int | None = None


Start = Callable[[Mapping[Partition, int]], Mapping[Partition, Place]]


class SourceConsumer:
    """One member of the taggers' group. Not for several threads; both callbacks run inside `poll`.

    start(ends): these partitions, by Kafka's numbers, are ours and end there -> where to go on in each.
    gone(partitions): they belong to somebody else, or soon will; finish what is in flight. Here and everywhere else
    partitions have their numbers in the index.
    """

    def __init__(
        self,
        connection: Connection,
        group: str,
        topics: Sequence[str],
        *,
        start: Start,
        gone: Callable[[Sequence[Partition]], None],
        member: str | None = None,
        wary: bool = False,
    ) -> None:
        """`member`: a name of its own that this worker keeps over restarts; it then gets its partitions back at
        once, where the group would otherwise wait for the dead one's session to run out (KIP-345).
        `wary`: what partitions have when they become ours is read apart, see `streams.kafka.apart`."""
        self._connection = connection
        self._start = start
        self._gone = gone
        self._gaps: list[Gap] = []
        self._paused = False
        # Whether we were given partitions that are not there (any more).
        self._absent = False
        self._unreadable: list[TopicBatch] = []
        self._failure: Exception | None = None
        # Where each partition began or last reported its end. Its position is unknown before the first message, and
        # stays behind the end when the last offsets are markers of a transaction.
        self._reached: dict[Partition, int] = {}
        self._begun: dict[Partition, int] = {}
        # The number in the index of each partition that is or was ours, by Kafka's; and topics where they differ.
        self._stored: dict[Partition, int] = {}
        self._renumbered: set[str] = set()
        # Where a new history of them began while messages of the old one may have been under way.
        self._restarts: dict[Partition, int] = {}
        self._wary = wary
        self._apart = ReadApart(connection)
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
                topic_metadata_refresh_interval_ms=_REFRESH_MS,
            )
            | FETCH,
        )
        self._group = group
        self._topics = list(topics)
        # A member with a name of its own that comes back gets the assignment it had, whatever it subscribes to and
        # however many partitions there are by now (KIP-345): whether all is read is asked once the group stands still.
        self._pause = _LOOK_SECONDS if member else _CALM_SECONDS
        self._in_vain = 0
        self._ask_at = time.monotonic() + self._pause
        self._asked: Future[list[str] | None] | None = None
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="group-look")
        self._subscribe()

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def _look_after_group(self) -> None:
        """Leave and come back if something of ours is read by nobody: that makes the group share out anew."""
        if self._asked is None:
            if time.monotonic() >= self._ask_at:
                self._asked = self._asking.submit(unread, self._connection, self._group, self._topics)
            return
        if not self._asked.done():
            return
        asked, self._asked = self._asked, None
        left: list[str] | None = None
        try:
            left = asked.result()
        except Unavailable as error:
            _log.warning("group.untold", error=str(error))
        if left or self._absent:
            self._absent = False
            self._in_vain += 1
            if self._in_vain > _MOST_IN_VAIN:
                raise self._connection.unavailable("being read from")
            _log.info("group.joined_anew", unread=left)
            self.rejoin()
            self._pause = min(2 * self._pause, _LONGEST_SECONDS)
        elif left is not None:
            self._pause, self._in_vain = _CALM_SECONDS, 0
        self._ask_at = time.monotonic() + self._pause

    def rejoin(self) -> None:
        """Leave the group and come back. Raises BrokerUnavailable: begin with a new consumer."""
        try:
            self._consumer.unsubscribe()
            self._subscribe()
        except KafkaException as error:
            # One that the group put out while its broker was away is at its end.
            raise self._connection.unavailable("joining its group again", error.args[0]) from error

    def poll(self, most: int, seconds: float) -> list[TopicBatch]:
        """Messages, at most `most`, grouped by topic; empty when none came within `seconds`.

        Raises BrokerUnavailable, what `start` raised, and InputError where the ledger is ahead of the topic.
        """
        self._look_after_group()
        apart = self._read_apart(most)
        try:
            messages = self._consumer.consume(min(most, _CHUNK), timeout=0 if apart else seconds)
        except KafkaException as error:
            raise self._connection.unavailable("reading", error.args[0]) from error
        self._raise_failure()
        if self._restarts:
            messages = self._restarted(messages)
        if not any(map(_ERROR, messages)):
            return [*apart, *(self._placed(batch) for batch in _by_topic(messages))]
        # Numbered before an error is looked into, which may begin another history.
        read = [
            self._placed(batch)
            for batch in _by_topic([message for message in messages if message.error() is None])
        ]
        for message in messages:
            self._look_into(message)
        unreadable, self._unreadable = self._unreadable, []
        return [*apart, *read, *unreadable]

    def _read_apart(self, most: int) -> list[TopicBatch]:
        """What comes of partitions that librdkafka does not read yet."""
        if not self._apart or self._paused:
            return []
        taken = self._apart.take(min(most, _CHUNK))
        batches = []
        for (topic, partition), messages in taken.messages.items():
            if messages:
                numbers = np.full(len(messages), self._stored[topic, partition], np.int32)
                offsets = np.fromiter((message.offset for message in messages), np.int64, len(messages))
                values = [message.value for message in messages]
                size = sum(map(len, filter(None, values)))
                batches.append(TopicBatch(topic, values, numbers, offsets, messages[0].timestamp, size))
        for (topic, partition), first, behind in taken.unreadable:
            batches += self._set_aside(topic, partition, first, behind)
        for where, at in taken.passed.items():
            self._reached[where] = at
            self._consumer.incremental_assign([TopicPartition(*where, at)])
            # As in `_assigned`.
            self._consumer.resume([TopicPartition(*where)])
        return batches

    def _set_aside(self, topic: str, partition: int, first: int, behind: int) -> list[TopicBatch]:
        """An unreadable batch: its first offset is one message, further ones are a gap."""
        stored = self._stored[topic, partition]
        _log.error("batch.unreadable", topic=topic, partition=partition, first=first, last=behind - 1)
        if behind > first + 1:
            self._gaps.append(Gap(topic, stored, first + 1, behind))
        at = np.array([stored], np.int32), np.array([first], np.int64)
        return [TopicBatch(topic, [b""], *at, -1, 0, unreadable=True)] if behind > first else []

    def take_anew(self, partitions: Collection[Partition]) -> None:
        """Of these that are ours, begin again where `start` says: their topic is another one by now.

        Raises as `poll` does.
        """
        mine = {(item.topic, item.partition) for item in self._consumer.assignment()}
        found = [
            where
            for where, stored in self._stored.items()
            if (where[0], stored) in partitions and (where in mine or where in self._apart)
        ]
        if not found:
            return
        self._revoked(self._consumer, [TopicPartition(*where) for where in found])
        self._assigned(self._consumer, [TopicPartition(*where) for where in found])
        self._raise_failure()

    def read(self) -> dict[Partition, tuple[int, int]]:
        """For each partition of ours: from where on and up to where there is nothing that was not handed out.

        Beyond the last message handed out where the offsets behind it are no messages but markers of transactions.
        """
        found = {}
        for item in self._consumer.position(self._consumer.assignment()):
            where = item.topic, item.partition
            begun = self._begun.get(where, 0)
            end = max(item.offset, self._reached.get(where, 0), begun)
            found[item.topic, self._stored[where]] = begun, end
        return found

    @property
    def has_gaps(self) -> bool:
        return bool(self._gaps)

    def take_gaps(self) -> list[Gap]:
        """Gaps met since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps

    @property
    def wary(self) -> bool:
        """Whether something is read apart, so that little is to be held at once."""
        return bool(self._apart)

    def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        """Tell Kafka how far the index is: for lag tools only, the ledger is what counts. Does not wait."""
        offsets = [
            TopicPartition(topic, in_kafka(stored), offset)
            for (topic, stored), offset in next_offsets.items()
            # Of a topic that was made anew meanwhile it would be an offset of another log.
            if self._stored.get((topic, in_kafka(stored))) == stored
        ]
        if not offsets:
            return
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            raise self._connection.unavailable("committing", error.args[0]) from error

    def pause(self) -> None:
        """Stop fetching; `poll` then only serves the group."""
        self._paused = True
        self._consumer.pause(self._consumer.assignment())

    def resume(self) -> None:
        self._paused = False
        self._consumer.resume(self._consumer.assignment())

    def lag(self) -> dict[str, int]:
        """Messages not read yet by topic, from what the last fetches said."""
        behind: dict[str, int] = {}
        for item in self._consumer.position(self._consumer.assignment()):
            _, high = self._consumer.get_watermark_offsets(item, cached=True)
            if item.offset >= 0 and high >= 0:
                behind[item.topic] = behind.get(item.topic, 0) + max(0, high - item.offset)
        for (topic, _), left in self._apart.behind().items():
            behind[topic] = behind.get(topic, 0) + left
        return behind

    def at_end(self) -> bool:
        """Whether partitions are ours and none of them has a message that was not handed out."""
        mine = self._consumer.assignment()
        if not (mine or self._apart) or any(self._apart.behind().values()):
            return False
        for item in self._consumer.position(mine):
            low, high = self._consumer.get_watermark_offsets(item, timeout=10)
            if max(low, item.offset, self._reached.get((item.topic, item.partition), low)) < high:
                return False
        return True

    def close(self) -> None:
        """Leave the group; `gone` is called for what is still held."""
        self._consumer.close()
        self._apart.close()
        self._asking.shutdown(wait=False, cancel_futures=True)

    def _placed(self, batch: TopicBatch) -> TopicBatch:
        """The batch with the numbers that its partitions have in the index."""
        if batch.topic not in self._renumbered:
            return batch
        numbers = np.unique(batch.partition)
        stored = np.array([self._stored[batch.topic, int(number)] for number in numbers], np.int32)
        tombstones = {
            (self._stored[batch.topic, number], offset): item
            for (number, offset), item in batch.tombstones.items()
        }
        return replace(
            batch, partition=stored[np.searchsorted(numbers, batch.partition)], tombstones=tombstones
        )

    def _restarted(self, messages: Sequence[Message]) -> list[Message]:
        """Without those of partitions whose history began meanwhile: their offsets may be of either log. Those begin
        again."""
        restarts, self._restarts = self._restarts, {}
        items = [
            TopicPartition(*where, offset)
            for where, offset in restarts.items()
            if any((message.topic(), message.partition()) == where for message in messages)
        ]
        self._consumer.incremental_unassign([TopicPartition(item.topic, item.partition) for item in items])
        self._consumer.incremental_assign(items)
        return [message for message in messages if (message.topic(), message.partition()) not in restarts]

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # An exception inside a callback would be lost in librdkafka: kept, and raised by `poll`.
        try:
            bounds = {}
            for item in partitions:
                try:
                    bounds[item.topic, item.partition] = self._bounds(item)
                except KafkaException as error:
                    # A topic made anew with fewer: a member with a name of its own is given what it had all the same.
                    if error.args[0].code() != KafkaError._UNKNOWN_PARTITION:
                        raise
                    self._absent = True
                    _log.warning("partition.absent", topic=item.topic, partition=item.partition)
            partitions = [item for item in partitions if (item.topic, item.partition) in bounds]
            places = self._start({where: high for where, (_, high) in bounds.items()})
            for item in partitions:
                where = item.topic, item.partition
                place = places[where]
                before = self._stored.get(where, place.stored)
                self._stored[where] = place.stored
                if place.stored != item.partition:
                    self._renumbered.add(item.topic)
                low, _ = bounds[where]
                item.offset = low if low > 0 else OFFSET_BEGINNING
                if place.offset is not None:
                    item.offset = max(low, place.offset)
                    if place.offset < low:
                        self._gaps.append(Gap(item.topic, place.stored, place.offset, low))
                self._reached[where] = item.offset
                self._begun[where] = max(low, place.offset or 0)
                if before != place.stored:
                    self._restarts[where] = item.offset
                elif self._wary and self._begun[where] < bounds[where][1]:
                    self._apart.hold(where, self._begun[where], bounds[where][1])
            partitions = [item for item in partitions if (item.topic, item.partition) not in self._apart]
            consumer.incremental_assign(partitions)
            # librdkafka keeps whether a partition is paused while it is not ours.
            (consumer.pause if self._paused else consumer.resume)(partitions)
        except (KafkaException, Unavailable, InputError) as error:
            self._failure = error if not isinstance(error, KafkaException) else self._translated(error)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._gone(
            [
                (item.topic, self._stored.get((item.topic, item.partition), item.partition))
                for item in partitions
            ]
        )
        for item in partitions:
            self._apart.drop((item.topic, item.partition))
        mine = {(item.topic, item.partition) for item in consumer.assignment()}
        consumer.incremental_unassign([item for item in partitions if (item.topic, item.partition) in mine])

    def _bounds(self, item: TopicPartition) -> tuple[int, int]:
        """The oldest offset there is, and the one the next message will get."""
        deadline = time.monotonic() + _MOVING_SECONDS
        while True:
            try:
                return self._consumer.get_watermark_offsets(item, timeout=10)
            except KafkaException as error:
                if error.args[0].code() not in _MOVING or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _translated(self, error: KafkaException) -> BrokerUnavailable:
        return self._connection.unavailable("joining the group", error.args[0])

    def _look_into(self, message: Message) -> None:
        error = message.error()
        if error is None:
            return
        topic, partition = message.topic(), message.partition()
        if topic is not None and partition is not None and error.code() == KafkaError._PARTITION_EOF:
            self._reached[topic, partition] = message.offset() or 0
        elif topic is not None and partition is not None and error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._skip_removed(topic, partition)
        elif topic is not None and partition is not None and error.code() in UNREADABLE:
            # Of one unreadable batch several errors may have queued up.
            if not self._unreadable:
                self._skip_unreadable(topic, partition, message.offset() or 0)
        elif error.fatal() or error.code() in (
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.GROUP_AUTHORIZATION_FAILED,
            KafkaError._AUTHENTICATION,
        ):
            raise self._connection.unavailable("reading", error)

    def _skip_removed(self, topic: str, partition: int) -> None:
        """Kafka's retention overtook us: note what is lost and go on with the oldest there is. Or the log ends before
        our offset, being another one: begin where `start` says."""
        item = TopicPartition(topic, partition)
        (position,) = self._consumer.position([item])
        at = max(position.offset, self._reached.get((topic, partition), position.offset))
        # Fetching has ended with the error, so there is nothing to seek in: taken up anew.
        try:
            low, high = self._bounds(item)
            if at > high:
                self.take_anew([(topic, self._stored[topic, partition])])
                return
            if 0 <= at < low:
                self._gaps.append(Gap(topic, self._stored[topic, partition], at, low))
            self._consumer.incremental_unassign([item])
            self._consumer.incremental_assign([TopicPartition(topic, partition, low)])
        except KafkaException as error:
            raise self._connection.unavailable("reading", error.args[0]) from error

    def _skip_unreadable(self, topic: str, partition: int, first: int) -> None:
        """A batch that librdkafka cannot read, and would ask for again without end: its first offset is handed out as
        unreadable, further ones of it are a gap, and reading goes on behind it."""
        item = TopicPartition(topic, partition)
        (position,) = self._consumer.position([item])
        first = max(first, position.offset, self._reached.get((topic, partition), 0))
        behind = behind_unreadable(self._connection, topic, partition, first)
        self._unreadable += self._set_aside(topic, partition, first, behind)
        try:
            self._consumer.incremental_unassign([item])
            self._consumer.incremental_assign([TopicPartition(topic, partition, behind)])
        except KafkaException as error:
            raise self._connection.unavailable("reading", error.args[0]) from error
        self._reached[topic, partition] = behind


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
        tombstones=_tombstones(messages) if None in values else {},
    )


def _tombstones(messages: Sequence[Message]) -> dict[tuple[int, int], Tombstone]:
    found = {}
    for message in messages:
        key, (_, at) = message.key(), message.timestamp()
        if message.value() is None and isinstance(key, bytes) and at > 0:
            found[_PARTITION(message), _OFFSET(message)] = Tombstone(key, at)
    return found

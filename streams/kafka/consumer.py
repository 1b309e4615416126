"""Reads source topics in batches, from where the index's ledger says, and tells when partitions come and go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import methodcaller

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.errors import InputError, Unavailable
from sinks.ports.offsets import in_kafka
from streams.kafka import batches, ends
from streams.kafka.apart import ReadApart
from streams.kafka.batches import Gap, Partition, TopicBatch
from streams.kafka.connection import Connection
from streams.kafka.fetching import source_client
from streams.kafka.membership import Membership
from streams.kafka.positions import Place, Positions
from streams.kafka.unreadable import UNREADABLE, behind_unreadable

_log = structlog.get_logger(__name__)
# librdkafka hands over at most this many at once; between calls rebalances are served.
_CHUNK = 16_384
# Called for every message: half the time of a comprehension that spells the call out.
_ERROR = methodcaller("error")

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
        keyed: Collection[str] = (),
    ) -> None:
        """`member`: a name of its own that this worker keeps over restarts; it then gets its partitions back at
        once, where the group would otherwise wait for the dead one's session to run out (KIP-345).
        `wary`: what partitions have when they become ours is read apart, see `streams.kafka.apart`.
        `keyed`: topics of which batches have the keys of all messages, not of tombstones alone."""
        self._keyed = frozenset(keyed)
        self._connection = connection
        self._start = start
        self._gone = gone
        self._wary = wary
        self._positions = Positions()
        self._apart = ReadApart(connection)
        self._paused = False
        self._unreadable: list[TopicBatch] = []
        self._failure: Exception | None = None
        self._consumer = source_client(connection, group, member)
        self._membership = Membership(
            connection,
            self._consumer,
            group,
            topics,
            assigned=self._assigned,
            revoked=self._revoked,
            named=bool(member),
        )

    def rejoin(self) -> None:
        """Leave the group and come back. Raises BrokerUnavailable: begin with a new consumer."""
        self._membership.rejoin()

    def poll(self, most: int, seconds: float) -> list[TopicBatch]:
        """Messages, at most `most`, grouped by topic; empty when none came within `seconds`.

        Raises BrokerUnavailable, what `start` raised, and InputError where the ledger is ahead of the topic.
        """
        self._membership.look_after()
        apart = self._read_apart(most)
        try:
            messages = self._consumer.consume(min(most, _CHUNK), timeout=0 if apart else seconds)
        except KafkaException as error:
            raise self._connection.unavailable("reading", error.args[0]) from error
        self._raise_failure()
        if self._positions.has_restarts:
            messages = self._restarted(messages)
        placed = self._positions.placed
        if not any(map(_ERROR, messages)):
            return [*apart, *map(placed, batches.by_topic(messages, self._keyed))]
        # Numbered before an error is looked into, which may begin another history.
        events = [message for message in messages if message.error() is None]
        read = list(map(placed, batches.by_topic(events, self._keyed)))
        for message in messages:
            self._look_into(message)
        unreadable, self._unreadable = self._unreadable, []
        return [*apart, *read, *unreadable]

    def _read_apart(self, most: int) -> list[TopicBatch]:
        """What comes of partitions that librdkafka does not read yet."""
        if not self._apart or self._paused:
            return []
        taken = self._apart.take(min(most, _CHUNK))
        found = []
        for where, messages in taken.messages.items():
            if messages:
                stored = self._positions.stored(where)
                found.append(batches.read_apart(where[0], stored, messages, self._keyed))
        for where, first, behind in taken.unreadable:
            found += self._set_aside(where, first, behind)
        for where, at in taken.passed.items():
            self._positions.reach(where, at)
            self._consumer.incremental_assign([TopicPartition(*where, at)])
            # As in `_assigned`.
            self._consumer.resume([TopicPartition(*where)])
        return found

    def _set_aside(self, where: Partition, first: int, behind: int) -> list[TopicBatch]:
        """An unreadable batch: its first offset is one message, further ones are a gap."""
        topic, partition = where
        _log.error("batch.unreadable", topic=topic, partition=partition, first=first, last=behind - 1)
        self._positions.lost(where, first + 1, behind)
        return [batches.unreadable(topic, self._positions.stored(where), first)] if behind > first else []

    def take_anew(self, partitions: Collection[Partition]) -> None:
        """Of these that are ours, begin again where `start` says: their topic is another one by now.

        Raises as `poll` does.
        """
        mine = {(item.topic, item.partition) for item in self._consumer.assignment()}
        found = [
            where for where in self._positions.among(partitions) if where in mine or where in self._apart
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
            begun = self._positions.begun(where)
            found[item.topic, self._positions.stored(where)] = (
                begun,
                max(begun, self._positions.reached(item)),
            )
        return found

    @property
    def has_gaps(self) -> bool:
        return self._positions.has_gaps

    def take_gaps(self) -> list[Gap]:
        """Gaps met since the last call."""
        return self._positions.take_gaps()

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
            if self._positions.known((topic, stored))
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
        behind = ends.lag(self._consumer)
        for (topic, _), left in self._apart.behind().items():
            behind[topic] = behind.get(topic, 0) + left
        return behind

    def at_end(self) -> bool:
        """Whether partitions are ours and none of them has a message that was not handed out."""
        if not (self._consumer.assignment() or self._apart) or any(self._apart.behind().values()):
            return False
        return all(
            max(low, self._positions.reached(item)) >= high for item, low, high in ends.asked(self._consumer)
        )

    def close(self) -> None:
        """Leave the group; `gone` is called for what is still held."""
        self._consumer.close()
        self._apart.close()
        self._membership.close()

    def _restarted(self, messages: Sequence[Message]) -> list[Message]:
        """Without those of partitions whose history began meanwhile. Those begin again."""
        kept, again = self._positions.restarted(messages)
        self._consumer.incremental_unassign([TopicPartition(item.topic, item.partition) for item in again])
        self._consumer.incremental_assign(again)
        return kept

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # An exception inside a callback would be lost in librdkafka: kept, and raised by `poll`.
        try:
            bounds = self._bounds(partitions)
            partitions = [item for item in partitions if (item.topic, item.partition) in bounds]
            places = self._start({where: high for where, (_, high) in bounds.items()})
            for item in partitions:
                where = item.topic, item.partition
                low, high = bounds[where]
                item.offset, another = self._positions.begin(where, places[where], low)
                begun = self._positions.begun(where)
                if self._wary and not another and begun < high:
                    self._apart.hold(where, begun, high)
            partitions = [item for item in partitions if (item.topic, item.partition) not in self._apart]
            consumer.incremental_assign(partitions)
            # librdkafka keeps whether a partition is paused while it is not ours.
            (consumer.pause if self._paused else consumer.resume)(partitions)
        except KafkaException as error:
            self._failure = self._connection.unavailable("joining the group", error.args[0])
        except (Unavailable, InputError) as error:
            self._failure = error

    def _bounds(self, partitions: Sequence[TopicPartition]) -> dict[Partition, tuple[int, int]]:
        """The two ends of each of these that is there."""
        bounds = {}
        for item in partitions:
            try:
                bounds[item.topic, item.partition] = ends.bounds(self._consumer, item)
            except KafkaException as error:
                # A topic made anew with fewer: a member with a name of its own is given what it had all the same.
                if error.args[0].code() != KafkaError._UNKNOWN_PARTITION:
                    raise
                self._membership.absent(item.topic, item.partition)
        return bounds

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._gone([self._positions.named((item.topic, item.partition)) for item in partitions])
        for item in partitions:
            self._apart.drop((item.topic, item.partition))
        mine = {(item.topic, item.partition) for item in consumer.assignment()}
        consumer.incremental_unassign([item for item in partitions if (item.topic, item.partition) in mine])

    def _look_into(self, message: Message) -> None:
        error = message.error()
        if error is None:
            return
        topic, partition = message.topic(), message.partition()
        if topic is not None and partition is not None and error.code() == KafkaError._PARTITION_EOF:
            self._positions.reach((topic, partition), message.offset() or 0)
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
        at = self._positions.reached(position)
        # Fetching has ended with the error, so there is nothing to seek in: taken up anew.
        try:
            low, high = ends.bounds(self._consumer, item)
            if at > high:
                self.take_anew([self._positions.named((topic, partition))])
                return
            if at >= 0:
                self._positions.lost((topic, partition), at, low)
            self._consumer.incremental_unassign([item])
            self._consumer.incremental_assign([TopicPartition(topic, partition, low)])
        except KafkaException as error:
            raise self._connection.unavailable("reading", error.args[0]) from error

    def _skip_unreadable(self, topic: str, partition: int, first: int) -> None:
        """A batch that librdkafka cannot read, and would ask for again without end: its first offset is handed out as
        unreadable, further ones of it are a gap, and reading goes on behind it."""
        item = TopicPartition(topic, partition)
        (position,) = self._consumer.position([item])
        first = max(first, self._positions.reached(position))
        behind = behind_unreadable(self._connection, topic, partition, first)
        self._unreadable += self._set_aside((topic, partition), first, behind)
        try:
            self._consumer.incremental_unassign([item])
            self._consumer.incremental_assign([TopicPartition(topic, partition, behind)])
        except KafkaException as error:
            raise self._connection.unavailable("reading", error.args[0]) from error
        self._positions.reach((topic, partition), behind)

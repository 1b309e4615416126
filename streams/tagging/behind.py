"""How much of each topic is not in the index, whoever reads it or does not: ends on the broker against the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from sinks.ports.offsets import History, OffsetLedger
from streams.kafka.batches import Partition
from streams.kafka.connection import Connection
from streams.kafka.groups import bounds
from streams.kafka.topic_ids import TopicIds

STUCK_SECONDS = 60.0
_MOST_NAMED = 3


@dataclass(frozen=True)
class Waiting:
    """Of one partition: where the index goes on, and how many offsets behind that are still to be read."""

    position: tuple[int, int]  # number of the history, next offset
    messages: int


class Behind:
    """What waits in the topics. Not for several threads."""

    def __init__(
        self,
        connection: Connection,
        ledger: OffsetLedger,
        topics: Collection[str],
        ids: TopicIds | None = None,
    ) -> None:
        self._connection = connection
        self._ledger = ledger
        self._topics = topics
        self._ids = ids or TopicIds(connection)

    def __call__(self) -> Mapping[Partition, Waiting]:
        """By topic and Kafka's partition. Raises Unavailable."""
        there = bounds(self._connection, self._topics)
        noted = self._ledger_of(there)
        ids = self._ids.of(self._topics)
        found = {}
        for where, (low, high) in there.items():
            history, offset = noted.get(where, (History(*where), 0))
            if history.topic_id and ids.get(where[0], "") not in ("", history.topic_id):
                # Made anew, and nobody has begun to read it.
                history, offset = History(*where, history.number + 1), 0
            found[where] = Waiting((history.number, offset), max(0, high - max(low, offset)))
        return found

    def _ledger_of(self, partitions: Collection[Partition]) -> Mapping[Partition, tuple[History, int]]:
        known = self._ledger.histories(list(partitions))
        histories = {where: known.get(where, History(*where)) for where in partitions}
        at = self._ledger.positions([(item.topic, item.stored) for item in histories.values()])
        return {where: (item, at.get((item.topic, item.stored), 0)) for where, item in histories.items()}


class Stuck:
    """Notes since when a partition has messages that wait and none is taken. Not for several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[Partition, tuple[tuple[int, int], float]] = {}

    def problems(self, waiting: Mapping[Partition, Waiting]) -> Sequence[str]:
        """One line for all that stood still for a minute over the looks that were taken."""
        now = self._clock()
        self._since = {
            where: (item.position, before[1])
            if (before := self._since.get(where)) and before[0] == item.position
            else (item.position, now)
            for where, item in waiting.items()
            if item.messages
        }
        still = sorted(where for where, (_, since) in self._since.items() if now - since >= STUCK_SECONDS)
        if not still:
            return ()
        named = ", ".join(
            f"{topic}/{number} has {waiting[topic, number].messages:,} messages"
            for topic, number in still[:_MOST_NAMED]
        )
        more = f", and so {len(still) - _MOST_NAMED} more partitions" if len(still) > _MOST_NAMED else ""
        longest = int(now - min(self._since[where][1] for where in still))
        return (
            f"{named} that nobody reads{more}: nothing of it was taken into the index for {longest} s, so answers lack "
            "it; look into the tagger's log, and start one (`innsyn tag`) where none runs",
        )

"""Which log each partition of ours is: the histories in the ledger against the ids of the topics on the broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import structlog

from sinks.ports.offsets import History, OffsetLedger, check_partitions, going_on
from streams.kafka.batches import Partition
from streams.kafka.topic_ids import TopicIds

_log = structlog.get_logger(__name__)
# Every write asks whether its topics are still those that were read; this often all are asked for, written or not.
_ALL_SECONDS = 15.0


class Logs:
    """The logs that a tagger reads. `known`: the history of each partition, by its number in the index.

    `others` may run in a thread beside one that does the rest.
    """

    def __init__(self, ids: TopicIds, ledger: OffsetLedger, clock: Callable[[], datetime]) -> None:
        self.known: dict[Partition, History] = {}
        self._ids = ids
        self._ledger = ledger
        self._clock = clock
        self._due = 0.0

    def take(self, ends: Mapping[Partition, int]) -> tuple[Mapping[Partition, History], list[History]]:
        """The history of each partition, by Kafka's number, that ends there; and those of them that begin now.

        They are noted, and said. Raises Unavailable, and InputError for a log that was cut.
        """
        for topic in sorted({topic for topic, _ in ends}):
            check_partitions(topic, [number for name, number in ends if name == topic])
        partitions = list(ends)
        ids = self._ids.of({topic for topic, _ in partitions})
        noted = self._ledger.histories(partitions)
        before = {where: noted.get(where, History(*where)) for where in partitions}
        positions = self._ledger.positions([(item.topic, item.stored) for item in before.values()])
        now = {
            where: going_on(
                history, ids.get(where[0], ""), positions.get((history.topic, history.stored), 0), ends[where]
            )
            for where, history in before.items()
        }
        new = [history for where, history in now.items() if noted.get(where) != history]
        self._ledger.note_histories(new, self._clock())
        anew = [history for where, history in now.items() if history.number > before[where].number]
        _tell(anew)
        self.known |= {(history.topic, history.stored): history for history in now.values()}
        return now, anew

    def leave(self, partitions: Iterable[Partition]) -> None:
        """No longer ours, by their numbers in the index."""
        for partition in partitions:
            self.known.pop(partition, None)

    @property
    def due(self) -> bool:
        """Whether all topics are to be asked for again."""
        return time.monotonic() >= self._due

    def others(self, topics: Iterable[str]) -> list[Partition]:
        """The partitions whose topic is another one than the one that was read from, as far as the broker tells.

        Ids never come back: a topic that has its id now had it when the batch was read. One that is gone has none to
        be mistaken for. Raises BrokerUnavailable.
        """
        known, asked = dict(self.known), set(topics)
        if self.due:
            asked = {topic for topic, _ in known}
            self._due = time.monotonic() + _ALL_SECONDS
        ids = self._ids.of(asked)
        return [
            where
            for where, history in known.items()
            if where[0] in ids and history.topic_id and ids[where[0]] not in ("", history.topic_id)
        ]


def _tell(anew: Iterable[History]) -> None:
    by_topic: dict[str, list[History]] = {}
    for history in anew:
        by_topic.setdefault(history.topic, []).append(history)
    for topic, mine in sorted(by_topic.items()):
        _log.warning(
            "topic.made_anew",
            topic=topic,
            partitions=[history.partition for history in mine],
            history=max(history.number for history in mine),
            meaning="the topic was deleted and made anew: it is read from its beginning, beside what the index "
            "has; what was deleted before it was read is in no answer",
        )

"""How much of each topic is not in the index, whoever reads it or does not: ends on the broker against the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from schemas.counted import counted
from sinks.ports.offsets import History, OffsetLedger
from streams.kafka.batches import Partition
from streams.kafka.connection import Connection
from streams.kafka.groups import bounds
from streams.kafka.topic_ids import TopicIds

STUCK_SECONDS = 60.0
_MOST_NAMED = 3
_MEND = "look into the tagger's log, and start one (`innsyn tag`) where none runs"
Readers = Mapping[Partition, str]


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


@dataclass(frozen=True)
class Standing:
    """Of partitions that stand still, a line each: `problems` of those that no tagger gets on with, `notices` of those
    whose tagger is busy with its other partitions."""

    problems: Sequence[str] = ()
    notices: Sequence[str] = ()


class Stuck:
    """Notes since when a partition has messages that wait and none is taken. Not for several threads.

    `readers()`: which member of the taggers' group has each partition, None where that is not told. Raises Unavailable.
    """

    def __init__(
        self,
        readers: Callable[[], Readers | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._readers = readers
        self._clock = clock
        self._seen: dict[Partition, tuple[int, int]] = {}
        self._moved: dict[Partition, float] = {}
        self._since: dict[Partition, float] = {}

    def look(self, waiting: Mapping[Partition, Waiting]) -> Standing:
        """What stood still for a minute over the looks that were taken. Raises Unavailable."""
        now = self._clock()
        still = self._still(waiting, now)
        who = self._readers() if still else {}
        if who is None:
            return Standing(self._said(still, waiting, "that wait", _MEND))
        moved = (where for where, at in self._moved.items() if now - at < STUCK_SECONDS)
        busy = {who[where] for where in moved if where in who}
        behind = [where for where in still if who.get(where) in busy]
        unread = [where for where in still if where not in who]
        hangs = [where for where in still if where not in behind and where not in unread]
        return Standing(
            [
                *self._said(unread, waiting, "that nobody reads", _MEND),
                *self._said(
                    hangs, waiting, "that its tagger does not take", "look into the log of that tagger"
                ),
            ],
            self._said(behind, waiting, "that wait behind others", "start another tagger where this lasts"),
        )

    def _still(self, waiting: Mapping[Partition, Waiting], now: float) -> list[Partition]:
        """Those with messages of which none was taken for a minute; notes what moved since the last look."""
        before, self._seen = self._seen, {where: item.position for where, item in waiting.items()}
        moved = {where for where, at in self._seen.items() if where in before and before[where] != at}
        self._moved = {where: at for where, at in self._moved.items() if where in waiting} | dict.fromkeys(
            moved, now
        )
        self._since = {
            where: now if where in moved else self._since.get(where, now)
            for where, item in waiting.items()
            if item.messages
        }
        return sorted(where for where, since in self._since.items() if now - since >= STUCK_SECONDS)

    def _said(
        self, chosen: Sequence[Partition], waiting: Mapping[Partition, Waiting], what: str, mend: str
    ) -> Sequence[str]:
        """One line for all of them, or none."""
        if not chosen:
            return ()
        named = ", ".join(
            f"{topic}/{number} has {counted(waiting[topic, number].messages, 'message')}"
            for topic, number in chosen[:_MOST_NAMED]
        )
        more = (
            f", and so {counted(len(chosen) - _MOST_NAMED, 'more partition')}"
            if len(chosen) > _MOST_NAMED
            else ""
        )
        longest = int(self._clock() - min(self._since[where] for where in chosen))
        return (
            f"{named} {what}{more}: nothing of it was taken into the index for {longest} s, so answers lack it; {mend}",
        )

"""Steps 3 to 5 of the tagger: a batch goes into the index, or is repeated until it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import chain, repeat
from typing import TypeVar

import structlog

from schemas.errors import Fenced, Unavailable
from sinks.ports.lineage import IndexWriter
from sinks.ports.resurrected import Resurrected
from streams.kafka.batches import Partition
from streams.kafka.dead_letters import DeadLetters
from streams.metrics import TagMetrics
from streams.tagging.logs import Logs
from streams.tagging.prepare import Prepared
from streams.tagging.progress import Progress
from streams.tagging.suppressed import Suppression

log = structlog.get_logger()

_T = TypeVar("_T")
_RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)


class IndexWrites:
    """Writes of one tagger. `store` runs in the writer's thread, `persist` in any.

    `renewed`: partitions whose topic turned out to be another one than was read; whoever reads takes them out.
    `stop`: set when the tagger is to end. Nothing is repeated after that.
    """

    def __init__(
        self,
        index: IndexWriter,
        dead_letters: DeadLetters,
        logs: Logs,
        metrics: TagMetrics,
        progress: Progress,
        clock: Callable[[], datetime],
        *,
        replay: bool,
        retry_seconds: float,
        suppression: Suppression | None = None,
    ) -> None:
        """`replay`: the ledger is left alone. `retry_seconds`: so long an index that does not answer is asked again.
        `suppression`: knows what erasures took away; None: nobody looks whether it comes back.
        """
        self._suppression = suppression
        self.renewed: set[Partition] = set()
        self.stop = threading.Event()
        self._index = index
        self._dead_letters = dead_letters
        self._logs = logs
        self._metrics = metrics
        self._progress = progress
        self._clock = clock
        self._replay = replay
        self._retry_seconds = retry_seconds

    def store(self, prepared: Prepared) -> Prepared:
        """What of it is in the index now: all but what another worker took over, or another topic replaced.

        Raises Unavailable.
        """
        started = time.perf_counter()
        self._progress.store()
        try:
            stored = self._same_topics(prepared)
            if stored.batch.ranges:
                stored = self._repeat(stored)
                self._metrics.write_seconds.observe(time.perf_counter() - started)
        finally:
            self._progress.stored()
        return stored

    def persist(self, call: Callable[[], _T]) -> _T:
        """What the call returns, repeated while the index does not answer. Raises IndexUnavailable in the end."""
        deadline = time.monotonic() + self._retry_seconds
        pauses = chain(_RETRY_SECONDS, repeat(_RETRY_SECONDS[-1]))
        while True:
            try:
                returned = call()
            except Unavailable as error:
                if time.monotonic() > deadline or self.stop.is_set():
                    raise
                self._metrics.retries.inc()
                self._progress.wait("index", str(error))
                log.warning("write.retry", error=str(error))
                self.stop.wait(next(pauses))
            else:
                self._progress.wait("index", None)
                return returned

    def _same_topics(self, prepared: Prepared) -> Prepared:
        """Without what may have been read of a topic that is another one by now."""
        topics = {item.topic for item in prepared.batch.ranges}
        other = self.persist(partial(self._logs.others, topics))
        self.renewed |= set(other)
        return prepared.without(other) if other else prepared

    def _repeat(self, prepared: Prepared) -> Prepared:
        """Write until it is written; what was taken over by another worker is dropped."""
        while True:
            try:
                self.persist(partial(self._write, prepared))
                return prepared
            except Fenced:
                self._metrics.fenced.inc()
                prepared = prepared.without(self.persist(partial(self._lost, prepared)))

    def _write(self, prepared: Prepared) -> None:
        self._dead_letters.send(prepared.dead)
        # Ranges of a replay would count offsets twice that are in the ledger already.
        batch = replace(prepared.batch, ranges=()) if self._replay else prepared.batch
        now, back = self._clock(), list[Resurrected]()
        if self._suppression is not None:
            batch = self._suppression.watched(batch, now)
            back += batch.resurrected
            batch = replace(batch, meanwhile=partial(_kept, batch.meanwhile, back))
        self._index.write(batch, self._clock)
        self._metrics.came_back(back)

    def _lost(self, prepared: Prepared) -> list[Partition]:
        mine = {(item.topic, item.partition): item.epoch for item in prepared.batch.ranges}
        newest = self._index.epochs(list(mine))
        return [partition for partition, epoch in mine.items() if newest.get(partition, 0) > epoch]


def _kept(found: Callable[[], Sequence[Resurrected]], back: list[Resurrected]) -> Sequence[Resurrected]:
    """What is found, which is also put with what came back."""
    late = found()
    back += late
    return late

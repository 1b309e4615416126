"""The tagger: from source topics into the lineage index, every event exactly once in every answer.

The order of the steps is what makes a crash at any point harmless:

1. take a batch, from where the ledger says (not from Kafka's committed offset);
2. decode and tag it (pure);
3. dead letters to their topic, acknowledged;
4. rows and tag sets into the index;
5. the ledger: these offsets are in;
6. commit the offset to Kafka, which only lag tools look at.

Dying before 5 means the batch is taken again, whole or with other edges: rows are identified by where they came from,
so writing them again changes nothing. Steps 3 to 5 run in a second thread while the next batch is decoded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import structlog

from schemas.contracts import Contract
from schemas.errors import InnsynError, Unavailable, UnknownSchema
from schemas.records import RecordSchema
from sinks.ports.lineage import ROW_SCHEMA, IndexWriter, LineageBatch
from sinks.ports.offsets import OffsetRange
from sinks.ports.untagged import UntaggedFields
from streams.identity.coverage import Coverage
from streams.identity.identities import Identities
from streams.kafka.batches import Partition, TopicBatch
from streams.kafka.connection import Connection
from streams.kafka.consumer import SourceConsumer
from streams.kafka.dead_letters import DeadLetters
from streams.kafka.positions import Place
from streams.kafka.topic_ids import TopicIds
from streams.metrics import TagMetrics
from streams.tagging.coverage import CoverageCounter
from streams.tagging.crashes.careful import Careful, Stopped
from streams.tagging.decode.refusals import Refusals
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.index_writes import IndexWrites
from streams.tagging.logs import Logs
from streams.tagging.memory import Memory
from streams.tagging.patience import REGAINED, Patience
from streams.tagging.prepare import Prepared, Preparer
from streams.tagging.progress import Progress
from streams.tagging.suppressed import Suppression
from streams.tagging.tag import Tagger
from streams.tagging.untagged import Untagged

log = structlog.get_logger()

_IDLE_SECONDS = 0.05
# Between two questions to a registry that does not answer.
_AWAY_SECONDS = 1.0
# Offsets into the joined bodies are 32 bits; far below that a batch stops being useful.
_LARGEST_BATCH = 256 * 1024 * 1024
_WARY_BATCH = 32 * 1024 * 1024
# Of the ten within which a role ends. Whoever waits for the end of the topics waits for the figures too.
_COVERAGE_SECONDS = 1.0


@dataclass(frozen=True)
class TagLimits:
    """How a tagger batches, waits and gives up. See the settings of the same names."""

    batch_events: int = 65_536
    batch_seconds: float = 0.5
    unknown_schema_seconds: float = 30.0
    index_retry_seconds: float = 300.0


class TagWorker:
    """One tagger. `run` blocks until `stop` is set or something final happens; an instance runs once."""

    def __init__(
        self,
        connection: Connection,
        group: str,
        topics: Mapping[str, str],
        *,
        tagger: Tagger,
        schemas: WriterSchemas,
        index: IndexWriter,
        dead_letters: DeadLetters,
        metrics: TagMetrics,
        clock: Callable[[], datetime],
        worker: str,
        limits: TagLimits | None = None,
        identities: Identities | None = None,
        member: str | None = None,
        replay: bool = False,
        progress: Progress | None = None,
        refusals: Refusals | None = None,
        journals: Path | None = None,
        contracts: Mapping[str, Contract] | None = None,
        untagged: UntaggedFields | None = None,
        suppression: Suppression | None = None,
        note_found: Callable[[pa.Table], object] | None = None,
    ) -> None:
        """`topics` maps each source topic to the name of the record it carries; `worker` is written to the ledger.

        `identities`: count whose the events are; None: do not ask. `member`: see `SourceConsumer`. `replay`: begin at
        the oldest message there is, whatever the ledger says, and leave ledger and ownership to the taggers that run
        beside it. `progress` is told how it gets on, `refusals` which schemas break a rule. `journals`: the folder
        where this host's taggers note what they work on; None: an offset that ends the process does so after every
        start. `contracts`: by topic, of events that somebody else owns. `untagged`: where fields are noted that no
        contract names; None: nowhere. `suppression`, `note_found`: see `IndexWrites`, `CoverageCounter`.
        """
        self._progress = progress or Progress()
        self._journals = None if replay else journals
        self._careful: Careful | None = None
        self._replay, self._limits = replay, limits or TagLimits()
        self._index, self._worker = index, worker
        self._metrics, self._clock = metrics, clock
        self._coverage = CoverageCounter(Coverage(identities), metrics, note_found) if identities else None
        self._schemas, self._refusals = schemas, refusals or Refusals()
        self._preparer = Preparer(tagger, self._resolve, topics, self._refusals, contracts or {})
        self._untagged = Untagged(contracts or {}, metrics, untagged, clock)
        self._epochs: dict[Partition, int] = {}
        self._logs = Logs(TopicIds(connection), index, clock)
        self._writes = IndexWrites(
            *(index, dead_letters, self._logs, metrics, self._progress, clock),
            replay=replay,
            retry_seconds=self._limits.index_retry_seconds,
            suppression=suppression,
        )
        self._next: dict[Partition, int] = {}
        self._held: list[TopicBatch] = []
        self._in_flight: Future[Mapping[Partition, int]] | None = None
        self._memory = Memory()
        self._patience = Patience(self._limits.unknown_schema_seconds)
        self._stop = threading.Event()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="index-writer")
        self._open = partial(self._opened, connection, group, sorted(topics), member)

    def _opened(
        self, connection: Connection, group: str, topics: Sequence[str], member: str | None
    ) -> SourceConsumer:
        return SourceConsumer(
            connection,
            group,
            topics,
            start=self._claim,
            gone=self._release,
            member=member,
            wary=self._careful is not None and self._careful.died,
            keyed=self._preparer.keyed,
        )

    def run(self, stop: threading.Event, *, until_end: bool = False) -> None:
        """Tag until `stop`; with `until_end`, until everything that is there now is in.

        Raises InputError (ledger ahead of a topic), Unavailable.
        """
        self._stop = self._writes.stop = stop
        if self._journals:
            self._careful = Careful(self._preparer, self._journals, self._clock, self._alive)
        clean = False
        try:
            with self._memory.kept():
                self._run(stop, until_end)
            clean = True
        except InnsynError:
            # Said, with what to do; no offset ends a process by it.
            clean = True
            raise
        finally:
            if self._careful is not None:
                self._careful.close(clean=clean)

    def _run(self, stop: threading.Event, until_end: bool) -> None:
        consumer = self._open()
        try:
            while not stop.is_set():
                self._progress.turn()
                if not self._step(consumer) and until_end and not self._held and consumer.at_end():
                    break
                self._memory.tidy()
            self._settle(consumer)
        finally:
            self._finish_write()
            consumer.close()
            self._writer.shutdown(wait=True)
            if self._coverage is not None:
                self._coverage.close(_COVERAGE_SECONDS if stop.is_set() else None)
            self._progress.rest()

    def _step(self, consumer: SourceConsumer) -> bool:
        """One turn: take, decode, hand over. False when there was nothing to take."""
        taken, self._held = self._held, []
        count = sum(len(item.values) for item in taken)
        size = 0
        deadline = time.monotonic() + self._limits.batch_seconds
        while count < self._limits.batch_events and not self._stop.is_set():
            # 1. take
            got = consumer.poll(self._limits.batch_events - count, _IDLE_SECONDS)
            taken.extend(got)
            count += sum(len(item.values) for item in got)
            size += sum(item.size for item in got)
            if not got and (not count or self._in_flight is None):
                break
            if time.monotonic() > deadline or size > (_WARY_BATCH if consumer.wary else _LARGEST_BATCH):
                break
        gaps = consumer.take_gaps()
        if not count and not gaps:
            self._settle(consumer)
            self._look_around(consumer)
            return False
        # 2. decode and tag
        started = time.perf_counter()
        self._patience.begin()
        try:
            if self._careful is not None:
                prepared = self._careful.prepare(taken, gaps, self._epochs)
            else:
                prepared = self._preparer.prepare(taken, gaps, self._epochs, self._clock())
        except Stopped:
            return False
        self._metrics.decode_seconds.observe(time.perf_counter() - started)
        for topic, behind in consumer.lag().items():
            self._metrics.lag.labels(topic).set(behind)
        self._hand_over(consumer, prepared)
        return True

    def _hand_over(self, consumer: SourceConsumer, prepared: Prepared) -> None:
        """To the writer's thread, once the batch before is in."""
        self._settle(consumer)
        if self._writes.renewed:
            # What was read meanwhile may be the new topic's, at offsets of the old one.
            prepared = prepared.without(self._writes.renewed)
        if prepared.batch.ranges:
            self._in_flight = self._writer.submit(self._store, prepared)
        self._take_anew(consumer)

    def _take_anew(self, consumer: SourceConsumer) -> None:
        if self._writes.renewed:
            renewed, self._writes.renewed = self._writes.renewed, set()
            consumer.take_anew(renewed)

    def _look_around(self, consumer: SourceConsumer) -> None:
        """While nothing comes: whether the topics are still the same, and what the ledger lacks though all was read."""
        # What came while the last write was waited for is no less to be written than what comes next.
        if not self._logs.due or self._held or consumer.has_gaps:
            return
        # Markers of transactions are no messages, but without them the ledger would lag behind the end for ever.
        passed = [
            OffsetRange(*where, first, end - 1, self._epochs[where])
            for where, (begun, end) in (consumer.read() if not self._replay else {}).items()
            if where in self._epochs and end > (first := max(begun, self._next[where]))
        ]
        nothing = Prepared(LineageBatch(ROW_SCHEMA.empty_table(), ranges=passed))
        self._in_flight = self._writer.submit(self._store, nothing)
        self._settle(consumer)
        self._take_anew(consumer)

    def _store(self, prepared: Prepared) -> Mapping[Partition, int]:
        """Steps 3 to 5, in the writer's thread. Gives the offsets to commit."""
        stored = self._writes.store(prepared)
        if stored.batch.ranges:
            self._count(stored)
            if self._coverage is not None:
                self._coverage.take(stored.observed, stored.batch.claims, stored.batch.prefixes)
        return stored.next_offsets

    def _settle(self, consumer: SourceConsumer) -> None:
        """Wait for the write in flight; meanwhile fetching pauses and the group is served."""
        paused = False
        while (future := self._in_flight) is not None:
            done, _ = wait_for([future], timeout=1.0)
            if done:
                self._in_flight = None
                # 6. commit: here, since a consumer is not for two threads (while it closes, the second would hang).
                stored = future.result()
                self._next |= stored
                if self._careful is not None:
                    self._careful.passed(self._next)
                consumer.commit(stored)
            elif not paused:
                consumer.pause()
                paused = True
            else:
                # Partitions assigned meanwhile are not paused: what they bring is kept for the next turn.
                self._held.extend(consumer.poll(1, 0))
        if paused:
            consumer.resume()

    def _claim(self, ends: Mapping[Partition, int]) -> Mapping[Partition, Place]:
        """Newly ours: fence whoever had them, then go on where the ledger ends, or begin where the log is another."""
        self._finish_write()
        histories, anew = self._writes.persist(partial(self._logs.take, ends))
        for history in anew:
            self._metrics.made_anew.labels(history.topic).inc()
        stored = {where: (where[0], history.stored) for where, history in histories.items()}
        if self._replay:
            self._epochs |= dict.fromkeys(stored.values(), 0)
            return {where: Place(number) for where, (_, number) in stored.items()}
        mine = sorted(stored.values())
        self._epochs |= self._writes.persist(lambda: self._index.take_over(mine, self._worker, self._clock()))
        log.info("partitions.taken_over", worker=self._worker, count=len(mine))
        at = self._writes.persist(lambda: self._index.positions(mine))
        self._next |= {item: at.get(item, 0) for item in mine}
        if self._careful is not None:
            self._careful.passed(at)
        return {where: Place(item[1], at.get(item)) for where, item in stored.items()}

    def _release(self, partitions: Sequence[Partition]) -> None:
        """No longer ours: what is being written still counts (the ledger will say so), nothing more is begun."""
        self._finish_write()
        for partition in partitions:
            self._epochs.pop(partition, None)
        self._logs.leave(partitions)

    def _finish_write(self) -> None:
        if self._in_flight is not None:
            wait_for([self._in_flight])

    def _resolve(self, prefix: bytes, expected: str) -> RecordSchema:
        """The writer schema. One that is unknown may be registered in a moment: waited for within what patience there
        is for all of them, then parked. A registry that does not answer is waited for without end.
        """
        learns = self._schemas.may_learn(prefix)
        if learns and not self._patience.asks(prefix, expected):
            self._metrics.unasked.inc()
            raise UnknownSchema("unknown_schema", "too many unknown ones came with it for it to be asked for")
        waited, since = 0.0, time.monotonic()
        while True:
            try:
                found = self._schemas.resolve(prefix, expected)
                self._progress.wait("registry", None)
                if learns:
                    self._patience.learned(prefix, waited)
                if self._careful is not None:
                    self._careful.resume()
                return found
            except (UnknownSchema, Unavailable) as error:
                now = time.monotonic()
                if isinstance(error, UnknownSchema):
                    waited += now - since
                    if not learns or not self._waits_for(prefix, expected, now - since):
                        if self._careful is not None:
                            self._careful.resume()
                        raise
                since = now
                # Stopped while waiting: nothing of the batch is written, so that the next run waits again.
                if self._stop.is_set():
                    raise Stopped from error
                log.warning("schema.waiting", schema=prefix.hex(), error=str(error))
                if self._careful is not None:
                    self._careful.wait()
                self._progress.turn()
                pause = self._patience.pause
                if not isinstance(error, UnknownSchema):
                    self._progress.wait("registry", str(error))
                    pause = _AWAY_SECONDS
                self._stop.wait(pause)

    def _waits_for(self, prefix: bytes, expected: str, seconds: float) -> bool:
        """Whether an unknown schema is waited for on; tells where nobody is waited for any more."""
        before = self._patience.spent
        waits = self._patience.unknown(prefix, expected, seconds)
        if self._patience.spent and self._limits.unknown_schema_seconds:
            said = self._refusals.hurry(self._limits.unknown_schema_seconds / 2 / REGAINED)
            if not before:
                log.error("schema.not_waited_for", schema=prefix.hex(), meaning=said)
        return waits

    def _alive(self) -> None:
        """Of what is read again, which may take a while. Raises Stopped."""
        if self._stop.is_set():
            raise Stopped
        self._progress.turn()

    def _count(self, stored: Prepared) -> None:
        self._metrics.stored(stored.batch, stored.oldest_ms, self._clock())
        self._metrics.scan_failures.inc(stored.scan_failures)
        self._untagged.add(stored.untagged)

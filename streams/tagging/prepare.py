"""One batch of messages becomes one index write: decode, tag, and account for every offset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from schemas.errors import DecodeError
from schemas.records import RecordSchema
from sinks.ports import (
    CLAIM_SCHEMA,
    FINDING_SCHEMA,
    PREFIX_SCHEMA,
    ROW_SCHEMA,
    DeadRow,
    LineageBatch,
    OffsetRange,
)
from streams.columns.tokens import AHEAD, Coordinates
from streams.kafka.consumer import Gap, Partition, TopicBatch
from streams.kafka.dead_letters import DeadMessage
from streams.tagging.decode.apart import apart
from streams.tagging.decode.columnar import Bodies, ColumnDecoder
from streams.tagging.decode.frames import Framed, split
from streams.tagging.decode.refusals import Refusals
from streams.tagging.decode.schema_lookup import RefusedSchema
from streams.tagging.tag import Observed, Tagged, Tagger

log = structlog.get_logger()

ENDED_PROCESS = "ended_process"
"""Reason of a dead letter that a tagger ended over, twice."""
UNREADABLE_BATCH = "unreadable_batch"
"""Reason of a dead letter whose batch unpacks to more than a reader takes, or cannot be unpacked."""
# Kafka's own default limit of a message: what is larger is no event of these topics, whatever is inside.
LARGEST_EVENT = 1024 * 1024
# Kept of schemas, of which others may register any number.
_MOST_DECODERS = 200

_BESIDE_ROWS = {
    "claims": CLAIM_SCHEMA,
    "retained": CLAIM_SCHEMA,
    "prefixes": PREFIX_SCHEMA,
    "findings": FINDING_SCHEMA,
}
_TABLES = {"rows": ROW_SCHEMA, **_BESIDE_ROWS}
# What carries the partition it came from.
_PLACED_TABLES = ("rows", "claims", "retained", "findings")

Resolve = Callable[[bytes, str], RecordSchema]


@dataclass(frozen=True)
class Prepared:
    """A write, ready: the batch for the index and the payloads for the dead-letter topic.

    `observed`: per topic, under what those were seen who are not named by their customer number.
    """

    batch: LineageBatch
    dead: Sequence[DeadMessage] = ()
    oldest_ms: int = -1
    observed: Mapping[str, Observed] = field(default_factory=dict)
    scan_failures: int = 0

    @property
    def next_offsets(self) -> dict[Partition, int]:
        offsets: dict[Partition, int] = {}
        for item in self.batch.ranges:
            key = (item.topic, item.partition)
            offsets[key] = max(offsets.get(key, 0), item.last_offset + 1)
        return offsets

    def without(self, partitions: Iterable[Partition]) -> Prepared:
        """The same without what came from these partitions."""
        gone = set(partitions)
        # Prefixes stay: they say something of addresses, whichever partition showed them.
        tables = {name: _without(getattr(self.batch, name), gone) for name in _PLACED_TABLES}
        dead = [item for item in self.dead if (item.row.topic, item.row.partition) not in gone]
        ranges = [item for item in self.batch.ranges if (item.topic, item.partition) not in gone]
        batch = replace(self.batch, **tables, dead=[item.row for item in dead], ranges=ranges)
        return replace(self, batch=batch, dead=dead)


class Preparer:
    """Turns topic batches into writes. `expected` maps each topic to the name of its record."""

    def __init__(
        self,
        tagger: Tagger,
        resolve: Resolve,
        expected: Mapping[str, str],
        refusals: Refusals | None = None,
    ) -> None:
        self._tagger = tagger
        self._resolve = resolve
        self._expected = expected
        self._decoders: dict[RecordSchema, ColumnDecoder] = {}
        self._refusals = refusals or Refusals()

    def anew(self, resolve: Resolve | None = None) -> Preparer:
        """The same with nothing remembered, to try messages with: nothing of them is kept from what is written."""
        return Preparer(self._tagger.anew(), resolve or self._resolve, self._expected, self._refusals)

    def resolved(self, prefix: bytes, topic: str) -> RecordSchema:
        """The writer schema of a message of the topic. Raises as `resolve` does."""
        return self._resolve(prefix, self._expected[topic])

    def prepare(
        self,
        batches: Sequence[TopicBatch],
        gaps: Sequence[Gap],
        epochs: Mapping[Partition, int],
        now: datetime,
        aside: Set[tuple[str, int, int]] = frozenset(),
        begin: Callable[[TopicBatch], None] = lambda _: None,
    ) -> Prepared:
        """Everything of the batches whose partition is in `epochs`; the rest is somebody else's now.

        `aside`: messages by topic, partition and offset that are dead letters without a look at them.
        `begin` is told of each topic before its messages are looked at.
        `resolve` may wait, and raises Unavailable to give the whole batch up.
        """
        done: list[Prepared] = []
        ranges = [
            OffsetRange(
                gap.topic,
                gap.partition,
                gap.first,
                gap.next - 1,
                epochs[gap.topic, gap.partition],
                lost=gap.next - gap.first,
            )
            for gap in gaps
            if (gap.topic, gap.partition) in epochs
        ]
        for batch in (_owned(item, epochs) for item in batches):
            if not batch.values:
                continue
            begin(batch)
            done.append(self._topic(batch, epochs, now, aside))
        oldest = min((item.oldest_ms for item in batches if item.oldest_ms > 0), default=-1)
        whole = LineageBatch(
            **{
                name: _joined([getattr(item.batch, name) for item in done], schema)
                for name, schema in _TABLES.items()
            },
            tag_sets=[tags for item in done for tags in item.batch.tag_sets],
            dead=[letter.row for item in done for letter in item.dead],
            ranges=[*ranges, *(given for item in done for given in item.batch.ranges)],
            pairs=self._tagger.take_pairs(),
            key_id=self._tagger.key_id,
        )
        return Prepared(
            whole,
            [letter for item in done for letter in item.dead],
            oldest,
            {
                topic: Observed.joined([item.observed[topic] for item in done if topic in item.observed])
                for topic in dict.fromkeys(topic for item in done for topic in item.observed)
            },
            sum(item.scan_failures for item in done),
        )

    def _topic(
        self,
        batch: TopicBatch,
        epochs: Mapping[Partition, int],
        now: datetime,
        aside: Set[tuple[str, int, int]],
    ) -> Prepared:
        bad = dict.fromkeys(_positions(batch, aside), (ENDED_PROCESS, ""))
        if batch.unreadable:
            bad = dict.fromkeys(range(len(batch.values)), (UNREADABLE_BATCH, ""))
        messages, positions, tombstones = _readable(batch, bad)
        frames = split(messages)
        for at, reason in frames.bad.items():
            bad[int(positions[at])] = (reason, "")
        parts: list[Tagged] = []
        subjects = np.zeros(len(batch.values), np.int64)
        events = np.zeros(len(batch.values), np.bool_)
        # The largest first: of ids that were made up no more than some are asked for.
        for group in sorted(frames.groups, key=lambda group: len(group.positions), reverse=True):
            for where, tagged in self._group(batch, group, positions[group.positions], now):
                if isinstance(tagged, str):
                    bad |= {int(position): (tagged, group.prefix.hex()) for position in where}
                    continue
                parts.append(tagged)
                bad |= {int(where[at]): (reason, group.prefix.hex()) for at, reason in tagged.bad.items()}
                events[where] = True
                subjects[where] = tagged.subjects
        events[list(bad)] = False
        dead = [_dead(batch, position, *why, now) for position, why in sorted(bad.items())]
        ranges = _ranges(batch, epochs, events, subjects, set(bad), tombstones)
        whole = LineageBatch(
            _table(batch.topic, parts),
            **{
                name: _joined([getattr(part, name) for part in parts], _TABLES[name]) for name in _BESIDE_ROWS
            },
            tag_sets=[tags for part in parts for tags in part.tag_sets],
            ranges=ranges,
        )
        observed = {batch.topic: Observed.joined([part.observed for part in parts])}
        failures = sum(part.scan_failures for part in parts)
        return Prepared(whole, dead, observed=observed, scan_failures=failures)

    def _group(
        self, batch: TopicBatch, group: Framed, where: np.ndarray[Any, Any], now: datetime
    ) -> Iterator[tuple[np.ndarray[Any, Any], Tagged | str]]:
        """Tagged rows of one writer schema, or the reason why there are none, each with the positions it is of."""
        try:
            record = self._resolve(group.prefix, self._expected[batch.topic])
        except DecodeError as error:
            self._note(batch.topic, group.prefix, error)
            yield where, error.reason
            return
        decoder = self._decoders.get(record)
        if decoder is None:
            while len(self._decoders) >= _MOST_DECODERS:
                del self._decoders[next(iter(self._decoders))]
            decoder = self._decoders[record] = ColumnDecoder(record, self._tagger.wanted(record))
        at = Coordinates(batch.partition[where], batch.offset[where])
        latest = int(now.timestamp() * 1000) + AHEAD

        def tagged(bodies: Bodies, at: Coordinates) -> Tagged:
            return self._tagger.tag(record, batch.topic, decoder.decode(bodies), at, latest)

        for chosen, made in apart(tagged, group.bodies, at, batch.topic):
            yield where[chosen], made

    def _note(self, topic: str, prefix: bytes, error: DecodeError) -> None:
        """Say once which rule a schema breaks."""
        if isinstance(error, RefusedSchema) and self._refusals.note(topic, prefix.hex(), error.rule):
            log.error("schema.refused", topic=topic, schema=prefix.hex(), rule=error.rule)


def _owned(batch: TopicBatch, epochs: Mapping[Partition, int]) -> TopicBatch:
    """Without the messages of partitions that were revoked after they were fetched."""
    numbers = [int(number) for number in np.unique(batch.partition)]
    foreign = [number for number in numbers if (batch.topic, number) not in epochs]
    if not foreign:
        return batch
    keep = np.flatnonzero(~np.isin(batch.partition, foreign))
    values = [batch.values[int(at)] for at in keep]
    return replace(batch, values=values, partition=batch.partition[keep], offset=batch.offset[keep])


def _readable(
    batch: TopicBatch, bad: dict[int, tuple[str, str]]
) -> tuple[list[bytes], np.ndarray[Any, np.dtype[np.int64]], int]:
    """Messages with a plausible size, their positions, and how many tombstones there were."""
    messages = [value for value in batch.values if value is not None]
    if not bad and len(messages) == len(batch.values) and max(map(len, messages)) <= LARGEST_EVENT:
        return messages, np.arange(len(messages)), 0
    messages.clear()
    positions: list[int] = []
    tombstones = 0
    for position, value in enumerate(batch.values):
        if position in bad:
            continue
        if value is None:
            tombstones += 1
        elif len(value) > LARGEST_EVENT:
            bad[position] = ("oversized", "")
        else:
            messages.append(value)
            positions.append(position)
    return messages, np.array(positions, np.int64), tombstones


def _positions(batch: TopicBatch, places: Set[tuple[str, int, int]]) -> list[int]:
    """Where in the batch messages lie that are among the places."""
    found: list[int] = []
    for topic, partition, offset in places:
        if topic == batch.topic:
            found += np.flatnonzero((batch.partition == partition) & (batch.offset == offset)).tolist()
    return found


def _joined(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _without(table: pa.Table, gone: set[Partition]) -> pa.Table:
    keep = np.ones(table.num_rows, np.bool_)
    for topic, number in gone:
        same_topic = pc.equal(table["topic"].cast(pa.string()), topic).to_numpy()
        keep &= ~(same_topic & (table["partition"].to_numpy() == number))
    return table.filter(pa.array(keep))


def _table(topic: str, parts: Sequence[Tagged]) -> pa.Table:
    """Rows of one topic as an Arrow table of ROW_SCHEMA."""
    joined = {
        name: np.concatenate([chunk for part in parts for chunk in part.rows[name]])
        for name in (parts[0].rows if parts else ())
        if any(part.rows[name] for part in parts)
    }
    if not joined:
        return ROW_SCHEMA.empty_table()
    count = len(joined["offset"])
    tokens = pa.py_buffer(np.ascontiguousarray(joined["token"]))
    columns = {
        "token": pa.Array.from_buffers(ROW_SCHEMA.field("token").type, count, [None, tokens]),
        "topic": pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([topic])),
    }
    columns |= {name: pa.array(joined[name]) for name in ("partition", "offset", "role", "tag_set", "port")}
    columns["event_time"] = pa.array(joined["event_time"].astype("datetime64[ms]"))
    return pa.Table.from_arrays([columns[name] for name in ROW_SCHEMA.names], schema=ROW_SCHEMA)


def _dead(batch: TopicBatch, position: int, reason: str, schema_key: str, now: datetime) -> DeadMessage:
    payload = batch.values[position] or b""
    row = DeadRow(
        batch.topic,
        int(batch.partition[position]),
        int(batch.offset[position]),
        reason,
        schema_key,
        len(payload),
        now,
    )
    return DeadMessage(row, payload)


def _ranges(
    batch: TopicBatch,
    epochs: Mapping[Partition, int],
    events: np.ndarray[Any, Any],
    subjects: np.ndarray[Any, Any],
    bad: set[int],
    tombstones: int,
) -> list[OffsetRange]:
    """One range for each partition of the batch, adding up to all its messages."""
    is_bad = np.zeros(len(batch.values), np.bool_)
    is_bad[list(bad)] = True
    empty = (
        np.array([value is None for value in batch.values])
        if tombstones
        else np.zeros(len(batch.values), np.bool_)
    )
    ranges = []
    for number in np.unique(batch.partition):
        mine = batch.partition == number
        offsets = batch.offset[mine]
        ranges.append(
            OffsetRange(
                batch.topic,
                int(number),
                int(offsets.min()),
                int(offsets.max()),
                epochs[batch.topic, int(number)],
                events=int(events[mine].sum()),
                rows=int(subjects[mine].sum()),
                dead=int(is_bad[mine].sum()),
                no_subject=int((events[mine] & (subjects[mine] == 0)).sum()),
                tombstones=int(empty[mine].sum()),
            )
        )
    return ranges

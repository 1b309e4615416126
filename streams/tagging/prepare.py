"""One batch of messages becomes one index write: decode, tag, and account for every offset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from schemas.contracts import Contract
from schemas.errors import DecodeError
from schemas.records import RecordSchema
from sinks.ports.clocks import CLOCK_SCHEMA
from sinks.ports.facts import FACT_SCHEMA
from sinks.ports.identity import PREFIX_SCHEMA, OpenClaims, RetainedClaims
from sinks.ports.lineage import FINDING_SCHEMA, ROW_SCHEMA, LineageBatch
from sinks.ports.offsets import OffsetRange
from sinks.ports.record_keys import RECORD_KEY_SCHEMA
from streams.columns.observed import Observed
from streams.columns.tokens import AHEAD, Coordinates
from streams.identity.claims.mentioned import mentioned_by
from streams.kafka.batches import Gap, Partition, TopicBatch
from streams.kafka.dead_letters import DeadMessage
from streams.tagging.accounts import dead_message, ranges_of, row_table
from streams.tagging.decode.apart import apart
from streams.tagging.decode.by_contract import ContractDecoder
from streams.tagging.decode.columnar import Bodies, ColumnDecoder
from streams.tagging.decode.deletions import deleted_rows, tell_alone
from streams.tagging.decode.frames import Framed, split, unframed
from streams.tagging.decode.refusals import Refusals
from streams.tagging.decode.schema_lookup import RefusedSchema
from streams.tagging.tag import Tagged, Tagger

log = structlog.get_logger()

ENDED_PROCESS = "ended_process"
"""Reason of a dead letter that a tagger ended over, twice."""
UNREADABLE_BATCH = "unreadable_batch"
"""Reason of a dead letter whose batch unpacks to more than a reader takes, or cannot be unpacked."""
# Kafka's own default limit of a message: what is larger is no event of these topics, whatever is inside.
LARGEST_EVENT = 1024 * 1024
_NONE: Mapping[str, Contract] = MappingProxyType({})
# Kept of schemas, of which others may register any number.
_MOST_DECODERS = 200

Resolve = Callable[[bytes, str], RecordSchema]


@dataclass(frozen=True)
class Prepared:
    """A write, ready: the batch for the index and the payloads for the dead-letter topic.

    `observed`: per topic, under what those were seen who are not named by their customer number.
    `untagged`: per topic, how often each path that its contract does not name had a value.
    """

    batch: LineageBatch
    dead: Sequence[DeadMessage] = ()
    oldest_ms: int = -1
    observed: Mapping[str, Observed] = field(default_factory=dict)
    scan_failures: int = 0
    untagged: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

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
        def left(table: pa.Table) -> pa.Table:
            return _without(table, gone)

        dead = [item for item in self.dead if (item.row.topic, item.row.partition) not in gone]
        ranges = [item for item in self.batch.ranges if (item.topic, item.partition) not in gone]
        claims = self.batch.claims.changed(left)
        batch = replace(
            self.batch,
            rows=left(self.batch.rows),
            claims=claims,
            identifiers=mentioned_by(claims, self.batch.identifiers),
            retained=self.batch.retained.changed(left),
            findings=left(self.batch.findings),
            clocks=left(self.batch.clocks),
            facts=left(self.batch.facts),
            record_keys=left(self.batch.record_keys),
            dead=[item.row for item in dead],
            ranges=ranges,
        )
        return replace(self, batch=batch, dead=dead)


class Preparer:
    """Turns topic batches into writes. `expected` maps each topic to the name of its record, `contracts` those that
    somebody else owns to what holds for them."""

    def __init__(
        self,
        tagger: Tagger,
        resolve: Resolve,
        expected: Mapping[str, str],
        refusals: Refusals | None = None,
        contracts: Mapping[str, Contract] = _NONE,
    ) -> None:
        self._contracts = contracts
        self._tagger = tagger
        self._resolve = resolve
        self._expected = expected
        self._decoders: dict[tuple[RecordSchema | None, RecordSchema], ColumnDecoder | ContractDecoder] = {}
        self._refusals = refusals or Refusals()

    @property
    def keyed(self) -> list[str]:
        """Topics of which the keys of messages that are no tombstones are asked too."""
        return [name for name, said in self._contracts.items() if said.debezium and said.message_key]

    def anew(self, resolve: Resolve | None = None) -> Preparer:
        """The same with nothing remembered, to try messages with: nothing of them is kept from what is written."""
        return Preparer(
            self._tagger.anew(), resolve or self._resolve, self._expected, self._refusals, self._contracts
        )

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
        self._tagger.begin(now)
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
            _joined([item.batch.rows for item in done], ROW_SCHEMA),
            **_beside([item.batch for item in done]),
            tag_sets=[tags for item in done for tags in item.batch.tag_sets],
            dead=[letter.row for item in done for letter in item.dead],
            ranges=[*ranges, *(given for item in done for given in item.batch.ranges)],
            identifiers=self._tagger.take_identifiers(),
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
            _counted(done),
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
        contract = self._contracts.get(batch.topic)
        frames = split(messages) if contract is None or contract.framed else unframed(messages)
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
        if contract is not None and tombstones and tell_alone(contract):
            where, gone = self._gone(batch, contract, now, set(bad))
            parts.append(gone)
            bad |= {int(where[at]): (reason, "") for at, reason in gone.bad.items()}
            subjects[where] = gone.subjects
        dead = [dead_message(batch, position, *why, now) for position, why in sorted(bad.items())]
        ranges = ranges_of(batch, epochs, events, subjects, set(bad), tombstones)
        whole = LineageBatch(
            row_table(batch.topic, parts),
            **_beside(parts),
            tag_sets=[tags for part in parts for tags in part.tag_sets],
            ranges=ranges,
        )
        observed = {batch.topic: Observed.joined([part.observed for part in parts])}
        failures = sum(part.scan_failures for part in parts)
        untagged = Counter[str]()
        for part in parts:
            untagged.update(part.untagged)
        named = {batch.topic: untagged} if untagged else {}
        return Prepared(whole, dead, observed=observed, scan_failures=failures, untagged=named)

    def _group(
        self, batch: TopicBatch, group: Framed, where: np.ndarray[Any, Any], now: datetime
    ) -> Iterator[tuple[np.ndarray[Any, Any], Tagged | str]]:
        """Tagged rows of one writer schema, or the reason why there are none, each with the positions it is of."""
        try:
            record, decoder = self._decoder(batch.topic, group.prefix)
        except DecodeError as error:
            self._note(batch.topic, group.prefix, error)
            yield where, error.reason
            return
        at = Coordinates(batch.partition[where], batch.offset[where])
        latest = int(now.timestamp() * 1000) + AHEAD

        def tagged(bodies: Bodies, at: Coordinates) -> Tagged:
            if isinstance(decoder, ContractDecoder):
                decoded = decoder.decode(bodies, partial(_key, batch, at))
            else:
                decoded = decoder.decode(bodies)
            return self._tagger.tag(record, batch.topic, decoded, at, latest)

        for chosen, made in apart(tagged, group.bodies, at, batch.topic):
            yield where[chosen], made

    def _gone(
        self, batch: TopicBatch, contract: Contract, now: datetime, aside: Set[int]
    ) -> tuple[np.ndarray[Any, Any], Tagged]:
        """Rows of the tombstones, or why there are none, and where they stand."""
        gone = [at for at, value in enumerate(batch.values) if value is None and at not in aside]
        where = np.array(gone, np.int64)
        places = zip(batch.partition[where].tolist(), batch.offset[where].tolist(), strict=True)
        keys = [batch.keys.get(place) for place in places]
        decoded = deleted_rows(contract, self._tagger.wanted(contract.record), keys)
        at = Coordinates(batch.partition[where], batch.offset[where])
        latest = int(now.timestamp() * 1000) + AHEAD
        return where, self._tagger.tag(contract.record, batch.topic, decoded, at, latest)

    def _decoder(self, topic: str, prefix: bytes) -> tuple[RecordSchema, ColumnDecoder | ContractDecoder]:
        """What the messages with a prefix are tagged by, and what reads them. Raises as `resolve` does."""
        contract = self._contracts.get(topic)
        writer = None
        if contract is None or contract.format == "avro":
            writer = self._resolve(prefix, self._expected[topic])
        record = contract.record if contract else writer
        assert record is not None
        decoder = self._decoders.get((writer, record))
        if decoder is None:
            while len(self._decoders) >= _MOST_DECODERS:
                del self._decoders[next(iter(self._decoders))]
            wanted = self._tagger.wanted(record)
            decoder = ContractDecoder(contract, wanted, writer) if contract else ColumnDecoder(record, wanted)
            self._decoders[writer, record] = decoder
        return record, decoder

    def _note(self, topic: str, prefix: bytes, error: DecodeError) -> None:
        """Say once which rule a schema breaks."""
        if isinstance(error, RefusedSchema) and self._refusals.note(topic, prefix.hex(), error.rule):
            log.error("schema.refused", topic=topic, schema=prefix.hex(), rule=error.rule)


def _key(batch: TopicBatch, at: Coordinates, body: int) -> bytes | None:
    """The key of the message that one of the bodies at these coordinates is of."""
    found = batch.keys.get((int(at.partition[body]), int(at.offset[body])))
    return found.key if found else None


def _counted(done: Sequence[Prepared]) -> dict[str, Counter[str]]:
    """The paths that no contract names, by topic."""
    found: dict[str, Counter[str]] = {}
    for topic, paths in (named for item in done for named in item.untagged.items()):
        found.setdefault(topic, Counter()).update(paths)
    return found


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


class _Beside(TypedDict):
    """What a batch says beside its rows."""

    claims: OpenClaims
    retained: RetainedClaims
    prefixes: pa.Table
    findings: pa.Table
    clocks: pa.Table
    facts: pa.Table
    record_keys: pa.Table


def _beside(parts: Sequence[Tagged] | Sequence[LineageBatch]) -> _Beside:
    """What the parts say beside their rows, together."""
    return {
        "claims": OpenClaims.joined([part.claims for part in parts]),
        "retained": RetainedClaims.joined([part.retained for part in parts]),
        "prefixes": _joined([part.prefixes for part in parts], PREFIX_SCHEMA),
        "findings": _joined([part.findings for part in parts], FINDING_SCHEMA),
        "clocks": _joined([part.clocks for part in parts], CLOCK_SCHEMA),
        "facts": _joined([part.facts for part in parts], FACT_SCHEMA),
        "record_keys": _joined([part.record_keys for part in parts], RECORD_KEY_SCHEMA),
    }


def _joined(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _without(table: pa.Table, gone: set[Partition]) -> pa.Table:
    keep = np.ones(table.num_rows, np.bool_)
    for topic, number in gone:
        same_topic = pc.equal(table["topic"].cast(pa.string()), topic).to_numpy()
        keep &= ~(same_topic & (table["partition"].to_numpy() == number))
    return table.filter(pa.array(keep))

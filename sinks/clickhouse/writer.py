"""Writes lineage batches and keeps the ledger of what was written. Contract: `sinks.ports.lineage.IndexWriter`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, fields
from datetime import UTC, datetime

import pyarrow as pa

from schemas.errors import Fenced
from schemas.tags import TagSet
from sinks.clickhouse.by_event import rows_by_event
from sinks.clickhouse.claims import keyed
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.pairs import both_ends
from sinks.ports.dead_letters import DeadRow
from sinks.ports.keys import retired
from sinks.ports.lineage import Clock, LineageBatch
from sinks.ports.offsets import History, OffsetRange
from sinks.ports.resurrected import Resurrected

Partition = tuple[str, int]

TAG_SET_COLUMNS = (
    "id",
    "topic",
    "record",
    "schema",
    "catalogue_version",
    "key_id",
    "system",
    "subject_type",
    "categories",
    "purposes",
    "legal_basis",
    "origin",
    "operation",
    "recipients",
    "retention",
    "held_only",
    "detected",
    "several",
    "of_another",
)
_DEAD_COLUMNS = tuple(item.name for item in fields(DeadRow))
_BACK_COLUMNS = tuple(item.name for item in fields(Resurrected))
_RANGE_COLUMNS = tuple(item.name for item in fields(OffsetRange))


class ClickHouseWriter:
    """An `IndexWriter` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index
        self._stored: set[int] = set()

    def write(self, batch: LineageBatch, clock: Clock) -> None:
        self._check_epochs(batch.ranges)
        self._check_key(batch.key_id)
        # 1. tag sets first, so that no row ever points nowhere, nor lies under a token that nobody asks for
        self.write_tag_sets(batch.tag_sets)
        self._insert("token_pairs", both_ends(batch.pairs, batch.key_id))
        # 2. rows, and what goes with them only after them: an erasure takes it away where it finds no rows
        self._insert("lineage", batch.rows)
        self._insert("lineage_by_event", rows_by_event(batch))
        for table, claims in (
            ("identity_claims", batch.claims.table),
            ("retained_claims", batch.retained.table),
        ):
            self._insert(table, _made_with(keyed(_at(claims, "learnt_at", clock())), batch.key_id))
        # After the claims: an erasure takes the values away that no claim mentions.
        self._insert(
            "sealed_identifiers", _made_with(_at(batch.identifiers, "written_at", clock()), batch.key_id)
        )
        self._insert("address_prefixes", _made_with(batch.prefixes, batch.key_id))
        self._insert("findings", batch.findings)
        self._insert("clock_events", _made_with(batch.clocks, batch.key_id))
        self._insert("fact_events", _made_with(batch.facts, batch.key_id))
        self._insert("record_keys", batch.record_keys)
        self._index.insert_rows("dead_letters", _DEAD_COLUMNS, [astuple(row) for row in batch.dead])
        back = [
            tuple(getattr(item, name) for name in _BACK_COLUMNS)
            for item in (*batch.resurrected, *batch.meanwhile())
        ]
        self._index.insert_rows("resurrected", _BACK_COLUMNS, back)
        # 3. the ledger last, as of now and not of when the write began: what it covers is in the index
        now = clock()
        ranges = [(*astuple(item), now) for item in batch.ranges]
        self._index.insert_rows("ingest_ledger", (*_RANGE_COLUMNS, "written_at"), ranges)

    def _insert(self, table: str, rows: pa.Table) -> None:
        if rows.num_rows:
            self._index.insert(table, rows)

    def write_tag_sets(self, tag_sets: Iterable[TagSet]) -> None:
        new = {tags.id: tags for tags in tag_sets if tags.id not in self._stored}
        self._index.insert_rows("tag_sets", TAG_SET_COLUMNS, [_row(tags) for tags in new.values()])
        self._stored |= new.keys()

    def take_over(
        self, partitions: Sequence[Partition], worker: str, now: datetime
    ) -> Mapping[Partition, int]:
        newest = self.epochs(partitions)
        # From the clock, so that two at once differ; above any epoch before, whatever the clock says.
        least = int(now.timestamp() * 1_000_000)
        taken = {item: max(newest.get(item, 0) + 1, least) for item in partitions}
        rows = [(*item, epoch, worker, now) for item, epoch in taken.items()]
        columns = ("topic", "partition", "epoch", "worker", "claimed_at")
        self._index.insert_rows("partition_epochs", columns, rows)
        return taken

    def positions(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        rows = self._index.query(
            "SELECT topic, partition, max(last_offset) + 1 FROM ingest_ledger"
            " WHERE topic IN {topics:Array(String)} GROUP BY topic, partition",
            {"topics": _topics(partitions)},
        )
        found = {(str(topic), int(partition)): int(offset) for topic, partition, offset in rows}
        return {item: found[item] for item in partitions if item in found}

    def histories(self, partitions: Sequence[Partition]) -> Mapping[Partition, History]:
        rows = self._index.query(
            "SELECT topic, partition, max(history), argMax(topic_id, (history, noted_at)) FROM topic_histories"
            " WHERE topic IN {topics:Array(String)} GROUP BY topic, partition",
            {"topics": _topics(partitions)},
        )
        found = [History(str(topic), int(number), int(last), str(name)) for topic, number, last, name in rows]
        wanted = set(partitions)
        return {
            (item.topic, item.partition): item for item in found if (item.topic, item.partition) in wanted
        }

    def note_histories(self, histories: Sequence[History], now: datetime) -> None:
        columns = ("topic", "partition", "history", "topic_id", "noted_at")
        rows = [(item.topic, item.partition, item.number, item.topic_id, now) for item in histories]
        self._index.insert_rows("topic_histories", columns, rows)

    def epochs(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        rows = self._index.query(
            "SELECT topic, partition, max(epoch) FROM partition_epochs"
            " WHERE topic IN {topics:Array(String)} GROUP BY topic, partition",
            {"topics": _topics(partitions)},
        )
        found = {(str(topic), int(partition)): int(epoch) for topic, partition, epoch in rows}
        return {item: found[item] for item in partitions if item in found}

    def _check_key(self, key_id: str) -> None:
        rows = self._index.query(
            "SELECT argMax(kind, sequence) FROM token_keys WHERE key_id = {key:String}", {"key": key_id}
        )
        if rows and rows[0][0] == "retired":
            raise retired(key_id)

    def _check_epochs(self, ranges: Sequence[OffsetRange]) -> None:
        newest = self.epochs([(item.topic, item.partition) for item in ranges])
        for item in ranges:
            if newest.get((item.topic, item.partition), 0) > item.epoch:
                raise Fenced(
                    f"{item.topic}/{item.partition} was taken over by another worker (epoch {item.epoch} is old); "
                    "what was read of it is dropped here and written there"
                )


def _made_with(rows: pa.Table, key_id: str) -> pa.Table:
    """With the column that says which key made the tokens."""
    return rows.append_column("key_id", pa.repeat(pa.scalar(key_id), rows.num_rows))


def _at(rows: pa.Table, column: str, now: datetime) -> pa.Table:
    moment = pa.scalar(now.astimezone(UTC).replace(tzinfo=None), pa.timestamp("ms"))
    return rows.append_column(column, pa.repeat(moment, rows.num_rows))


def _topics(partitions: Sequence[Partition]) -> list[str]:
    return sorted({topic for topic, _ in partitions})


def _row(tags: TagSet) -> tuple[object, ...]:
    values = (
        [*value] if isinstance(value, tuple) else value
        for value in (getattr(tags, name) for name in TAG_SET_COLUMNS)
    )
    return tuple(
        value.encode() if name in ("schema", "catalogue_version") and isinstance(value, str) else value
        for name, value in zip(TAG_SET_COLUMNS, values, strict=True)
    )

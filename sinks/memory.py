"""The index in plain Python, lost with the process: for tests of other layers, and to compare the real one with."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from schemas.errors import Fenced
from schemas.tags import TagSet
from sinks.ports import NO_LIMITS, DeadRow, Filter, Forgotten, Found, Holding, LineageBatch, OffsetRange, Span

Partition = tuple[str, int]
RowKey = tuple[bytes, str, int, int, int]  # token, topic, partition, offset, role


@dataclass(frozen=True)
class _Row:
    tag_set: int
    event_time: datetime
    port: int


class MemoryIndex:
    """Contracts: `sinks.ports.IndexWriter`, `IndexReader`, `IndexEraser`. Safe from several threads."""

    def __init__(self) -> None:
        self.dead: dict[tuple[str, int, int], DeadRow] = {}
        self.ranges: list[OffsetRange] = []
        self._rows: dict[RowKey, _Row] = {}
        self._tag_sets: dict[int, TagSet] = {}
        self._epochs: dict[Partition, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    def write(self, batch: LineageBatch, now: datetime) -> None:
        with self._lock:
            for item in batch.ranges:
                if self._epochs.get((item.topic, item.partition), 0) > item.epoch:
                    raise Fenced(
                        f"{item.topic}/{item.partition} was taken over by another worker"
                        f" (epoch {item.epoch} is old); what was read of it is dropped here and written there"
                    )
            self._tag_sets |= {tags.id: tags for tags in batch.tag_sets}
            for row in batch.rows.to_pylist():
                key = (row["token"], row["topic"], row["partition"], row["offset"], row["role"])
                self._rows[key] = _Row(row["tag_set"], row["event_time"].replace(tzinfo=UTC), row["port"])
            self.dead |= {(row.topic, row.partition, row.offset): row for row in batch.dead}
            self.ranges += batch.ranges

    def claim(self, partitions: Sequence[Partition], worker: str, now: datetime) -> Mapping[Partition, int]:
        with self._lock:
            claims = {item: self._epochs.get(item, 0) + 1 for item in partitions}
            self._epochs |= claims
            return claims

    def epochs(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        with self._lock:
            return {item: self._epochs[item] for item in partitions if item in self._epochs}

    def positions(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        with self._lock:
            found: dict[Partition, int] = {}
            for item in self.ranges:
                where = (item.topic, item.partition)
                found[where] = max(found.get(where, 0), item.last_offset + 1)
            return {item: found[item] for item in partitions if item in found}

    def find(self, spans: Sequence[Span], limits: Filter = NO_LIMITS) -> Found:
        with self._lock:
            events: defaultdict[int, set[tuple[str, int, int]]] = defaultdict(set)
            times: defaultdict[int, list[datetime]] = defaultdict(list)
            for key, row in self._under(spans):
                if _within(row.event_time, limits) and _chosen(self._tag_sets[row.tag_set], limits):
                    events[row.tag_set].add(key[1:4])
                    times[row.tag_set].append(row.event_time)
            holdings = [
                Holding(self._tag_sets[item], len(events[item]), min(times[item]), max(times[item]))
                for item in events
            ]
        holdings.sort(key=lambda item: (item.tags.system, item.tags.topic, item.tags.id))
        return Found(tuple(holdings), len(set().union(*events.values())))

    def forget(self, spans: Sequence[Span], kept: Mapping[int, TagSet | None]) -> Forgotten:
        removed = narrowed_rows = 0
        with self._lock:
            for key, row in list(self._under(spans)):
                narrowed = kept.get(row.tag_set, self._tag_sets[row.tag_set])
                if narrowed is None:
                    del self._rows[key]
                    removed += 1
                elif narrowed.id != row.tag_set:
                    self._tag_sets[narrowed.id] = narrowed
                    self._rows[key] = replace(row, tag_set=narrowed.id)
                    narrowed_rows += 1
        return Forgotten(removed, narrowed_rows)

    def _under(self, spans: Sequence[Span]) -> Iterator[tuple[RowKey, _Row]]:
        by_token: defaultdict[bytes, list[Span]] = defaultdict(list)
        for span in spans:
            by_token[span.token].append(span)
        for key, row in self._rows.items():
            for span in by_token.get(key[0], ()):
                if _within(row.event_time, span) and span.port in (None, row.port):
                    yield key, row
                    break


def _within(moment: datetime, bounds: Span | Filter) -> bool:
    return (bounds.since is None or moment >= bounds.since) and (
        bounds.until is None or moment < bounds.until
    )


def _chosen(tags: TagSet, limits: Filter) -> bool:
    return (
        (not limits.categories or not set(limits.categories).isdisjoint(tags.categories))
        and (not limits.purposes or not set(limits.purposes).isdisjoint(tags.purposes))
        and (not limits.systems or tags.system in limits.systems)
    )

"""What is held, on ClickHouse. Contract: `sinks.ports.held.HeldReader`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.reader import ClickHouseReader, rows_of
from sinks.clickhouse.values import Parameters, millis
from sinks.ports.held import HeldRow, HeldTags


class ClickHouseHeld:
    """A `HeldReader` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index
        self._reader = ClickHouseReader(index)

    def held(self) -> Sequence[HeldTags]:
        rows = self._index.query(
            "SELECT tag_set, count(), min(event_time), max(event_time) FROM lineage FINAL GROUP BY tag_set"
        )
        known = self._reader.tag_sets(needed=[int(row[0]) for row in rows])
        found = [HeldTags(known[int(tag_set)], int(count), *times) for tag_set, count, *times in rows]
        return sorted(found, key=lambda item: (item.tags.topic, item.tags.record, item.tags.id))

    def first_rows(
        self,
        tag_sets: Sequence[int],
        limit: int = 3,
        before: datetime | None = None,
        since: datetime | None = None,
    ) -> Mapping[int, Sequence[HeldRow]]:
        found = defaultdict[int, list[HeldRow]](list)
        if not tag_sets:
            return found
        asked: Parameters = {"sets": list(tag_sets), "limit": limit}
        bound = ""
        for name, moment, sign in (("before", before, "<"), ("since", since, ">=")):
            if moment is not None:
                bound += f" AND event_time {sign} fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')"
                asked[name] = millis(moment)
        rows = self._index.query(
            "SELECT tag_set, toString(topic) AS log, partition, offset, hex(token) AS digits, event_time"
            f" FROM lineage FINAL WHERE tag_set IN {{sets:Array(UInt64)}}{bound}"
            " ORDER BY tag_set, event_time, log, partition, offset, digits LIMIT {limit:UInt32} BY tag_set",
            asked,
        )
        for tag_set, topic, partition, offset, digits, at in rows:
            token = bytes.fromhex(digits)
            found[int(tag_set)].append(HeldRow(str(topic), int(partition), int(offset), token, at))
        return found

    def oldest_of(
        self, tokens: Sequence[bytes], tag_sets: Sequence[int], since: datetime | None = None
    ) -> Sequence[tuple[int, HeldRow]]:
        if not tokens or not tag_sets:
            return []
        asked: Parameters = {"sets": list(tag_sets)}
        where = "tag_set IN {sets:Array(UInt64)}"
        if since is not None:
            where += " AND event_time >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')"
            asked["since"] = millis(since)
        rows = self._index.query(
            "SELECT tag_set, toString(topic) AS log, partition, offset, hex(token) AS digits, event_time"
            f" FROM {rows_of(tokens, where, asked)}"
            " ORDER BY digits, tag_set, event_time, log, partition, offset LIMIT 1 BY digits, tag_set",
            asked,
        )
        return [
            (int(tag_set), HeldRow(str(topic), int(partition), int(offset), bytes.fromhex(digits), at))
            for tag_set, topic, partition, offset, digits, at in rows
        ]

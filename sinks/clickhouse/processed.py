"""What was processed for which purpose, in SQL. Contract: `sinks.ports.processed.ProcessedReader`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.reports import PERSON, days
from sinks.clickhouse.values import Parameters
from sinks.ports.processed import By, Processed, Tagged

_WORDS = "id, held_only, toString(system) AS of_system, [toString(topic), toString(record)] AS of_record"
# What of a tag set serves which purpose: a row for each category.
_SERVED = (
    f"SELECT {_WORDS}, toString(arrayJoin(purposes)) AS purpose, toString(arrayJoin(categories)) AS category"
    " FROM tag_sets FINAL"
    " UNION ALL SELECT id, held_only, of_system, of_record, arrayJoin("
    "if(has({revealed:Array(String)}, category) AND NOT held_only,"
    " arrayFilter((p, c) -> c = category, {served:Array(String)}, {revealed:Array(String)}),"
    " arrayMap(p -> toString(p), purposes))) AS purpose, category"
    f" FROM (SELECT {_WORDS}, purposes, toString(arrayJoin("
    "arrayFilter(c -> NOT has(categories, c), detected))) AS category FROM tag_sets FINAL)"
)
_COUNTED_BY = (
    f"SELECT DISTINCT id, purpose, arrayJoin([('{By.PURPOSE}', emptyArrayString()), ('{By.CATEGORY}', [category]),"
    f" ('{By.SYSTEM}', [of_system]), ('{By.RECORD}', of_record)]) AS said, said.1 AS by, said.2 AS value"
    f" FROM ({_SERVED})"
)


class ClickHouseProcessed:
    """A `ProcessedReader` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index
        self._reader = ClickHouseReader(index)

    def tagged(self, since: date | None = None, until: date | None = None) -> Sequence[Tagged]:
        values: Parameters = {}
        within = days(values, "day", since, until)
        rows = self._index.query(
            "SELECT tag_set, sum(events), min(first), max(last) FROM ("
            "SELECT tag_set, groupBitmapMerge(offsets) AS events, min(day) AS first, max(day) AS last"
            f" FROM lineage_daily WHERE {within} GROUP BY tag_set, topic, partition, epoch) GROUP BY tag_set",
            values,
        )
        known = self._reader.tag_sets(needed=[int(row[0]) for row in rows])
        found = [Tagged(known[int(row[0])], int(row[1]), row[2], row[3]) for row in rows]
        return sorted(found, key=lambda item: (item.tags.system, item.tags.topic, item.tags.id))

    def processed(
        self, revealed: Mapping[str, Sequence[str]], since: date | None = None, until: date | None = None
    ) -> Sequence[Processed]:
        values: Parameters = {
            "revealed": [category for category, purposes in revealed.items() for _ in purposes],
            "served": [purpose for purposes in revealed.values() for purpose in purposes],
        }
        counted = days(values, "day", since, until)
        held = days(values, "toDate(event_time)", since, until)
        rows = self._index.query(
            "SELECT purpose, by, value, sum(events), max(people) FROM ("
            "SELECT purpose, by, value, groupBitmapMerge(all) AS events, toUInt64(0) AS people FROM"
            # Of each tag set once, so that few sets of offsets are merged for each purpose.
            " (SELECT tag_set, topic AS of, partition, epoch, groupBitmapMergeState(offsets) AS all FROM lineage_daily"
            f" WHERE {counted} GROUP BY tag_set, of, partition, epoch) AS d"
            f" INNER JOIN ({_COUNTED_BY}) AS t ON t.id = d.tag_set GROUP BY purpose, by, value, of, partition, epoch"
            " UNION ALL SELECT purpose, by, value, 0, uniqMerge(people)"
            f" FROM (SELECT tag_set, uniqState({PERSON}) AS people FROM lineage WHERE {held} GROUP BY tag_set) AS l"
            f" INNER JOIN ({_COUNTED_BY}) AS t ON t.id = l.tag_set GROUP BY purpose, by, value"
            ") GROUP BY purpose, by, value ORDER BY purpose, by, value",
            values,
        )
        return [
            Processed(str(purpose), By(by), tuple(map(str, value)), int(events), int(people))
            for purpose, by, value, events, people in rows
        ]

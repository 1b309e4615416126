"""What checks of duties read, on ClickHouse. Contract: `sinks.ports.duties.DutyReader`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import pyarrow as pa

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.values import Parameters
from sinks.ports.duties import OWNED_SCHEMA, UNCONSENTED_SCHEMA, FactGroup
from sinks.ports.facts import FACT_SCHEMA
from sinks.ports.held import HeldRow

_WHO = "if(customer = toFixedString('', 16), token, customer)"
_OWNED = "role IN ('owner', 'joint_owner') AND tag_set IN {sets:Array(UInt64)}"
_PLACE = "event_time, topic, partition, offset, who"


class ClickHouseDuties:
    """A `DutyReader` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def facts_of_all(self, fact: str, about: Sequence[str] = ()) -> pa.Table:
        chosen = " AND hasAny(about, {about:Array(String)})" if about else ""
        found = self._index.query_arrow(
            f"SELECT {', '.join(FACT_SCHEMA.names)} FROM fact_events FINAL WHERE fact = {{fact:String}}{chosen}",
            {"fact": fact, "about": list(about)},
        )
        return _typed(found, FACT_SCHEMA)

    def fact_groups(self, fact: str, rows: int = 3) -> Sequence[FactGroup]:
        parameters: Parameters = {"fact": fact, "rows": rows}
        mine = "FROM fact_events FINAL WHERE fact = {fact:String}"
        shown = defaultdict[tuple[str, str], list[HeldRow]](list)
        for topic, says, partition, offset, digits, at in self._index.query(
            "SELECT toString(topic) AS log, toString(says) AS word, partition, offset, hex(token) AS digits,"
            f" event_time {mine} ORDER BY log, word, event_time, partition, offset, digits"
            " LIMIT {rows:UInt32} BY log, word",
            parameters,
        ):
            place = str(topic), int(partition), int(offset)
            shown[str(topic), str(says)].append(HeldRow(*place, bytes.fromhex(digits), at))
        groups = self._index.query(
            "SELECT toString(topic) AS log, toString(says) AS word, uniqExact(partition, offset), min(event_time),"
            f" max(event_time) {mine} GROUP BY log, word ORDER BY log, word",
            parameters,
        )
        return [
            FactGroup(str(topic), str(says), int(events), first, last, shown[str(topic), str(says)])
            for topic, says, events, first, last in groups
        ]

    def first_owned(self, tag_sets: Sequence[int]) -> pa.Table:
        if not tag_sets:
            return OWNED_SCHEMA.empty_table()
        columns = "who, tag_set, toString(topic) AS topic, partition, offset, event_time"
        found = self._index.query_arrow(
            f"SELECT {columns} FROM (SELECT {_WHO} AS who, tag_set, topic, partition, offset, event_time"
            f" FROM lineage FINAL WHERE {_OWNED} ORDER BY {_PLACE} LIMIT 1 BY who, tag_set)",
            {"sets": list(tag_sets)},
        )
        return _typed(found, OWNED_SCHEMA)

    def unconsented(self, purposes: Mapping[int, Sequence[str]], limit: int = 100_000) -> pa.Table:
        if not purposes:
            return UNCONSENTED_SCHEMA.empty_table()
        parameters: Parameters = {
            "sets": list(purposes),
            "of": [list(purposes[tag_set]) for tag_set in purposes],
            "every": sorted({item for of in purposes.values() for item in of}),
            "limit": limit,
        }
        rows = (
            f"SELECT DISTINCT {_WHO} AS who, tag_set, topic, partition, offset, event_time,"
            " arrayJoin({of:Array(Array(String))}[indexOf({sets:Array(UInt64)}, tag_set)]) AS purpose"
            f" FROM lineage FINAL WHERE {_OWNED}"
        )
        # Of two at one moment the one that was given.
        consents = (
            "SELECT token AS of, event_time AS since, max(says = 'given') AS given, word FROM fact_events FINAL"
            " ARRAY JOIN about AS word WHERE fact = 'consent' AND word IN {every:Array(String)}"
            " GROUP BY of, since, word"
        )
        found = self._index.query_arrow(
            "SELECT who, tag_set, toString(topic) AS topic, partition, offset, event_time, purpose"
            f" FROM ({rows}) AS r ASOF LEFT JOIN ({consents}) AS c"
            " ON r.who = c.of AND r.purpose = c.word AND r.event_time >= c.since"
            f" WHERE NOT c.given ORDER BY {_PLACE}, purpose LIMIT {{limit:UInt32}}",
            parameters,
        )
        return _typed(found, UNCONSENTED_SCHEMA)


def _typed(found: pa.Table, schema: pa.Schema) -> pa.Table:
    typed = zip(schema.names, schema.types, strict=True)
    return pa.table([found[name].cast(kind) for name, kind in typed], schema)

"""What checks of duties read, on ClickHouse. Contract: `sinks.ports.duties.DutyReader`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC

import pyarrow as pa

from schemas.facts import UNKNOWN
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.values import Parameters, millis, tokens_in
from sinks.ports.duties import MOST_ROWS, OWNED_SCHEMA, UNCONSENTED_SCHEMA, FactGroup, Row
from sinks.ports.facts import FACT_SCHEMA
from sinks.ports.held import HeldRow

_WHO = "if(customer = toFixedString('', 16), token, customer)"
_OWNED = "role IN ('owner', 'joint_owner') AND tag_set IN {sets:Array(UInt64)}"
_COLUMNS = "who, tag_set, toString(topic) AS topic, partition, offset, event_time"
_ORDER = "event_time, toString(topic), partition, offset, hex(who)"


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

    def first_of_days(self, tag_sets: Sequence[int]) -> pa.Table:
        if not tag_sets:
            return OWNED_SCHEMA.empty_table()
        found = self._index.query_arrow(
            f"SELECT {_COLUMNS} FROM (SELECT {_WHO} AS who, tag_set, topic, partition, offset, event_time"
            f" FROM lineage FINAL WHERE {_OWNED} ORDER BY {_ORDER}"
            " LIMIT 1 BY who, tag_set, toDate(event_time, 'UTC'))",
            {"sets": list(tag_sets)},
        )
        return _typed(found, OWNED_SCHEMA)

    def owned(
        self,
        tokens: Sequence[bytes],
        tag_sets: Sequence[int],
        after: Row | None = None,
        limit: int = MOST_ROWS,
    ) -> pa.Table:
        if not tokens or not tag_sets:
            return OWNED_SCHEMA.empty_table()
        parameters: Parameters = {"sets": list(tag_sets), "limit": limit}
        whose = tokens_in(parameters, "whose", sorted({*tokens}))
        rows = (
            f"SELECT DISTINCT {_WHO} AS who, tag_set, topic, partition, offset, event_time FROM lineage FINAL"
            f" WHERE {_OWNED} AND (token IN {whose} OR customer IN {whose})"
        )
        found = self._index.query_arrow(
            f"SELECT {_COLUMNS} FROM ({rows}) WHERE who IN {whose} AND {_behind(after, parameters)}"
            f" ORDER BY {_ORDER} LIMIT {{limit:UInt32}}",
            parameters,
        )
        return _typed(found, OWNED_SCHEMA)

    def unconsented(
        self, purposes: Mapping[int, Sequence[str]], after: Row | None = None, limit: int = MOST_ROWS
    ) -> pa.Table:
        if not purposes:
            return UNCONSENTED_SCHEMA.empty_table()
        parameters: Parameters = {
            "sets": list(purposes),
            "of": [list(purposes[tag_set]) for tag_set in purposes],
            "every": sorted({item for of in purposes.values() for item in of}),
            "unknown": UNKNOWN,
            "limit": limit,
        }
        rows = (
            f"SELECT DISTINCT {_WHO} AS who, tag_set, topic, partition, offset, event_time,"
            " arrayJoin({of:Array(Array(String))}[indexOf({sets:Array(UInt64)}, tag_set)]) AS purpose"
            f" FROM lineage FINAL WHERE {_OWNED}"
        )
        # Of two at one moment the one that was given.
        consents = (
            "SELECT token AS of, event_time AS since, max(says = 'given') AS given, word FROM"
            " (SELECT token, event_time, says, arrayJoin(if(says != 'given' AND (empty(about)"
            " OR has(about, {unknown:String})), {every:Array(String)}, arrayMap(x -> toString(x), about))) AS word"
            " FROM fact_events FINAL WHERE fact = 'consent')"
            " WHERE word IN {every:Array(String)} GROUP BY of, since, word"
        )
        found = self._index.query_arrow(
            f"SELECT {_COLUMNS}, purpose FROM (SELECT who, tag_set, topic, partition, offset, event_time, purpose"
            f" FROM ({rows}) AS r ASOF LEFT JOIN ({consents}) AS c"
            " ON r.who = c.of AND r.purpose = c.word AND r.event_time >= c.since WHERE NOT c.given)"
            f" WHERE {_behind(after, parameters, 'purpose')} ORDER BY {_ORDER}, purpose LIMIT {{limit:UInt32}}",
            parameters,
        )
        return _typed(found, UNCONSENTED_SCHEMA)


def _behind(after: Row | None, parameters: Parameters, purpose: str = "''") -> str:
    """SQL for the rows behind the last of a page."""
    if after is None:
        return "1"
    parameters |= {
        "after_time": millis(after["event_time"].replace(tzinfo=UTC)),
        "after_topic": after["topic"],
        "after_partition": after["partition"],
        "after_offset": after["offset"],
        "after_who": after["who"].hex().upper(),
        "after_purpose": after.get("purpose", ""),
    }
    return (
        f"(toUnixTimestamp64Milli(event_time), toString(topic), partition, offset, hex(who), {purpose})"
        " > ({after_time:Int64}, {after_topic:String}, {after_partition:Int32}, {after_offset:Int64},"
        " {after_who:String}, {after_purpose:String})"
    )


def _typed(found: pa.Table, schema: pa.Schema) -> pa.Table:
    typed = zip(schema.names, schema.types, strict=True)
    return pa.table([found[name].cast(kind) for name, kind in typed], schema)

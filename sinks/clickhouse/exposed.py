"""What a personal data breach may have reached, on ClickHouse. Contract: `sinks.ports.exposed.ExposedReader`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

import pyarrow as pa

from schemas.tokens import TOKEN_BYTES
from sinks.clickhouse.by_event import EVENT, event_conditions
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.values import Parameters, millis
from sinks.ports.exposed import EXPOSED_SCHEMA, Exposed, Reach
from sinks.ports.identity import NOTHING
from sinks.ports.lineage import Found, Holding

_NONE = f"toFixedString(unhex('{NOTHING.hex()}'), {TOKEN_BYTES})"


class ClickHouseExposed:
    """An `ExposedReader` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index
        self._reader = ClickHouseReader(index)

    def exposed_events(self, reach: Reach) -> Exposed:
        parameters: Parameters = {}
        where = self._where(reach, parameters)
        rows = self._index.query(
            f"SELECT {self._reader.named(parameters)} AS named, toString(topic) AS log, uniqExact({EVENT}),"
            f" min(event_time), max(event_time), grouping(named) FROM lineage FINAL WHERE {where}"
            " GROUP BY GROUPING SETS ((named), (log))",
            parameters,
        )
        known = self._reader.tag_sets(needed=[int(row[0]) for row in rows if not row[5]])
        holdings = [
            Holding(known[int(named)], int(events), first.replace(tzinfo=UTC), last.replace(tzinfo=UTC))
            for named, _, events, first, last, of_topic in rows
            if not of_topic
        ]
        by_topic = {str(row[1]): int(row[2]) for row in rows if row[5]}
        holdings.sort(key=lambda item: (item.tags.system, item.tags.topic, item.tags.id))
        return Exposed(Found(tuple(holdings), sum(by_topic.values())), by_topic)

    def exposed(self, reach: Reach, page: int = 20_000) -> Iterator[pa.Table]:
        after = b""
        while True:
            found = self._page(reach, after, page)
            if found.num_rows:
                yield found
            if found.num_rows < page:
                return
            after = found["token"][-1].as_py()

    def _page(self, reach: Reach, after: bytes, limit: int) -> pa.Table:
        """The first rows of the tokens behind `after`, and all of the last one of these."""
        parameters: Parameters = {"limit": limit, "after": after.hex()}
        beyond = f"token > toFixedString(unhex({{after:String}}), {TOKEN_BYTES})" if after else "1"
        where = self._where(reach, parameters)
        # Where a customer is named, one of the events stands for all: who it is does not hang on when it was.
        moment = f"if(customer = {_NONE}, (port, event_time), (0, toDateTime64(0, 3, 'UTC')))"
        found = self._index.query_arrow(
            f"SELECT token, toInt8(role) AS stands, customer, {self._reader.named(parameters)} AS named,"
            " any(port) AS behind, any(event_time) AS at"
            f" FROM lineage FINAL PREWHERE {beyond} WHERE {where}"
            f" GROUP BY token, stands, customer, named, {moment} ORDER BY token LIMIT {{limit:UInt32}} WITH TIES",
            parameters,
        )
        typed = zip(
            ("token", "stands", "customer", "named", "behind", "at"), EXPOSED_SCHEMA.types, strict=True
        )
        return pa.table([found[name].cast(kind) for name, kind in typed], EXPOSED_SCHEMA)

    def _where(self, reach: Reach, parameters: Parameters) -> str:
        parameters["sets"] = [tags.id for tags in self._reader.tag_sets().values() if reach.admits(tags)]
        conditions = ["tag_set IN {sets:Array(UInt64)}"]
        for name, moment, sign in (("since", reach.limits.since, ">="), ("until", reach.limits.until, "<")):
            if moment is not None:
                parameters[name] = millis(moment)
                conditions.append(f"event_time {sign} fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')")
        if reach.events:
            ((events, named),) = event_conditions(reach.events)
            parameters.update(named)
            conditions.append(events)
        return " AND ".join(conditions)

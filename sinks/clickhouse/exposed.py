"""What a personal data breach may have reached, on ClickHouse. Contract: `sinks.ports.exposed.ExposedReader`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

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
_KEY = "token, stands, customer, named, own_port, own_time"


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
            " min(event_time), max(event_time), grouping(named)"
            f" FROM lineage FINAL PREWHERE {_of_records(reach, parameters)} WHERE {where}"
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
        # The same for every page: a tag set that comes meanwhile, or another name for one, would move the others.
        parameters: Parameters = {}
        where = self._where(reach, parameters)
        named = self._reader.named(parameters)
        records = _of_records(reach, parameters)
        last: Mapping[str, Any] | None = None
        while True:
            found = self._page((records, where), named, parameters, last, page)
            if found.num_rows:
                yield found
            if found.num_rows < page:
                return
            last = found.slice(found.num_rows - 1).to_pylist()[0]

    def _page(
        self,
        reached: tuple[str, str],
        named: str,
        parameters: Parameters,
        last: Mapping[str, Any] | None,
        limit: int,
    ) -> pa.Table:
        """The first rows behind `last`. `reached`: what all versions of a row have in common, and the rest."""
        records, where = reached
        asked: Parameters = {**parameters, "limit": limit}
        before, beyond = _behind(last, asked) if last else ("1", "1")
        found = self._index.query_arrow(
            # Where a customer is named, one of the events stands for all: who it is does not hang on when it was.
            f"WITH customer = {_NONE} AS alone, if(alone, port, 0) AS own_port,"
            " if(alone, event_time, toDateTime64(0, 3, 'UTC')) AS own_time"
            f" SELECT token, toInt8(role) AS stands, customer, {named} AS named,"
            " any(port) AS behind, any(event_time) AS at"
            f" FROM lineage FINAL PREWHERE {before} AND {records} WHERE {where} AND {beyond}"
            f" GROUP BY {_KEY} ORDER BY {_KEY} LIMIT {{limit:UInt32}}",
            asked,
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


def _of_records(reach: Reach, parameters: Parameters) -> str:
    """SQL for the records: read first, as all versions of a row tell of one record."""
    if not reach.records:
        return "1"
    parameters["records"] = list(reach.records)
    return "record IN {records:Array(UInt64)}"


def _behind(last: Mapping[str, Any], parameters: Parameters) -> tuple[str, str]:
    """SQL for what comes after a row of `EXPOSED_SCHEMA`: by the token alone, which is read first, and by the key."""
    alone = last["customer"] == NOTHING
    parameters |= {
        "last_token": last["token"].hex(),
        "last_role": last["role"],
        "last_customer": last["customer"].hex(),
        "last_named": last["tag_set"],
        "last_port": last["port"] if alone else 0,
        "last_time": millis(last["event_time"].replace(tzinfo=UTC)) if alone else 0,
    }
    token, customer = (
        f"toFixedString(unhex({{{name}:String}}), {TOKEN_BYTES})" for name in ("last_token", "last_customer")
    )
    key = (
        f"({token}, {{last_role:Int8}}, {customer}, {{last_named:UInt64}}, {{last_port:UInt16}},"
        " fromUnixTimestamp64Milli({last_time:Int64}, 'UTC'))"
    )
    return f"token >= {token}", f"({_KEY}) > {key}"

"""What events say of duties, on ClickHouse. Contract: `sinks.ports.facts.FactReader`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.reader import known
from sinks.clickhouse.values import Parameters, tokens_in
from sinks.ports.facts import FACT_SCHEMA


class ClickHouseFacts:
    """A `FactReader` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def facts(
        self, tokens: Sequence[bytes], facts: Sequence[str] = (), known_at: datetime | None = None
    ) -> pa.Table:
        if not tokens:
            return FACT_SCHEMA.empty_table()
        parameters: Parameters = {}
        wanted = tokens_in(parameters, "token", sorted({*tokens}))
        rows = known(f"fact_events FINAL PREWHERE token IN {wanted}", known_at, parameters)
        limit = ""
        if facts:
            parameters["facts"] = sorted({*facts})
            limit = " WHERE fact IN {facts:Array(String)}"
        columns = ", ".join(FACT_SCHEMA.names)
        found = self._index.query_arrow(f"SELECT {columns} FROM (SELECT * FROM {rows}){limit}", parameters)
        typed = zip(FACT_SCHEMA.names, FACT_SCHEMA.types, strict=True)
        return pa.table([found[name].cast(kind) for name, kind in typed], FACT_SCHEMA)

"""What events say of retention clocks, on ClickHouse. Contract: `sinks.ports.clocks.ClockReader`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.reader import known
from sinks.clickhouse.values import Parameters, tokens_in
from sinks.ports.clocks import CLOCK_SCHEMA


class ClickHouseClocks:
    """A `ClockReader` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def clock_events(self, tokens: Sequence[bytes], known_at: datetime | None = None) -> pa.Table:
        if not tokens:
            return CLOCK_SCHEMA.empty_table()
        parameters: Parameters = {}
        wanted = tokens_in(parameters, "token", sorted(set(tokens)))
        rows = known(f"clock_events FINAL PREWHERE token IN {wanted}", known_at, parameters)
        found = self._index.query_arrow(f"SELECT {', '.join(CLOCK_SCHEMA.names)} FROM {rows}", parameters)
        typed = zip(CLOCK_SCHEMA.names, CLOCK_SCHEMA.types, strict=True)
        return pa.table([found[name].cast(kind) for name, kind in typed], CLOCK_SCHEMA)

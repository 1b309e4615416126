"""What events say of retention clocks, on ClickHouse. Contract: `sinks.ports.clocks.ClockIndex`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import datetime

import pyarrow as pa

from schemas.together import asked
from schemas.tokens import TOKEN_BYTES
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.many import alike, parted
from sinks.clickhouse.reader import known
from sinks.clickhouse.values import Parameters, millis, tokens_in
from sinks.ports.clocks import CLOCK_SCHEMA


class ClickHouseClocks:
    """A `ClockIndex` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def clock_events(self, tokens: Sequence[bytes], known_at: datetime | None = None) -> pa.Table:
        return asked(self._clock_events_each, (tuple(tokens), known_at))

    def owners(self, before: Mapping[str, datetime], after: bytes = b"", limit: int = 1_000) -> list[bytes]:
        if not before:
            return []
        parameters: Parameters = {"limit": limit, "after": after.hex()}
        ways = []
        for number, (clock, moment) in enumerate(sorted(before.items())):
            parameters |= {f"clock{number}": clock, f"before{number}": millis(moment)}
            ways.append(
                f"(clock = {{clock{number}:String}}"
                f" AND started < fromUnixTimestamp64Milli({{before{number}:Int64}}, 'UTC'))"
            )
        # In the order of the primary key: what lies before is not read, and neither is what comes after the last.
        beyond = f"token > toFixedString(unhex({{after:String}}), {TOKEN_BYTES})" if after else "1"
        rows = self._index.query(
            f"SELECT DISTINCT token FROM clock_events PREWHERE {beyond} WHERE {' OR '.join(ways)}"
            " ORDER BY token LIMIT {limit:UInt32}",
            parameters,
        )
        return [bytes(token) for (token,) in rows]

    def _clock_events_each(
        self, questions: Sequence[tuple[Sequence[bytes], datetime | None]]
    ) -> list[pa.Table]:
        found = [CLOCK_SCHEMA.empty_table()] * len(questions)
        for places in alike([known_at for _, known_at in questions]):
            some = [questions[place] for place in places]
            every = self._clock_events({token for tokens, _ in some for token in tokens}, some[0][1])
            parts = parted(every, "token", [tokens for tokens, _ in some])
            for place, part in zip(places, parts, strict=True):
                found[place] = part
        return found

    def _clock_events(self, tokens: Set[bytes], known_at: datetime | None) -> pa.Table:
        if not tokens:
            return CLOCK_SCHEMA.empty_table()
        parameters: Parameters = {}
        wanted = tokens_in(parameters, "token", sorted(tokens))
        rows = known(f"clock_events FINAL PREWHERE token IN {wanted}", known_at, parameters)
        found = self._index.query_arrow(f"SELECT {', '.join(CLOCK_SCHEMA.names)} FROM {rows}", parameters)
        typed = zip(CLOCK_SCHEMA.names, CLOCK_SCHEMA.types, strict=True)
        return pa.table([found[name].cast(kind) for name, kind in typed], CLOCK_SCHEMA)

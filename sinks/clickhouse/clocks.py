"""What events say of retention clocks, on ClickHouse. Contract: `sinks.ports.clocks.ClockIndex`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa

from schemas.together import asked
from schemas.tokens import TOKEN_BYTES
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.many import alike, parted
from sinks.clickhouse.pairs import by_oldest_key
from sinks.clickhouse.reader import ClickHouseReader, known
from sinks.clickhouse.values import Parameters, millis, tokens_in
from sinks.ports.clocks import CLOCK_SCHEMA, OWNERS, UNNAMED, Owner


class ClickHouseClocks:
    """A `ClockIndex` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index
        self._reader = ClickHouseReader(index)

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

    def owners_of_rows(
        self, before: Mapping[int, datetime], after: bytes = b"", limit: int = 1_000
    ) -> list[Owner]:
        by_moment = defaultdict[int, list[int]](list)
        for tag_set, moment in before.items():
            by_moment[millis(moment)] += self._reader.alike([tag_set])
        if not by_moment:
            return []
        parameters: Parameters = {
            "limit": limit,
            "after": after.hex(),
            "roles": [role.value for role in OWNERS],
        }
        ways = []
        for number, (milliseconds, sets) in enumerate(sorted(by_moment.items())):
            parameters |= {f"sets{number}": sets, f"before{number}": milliseconds}
            ways.append(
                f"(tag_set IN {{sets{number}:Array(UInt64)}}"
                f" AND event_time < fromUnixTimestamp64Milli({{before{number}:Int64}}, 'UTC'))"
            )
        beyond = f"token > toFixedString(unhex({{after:String}}), {TOKEN_BYTES})" if after else "1"
        # Not FINAL: whoever had such a row before it was narrowed is looked at once more.
        rows = self._index.query(
            f"SELECT token, min(event_time) FROM lineage PREWHERE {beyond}"
            f" WHERE toString(role) IN {{roles:Array(String)}} AND ({' OR '.join(ways)})"
            " GROUP BY token ORDER BY token LIMIT {limit:UInt32}",
            parameters,
        )
        return [Owner(bytes(token), moment.replace(tzinfo=moment.tzinfo or UTC)) for token, moment in rows]

    def ended_by_day(self, clock: str, zone: ZoneInfo) -> Mapping[date, int]:
        newest = "(event_time, isNull(started), topic, partition, offset, part)"
        # Of which no key tells the thing, each event is about one of its own.
        unnamed = f"thing = toFixedString(unhex('{UNNAMED.hex()}'), {TOKEN_BYTES})"
        thing = f"if({unnamed}, (topic, partition, offset), ('', 0, 0))"
        events = (
            "SELECT token, thing, event_time, started, topic, partition, offset, part FROM clock_events FINAL"
        )
        events = by_oldest_key(self._index, f"{events} WHERE clock = {{clock:String}}", ("token", "thing"))
        things = (
            f"SELECT token, argMax(tuple(started), {newest}).1 AS start FROM ({events})"
            f" GROUP BY token, thing, {thing}"
        )
        rows = self._index.query(
            "SELECT toDate32(last, {zone:String}) AS day, count() FROM (SELECT max(start) AS last"
            f" FROM ({things}) GROUP BY token HAVING countIf(isNull(start)) = 0) GROUP BY day ORDER BY day",
            {"clock": clock, "zone": zone.key},
        )
        return {day: int(count) for day, count in rows}

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

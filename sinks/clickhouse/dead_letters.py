"""The dead letters of the index with what was done about each, and the record of doing it.

Contract: `sinks.ports.dead_letters.DeadLetterList`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.together import asked
from schemas.vocabulary import LetterState
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.values import millis
from sinks.ports.dead_letters import EVERY, WRITTEN_LATER, Chosen, Coordinates, Done, Flooded, OpenLetters

_COLUMNS = (
    "topic",
    "partition",
    "offset",
    "reason",
    "schema_key",
    "payload_bytes",
    "seen_at",
    "state",
    "retries",
)
# The last thing done decides; a retry that failed leaves the letter open. A first `tagged` stands: its rows are there.
_LIST = """
SELECT d.topic, d.partition, d.offset, d.reason, d.schema_key, d.payload_bytes, d.seen_at,
    multiIf(h.tagged > 0, 'tagged', h.last = 'drop', 'dropped', 'open') AS state, h.retries, h.history
FROM (SELECT * FROM dead_letters FINAL) AS d
LEFT JOIN (
    SELECT topic, partition, offset, countIf(kind = 'retry') AS retries, countIf(outcome = 'tagged') AS tagged,
        argMax(kind, (at, entry)) AS last,
        arraySort(groupArray((at, kind, outcome, by, why))) AS history
    FROM dead_letter_events FINAL GROUP BY topic, partition, offset
) AS h ON d.topic = h.topic AND d.partition = h.partition AND d.offset = h.offset
WHERE (d.topic, d.partition, d.offset) > ({topic:String}, {partition:Int32}, {offset:Int64})
"""

# The letters of `_LIST` with the state open. A LEFT ANTI JOIN leaves out what something was done about for good.
_OPEN = """
SELECT topic, reason, count() AS letters, groupBitXor(sipHash64(topic, partition, offset)) AS places
FROM (SELECT topic, partition, offset, reason FROM dead_letters FINAL) AS d
LEFT ANTI JOIN (
    SELECT topic, partition, offset FROM dead_letter_events FINAL GROUP BY topic, partition, offset
    HAVING countIf(outcome = 'tagged') > 0 OR argMax(kind, (at, entry)) = 'drop'
) AS h ON d.topic = h.topic AND d.partition = h.partition AND d.offset = h.offset
GROUP BY topic, reason ORDER BY topic, reason
"""

# The newest messages of a topic, until they are so many; whole seconds, so mostly some more. A range that was written
# twice may count twice: read with FINAL, a day's ledger takes twice as long.
_FLOODED = """
SELECT topic, sum(messages) AS read, sum(dead) AS bad, minIf(second, dead > 0) AS first
FROM (
    SELECT topic, second, messages, dead,
        sum(messages) OVER (
            PARTITION BY topic ORDER BY second DESC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS so_far
    FROM (
        SELECT topic, toStartOfSecond(written_at) AS second,
            sum(events + ingest_ledger.dead + tombstones) AS messages, sum(ingest_ledger.dead) AS dead
        FROM ingest_ledger
        WHERE written_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') AND topic IN (
            SELECT topic FROM ingest_ledger
            WHERE written_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') AND dead > 0
            GROUP BY topic HAVING sum(dead) > {floor:UInt64}
        )
        GROUP BY topic, second
    )
)
WHERE so_far - messages < {newest:UInt64}
GROUP BY topic HAVING bad > {floor:UInt64} AND bad > {ratio:Float64} * read
ORDER BY topic
"""


class ClickHouseDeadLetters:
    """A `DeadLetterList` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def find(
        self,
        after: Coordinates,
        limit: int,
        chosen: Chosen = EVERY,
    ) -> list[dict[str, Any]]:
        topic, partition, offset = after
        values: dict[str, Any] = {"topic": topic, "partition": partition, "offset": offset, "limit": limit}
        where = ""
        for name in ("topic", "reason", "state"):
            if (wanted := getattr(chosen, name)) is not None:
                where += f" AND {'state' if name == 'state' else f'd.{name}'} = {{wanted_{name}:String}}"
                values[f"wanted_{name}"] = wanted
        for name, comparison in (("since", ">="), ("until", "<")):
            if (moment := getattr(chosen, name)) is not None:
                where += f" AND d.seen_at {comparison} fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')"
                values[name] = millis(moment)
        if chosen.at:
            place = "concat(d.topic, '/', toString(d.partition), '/', toString(d.offset))"
            where += f" AND {place} IN {{places:Array(String)}}"
            values["places"] = ["/".join(map(str, coordinates)) for coordinates in chosen.at]
        ordered = " ORDER BY d.topic, d.partition, d.offset LIMIT {limit:UInt32}"
        return [_letter(row) for row in self._index.query(_LIST + where + ordered, values)]

    def open(self) -> list[OpenLetters]:
        return asked(self._open_each, None)

    def _open_each(self, questions: Sequence[None]) -> list[list[OpenLetters]]:
        return [self._open()] * len(questions)

    def _open(self) -> list[OpenLetters]:
        return [
            OpenLetters(topic, reason, int(letters), int(places))
            for topic, reason, letters, places in self._index.query(_OPEN, {})
        ]

    def flooded(self, since: datetime, *, newest: int, floor: int, ratio: float) -> list[Flooded]:
        values = {"since": millis(since), "newest": newest, "floor": floor, "ratio": ratio}
        found = []
        for topic, read, bad, first in self._index.query(_FLOODED, values):
            of_these = Chosen(topic=topic, since=first - WRITTEN_LATER, state=LetterState.OPEN)
            for letter in self.find(("", -1, -1), 1, of_these):
                place = (letter["topic"], letter["partition"], letter["offset"])
                found.append(Flooded(topic, int(read), int(bad), place, letter["reason"]))
        return found

    def note(self, done: Sequence[Done], now: datetime) -> None:
        columns = ("topic", "partition", "offset", "at", "entry", "kind", "outcome", "by", "why")
        rows = [
            (*item.where, now, secrets.token_hex(8), item.kind, item.outcome, item.by, item.why)
            for item in done
        ]
        self._index.insert_rows("dead_letter_events", columns, rows)


def _letter(row: Sequence[Any]) -> dict[str, Any]:
    names: Mapping[str, Any] = dict(zip(_COLUMNS, row, strict=False))
    history = [
        {"at": at, "kind": kind, "outcome": outcome or None, "by": by, "why": why or None}
        for at, kind, outcome, by, why in row[len(_COLUMNS)]
    ]
    return {**names, "history": history}

"""The dead letters of the index with what was done about each, and the record of doing it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.values import millis

Coordinates = tuple[str, int, int]
"""Topic, partition and offset; the label of a feed, 0 and the line for what never was a message."""
State = Literal["open", "tagged", "dropped"]
TAGGED = "tagged"

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


@dataclass(frozen=True)
class Chosen:
    """Which letters; None: whatever. `since` and `until` bound when it was seen, half-open."""

    topic: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    state: State | None = None
    at: Sequence[Coordinates] = ()


@dataclass(frozen=True)
class Done:
    """One thing done about one letter."""

    where: Coordinates
    kind: Literal["retry", "drop"]
    outcome: str
    by: str
    why: str = ""


class DeadLetterIndex:
    """Contract of the API and the command line. Every call raises IndexUnavailable."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def find(
        self,
        after: Coordinates,
        limit: int,
        chosen: Chosen = Chosen(),
    ) -> list[dict[str, Any]]:
        """Letters behind the coordinates, in that order, each with its `state`, `retries` and `history`."""
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

    def note(self, done: Sequence[Done], now: datetime) -> None:
        """Keep what was done. Not to be repeated: each call is a thing done."""
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

"""What was in the index at a moment, as a condition that a statement which changes rows can take."""

from __future__ import annotations

from datetime import datetime

from sinks.clickhouse.by_event import EVENT
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.values import Parameters, at_or_before

Condition = tuple[str, Parameters]
"""SQL that stands alone, and its parameters."""
EVERYTHING: Condition = ("1", {})


def known_by(index: ClickHouse, known_at: datetime | None) -> Condition:
    """Rows that were in the index at the moment, all for None. As `reader.known`, which reads the ledger with them.

    Raises IndexUnavailable.
    """
    if known_at is None:
        return EVERYTHING
    at = {"at": at_or_before(known_at)}
    moment = "fromUnixTimestamp64Milli({at:Int64}, 'UTC')"
    rows = index.query(
        "SELECT concat(toString(topic), '/', toString(partition)), max(last_offset) + 1 FROM ingest_known"
        f" WHERE written_at <= {moment} GROUP BY topic, partition ORDER BY topic, partition",
        at,
    )
    places = {str(place): int(position) for place, position in rows}
    retried = index.query(
        f"SELECT {EVENT} FROM dead_letter_events WHERE outcome = 'tagged' GROUP BY {EVENT}"
        f" HAVING min(at) > {moment} ORDER BY {EVENT}",
        at,
    )
    text = (
        "offset < transform(concat(toString(topic), '/', toString(partition)), {known_at:Array(String)},"
        " {positions:Array(Int64)}, toInt64(0))"
    )
    parameters: Parameters = {"known_at": list(places), "positions": list(places.values())}
    if retried:
        parameters["retried"] = [f"{topic}/{partition}/{offset}" for topic, partition, offset in retried]
        text += (
            " AND concat(toString(topic), '/', toString(partition), '/', toString(offset))"
            " NOT IN {retried:Array(String)}"
        )
    return f"({text})", parameters

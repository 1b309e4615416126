"""What was erased and what came back. Contract: `sinks.ports.suppression.SuppressionLedger`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa

from schemas.together import asked
from sinks.clickhouse.client import ClickHouse
from sinks.ports.resurrected import Arrival
from sinks.ports.suppression import (
    STANDING_SCHEMA,
    Ending,
    Origin,
    Suppressed,
    SuppressionEntry,
    bounds,
)

_TIME = pa.timestamp("ms")
# Entries of one insert are one block, which is written whole or not at all.
_LAST = "SELECT request_id, max(entered_at) AS last FROM suppressed GROUP BY request_id"


class ClickHouseSuppression:
    """A `SuppressionLedger` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def enter(self, entry: Suppressed) -> None:
        asked(self._enter_each, entry)

    def _enter_each(self, entries: Sequence[Suppressed]) -> list[None]:
        tables = [_rows(entry) for entry in entries if entry.spans]
        if tables:
            # One insert, of one block: of each entry all is there or nothing.
            self._index.insert("suppressed", pa.concat_tables(tables))
        return [None] * len(entries)

    def end(self, request_id: str, ending: Ending, at: datetime) -> None:
        columns = ("request_id", "ended_at", "ending")
        self._index.insert_rows("suppression_ends", columns, [(request_id, at, ending.value)])

    def mark(self) -> object:
        # Rows of these tables are never merged into one another, so their number only grows: known without reading.
        # Each batch of a tagger asks: as one question about both tables it takes half as long as with one in another.
        rows = self._index.query(
            "SELECT 'entries' AS what, count() FROM suppressed"
            " UNION ALL SELECT 'ends' AS what, count() FROM suppression_ends"
        )
        return tuple(sorted(rows))

    def standing(self, now: datetime) -> pa.Table:
        columns = ", ".join(STANDING_SCHEMA.names)
        found = self._index.query_arrow(
            f"SELECT DISTINCT {columns} FROM suppressed WHERE until > {{now:DateTime64(3, 'UTC')}}"
            f" AND (request_id, entered_at) IN (SELECT request_id, last FROM ({_LAST}) AS entered"
            " LEFT JOIN (SELECT request_id, max(ended_at) AS ended FROM suppression_ends GROUP BY request_id) AS ends"
            " USING request_id WHERE ended < last)",
            {"now": now},
        )
        typed = zip(STANDING_SCHEMA.names, STANDING_SCHEMA.types, strict=True)
        return pa.table([found[name].cast(kind) for name, kind in typed], STANDING_SCHEMA)

    def entries(self) -> Sequence[SuppressionEntry]:
        rows = self._index.query(
            "SELECT request_id, entered_at,"
            " uniqExact(token, since, before, port_from, port_to), any(until)"
            f" FROM suppressed WHERE (request_id, entered_at) IN ({_LAST})"
            " GROUP BY request_id, entered_at ORDER BY request_id"
        )
        ends: dict[str, list[tuple[datetime, Ending]]] = {}
        for name, at, ending in self._index.query(
            "SELECT request_id, ended_at, ending FROM suppression_ends ORDER BY ended_at"
        ):
            ends.setdefault(str(name), []).append((at, Ending(ending)))
        found = []
        for name, entered_at, spans, until in rows:
            at, ending = next(
                (item for item in ends.get(str(name), ()) if item[0] >= entered_at), (None, None)
            )
            found.append(SuppressionEntry(str(name), int(spans), entered_at, until, at, ending))
        return found

    def origins(self) -> Sequence[Origin]:
        rows = self._index.query(
            "SELECT request_id, topic, partition, arrival, min(first_offset), max(last_offset), sum(events), count(),"
            " min(seen_at), max(seen_at) FROM resurrected GROUP BY request_id, topic, partition, arrival"
            " ORDER BY request_id, topic, partition, arrival"
        )
        return [
            Origin(
                *(str(name), str(topic), int(number), Arrival(arrival)),
                *(int(low), int(high), int(events), int(batches)),
                *(first, last),
            )
            for name, topic, number, arrival, low, high, events, batches, first, last in rows
        ]


def _rows(entry: Suppressed) -> pa.Table:
    spans = list(dict.fromkeys(entry.spans))
    since, before = zip(*map(bounds, spans), strict=True)
    said = {
        "request_id": [entry.request_id] * len(spans),
        "token": [span.token for span in spans],
        "since": since,
        "before": before,
        "port_from": [span.port_from for span in spans],
        "port_to": [span.port_to for span in spans],
        "stays": [list(entry.stays)] * len(spans),
    }
    rows = pa.table([pa.array(said[name], STANDING_SCHEMA.field(name).type) for name in said], list(said))
    for name, moment in (("entered_at", entry.entered_at), ("until", entry.until)):
        at = pa.scalar(moment.astimezone(UTC).replace(tzinfo=None), _TIME)
        rows = rows.append_column(name, pa.repeat(at, len(spans)))
    return rows

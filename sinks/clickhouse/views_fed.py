"""Tables that views read and that are written now and then. Contract: `sinks.ports.views.ViewTables`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from datetime import datetime

import pyarrow as pa

from schemas.in_force import InForce
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.taking_out import on_cluster
from sinks.ports.views import RequestRow

_REQUEST_COLUMNS = tuple(item.name for item in fields(RequestRow))


class ClickHouseViewTables:
    """A `ViewTables` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def put_in_force(self, said: InForce, now: datetime) -> bool:
        last = self._index.query("SELECT argMax(version, at) FROM catalogue_in_force")
        if last and last[0][0] == said.version:
            return False
        rows = [(said.version, entry.kind, entry.id, entry.content) for entry in said.entries]
        self._index.insert_rows("catalogue_entries", ("version", "kind", "id", "content"), rows)
        self._index.insert_rows(
            "catalogue_in_force",
            ("at", "version", "zone", "told"),
            [(now, said.version, said.zone, [*said.told])],
        )
        return True

    def count_held(self, zone: str, now: datetime) -> None:
        # As bitmaps, like `ClickHouseExpiry.by_day`: a set of so many offsets would take a hundred times the memory.
        self._index.command(
            "INSERT INTO held_days SELECT {now:DateTime64(3, 'UTC')}, tag_set, day, sum(events) FROM"
            # What is here has happened, however it is dated.
            " (SELECT tag_set, toDate32(least(event_time, {now:DateTime64(3, 'UTC')}), {zone:String}) AS day,"
            " groupBitmap(toUInt64(offset)) AS events"
            " FROM lineage FINAL GROUP BY tag_set, day, partition) GROUP BY tag_set, day"
            " SETTINGS do_not_merge_across_partitions_select_final = 1",
            {"now": now, "zone": zone},
        )
        self._index.insert_rows("held_counts", ("counted_at",), [(now,)])
        for table in ("held_days", "held_counts"):
            self._index.command(
                f"DELETE FROM {table} {on_cluster(self._index)} WHERE counted_at < {{now:DateTime64(3, 'UTC')}}",
                {"now": now},
                erase=True,
            )

    def note_requests(self, rows: Sequence[RequestRow]) -> None:
        self._index.insert_rows("request_states", _REQUEST_COLUMNS, [astuple(row) for row in rows])

    def note_found(self, rows: pa.Table) -> None:
        if rows.num_rows:
            self._index.insert("found_events", rows)

"""How old what is held is, on ClickHouse. Contract: `sinks.ports.expiry.ExpiryReader`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.reader import ClickHouseReader, rows_of
from sinks.clickhouse.spans import Piece, matching, pieces
from sinks.clickhouse.values import Parameters
from sinks.ports.expiry import DayCount
from sinks.ports.lineage import Span

_Place = tuple[int, date]  # tag set, day


class ClickHouseExpiry:
    """An `ExpiryReader` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index
        self._reader = ClickHouseReader(index)

    def by_day(self, zone: ZoneInfo, kept: Sequence[Span] = ()) -> Sequence[DayCount]:
        known = self._reader.tag_sets()
        parts = pieces(replace(span, proof=None) for span in kept)
        events = self._counted("lineage FINAL", zone, {})
        if any(tag_set not in known for tag_set, _ in events):
            # Tagged since; and what it goes by may have another name with it.
            known = self._reader.tag_sets()
            events = self._counted("lineage FINAL", zone, {})
        theirs = self._under(parts, zone) if parts else {}
        return [
            DayCount(known[tag_set], day, count, theirs.get((tag_set, day), 0))
            for (tag_set, day), count in events.items()
            if tag_set in known
        ]

    def clocks_told(self) -> frozenset[str]:
        return frozenset(str(row[0]) for row in self._index.query("SELECT DISTINCT clock FROM clock_events"))

    def _under(self, parts: Sequence[Piece], zone: ZoneInfo) -> Mapping[_Place, int]:
        parameters: Parameters = {}
        rows = rows_of(sorted({part.token for part in parts}), "1", parameters)
        return self._counted(f"({matching(parts, rows, parameters)})", zone, parameters)

    def _counted(self, rows: str, zone: ZoneInfo, parameters: Mapping[str, Any]) -> Mapping[_Place, int]:
        said: Parameters = {**parameters, "zone": zone.key}
        found = self._index.query(
            # A tag set is of one topic, so an event is its partition and offset. As bitmaps, since the offsets of a
            # day lie together: a set of ten million takes a hundred times the memory.
            f"SELECT {self._reader.named(said)} AS named, toDate32(event_time, {{zone:String}}) AS day,"
            f" groupBitmap(toUInt64(offset)) FROM {rows} GROUP BY named, day, partition",
            said,
        )
        counts = Counter[_Place]()
        for tag_set, day, count in found:
            counts[int(tag_set), day] += int(count)
        return counts

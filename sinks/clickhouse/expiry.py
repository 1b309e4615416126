"""How old what is held is, on ClickHouse. Contract: `sinks.ports.expiry.ExpiryReader`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sinks.clickhouse.by_event import EVENT
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.reader import ClickHouseReader, known, rows_of
from sinks.clickhouse.spans import Piece, matching, pieces, tokens_of
from sinks.clickhouse.values import Parameters, millis
from sinks.ports.expiry import DayCount, OldRecords
from sinks.ports.lineage import Span

_Place = tuple[int, date]  # tag set, day
_EVER = -(2**63)
# A bit of a number each.
_QUESTIONS_AT_ONCE = 64


class ClickHouseExpiry:
    """An `ExpiryReader` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index
        self._reader = ClickHouseReader(index)

    def by_day(
        self, zone: ZoneInfo, kept: Sequence[Span] = (), known_at: datetime | None = None
    ) -> Sequence[DayCount]:
        tag_sets = self._reader.tag_sets()
        parts = pieces(replace(span, proof=None) for span in kept)
        events = self._counted("1", zone, {}, known_at)
        if any(tag_set not in tag_sets for tag_set, _ in events):
            # Tagged since; and what it goes by may have another name with it.
            tag_sets = self._reader.tag_sets()
            events = self._counted("1", zone, {}, known_at)
        theirs: Mapping[_Place, int] = {}
        if parts:
            parameters: Parameters = {}
            theirs = self._counted(under(parts, parameters), zone, parameters, known_at)
        return [
            DayCount(tag_sets[tag_set], day, count, theirs.get((tag_set, day), 0))
            for (tag_set, day), count in events.items()
            if tag_set in tag_sets
        ]

    def records(self, questions: Sequence[OldRecords], kept: Sequence[Span] = ()) -> Sequence[int]:
        parts = pieces(replace(span, proof=None) for span in kept)
        self._reader.tag_sets(needed=[item for question in questions for item in question.every])
        counts: list[int] = []
        for start in range(0, len(questions), _QUESTIONS_AT_ONCE):
            counts += self._records(questions[start : start + _QUESTIONS_AT_ONCE], parts)
        return counts

    def _records(self, questions: Sequence[OldRecords], parts: Sequence[Piece]) -> list[int]:
        """Of each record the questions that its tag sets are of, one bit each, and its newest event."""
        kinds = {item: number for number, item in enumerate({tuple(one.every) for one in questions}, 1)}
        kind_of = {tag_set: kinds[every] for every in kinds for tag_set in self._reader.alike(every)}
        asking = dict.fromkeys(kind_of, 0)
        for number, question in enumerate(questions):
            for tag_set in self._reader.alike(question.tag_sets):
                asking[tag_set] = asking.get(tag_set, 0) | 1 << number
        if not any(asking.values()):
            return [0] * len(questions)
        parameters: Parameters = {
            "sets": list(asking),
            "kinds": [kind_of.get(tag_set, 0) for tag_set in asking],
            "asking": list(asking.values()),
            "since": [_EVER if one.since is None else millis(one.since) for one in questions],
            "before": [millis(one.before) for one in questions],
        }
        theirs = under(parts, parameters) if parts else "0"
        of_records = (
            "SELECT transform(tag_set, {sets:Array(UInt64)}, {kinds:Array(UInt64)}, toUInt64(0)) AS kind,"
            # An event without a record key is a record of its own.
            f" if(record = 0, sipHash64({EVENT}), record) AS one,"
            " groupBitOr(transform(tag_set, {sets:Array(UInt64)}, {asking:Array(UInt64)}, toUInt64(0))) AS of,"
            f" toUnixTimestamp64Milli(max(event_time)) AS newest, max({theirs}) AS stays"
            " FROM lineage FINAL WHERE tag_set IN {sets:Array(UInt64)} GROUP BY kind, one"
        )
        found = self._index.query(
            f"SELECT number, count() FROM ({of_records}) ARRAY JOIN arrayFilter(n -> bitTest(of, n)"
            " AND newest >= arrayElement({since:Array(Int64)}, n + 1)"
            " AND newest < arrayElement({before:Array(Int64)}, n + 1),"
            f" range({len(questions)})) AS number WHERE NOT stays GROUP BY number",
            parameters,
        )
        counted = {int(number): int(count) for number, count in found}
        return [counted.get(number, 0) for number in range(len(questions))]

    def clocks_told(self) -> frozenset[str]:
        return frozenset(str(row[0]) for row in self._index.query("SELECT DISTINCT clock FROM clock_events"))

    def _counted(
        self, where: str, zone: ZoneInfo, parameters: Mapping[str, Any], known_at: datetime | None
    ) -> Mapping[_Place, int]:
        said: Parameters = {**parameters, "zone": zone.key}
        rows = known(f"lineage FINAL WHERE {where}", known_at, said)
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


def under(parts: Sequence[Piece], parameters: Parameters) -> str:
    """SQL for rows of events that have a row under the pieces, whichever row it is."""
    rows = rows_of(tokens_of(parts), "1", parameters)
    return f"(({EVENT}) IN (SELECT {EVENT} FROM ({matching(parts, rows, parameters)})))"

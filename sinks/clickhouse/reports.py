"""Questions about many, in SQL. Contract: `sinks.ports.reports.Reports`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from schemas.errors import InputError
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.values import Parameters
from sinks.ports.reports import Aggregate, Dimension, Report, Rows

_LISTS = {
    Dimension.PURPOSE: "purposes",
    Dimension.CATEGORY: "arrayDistinct(arrayConcat(categories, detected))",
    Dimension.RECIPIENT: "if(empty(recipients), [''], recipients)",
}
_SINGLE = {
    Dimension.SOURCE: "topic",
    Dimension.RECORD: "record",
    Dimension.ORIGIN: "origin",
    Dimension.SYSTEM: "system",
}
PERSON = "if(customer = toFixedString('', 16), token, customer)"
"""Whose a row is: a customer is one however an event names them; see v_by_purpose."""


class ClickHouseReports:
    """A `Reports` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def aggregate(self, asked: Aggregate) -> Rows:
        by = list(dict.fromkeys(asked.by))
        values: Parameters = {"limit": asked.limit + 1}
        tags, columns = _tags(asked, by, values), ", ".join(by)
        counted = days(values, "day", asked.since, asked.until)
        held = days(values, "toDate(event_time)", asked.since, asked.until)
        day = ", toDate(event_time) AS day" if Dimension.DAY in by else ""
        order = (
            f"day, people_held DESC, {columns}" if day else f"people_held DESC, events_tagged DESC, {columns}"
        )
        found = self._index.query(
            f"SELECT {columns}, sum(events) AS events_tagged, max(people) AS people_held FROM ("
            f"SELECT {columns}, groupBitmapMerge(offsets) AS events, toUInt64(0) AS people FROM"
            f" (SELECT day, topic AS of, partition, epoch, offsets, tag_set FROM lineage_daily WHERE {counted}) AS d"
            f" INNER JOIN ({tags}) AS t ON t.id = d.tag_set GROUP BY {columns}, of, partition, epoch"
            f" UNION ALL SELECT {columns}, 0, uniqMerge(people)"
            f" FROM (SELECT tag_set{day}, uniqState({PERSON}) AS people FROM lineage WHERE {held}"
            f" GROUP BY tag_set{', day' if day else ''}) AS l"
            f" INNER JOIN ({tags}) AS t ON t.id = l.tag_set GROUP BY {columns}"
            f") GROUP BY {columns} ORDER BY {order} LIMIT {{limit:UInt32}}",
            values,
        )
        return _rows([*by, "events_tagged", "people_held"], found, asked.limit)

    def report(self, report: Report, since: date | None, until: date | None, limit: int) -> Rows:
        if report.by:
            return self.aggregate(Aggregate(report.by, since=since, until=until, limit=limit))
        if (since or until) and not report.day:
            raise InputError(f"the report {report.name} is of all days; leave since and until out")
        values: Parameters = {"view": report.view, "limit": limit + 1}
        names = self._index.query(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {view:String}"
            " ORDER BY position",
            {"view": report.view},
        )
        where = days(values, f"toDate32({report.day})", since, until) if report.day else "1"
        found = self._index.query(
            f"SELECT * FROM {report.view} WHERE {where} ORDER BY {report.order} LIMIT {{limit:UInt32}}",
            values,
        )
        return _rows([str(name) for (name,) in names], found, limit)


def _tags(asked: Aggregate, by: Sequence[Dimension], values: Parameters) -> str:
    """SQL for the tag sets that are asked for, a row for each combination of what is counted by."""
    chosen, limits = [], []
    for number, (name, wanted) in enumerate(asked.where.items()):
        values[f"wanted{number}"] = list(wanted)
        said = f"{{wanted{number}:Array(String)}}"
        if name is Dimension.DAY:
            raise InputError("where: a day is no tag; give since and until")
        if name in _SINGLE:
            chosen.append(f"has({said}, {_SINGLE[name]})")
        else:
            chosen.append(f"hasAny({said}, {_LISTS[name]})")
            limits += [f"has({said}, {name})"] if name in by else []
    columns = [
        f"arrayJoin({_LISTS[name]}) AS {name}" if name in _LISTS else f"{_SINGLE[name]} AS {name}"
        for name in by
        if name is not Dimension.DAY
    ]
    rows = f"SELECT {', '.join(['id', *columns])} FROM tag_sets FINAL WHERE {' AND '.join(chosen or ['1'])}"
    return f"SELECT * FROM ({rows}) WHERE {' AND '.join(limits or ['1'])}"


def days(values: Parameters, column: str, since: date | None, until: date | None) -> str:
    """SQL for days from `since` on and before `until`."""
    limits = []
    for name, comparison, day in (("since", ">=", since), ("until", "<", until)):
        if day is not None:
            values[name] = day.isoformat()
            limits.append(f"{column} {comparison} {{{name}:Date32}}")
    return " AND ".join(limits or ["1"])


def _rows(columns: Sequence[str], found: Sequence[tuple[object, ...]], limit: int) -> Rows:
    return Rows(columns, found[:limit], len(found) > limit)

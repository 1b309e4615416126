"""Answers questions from the index. Contract: `sinks.ports.IndexReader`."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.tags import TagSet
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.writer import TAG_SET_COLUMNS
from sinks.ports import NO_LIMITS, Filter, Found, Holding, Span

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ClickHouseReader:
    """An `IndexReader` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index
        self._tag_sets: Mapping[int, TagSet] = {}
        self._lock = threading.Lock()

    def find(self, spans: Sequence[Span], limits: Filter = NO_LIMITS) -> Found:
        if not spans:
            return Found()
        chosen = None
        if limits.categories or limits.purposes or limits.systems:
            chosen = [tags.id for tags in self.tag_sets().values() if _matches(tags, limits)]
            if not chosen:
                return Found()
        where, parameters = condition(spans, limits)
        if chosen is not None:
            where += " AND tag_set IN {tag_sets:Array(UInt64)}"
            parameters["tag_sets"] = chosen
        rows = self._index.query(
            # An event counts once, whichever of its rows matched; the empty grouping set is the total over all.
            "SELECT tag_set, uniqExact(topic, partition, offset), min(event_time), max(event_time), grouping(tag_set)"
            f" FROM lineage FINAL PREWHERE {_tokens(spans, parameters)} WHERE {where}"
            " GROUP BY GROUPING SETS ((tag_set), ())",
            parameters,
        )
        total = sum(int(row[1]) for row in rows if row[4] == 1)
        found = [row for row in rows if row[4] == 0]
        known = self.tag_sets(needed=[int(row[0]) for row in found])
        holdings = [Holding(known[int(row[0])], int(row[1]), row[2], row[3]) for row in found]
        holdings.sort(key=lambda item: (item.tags.system, item.tags.topic, item.tags.id))
        return Found(tuple(holdings), total)

    def tag_sets(self, needed: Sequence[int] | None = None) -> Mapping[int, TagSet]:
        """All tag sets by id. With `needed`: the cached ones, if they hold every id asked for."""
        with self._lock:
            if needed is None or any(item not in self._tag_sets for item in needed):
                columns = ", ".join(
                    f"toString({name})" if name in ("schema", "catalogue_version") else name
                    for name in TAG_SET_COLUMNS
                )
                rows = self._index.query(f"SELECT {columns} FROM tag_sets FINAL")
                self._tag_sets = {int(row[0]): _tag_set(row) for row in rows}
            return self._tag_sets


def condition(spans: Sequence[Span], limits: Filter = NO_LIMITS) -> tuple[str, dict[str, Any]]:
    """The WHERE text for one span or more and time limits, and its parameters. Tokens travel as hex text."""
    parameters: dict[str, Any] = {}
    bare = [
        span.token.hex() for span in spans if span.since is None and span.until is None and span.port is None
    ]
    parts = []
    if bare:
        parts.append("token IN (SELECT toFixedString(unhex(arrayJoin({bare:Array(String)})), 16))")
        if len(bare) == 1:
            # Spelt out, the primary key is read without a set: a third of the time of a small look-up.
            parts = ["token = unhex({bare:String})"]
        parameters["bare"] = bare if len(bare) > 1 else bare[0]
    everywhere = set(bare)
    for number, span in enumerate(span for span in spans if span.token.hex() not in everywhere):
        parts.append(_span(span, number, parameters))
    where = "(" + " OR ".join(parts) + ")"
    for name, moment, comparison in (("since", limits.since, ">="), ("until", limits.until, "<")):
        if moment is not None:
            where += f" AND event_time {comparison} fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')"
            parameters[name] = _millis(moment)
    return where, parameters


def _tokens(spans: Sequence[Span], parameters: dict[str, Any]) -> str:
    """Reads the token column first and the others only where it fits: a third off a small look-up.

    The token alone: all versions of a row share it, so FINAL still sees every version of what is read.
    """
    tokens = sorted({span.token.hex() for span in spans})
    if len(tokens) == 1:
        parameters["token"] = tokens[0]
        return "token = unhex({token:String})"
    parameters["tokens"] = tokens
    return "token IN (SELECT toFixedString(unhex(arrayJoin({tokens:Array(String)})), 16))"


def _span(span: Span, number: int, parameters: dict[str, Any]) -> str:
    parameters[f"token{number}"] = span.token.hex()
    text = f"token = unhex({{token{number}:String}})"
    for name, moment, comparison in (("from", span.since, ">="), ("to", span.until, "<")):
        if moment is not None:
            parameters[f"{name}{number}"] = _millis(moment)
            text += f" AND event_time {comparison} fromUnixTimestamp64Milli({{{name}{number}:Int64}}, 'UTC')"
    if span.port is not None:
        parameters[f"port{number}"] = span.port
        text += f" AND port = {{port{number}:UInt16}}"
    return f"({text})"


def _millis(moment: datetime) -> int:
    """Rounded up: of whole milliseconds, those at or after the moment are those at or after the result."""
    return -((_EPOCH - moment) // timedelta(milliseconds=1))


def _matches(tags: TagSet, limits: Filter) -> bool:
    return (
        (not limits.categories or not set(limits.categories).isdisjoint(tags.categories))
        and (not limits.purposes or not set(limits.purposes).isdisjoint(tags.purposes))
        and (not limits.systems or tags.system in limits.systems)
    )


def _tag_set(row: Sequence[Any]) -> TagSet:
    values = dict(zip(TAG_SET_COLUMNS[1:], row[1:], strict=True))
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list | tuple)}
    return TagSet(
        **{
            **values,
            **lists,
            "legal_basis": dict(values["legal_basis"]),
            "held_only": bool(values["held_only"]),
        }
    )

"""Answers questions from the index. Contract: `sinks.ports.lineage.IndexReader`."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from schemas.tags import TagSet, same_but_for_key
from sinks.clickhouse.by_event import beside, others, to_others
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.spans import Piece, matching, pieces, to_proofs
from sinks.clickhouse.values import Parameters, at_or_before, millis, tokens_in
from sinks.clickhouse.writer import TAG_SET_COLUMNS
from sinks.ports.lineage import BESIDE_SCHEMA, NO_LIMITS, Counts, Filter, Found, Holding, Others, Span


class ClickHouseReader:
    """An `IndexReader` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index
        self._tag_sets: Mapping[int, TagSet] = {}
        # What goes by the id of another tag set; None while all rows are of one key.
        self._names: Mapping[int, int] | None = None
        self._lock = threading.Lock()

    def find(
        self, spans: Sequence[Span], limits: Filter = NO_LIMITS, known_at: datetime | None = None
    ) -> Found:
        parts = pieces(spans)
        chosen = None
        if limits.categories or limits.purposes or limits.systems or limits.tag_sets:
            known = self.tag_sets().values()
            limits = replace(limits, tag_sets=self.alike(limits.tag_sets))
            chosen = [tags.id for tags in known if limits.admits(tags)]
        if not parts or chosen == []:
            return Found()
        names = self._names
        found, total = self._find(parts, limits, known_at, chosen, names)
        self.tag_sets(needed=[int(row[0]) for row in found])
        if names != self._names:
            # There are tag sets of another key now that are the same but for it: events of both count once.
            found, total = self._find(parts, limits, known_at, chosen, self._names)
        known_sets = self.tag_sets(needed=[int(row[0]) for row in found])
        holdings = [
            Holding(known_sets[int(row[0])], int(row[1]), row[2], row[3], to_proofs(row[5])) for row in found
        ]
        holdings.sort(key=lambda item: (item.tags.system, item.tags.topic, item.tags.id))
        return Found(tuple(holdings), total)

    def _find(
        self,
        parts: Sequence[Piece],
        limits: Filter,
        known_at: datetime | None,
        chosen: Sequence[int] | None,
        names: Mapping[int, int] | None,
    ) -> tuple[list[tuple[Any, ...]], int]:
        """Rows for each tag set, by its name, and the number of events in all."""
        parameters: Parameters = {}
        where = _within(limits, parameters)
        if chosen is not None:
            where += " AND tag_set IN {tag_sets:Array(UInt64)}"
            parameters["tag_sets"] = chosen
        tag_set = _named(names, parameters)
        rows = self._index.query(
            # An event counts once, whichever of its rows matched; the empty grouping set is the total over all.
            f"SELECT {tag_set} AS named, uniqExact(topic, partition, offset), min(event_time), max(event_time),"
            " grouping(named),"
            f" {_found(parts, where, known_at, parameters)} GROUP BY GROUPING SETS ((named), ())",
            parameters,
        )
        return [row for row in rows if row[4] == 0], sum(int(row[1]) for row in rows if row[4] == 1)

    def counts(
        self, spans: Sequence[Span], tag_sets: Sequence[int], known_at: datetime | None = None
    ) -> Counts:
        parts = pieces(replace(span, proof=None) for span in spans)
        if not parts or not tag_sets:
            return Counts()
        self.tag_sets(needed=tag_sets)
        parameters: Parameters = {"counted": self.alike(tag_sets)}
        tokens = sorted({part.token for part in parts})
        rows = rows_of(tokens, "tag_set IN {counted:Array(UInt64)}", parameters)
        rows = known(rows, known_at, parameters)
        ((events, records),) = self._index.query(
            "SELECT uniqExact(topic, partition, offset),"
            # One type whether or not a record is told apart.
            " uniqExact(record, if(record = 0, (toString(topic), toInt64(partition), offset), ('', 0, 0)))"
            f" FROM ({matching(parts, rows, parameters)})",
            parameters,
        )
        return Counts(int(events), int(records))

    def others(self, spans: Sequence[Span]) -> Sequence[Others]:
        parts = pieces(replace(span, proof=None) for span in spans)
        if not parts:
            return ()
        names = self._names
        found = self._others(parts, names)
        self.tag_sets(needed=[item.tag_set for item in found])
        return found if names == self._names else self._others(parts, self._names)

    def _others(self, parts: Sequence[Piece], names: Mapping[int, int] | None) -> list[Others]:
        parameters: Parameters = {}
        rows = rows_of(sorted({part.token for part in parts}), "1", parameters)
        crowded = [item for item, tags in self.tag_sets().items() if tags.several]
        named = _named(names, parameters)
        sql = others(parts, rows, parameters, named, crowded=crowded, several_keys=names is not None)
        return [to_others(row) for row in self._index.query(sql, parameters)]

    def beside(self, spans: Sequence[Span], known_at: datetime | None = None) -> pa.Table:
        """Contract: `sinks.ports.lineage.BesideReader`."""
        parts = pieces(replace(span, proof=None) for span in spans)
        if not parts:
            return BESIDE_SCHEMA.empty_table()
        parameters: Parameters = {}
        rows = rows_of(sorted({part.token for part in parts}), "1", parameters)
        if known_at is not None:
            rows = known(rows, known_at, parameters)
        bounds, found = beside(parts, rows, parameters)
        ((count, first, last),) = self._index.query(bounds, parameters)
        if not count:
            return BESIDE_SCHEMA.empty_table()
        said = self._index.query(found, {**parameters, "first": int(first), "last": int(last)})
        tokens, others, times = zip(*said, strict=True) if said else ((), (), ())
        columns = [
            pa.array(map(bytes.fromhex, tokens), BESIDE_SCHEMA.field("token").type),
            pa.array(map(bytes.fromhex, others), BESIDE_SCHEMA.field("other").type),
            pa.array(map(int, times), pa.int64()).cast(BESIDE_SCHEMA.field("at").type),
        ]
        return pa.Table.from_arrays(columns, schema=BESIDE_SCHEMA)

    def alike(self, tag_sets: Iterable[int]) -> list[int]:
        """The tag sets, and those that are the same but for the key that made the tokens. Of what is known."""
        names = self._names or {}
        wanted = {names.get(item, item) for item in tag_sets}
        return sorted(wanted | {item for item, name in names.items() if name in wanted})

    def named(self, parameters: Parameters) -> str:
        """SQL for the tag set of a row, of those that are the same but for their key always the same one. Of what is
        known."""
        return _named(self._names, parameters)

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
                self._names = self._named_alike()
            return self._tag_sets

    def _named_alike(self) -> dict[int, int] | None:
        """Of tag sets that are the same but for their key, those that go by the id of another: the oldest key's."""
        if len({tags.key_id for tags in self._tag_sets.values()}) < 2:
            return None
        rows = self._index.query("SELECT key_id FROM token_keys GROUP BY key_id ORDER BY min(sequence)")
        order = {str(row[0]): place for place, row in enumerate(rows, 1)}
        return same_but_for_key(self._tag_sets.values(), order)


def _named(names: Mapping[int, int] | None, parameters: Parameters) -> str:
    """SQL for the tag set of a row, of those that are the same but for their key always the same one."""
    if not names:
        return "tag_set"
    parameters |= {"alike": list(names), "names": list(names.values())}
    return "transform(tag_set, {alike:Array(UInt64)}, {names:Array(UInt64)}, tag_set)"


def rows_of(tokens: Sequence[bytes], where: str, parameters: Parameters) -> str:
    """SQL for the rows of the tokens, in their newest version, that meet `where`; adds the tokens to the parameters.

    Reads the token column first and the others only where it fits: a third off a small look-up. The token alone: all
    versions of a row share it, so FINAL still sees every version of what is read.
    """
    return f"lineage FINAL PREWHERE token IN {tokens_in(parameters, 'token', tokens)} WHERE {where}"


def _found(parts: Sequence[Piece], where: str, known_at: datetime | None, parameters: Parameters) -> str:
    """The last column, the proofs, and what to read from."""
    rows = rows_of(sorted({part.token for part in parts}), where, parameters)
    if known_at is None and all(part.whole and not part.proofs for part in parts):
        return f"[0] FROM {rows}"
    rows = known(rows, known_at, parameters)
    return f"groupUniqArrayArray(matched) FROM ({matching(parts, rows, parameters)})"


def known(rows: str, known_at: datetime | None, parameters: Parameters) -> str:
    """SQL for those of the rows of lineage that were in the index at a moment, all for None."""
    if known_at is None:
        return rows
    parameters["known_at"] = at_or_before(known_at)
    return f"(SELECT * FROM {rows}) AS l {_KNOWN}"


# The moment of the ledger, not of the rows: what a range covers was in the index when the range was written.
_KNOWN = (
    "INNER JOIN (SELECT topic, partition, max(last_offset) + 1 AS position FROM ingest_known"
    " WHERE written_at <= fromUnixTimestamp64Milli({known_at:Int64}, 'UTC') GROUP BY topic, partition) AS k"
    " ON l.topic = k.topic AND l.partition = k.partition WHERE l.offset < k.position"
    # A dead letter lies in a range that was written without it: known from the retry on that tagged it.
    " AND (l.topic, l.partition, l.offset) NOT IN (SELECT topic, partition, offset FROM dead_letter_events"
    " WHERE outcome = 'tagged' GROUP BY topic, partition, offset"
    " HAVING min(at) > fromUnixTimestamp64Milli({known_at:Int64}, 'UTC'))"
)


def _within(limits: Filter, parameters: Parameters) -> str:
    where = "1"
    for name, moment, comparison in (("since", limits.since, ">="), ("until", limits.until, "<")):
        if moment is not None:
            where += f" AND event_time {comparison} fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')"
            parameters[name] = millis(moment)
    return where


def _tag_set(row: Sequence[Any]) -> TagSet:
    values = dict(zip(TAG_SET_COLUMNS[1:], row[1:], strict=True))
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list | tuple)}
    return TagSet(
        **{
            **values,
            **lists,
            "legal_basis": dict(values["legal_basis"]),
            "held_only": bool(values["held_only"]),
            "several": bool(values["several"]),
        }
    )

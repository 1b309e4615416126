"""Answers questions from the index. Contract: `sinks.ports.lineage.IndexReaderOfMany`."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa

from schemas.tags import TagSet, same_but_for_key
from schemas.together import asked
from sinks.clickhouse.by_event import beside, others, to_others
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.many import alike, at_once, questions_of
from sinks.clickhouse.spans import Piece, matching, of_another, pieces, pieces_each, to_proofs, tokens_of
from sinks.clickhouse.values import Parameters, at_or_before, millis, tokens_in
from sinks.clickhouse.writer import TAG_SET_COLUMNS
from sinks.ports.lineage import (
    BESIDE_SCHEMA,
    NO_LIMITS,
    Counts,
    CountsQuestion,
    Filter,
    FindQuestion,
    Found,
    Holding,
    Others,
    Span,
)


class ClickHouseReader:
    """An `IndexReaderOfMany` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index
        self._tag_sets: Mapping[int, TagSet] = {}
        # What goes by the id of another tag set; None while all rows are of one key.
        self._names: Mapping[int, int] | None = None
        self._lock = threading.Lock()

    def find(
        self, spans: Sequence[Span], limits: Filter = NO_LIMITS, known_at: datetime | None = None
    ) -> Found:
        return asked(self.find_each, FindQuestion(spans, limits, known_at))

    def find_each(self, questions: Sequence[FindQuestion]) -> list[Found]:
        found = [Found()] * len(questions)
        for places in alike([(item.limits, item.known_at) for item in questions]):
            limits, known_at = questions[places[0]].limits, questions[places[0]].known_at
            for some in at_once(
                places, [questions[place].spans for place in places], embedded=self._index.embedded
            ):
                answers = self._found_each([questions[place].spans for place in some], limits, known_at)
                for place, answer in zip(some, answers, strict=True):
                    found[place] = answer
        return found

    def _found_each(
        self, each: Sequence[Sequence[Span]], limits: Filter, known_at: datetime | None
    ) -> list[Found]:
        parts = pieces_each(each)
        chosen = None
        if limits.by_tags:
            known = self.tag_sets().values()
            limits = replace(limits, tag_sets=self.alike(limits.tag_sets))
            chosen = [tags.id for tags in known if limits.admits(tags)]
        if not parts or chosen == []:
            return [Found()] * len(each)
        names = self._names
        rows = self._find(parts, limits, known_at, chosen, names)
        self.tag_sets(needed=[int(row[1]) for row in rows])
        if names != self._names:
            # There are tag sets of another key now that are the same but for it: events of both count once.
            rows = self._find(parts, limits, known_at, chosen, self._names)
        known_sets = self.tag_sets(needed=[int(row[1]) for row in rows if not row[5]])
        holdings: list[list[Holding]] = [[] for _ in each]
        totals = [0] * len(each)
        for number, named, events, first, last, total, proofs in rows:
            if total:
                totals[int(number)] = int(events)
            else:
                tags = known_sets[int(named)]
                holdings[int(number)].append(Holding(tags, int(events), first, last, to_proofs(proofs)))
        for held in holdings:
            held.sort(key=lambda item: (item.tags.system, item.tags.topic, item.tags.id))
        return [Found(tuple(held), total) for held, total in zip(holdings, totals, strict=True)]

    def _find(
        self,
        parts: Sequence[Piece],
        limits: Filter,
        known_at: datetime | None,
        chosen: Sequence[int] | None,
        names: Mapping[int, int] | None,
    ) -> list[tuple[Any, ...]]:
        """For each question rows of each tag set, by its name, and one of all events."""
        parameters: Parameters = {}
        where = _within(limits, parameters)
        if chosen is not None:
            where += " AND tag_set IN {tag_sets:Array(UInt64)}"
            parameters["tag_sets"] = chosen
        tag_set = _named(names, parameters)
        return self._index.query(
            # An event counts once, whichever of its rows matched; the set without a name is the total over all.
            f"SELECT asked, {tag_set} AS named, uniqExact(topic, partition, offset), min(event_time),"
            f" max(event_time), grouping(named), {_found(parts, where, known_at, parameters)}"
            " GROUP BY GROUPING SETS ((asked, named), (asked))",
            parameters,
        )

    def counts(
        self, spans: Sequence[Span], tag_sets: Sequence[int], known_at: datetime | None = None
    ) -> Counts:
        return self.counts_each([CountsQuestion(spans, tag_sets, known_at)])[0]

    def counts_each(self, questions: Sequence[CountsQuestion]) -> list[Counts]:
        return asked(self._counts_of_each, questions)

    def _counts_of_each(self, each: Sequence[Sequence[CountsQuestion]]) -> list[list[Counts]]:
        counts = self._counted(list(chain(*each)))
        ends = list(accumulate(map(len, each)))
        return [counts[end - len(some) : end] for some, end in zip(each, ends, strict=True)]

    def _counted(self, questions: Sequence[CountsQuestion]) -> list[Counts]:
        counts = [Counts()] * len(questions)
        self.tag_sets(needed=[item for question in questions for item in question.tag_sets])
        for places in alike([item.known_at for item in questions]):
            for some in at_once(
                places, [questions[place].spans for place in places], embedded=self._index.embedded
            ):
                chosen = [questions[place] for place in some]
                for number, events, records in self._counts(chosen, chosen[0].known_at):
                    counts[some[int(number)]] = Counts(int(events), int(records))
        return counts

    def _counts(
        self, questions: Sequence[CountsQuestion], known_at: datetime | None
    ) -> list[tuple[Any, ...]]:
        """Which question, events and records, of those that find any."""
        # Of several about the same spans the rows are read once.
        spans = {id(item.spans): item.spans for item in questions}
        places = {name: place for place, name in enumerate(spans)}
        parts = pieces_each([replace(span, proof=None) for span in some] for some in spans.values())
        counted = [(places[id(item.spans)], self.alike(item.tag_sets)) for item in questions]
        every = sorted({*chain(*(tag_sets for _, tag_sets in counted))})
        if not parts or not every:
            return []
        parameters: Parameters = {"counted": every}
        rows = rows_of(tokens_of(parts), "tag_set IN {counted:Array(UInt64)}", parameters)
        rows = known(rows, known_at, parameters)
        return self._index.query(
            "SELECT question, uniqExact(topic, partition, offset),"
            # One type whether or not a record is told apart.
            " uniqExact(record, if(record = 0, (toString(topic), toInt64(partition), offset), ('', 0, 0)))"
            f" FROM ({matching(parts, rows, parameters)}) AS m"
            f" INNER JOIN ({questions_of(counted, parameters)}) AS q USING (asked, tag_set)"
            f" WHERE NOT {of_another(parts, parameters)} GROUP BY question",
            parameters,
        )

    def others(self, spans: Sequence[Span]) -> Sequence[Others]:
        return asked(self.others_each, spans)

    def others_each(self, questions: Sequence[Sequence[Span]]) -> list[Sequence[Others]]:
        each: list[list[Others]] = [[] for _ in questions]
        for some in at_once(range(len(questions)), questions, embedded=self._index.embedded):
            spans = [[replace(span, proof=None) for span in questions[place]] for place in some]
            if parts := pieces_each(spans):
                for number, found in self._others_of(parts):
                    each[some[number]].append(found)
        return list(each)

    def _others_of(self, parts: Sequence[Piece]) -> list[tuple[int, Others]]:
        names = self._names
        found = self._others(parts, names)
        self.tag_sets(needed=[item.tag_set for _, item in found])
        return found if names == self._names else self._others(parts, self._names)

    def _others(self, parts: Sequence[Piece], names: Mapping[int, int] | None) -> list[tuple[int, Others]]:
        parameters: Parameters = {}
        rows = rows_of(tokens_of(parts), "1", parameters)
        crowded = [item for item, tags in self.tag_sets().items() if tags.several]
        named = _named(names, parameters)
        sql = others(parts, rows, parameters, named, crowded=crowded, several_keys=names is not None)
        return [(int(row[0]), to_others(row)) for row in self._index.query(sql, parameters)]

    def beside(self, spans: Sequence[Span], known_at: datetime | None = None) -> pa.Table:
        """Contract: `sinks.ports.lineage.BesideReader`."""
        return asked(self._beside_each, (spans, known_at))

    def _beside_each(self, questions: Sequence[tuple[Sequence[Span], datetime | None]]) -> list[pa.Table]:
        # Each has bounds of its own within which offsets are scanned.
        return [self._beside(spans, known_at) for spans, known_at in questions]

    def _beside(self, spans: Sequence[Span], known_at: datetime | None) -> pa.Table:
        parts = pieces(replace(span, proof=None) for span in spans)
        if not parts:
            return BESIDE_SCHEMA.empty_table()
        parameters: Parameters = {}
        rows = rows_of(tokens_of(parts), "1", parameters)
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
    rows = rows_of(tokens_of(parts), where, parameters)
    alone = all(part.whole and not part.proofs and not part.asked for part in parts)
    if known_at is None and alone:
        return f"[0] FROM (SELECT *, 0 AS asked FROM {rows})"
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
            "of_another": bool(values["of_another"]),
        }
    )

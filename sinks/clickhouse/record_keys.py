"""Sealed record keys on ClickHouse. Contract: `sinks.ports.record_keys.RecordKeyReader`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from schemas.together import asked
from sinks.clickhouse.by_event import EVENT
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.many import at_once, of_each
from sinks.clickhouse.reader import ClickHouseReader, rows_of
from sinks.clickhouse.spans import matching, pieces_each, tokens_of
from sinks.clickhouse.values import Parameters
from sinks.ports.record_keys import UNNAMED_SCHEMA, UnnamedRecords


class ClickHouseRecordKeys:
    """A `RecordKeyReader` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index
        self._reader = ClickHouseReader(index)

    def unnamed(self, question: UnnamedRecords) -> pa.Table:
        return asked(self._unnamed_each, question)

    def _unnamed_each(self, questions: Sequence[UnnamedRecords]) -> list[pa.Table]:
        found = [UNNAMED_SCHEMA.empty_table()] * len(questions)
        self._reader.tag_sets(needed=[item for question in questions for item in question.tag_sets])
        spans = [[*item.spans, *item.named] for item in questions]
        for some in at_once(range(len(questions)), spans, embedded=self._index.embedded):
            answers = self._unnamed([questions[place] for place in some])
            for place, answer in zip(some, answers, strict=True):
                found[place] = answer
        return found

    def _unnamed(self, questions: Sequence[UnnamedRecords]) -> list[pa.Table]:
        """Each question is asked as two: what is under its spans, and what is named, which has an odd number."""
        parts = pieces_each(spans for item in questions for spans in (item.spans, item.named))
        tags = self._reader.tag_sets()
        crowded = {item for item, said in tags.items() if said.several}
        sets = [sorted({*self._reader.alike(item.tag_sets)} - crowded) for item in questions]
        every = sorted({*chain(*sets)})
        if not parts or not every:
            return [UNNAMED_SCHEMA.empty_table()] * len(questions)
        parameters: Parameters = {"counted": every, "most": max(item.most for item in questions)}
        rows = rows_of(tokens_of(parts), "tag_set IN {counted:Array(UInt64)} AND record != 0", parameters)
        chosen = of_each([each for each in sets for _ in ("spans", "named")], parameters)
        mine = (
            f"SELECT intDiv(asked, 2) AS number, asked % 2 AS is_named, record AS hash, role, event_time, {EVENT}"
            f" FROM ({matching(parts, rows, parameters)}) WHERE {chosen}"
        )
        left = (
            f"SELECT DISTINCT number, hash, event_time, {EVENT} FROM mine"
            " WHERE role = 'owner' AND (number, hash) NOT IN (SELECT number, hash FROM mine WHERE is_named)"
        )
        columns = ", ".join(UNNAMED_SCHEMA.names)
        keyed = (
            f"SELECT number, hash, event_time, {columns} FROM unnamed AS l INNER JOIN"
            f" (SELECT {columns} FROM record_keys FINAL WHERE ({EVENT}) IN (SELECT {EVENT} FROM unnamed)) AS k"
            f" USING ({EVENT})"
        )
        order = "number, event_time DESC, topic DESC, partition DESC, offset DESC"
        answer = self._index.query_arrow(
            f"WITH mine AS MATERIALIZED ({mine}), unnamed AS MATERIALIZED ({left})"
            f" SELECT number, {columns} FROM (SELECT * FROM ({keyed}) ORDER BY {order} LIMIT 1 BY number, hash)"
            f" ORDER BY {order} LIMIT {{most:UInt64}} BY number",
            parameters,
        )
        typed = zip(UNNAMED_SCHEMA.names, UNNAMED_SCHEMA.types, strict=True)
        table = pa.table([answer[name].cast(kind) for name, kind in typed], UNNAMED_SCHEMA)
        return [
            table.filter(pc.equal(answer["number"], number)).slice(0, item.most)
            for number, item in enumerate(questions)
        ]

"""Findings and runs of checks on ClickHouse. Contract: `sinks.ports.findings`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import astuple, fields
from datetime import datetime
from typing import Any

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.values import Parameters
from sinks.ports.findings import ControlRun, ControlStands, FindingEntry, in_order

_COLUMNS = ("finding", "sequence", "kind", "at", "check", "key", "content")
_RUN = tuple(item.name for item in fields(ControlRun))
_VALUES = _RUN[2:]
_LAST = ", ".join(("max(begun)", *(f"argMax({name}, begun)" for name in _VALUES)))
_RAN = ", ".join(
    (
        "maxIf(begun, verdict != 'failed')",
        *(f"argMaxIf({name}, begun, verdict != 'failed')" for name in _VALUES),
    )
)
# Since when: the first run behind the last one that said something else.
_STANDS = (
    "WITH runs AS (SELECT * FROM control_runs WHERE begun <= {now:DateTime64(3, 'UTC')} OR check NOT IN"
    " (SELECT check FROM control_runs WHERE begun <= {now:DateTime64(3, 'UTC')}))"
    f" SELECT check, {_LAST}, minIf(begun, begun > other), countIf(verdict != 'failed'), {_RAN} FROM runs AS r"
    " INNER JOIN (SELECT check, maxIf(begun, verdict != said) AS other FROM runs AS a"
    " INNER JOIN (SELECT check, argMax(verdict, begun) AS said FROM runs GROUP BY check) AS s USING (check)"
    " GROUP BY check) AS o USING (check) GROUP BY check ORDER BY check"
)


class ClickHouseFindings:
    """A `FindingLog` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def append(self, entry: FindingEntry) -> bool:
        if self._standing(entry) is not None:
            return False
        name = uuid.uuid4().hex
        text = json.dumps(entry.content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        row = (entry.finding, entry.sequence, entry.kind, entry.at, entry.check, entry.key, text, name)
        once = f"{entry.finding}/{entry.sequence}"
        self._index.insert_rows("duty_findings", (*_COLUMNS, "entry"), [row], once=once)
        return self._standing(entry) == name

    def entries(self, check: str | None = None) -> Sequence[FindingEntry]:
        return self._entries("{check:String} IN ('', check)", {"check": check or ""})

    def untold(self, limit: int = 1_000) -> Sequence[FindingEntry]:
        told = "(finding, sequence) NOT IN (SELECT finding, sequence FROM duty_findings_told)"
        return self._entries(told, {})[:limit]

    def tell(self, entries: Sequence[FindingEntry]) -> None:
        rows = [(item.finding, item.sequence) for item in entries]
        self._index.insert_rows("duty_findings_told", ("finding", "sequence"), rows)

    def _entries(self, where: str, parameters: Parameters) -> Sequence[FindingEntry]:
        # Of several rows of a number the first that the table committed stands: see sinks/clickhouse/requests.py.
        rows = self._index.query(
            f"SELECT {', '.join(_COLUMNS)} FROM duty_findings WHERE {where}"
            " ORDER BY finding, sequence, _block_number LIMIT 1 BY finding, sequence",
            parameters,
        )
        return in_order([_entry(row) for row in rows])

    def _standing(self, entry: FindingEntry) -> str | None:
        rows = self._index.query(
            "SELECT entry FROM duty_findings WHERE finding = {finding:String} AND sequence = {sequence:UInt32}"
            " ORDER BY _block_number LIMIT 1",
            {"finding": entry.finding, "sequence": entry.sequence},
        )
        return str(rows[0][0]) if rows else None


class ClickHouseControls:
    """A `ControlLog` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def store(self, run: ControlRun) -> None:
        self._index.insert_rows("control_runs", _RUN, [astuple(run)])

    def stands(self, now: datetime) -> Sequence[ControlStands]:
        stands = []
        for check, *columns in self._index.query(_STANDS, {"now": now}):
            values = len(_RUN) - 1
            last, (since, ran), before = columns[:values], columns[values : values + 2], columns[values + 2 :]
            run = ControlRun(str(check), *before) if ran else None
            stands.append(ControlStands(ControlRun(str(check), *last), since, run))
        return stands

    def runs(self, check: str | None = None, limit: int = 100) -> Sequence[ControlRun]:
        rows = self._index.query(
            f"SELECT {', '.join(_RUN)} FROM control_runs FINAL WHERE {{check:String}} IN ('', check)"
            " ORDER BY begun DESC, check DESC LIMIT {limit:UInt32}",
            {"check": check or "", "limit": limit},
        )
        return [ControlRun(*row) for row in rows]


def _entry(row: Sequence[Any]) -> FindingEntry:
    finding, sequence, kind, at, check, key, content = row
    return FindingEntry(str(finding), int(sequence), str(kind), at, str(check), str(key), json.loads(content))

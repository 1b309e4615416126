"""The record of who asked what about whom, in the index. Contract: `sinks.ports.audit.AuditLog`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.values import millis
from sinks.ports.audit import AuditEntry, Looked, Position

_COLUMNS = (
    "at", "entry", "caller", "client", "action", "kinds", "identifiers", "subjects", "key_id", "request_id", "purpose",
    "resolution", "size", "status", "milliseconds", "shape", "views",
)  # fmt: skip
# Tokens as text: a driver may take the zero bytes off the end of a fixed string.
_READ = ", ".join(
    "arrayMap(t -> lower(hex(t)), subjects)" if name == "subjects" else name for name in _COLUMNS
)


class ClickHouseAudit:
    """An `AuditLog` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def write(self, entries: Sequence[AuditEntry]) -> None:
        rows = [[getattr(item, name) for name in _COLUMNS] for item in entries]
        self._index.insert_rows("audit_log", _COLUMNS, rows)

    def find(self, looked: Looked, limit: int, before: Position | None = None) -> Sequence[AuditEntry]:
        values: dict[str, Any] = {"limit": limit}
        where = ["1"]
        if before is not None:
            where.append("(at, entry) < (fromUnixTimestamp64Milli({before:Int64}, 'UTC'), {entry:String})")
            values |= {"before": millis(before[0]), "entry": before[1]}
        for name, comparison in (("since", ">="), ("until", "<")):
            if (moment := getattr(looked, name)) is not None:
                where.append(f"at {comparison} fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')")
                values[name] = millis(moment)
        for name in ("action", "request_id"):
            if (wanted := getattr(looked, name)) is not None:
                where.append(f"{name} = {{{name}:String}}")
                values[name] = wanted
        if looked.subject is not None:
            where.append("arrayExists(t -> startsWith(lower(hex(t)), {subject:String}), subjects)")
            values["subject"] = looked.subject.hex()
        rows = self._index.query(
            f"SELECT {_READ} FROM audit_log FINAL WHERE {' AND '.join(where)}"
            " ORDER BY at DESC, entry DESC LIMIT {limit:UInt32}",
            values,
        )
        return [_entry(row) for row in rows]


def _entry(row: Sequence[Any]) -> AuditEntry:
    named = dict(zip(_COLUMNS, row, strict=True))
    subjects = tuple(map(bytes.fromhex, named.pop("subjects")))
    kinds, views = (tuple(map(str, named.pop(name))) for name in ("kinds", "views"))
    return AuditEntry(**named, subjects=subjects, kinds=kinds, views=views)

"""Preservation orders on ClickHouse. Contract: `sinks.ports.preservation.PreservationLog`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence

from schemas.together import asked
from sinks.clickhouse.client import ClickHouse
from sinks.ports.preservation import PreservationEntry

_COLUMNS = ("order_id", "sequence", "kind", "at", "content")
# Of several rows of a number the first that the table committed stands: see sinks/clickhouse/requests.py.
_STANDING = (
    f"SELECT {', '.join(_COLUMNS)} FROM preservation_orders"
    " ORDER BY order_id, sequence, _block_number LIMIT 1 BY order_id, sequence"
)


class ClickHousePreservation:
    """A `PreservationLog` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def append(self, entry: PreservationEntry) -> bool:
        if self._standing(entry) is not None:
            return False
        name = uuid.uuid4().hex
        text = json.dumps(entry.content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        row = (entry.order_id, entry.sequence, entry.kind, entry.at, text, name)
        once = f"{entry.order_id}/{entry.sequence}"
        self._index.insert_rows("preservation_orders", (*_COLUMNS, "entry"), [row], once=once)
        return self._standing(entry) == name

    def entries(self) -> Sequence[PreservationEntry]:
        return asked(self._entries_each, None)

    def _entries_each(self, questions: Sequence[None]) -> list[Sequence[PreservationEntry]]:
        return [self._entries()] * len(questions)

    def _entries(self) -> Sequence[PreservationEntry]:
        rows = self._index.query(_STANDING)
        found = [
            PreservationEntry(str(order_id), int(sequence), str(kind), at, json.loads(content))
            for order_id, sequence, kind, at, content in rows
        ]
        begun = {item.order_id: item.at for item in found if item.sequence == 0}
        return sorted(
            found, key=lambda item: (begun.get(item.order_id, item.at), item.order_id, item.sequence)
        )

    def _standing(self, entry: PreservationEntry) -> str | None:
        rows = self._index.query(
            "SELECT entry FROM preservation_orders"
            " WHERE order_id = {order:String} AND sequence = {sequence:UInt32} ORDER BY _block_number LIMIT 1",
            {"order": entry.order_id, "sequence": entry.sequence},
        )
        return str(rows[0][0]) if rows else None

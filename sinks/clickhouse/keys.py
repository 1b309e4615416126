"""Which token keys made what is in the index. Contract: `sinks.ports.keys.KeyRegister`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sinks.clickhouse.client import ClickHouse
from sinks.ports.keys import KeyEntry

# What anybody but the register itself wrote.
_FILLED = (
    "tag_sets",
    "identity_claims",
    "retained_claims",
    "ingest_ledger",
    "request_events",
    "dead_letters",
)


class ClickHouseKeys:
    """A `KeyRegister` on ClickHouse. Which of two entries of a number stands is told as in `ClickHouseRequests`."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def entries(self) -> Sequence[KeyEntry]:
        rows = self._index.query(
            "SELECT sequence, kind, key_id, check, at FROM token_keys"
            " ORDER BY sequence, _block_number LIMIT 1 BY sequence"
        )
        return [KeyEntry(int(row[0]), str(row[1]), str(row[2]), str(row[3]), row[4]) for row in rows]

    def append(self, entry: KeyEntry) -> bool:
        name = uuid.uuid4().hex
        if self._standing(entry.sequence) is None:
            columns = ("sequence", "entry", "kind", "key_id", "check", "at")
            row = (entry.sequence, name, entry.kind, entry.key_id, entry.check, entry.at)
            self._index.insert_rows("token_keys", columns, [row], once=f"token_keys/{entry.sequence}")
        return self._standing(entry.sequence) == name

    def used(self) -> set[str]:
        return {str(row[0]) for row in self._index.query("SELECT DISTINCT key_id FROM tag_sets")}

    def empty(self) -> bool:
        return not any(self._index.query(f"SELECT 1 FROM {table} LIMIT 1") for table in _FILLED)

    def of_any_shape(self) -> tuple[Sequence[KeyEntry], set[str]]:
        rows = self._index.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase()"
            " AND name IN ('token_keys', 'tag_sets')"
        )
        tables = {str(row[0]) for row in rows}
        return (
            self.entries() if "token_keys" in tables else (),
            self.used() if "tag_sets" in tables else set(),
        )

    def _standing(self, sequence: int) -> str | None:
        rows = self._index.query(
            "SELECT entry FROM token_keys WHERE sequence = {sequence:UInt32} ORDER BY _block_number LIMIT 1",
            {"sequence": sequence},
        )
        return str(rows[0][0]) if rows else None

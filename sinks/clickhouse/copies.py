"""Sealed parts of copies on ClickHouse. Contract: `sinks.ports.copies.CopyStore`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

import pyarrow as pa

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.taking_out import on_cluster
from sinks.ports.copies import StoredPart

_SCHEMA = pa.schema(
    [
        ("request_id", pa.string()),
        ("command_id", pa.string()),
        ("system", pa.string()),
        ("attempt", pa.uint32()),
        ("part", pa.uint32()),
        ("parts", pa.uint32()),
        ("message", pa.binary()),
        ("received_at", pa.timestamp("ms", "UTC")),
    ]
)
_OF = "command_id = {command:String} AND attempt = {attempt:UInt32}"
_AT_ONCE = 500


class ClickHouseCopies:
    """A `CopyStore` on ClickHouse. Of several rows of a part the one that the table took last stands."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def keep(self, part: StoredPart) -> None:
        self._index.insert("copy_parts", pa.Table.from_pylist([vars(part)], _SCHEMA))

    def count(self, command_id: str, attempt: int) -> int:
        said = {"command": command_id, "attempt": attempt}
        return int(self._index.query(f"SELECT uniqExact(part) FROM copy_parts WHERE {_OF}", said)[0][0])

    def parts(self, command_id: str, attempt: int) -> Iterator[StoredPart]:
        said = {"command": command_id, "attempt": attempt}
        columns = ", ".join(_SCHEMA.names)
        numbers = self._index.query(f"SELECT DISTINCT part FROM copy_parts WHERE {_OF} ORDER BY part", said)
        for (number,) in numbers:
            # As Arrow: a message is no text, which the rows of the driver would make of it.
            found = self._index.query_arrow(
                f"SELECT {columns} FROM copy_parts WHERE {_OF} AND part = {{part:UInt32}}"
                " ORDER BY _block_number DESC LIMIT 1",
                {**said, "part": int(number)},
            )
            typed = [found[name].cast(kind) for name, kind in zip(_SCHEMA.names, _SCHEMA.types, strict=True)]
            for row in pa.table(typed, _SCHEMA).to_pylist():
                yield StoredPart(**row)

    def requests(self) -> Mapping[str, datetime]:
        rows = self._index.query("SELECT request_id, max(received_at) FROM copy_parts GROUP BY request_id")
        return {str(name): at for name, at in rows}

    def delete(self, request_ids: Collection[str]) -> None:
        names = sorted(request_ids)
        for start in range(0, len(names), _AT_ONCE):
            self._index.command(
                f"DELETE FROM copy_parts {on_cluster(self._index)} WHERE request_id IN {{names:Array(String)}}",
                {"names": names[start : start + _AT_ONCE]},
                erase=True,
            )
        if names:
            # The bytes as well, as soon as the engine removes the parts that they were in.
            self._index.command(
                f"ALTER TABLE copy_parts {on_cluster(self._index)} APPLY DELETED MASK", erase=True
            )

"""The transparency log in the index. Contract: `sinks.ports.evidence.EvidenceLog`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.values import Parameters, millis
from sinks.ports.evidence import (
    MOST_HEADS,
    Entry,
    Leaf,
    Place,
    Seal,
    Source,
    Statement,
    as_many,
    entry_content,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# Keys in one question: a server takes 128 KiB for one parameter.
_AT_ONCE = 1_000
Kind = tuple[str, str]
"""Request and kind of a statement."""
# Of several rows of a number the first that the table committed stands: see sinks/clickhouse/requests.py.
_STANDING = "(SELECT * FROM log_seals ORDER BY sequence, _block_number LIMIT 1 BY sequence)"
_SEALED = f"SELECT source, key FROM {_STANDING} ARRAY JOIN sources AS source, keys AS key"
_HIGHEST = "SELECT if(count() = 0, -1, toInt64(max(sequence)))"
_HEAD = (
    "sequence, size, lower(hex(root)), lower(hex(previous)), toUnixTimestamp64Milli(at), key_id,"
    " lower(hex(signature)), arrayMap(t -> lower(hex(t)), peaks)"
)
_LEAVES = "sources, keys, times, arrayMap(t -> lower(hex(t)), digests)"
_COLUMNS = (
    "sequence", "entry", "at", "size", "root", "previous", "key_id", "signature", "peaks", "sources", "keys", "times",
    "digests",
)  # fmt: skip
_AUDIT = (
    "caller", "client", "action", "kinds", "identifiers", "subjects", "key_id", "request_id", "purpose", "resolution",
    "size", "status", "milliseconds", "shape", "views",
)  # fmt: skip
_AUDITED = ", ".join(
    "arrayMap(t -> lower(hex(t)), subjects) AS tokens" if name == "subjects" else name for name in _AUDIT
)
# Each source: what it selects (key, moment in milliseconds, the names of its content and then the content).
_ENTRIES: dict[Source, tuple[str, tuple[str, ...]]] = {
    Source.REQUEST: (
        "SELECT concat(request_id, '/', toString(sequence)) AS place, toUnixTimestamp64Milli(occurred_at) AS moment,"
        " request_id, sequence, kind, content FROM request_events"
        " ORDER BY request_id, sequence, _block_number LIMIT 1 BY request_id, sequence",
        ("request_id", "sequence", "kind", "content"),
    ),
    Source.AUDIT: (
        f"SELECT entry AS place, toUnixTimestamp64Milli(at) AS moment, {_AUDITED} FROM audit_log FINAL",
        _AUDIT,
    ),
    Source.STATEMENT: (
        "SELECT concat(request_id, '/', kind) AS place, toUnixTimestamp64Milli(at) AS moment,"
        " request_id, kind, content FROM request_statements"
        " ORDER BY request_id, kind, _block_number LIMIT 1 BY request_id, kind",
        ("request_id", "kind", "content"),
    ),
}


class ClickHouseEvidence:
    """An `EvidenceLog` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def waiting(self, limit: int, sealed: int = -1) -> Sequence[Entry]:
        found: list[Entry] = []
        for source in Source:
            found += self._entries(
                source,
                f"WHERE place NOT IN (SELECT key FROM ({_SEALED}) WHERE source = {{source:String}})"
                f" AND {{sealed:Int64}} <= ({_HIGHEST} FROM log_seals)"
                " ORDER BY moment, place LIMIT {limit:UInt32}",
                {"limit": limit, "sealed": sealed},
            )
        return sorted(found, key=lambda item: (item.at, item.place.source, item.place.key))[:limit]

    def entries(self, places: Sequence[Place]) -> Sequence[Entry]:
        found: list[Entry] = []
        for source in Source:
            keys = [item.key for item in places if item.source is source]
            for start in range(0, len(keys), _AT_ONCE):
                asked: Parameters = {"keys": keys[start : start + _AT_ONCE]}
                found += self._entries(source, "WHERE place IN {keys:Array(String)}", asked)
        return found

    def recorded(self) -> object:
        # Each insert has a higher block number than those before it, and merges keep the highest.
        return self._index.query(
            "SELECT table, partition_id, max(max_block_number) FROM system.parts"
            " WHERE database = currentDatabase() AND active"
            " AND table IN ('request_events', 'audit_log', 'request_statements')"
            " GROUP BY table, partition_id ORDER BY table, partition_id"
        )

    def append(self, seal: Seal) -> bool:
        if self._standing(seal.sequence) is not None:
            return False
        entry = uuid.uuid4().hex
        leaves = seal.leaves
        row = (
            *(
                seal.sequence,
                entry,
                seal.at,
                seal.size,
                seal.root,
                seal.previous,
                seal.key_id,
                seal.signature,
            ),
            list(seal.peaks),
            [str(item.place.source) for item in leaves],
            [item.place.key for item in leaves],
            [millis(item.at) for item in leaves],
            [item.digest for item in leaves],
        )
        self._index.insert_rows("log_seals", _COLUMNS, [row], once=f"seal/{seal.sequence}")
        return self._standing(seal.sequence) == entry

    def newest(self) -> Seal | None:
        return next(iter(self.heads(1)), None)

    def unsealed(self) -> int:
        counts = (
            self._index.query(
                f"SELECT count() FROM ({_ENTRIES[source][0]}) WHERE place NOT IN"
                f" (SELECT key FROM ({_SEALED}) WHERE source = {{source:String}})",
                {"source": str(source)},
            )
            for source in Source
        )
        return sum(int(count) for ((count,),) in counts)

    def seals(self, first: int, leaves: int) -> Sequence[Seal]:
        asked: Parameters = {"first": first, "limit": MOST_HEADS}
        counts = [int(row[0]) for row in self._index.query(_following("length(keys)"), asked)]
        asked = {"first": first, "limit": as_many(counts, leaves)}
        return [_seal(row) for row in self._index.query(_following(f"{_HEAD}, {_LEAVES}"), asked)]

    def heads_from(self, first: int, limit: int) -> Sequence[Seal]:
        rows = self._index.query(_following(_HEAD), {"first": first, "limit": limit})
        return [_seal(row) for row in rows]

    def repeated(self, limit: int) -> Sequence[Place]:
        rows = self._index.query(
            f"SELECT source, key FROM {_STANDING} ARRAY JOIN sources AS source, keys AS key"
            " GROUP BY source, key HAVING count() > 1 ORDER BY max(sequence), source, key LIMIT {limit:UInt32}"
            " SETTINGS max_bytes_before_external_group_by = 268435456",
            {"limit": limit},
        )
        return [Place(Source(source), str(key)) for source, key in rows]

    def heads(self, limit: int) -> Sequence[Seal]:
        rows = self._index.query(
            f"SELECT {_HEAD} FROM {_STANDING} ORDER BY sequence DESC LIMIT {{limit:UInt32}}", {"limit": limit}
        )
        return [_seal(row) for row in rows]

    def published(self) -> int:
        ((highest,),) = self._index.query(f"{_HIGHEST} FROM log_published")
        return int(highest)

    def note_published(self, sequence: int, at: datetime) -> None:
        self._index.insert_rows("log_published", ("sequence", "at"), [(sequence, at)])

    def state(self, statement: Statement) -> bool:
        return self.state_each([statement])[0]

    def state_each(self, statements: Sequence[Statement]) -> list[bool]:
        if self._index.cluster and len(statements) > 1:
            # Keeper drops a second insert by the name of the whole, which has to be that of one statement.
            return [self.state(item) for item in statements]
        # Of several of one kind the first is taken.
        entries = {_kind(item): uuid.uuid4().hex for item in statements}
        taken = self._stated(entries)
        new = {kind: item for item in reversed(statements) if (kind := _kind(item)) not in taken}
        rows = [(*kind, entries[kind], item.at, item.content) for kind, item in new.items()]
        if not rows:
            return [False] * len(statements)
        self._index.insert_rows(
            "request_statements",
            ("request_id", "kind", "entry", "at", "content"),
            rows,
            once="/".join(next(iter(new))) if len(rows) == 1 else None,
        )
        stated = self._stated(new)
        return [
            new.get(_kind(item)) is item and stated.get(_kind(item)) == entries[_kind(item)]
            for item in statements
        ]

    def statements(self, request_id: str | None = None) -> Sequence[Statement]:
        rows = self._index.query(
            "SELECT request_id, kind, toUnixTimestamp64Milli(at), content FROM request_statements"
            + (" WHERE request_id = {request:String}" if request_id is not None else "")
            + " ORDER BY request_id, kind, _block_number LIMIT 1 BY request_id, kind",
            {} if request_id is None else {"request": request_id},
        )
        return [
            Statement(str(request), str(kind), _moment(at), str(content))
            for request, kind, at, content in rows
        ]

    def _entries(self, source: Source, chosen: str, values: Parameters) -> list[Entry]:
        select, names = _ENTRIES[source]
        rows = self._index.query(f"SELECT * FROM ({select}) {chosen}", {**values, "source": str(source)})
        return [
            Entry(
                Place(source, str(key)),
                _moment(at),
                entry_content(dict(zip(names, map(_plain, content), strict=True))),
            )
            for key, at, *content in rows
        ]

    def _standing(self, sequence: int) -> str | None:
        rows = self._index.query(
            "SELECT entry FROM log_seals WHERE sequence = {sequence:UInt64} ORDER BY _block_number LIMIT 1",
            {"sequence": sequence},
        )
        return str(rows[0][0]) if rows else None

    def _stated(self, kinds: Iterable[Kind]) -> dict[Kind, str]:
        """Which entry stands of each kind of which a request has one."""
        wanted = sorted(kinds)
        found: dict[Kind, str] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            rows = self._index.query(
                "SELECT request_id, kind, entry FROM request_statements"
                " WHERE request_id IN {requests:Array(String)} AND kind IN {kinds:Array(String)}"
                " ORDER BY _block_number LIMIT 1 BY request_id, kind",
                {
                    "requests": sorted({request_id for request_id, _ in some}),
                    "kinds": sorted({kind for _, kind in some}),
                },
            )
            found |= {(str(request_id), str(kind)): str(entry) for request_id, kind, entry in rows}
        return found


def _following(columns: str) -> str:
    """A statement for what stands of the seals from a number on, in order."""
    return (
        f"SELECT {columns} FROM log_seals WHERE sequence >= {{first:UInt64}}"
        " ORDER BY sequence, _block_number LIMIT 1 BY sequence LIMIT {limit:UInt32}"
    )


def _plain(value: Any) -> Any:
    return [str(item) for item in value] if isinstance(value, list | tuple) else value


def _moment(at: int) -> datetime:
    return _EPOCH + int(at) * _MILLISECOND


def _seal(row: Sequence[Any]) -> Seal:
    sequence, size, root, previous, at, key_id, signature, peaks, *told = row
    sources, keys, times, digests = told or ((), (), (), ())
    return Seal(
        sequence=int(sequence),
        size=int(size),
        root=bytes.fromhex(root),
        previous=bytes.fromhex(previous),
        at=_moment(at),
        key_id=str(key_id),
        signature=bytes.fromhex(signature),
        peaks=tuple(map(bytes.fromhex, peaks)),
        leaves=tuple(
            Leaf(Place(Source(source), str(key)), _moment(moment), bytes.fromhex(digest))
            for source, key, moment, digest in zip(sources, keys, times, digests, strict=True)
        ),
    )


def _kind(statement: Statement) -> Kind:
    return statement.request_id, statement.kind

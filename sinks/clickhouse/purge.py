"""Whether the bytes of what the index forgot are gone from the disk. Contract: `sinks.ports.purge.IndexPurge`.

Rows that are deleted go in four steps: they are hidden by a mask; the mask is applied, which writes new parts without
them; the old parts leave the table; and some time later the engine removes their folders. Besides, the engine keeps the
last statements that deleted something, and these name tokens.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from datetime import datetime, timedelta

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.values import at_or_before

TABLES = (
    "lineage", "lineage_by_event", "identity_claims", "findings", "address_prefixes", "sealed_identifiers",
    "clock_events", "fact_events", "record_keys", "retained_claims",
)  # fmt: skip
"""What the eraser deletes from."""
_NAMED = ", ".join(f"'{name}'" for name in TABLES)
_THEIRS = f"database = currentDatabase() AND table IN ({_NAMED})"
# A server's clock may not be ours; on one machine only the second is rounded.
_MARGIN, _MARGIN_EMBEDDED = timedelta(minutes=5), timedelta(seconds=2)
_STANDING = frozenset({"detached", "format_version.txt"})


class ClickHousePurge:
    """An `IndexPurge` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def left(self, forgotten_at: datetime) -> Sequence[str]:
        until = forgotten_at + (_MARGIN_EMBEDDED if self._index.embedded else _MARGIN)
        self._apply(until)
        later, waiting = self._outdated(until)
        return [
            *(
                f"{table}: {count} parts from before are not removed from the disk yet"
                for table, count in waiting
            ),
            *self._hidden(),
            *self._statements(until),
            *self._set_aside(),
            *self._folders(until, later),
        ]

    def _apply(self, until: datetime) -> None:
        """Take hidden rows out of parts, and let the last statement of a table be one that names nobody."""
        hidden = self._rows(
            f"SELECT DISTINCT table FROM {self._system('parts')} WHERE {_THEIRS} AND active AND has_lightweight_delete"
        )
        last = self._rows(
            f"SELECT table FROM {self._system('mutations')} WHERE {_THEIRS} GROUP BY table"
            " HAVING argMax(command, arrayMax(block_numbers.number)) NOT LIKE '%APPLY DELETED MASK%'"
            f" AND max(create_time) <= {_until(until)}"
        )
        cluster = f"ON CLUSTER '{self._index.cluster}'" if self._index.cluster else ""
        for table in sorted({*hidden, *last}):
            self._index.command(f"ALTER TABLE {table} {cluster} APPLY DELETED MASK", erase=True)

    def _outdated(self, until: datetime) -> tuple[set[tuple[str, str]], list[tuple[str, int]]]:
        """Parts that are in no answer any more, by table and name, that are of a later time; and how many are not.

        A part with the version of the last deletion until then, or a higher one, holds nothing of what that deleted. Of
        a table from which nothing was ever deleted nothing is waited for.
        """
        versions = self._versions(until)
        # Asked for `_state`, the table names parts too that are just being removed.
        rows = self._index.query(
            "SELECT table, name, partition_id, data_version"
            f" FROM {self._system('parts')} WHERE {_THEIRS} AND _state != 'Active'"
        )
        later, waiting = set[tuple[str, str]](), Counter[str]()
        for table, name, partition, version in rows:
            wanted = versions.get((table, partition), versions.get((table, "")))
            if wanted is None or int(version) >= wanted:
                later.add((str(table), str(name)))
            else:
                waiting[str(table)] += 1
        return later, sorted(waiting.items())

    def _versions(self, until: datetime) -> dict[tuple[str, str], int]:
        """Of each table and partition ("" for all) the version of the last deletion until then that is still known; if
        none is, that of the first one after it."""
        rows = self._index.query(
            f"SELECT table, partition, number, create_time <= {_until(until)} FROM {self._system('mutations')}"
            " ARRAY JOIN block_numbers.partition_id AS partition, block_numbers.number AS number"
            f" WHERE {_THEIRS}"
        )
        before: dict[tuple[str, str], int] = {}
        after: dict[tuple[str, str], int] = {}
        for table, partition, number, was in rows:
            place, version = (str(table), str(partition)), int(number)
            if was:
                before[place] = max(version, before.get(place, version))
            else:
                after[place] = min(version, after.get(place, version))
        return after | before

    def _hidden(self) -> Iterator[str]:
        for table, count in self._counts("parts", "active AND has_lightweight_delete"):
            yield f"{table}: rows are hidden in {count} parts and not taken out yet"

    def _statements(self, until: datetime) -> Iterator[str]:
        named = f"command NOT LIKE '%APPLY DELETED MASK%' AND create_time <= {_until(until)}"
        for table, count in self._counts("mutations", named):
            yield f"{table}: {count} statements that deleted are still kept, with the tokens they name"

    def _set_aside(self) -> Iterator[str]:
        for table, count in self._counts("detached_parts", "1"):
            yield (
                f"{table}: {count} parts are set aside and may hold anything; see system.detached_parts, and remove"
                " them"
            )

    def _folders(self, until: datetime, later: Set[tuple[str, str]]) -> Iterator[str]:
        """Of an embedded index the disk itself is looked at: folders from before that hold no part in use, nor one of a
        `later` time."""
        if not self._index.embedded:
            return
        known = later | set(
            self._index.query(f"SELECT table, name FROM system.parts WHERE {_THEIRS} AND active")
        )
        tables = self._index.query(
            f"SELECT name, data_paths FROM system.tables WHERE database = currentDatabase() AND name IN ({_NAMED})"
        )
        for table, paths in tables:
            names = (entry for path in paths for entry in os.scandir(path) if entry.name not in _STANDING)
            if count := sum((table, entry.name) not in known and _is_old(entry, until) for entry in names):
                yield f"{table}: {count} folders from before are still on the disk"

    def _counts(self, what: str, where: str) -> list[tuple[str, int]]:
        rows = self._index.query(
            f"SELECT table, count() FROM {self._system(what)} WHERE {_THEIRS} AND {where} GROUP BY table ORDER BY table"
        )
        return [(str(table), int(count)) for table, count in rows]

    def _rows(self, sql: str) -> list[str]:
        return [str(row[0]) for row in self._index.query(sql)]

    def _system(self, name: str) -> str:
        cluster = self._index.cluster
        return f"clusterAllReplicas('{cluster}', system.{name})" if cluster else f"system.{name}"


def _is_old(entry: os.DirEntry[str], until: datetime) -> bool:
    """Whether it is a folder from before; not one that is gone by now."""
    try:
        return entry.is_dir() and entry.stat().st_mtime <= until.timestamp()
    except FileNotFoundError:
        return False


def _until(moment: datetime) -> str:
    # Of whole seconds, as the engine keeps these.
    return f"toDateTime({at_or_before(moment) // 1000}, 'UTC')"

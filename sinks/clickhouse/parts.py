"""Parts of the embedded index: which are broken, what they were made of, and which rows no part has any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.counted import are, counted
from schemas.errors import IndexUnavailable

if TYPE_CHECKING:
    from sinks.clickhouse.client import ClickHouse

_COLUMNS = "table, partition_id, name, min_block_number, max_block_number, level, rows"
_HERE = "database = currentDatabase()"
# What the topics give again; all else was written once, by a person or for one.
_FROM_TOPICS = frozenset(
    {"lineage", "lineage_by_event", "lineage_daily", "tag_sets", "identity_claims", "address_prefixes", "findings",
     "dead_letters", "untagged_fields", "sealed_identifiers", "clock_events",
     "fact_events", "record_keys"}
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """`first` to `last`: numbers of the blocks in it, each one insert. `rows` None: not known."""

    table: str
    partition: str
    name: str
    first: int
    last: int
    level: int
    rows: int | None

    def within(self, other: Part) -> bool:
        """Whether it holds nothing but what the other was made of."""
        return (
            self != other
            and (self.table, self.partition) == (other.table, other.partition)
            and other.first <= self.first
            and self.last <= other.last
        )


@dataclass(frozen=True)
class SetAside:
    """A part that the engine found broken and took out of the table; `path` is its folder."""

    part: Part
    path: str


def covered(part: Part, others: Iterable[Part]) -> bool:
    """The rule: whether all rows of the part are in those of the others that hold nothing else.

    A part that reaches beyond it says nothing: merging goes across a gap.
    """
    end, rows, reached = part.first - 1, 0, True
    inside = sorted((item for item in others if item.within(part)), key=lambda item: (item.first, -item.last))
    for item in inside:
        if item.first <= end:
            continue
        reached = reached and item.first == end + 1
        end, rows = item.last, rows + (item.rows or 0)
    # Inserts that failed leave gaps between the blocks; what merged from them never has more rows than they.
    return (reached and end == part.last) if part.rows is None else bool(inside) and rows >= part.rows


def written_since(index: ClickHouse, seconds: float, *, inserted: bool = False) -> list[Part]:
    """Parts in use that are no older. `inserted`: only those of one insert."""
    return _parts(
        index,
        f"active AND modification_time >= now() - toIntervalSecond({int(seconds) + 2})"
        + (" AND min_block_number = max_block_number" if inserted else ""),
    )


def named(index: ClickHouse, names: Iterable[tuple[str, str]]) -> list[Part]:
    """Those of (table, part) that are in use."""
    wanted = set(names)
    return [part for part in _parts(index, "active") if (part.table, part.name) in wanted] if wanted else []


def all_parts(index: ClickHouse, table: str | None = None) -> list[Part]:
    """In use or not removed yet."""
    return _parts(index, "1" if table is None else f"table = '{table}'")


def sound(index: ClickHouse, part: Part) -> bool:
    """Whether it can be read, as far as the engine can say; one that is gone meanwhile is."""
    if not _parts(index, f"active AND table = '{part.table}' AND name = '{part.name}'"):
        return True
    rows = index.query(
        f"CHECK TABLE {part.table} PART '{part.name}' SETTINGS check_query_single_value_result = 0"
    )
    return all(int(row[1]) for row in rows)


def set_aside(index: ClickHouse) -> list[SetAside]:
    """All that the engine set aside as broken."""
    rows = index.query(
        "SELECT table, partition_id, name, min_block_number, max_block_number, level, path FROM system.detached_parts"
        f" WHERE {_HERE} AND (startsWith(reason, 'broken') OR reason IN ('unexpected', 'covered-by-broken'))"
        " AND min_block_number IS NOT NULL ORDER BY table, partition_id, min_block_number"
    )
    found = []
    for table, partition, name, first, last, level, path in rows:
        place, numbers = (str(table), str(partition), str(name)), (int(first), int(last), int(level))
        found.append(SetAside(Part(*place, *numbers, _counted(str(path))), str(path)))
    return found


def lost(index: ClickHouse) -> list[SetAside]:
    """What was set aside and is in no other part. That of which every row is in another is removed.

    Ask soon after a table was opened: a part that reaches further hides where rows were.
    """
    found = set_aside(index)
    others = all_parts(index) if found else []
    for item in found:
        if covered(item.part, others):
            with suppress(IndexUnavailable):
                drop(index, item)
    return [item for item in found if not covered(item.part, others)]


def undone(index: ClickHouse) -> frozenset[str]:
    """Tables in which a part is older than an erasure: what that took away is in answers until it is done again."""
    rows = index.query(f"SELECT DISTINCT table FROM system.mutations WHERE {_HERE} AND NOT is_done")
    return frozenset(str(table) for (table,) in rows)


def drop(index: ClickHouse, item: SetAside) -> None:
    """Remove what was set aside."""
    index.command(
        f"ALTER TABLE {item.part.table} DROP DETACHED PART '{item.part.name}' SETTINGS allow_drop_detached = 1"
    )


def sentences(items: Sequence[SetAside]) -> list[str]:
    """What is lost, and how it comes back."""
    return [
        (
            f"{'rows' if item.part.rows is None else counted(item.part.rows, 'row')} of {item.part.table} "
            f"(partition {item.part.partition}) {are(item.part.rows or 0)} lost, a part broke on the disk:"
            f" {_mend(item.part.table)}, then remove {item.path}; until then nobody is told what is held"
        )
        for item in items
    ]


def _mend(table: str) -> str:
    if table in _FROM_TOPICS:
        return (
            "read the topics again (`innsyn tag --replay`) or restore a backup where they are no longer kept"
        )
    return "restore it from a backup"


def _parts(index: ClickHouse, where: str) -> list[Part]:
    rows = index.query(f"SELECT {_COLUMNS} FROM system.parts WHERE {_HERE} AND {where}")
    return [
        Part(str(table), str(partition), str(name), int(first), int(last), int(level), int(count))
        for table, partition, name, first, last, level, count in rows
    ]


def _counted(path: str) -> int | None:
    try:
        return int((Path(path) / "count.txt").read_text("ascii"))
    except (OSError, ValueError):
        return None

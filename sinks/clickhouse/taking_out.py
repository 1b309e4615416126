"""Taking rows out of a table for good: hidden from every answer first, then out of the parts that are read."""

from __future__ import annotations

from collections.abc import Iterable

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.values import Parameters


def take_out(index: ClickHouse, table: str, which: Iterable[tuple[str, Parameters]]) -> None:
    """Delete the rows that any of the conditions holds of. Raises IndexUnavailable; some may be hidden then."""
    hide(index, table, which)
    take_hidden_out(index, table)


def hide(index: ClickHouse, table: str, which: Iterable[tuple[str, Parameters]]) -> None:
    """Hide the rows from every answer; `take_hidden_out` has to follow. Raises IndexUnavailable."""
    for where, parameters in which:
        index.command(f"DELETE FROM {table} {on_cluster(index)} WHERE {where}", parameters, erase=True)


def take_hidden_out(index: ClickHouse, table: str) -> None:
    """Take what is hidden out of the parts that are read from now on. Raises IndexUnavailable."""
    # Not only when something was hidden now: an interrupted call may have left rows hidden.
    if _any_hidden(index, table):
        index.command(f"ALTER TABLE {table} {on_cluster(index)} APPLY DELETED MASK", erase=True)


def on_cluster(index: ClickHouse) -> str:
    """What a statement that changes tables says beside the table."""
    return f"ON CLUSTER '{index.cluster}'" if index.cluster else ""


def _any_hidden(index: ClickHouse, table: str) -> bool:
    parts = f"clusterAllReplicas('{index.cluster}', system.parts)" if index.cluster else "system.parts"
    rows = index.query(
        f"SELECT count() FROM {parts} WHERE database = currentDatabase() AND table = {{table:String}}"
        " AND active AND has_lightweight_delete",
        {"table": table},
    )
    return bool(rows[0][0])

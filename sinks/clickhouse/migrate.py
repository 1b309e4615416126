"""Brings an index to the current shape: numbered SQL files, each applied once; views are replaced when they changed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from graphlib import TopologicalSorter
from pathlib import Path
from string import Template

from schemas.errors import InputError
from sinks.clickhouse.client import ClickHouse

_FOLDER = Path(__file__).parent
_STATUS = """
CREATE TABLE IF NOT EXISTS schema_migrations $on_cluster
(
    name       String,
    checksum   FixedString(16),
    applied_at DateTime64(3, 'UTC')
)
ENGINE = ${replicated}ReplacingMergeTree(applied_at)
ORDER BY name
"""


@dataclass(frozen=True)
class Migration:
    """One file: a migration (never changes once released) or a view (replaced when its text changes)."""

    name: str
    view: bool
    checksum: str
    statements: tuple[str, ...]


def migrations(cluster: str | None = None) -> list[Migration]:
    """All files in order, for one server or a cluster: there tables are replicated and made ON CLUSTER."""
    views = {path.stem: path for path in sorted((_FOLDER / "views").glob("*.sql"))}
    files = [*sorted((_FOLDER / "migrations").glob("*.sql")), *(views[name] for name in _in_turn(views))]
    return [_read(path, cluster) for path in files]


def _in_turn(views: Mapping[str, Path]) -> Iterable[str]:
    """Each view after those that it reads."""
    reads = {
        name: sorted(
            {*re.findall(r"\bv_\w+", _without_comments(path.read_text("utf-8")))} & views.keys() - {name}
        )
        for name, path in views.items()
    }
    return TopologicalSorter(reads).static_order()


def pending(index: ClickHouse) -> list[Migration]:
    """What `migrate` would apply now. Raises InputError if a migration already applied has another text now."""
    applied = _applied(index)
    waiting = []
    for migration in migrations(index.cluster):
        checksum = applied.get(migration.name)
        if checksum == migration.checksum:
            continue
        if checksum is not None and not migration.view:
            raise InputError(
                f"migration {migration.name} was applied with another text; restore the file and add a new migration"
            )
        waiting.append(migration)
    return waiting


def migrate(index: ClickHouse, now: datetime) -> list[Migration]:
    """Apply what is pending and return it. Safe to repeat, also after a crash in the middle."""
    waiting = pending(index)
    if waiting:
        index.command(_render(_STATUS, index.cluster))
    for migration in waiting:
        for statement in migration.statements:
            index.command(statement)
        index.insert_rows(
            "schema_migrations",
            ("name", "checksum", "applied_at"),
            [(migration.name, migration.checksum.encode(), now)],
        )
    return waiting


def _applied(index: ClickHouse) -> dict[str, str]:
    known = index.query(
        "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'schema_migrations'"
    )
    if not known[0][0]:
        return {}
    rows = index.query("SELECT name, toString(checksum) FROM schema_migrations FINAL")
    return {str(name): str(checksum) for name, checksum in rows}


def _read(path: Path, cluster: str | None) -> Migration:
    text = path.read_text("utf-8")
    parts = _without_comments(_render(text, cluster)).split(";\n")
    statements = tuple(part.strip(" \n;") for part in parts if part.strip(" \n;"))
    checksum = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Migration(f"{path.parent.name}/{path.stem}", path.parent.name == "views", checksum, statements)


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))


def _render(text: str, cluster: str | None) -> str:
    if cluster is not None and not cluster.replace("_", "").replace("-", "").isalnum():
        raise InputError("INNSYN_CLICKHOUSE_CLUSTER holds letters, digits, dash and underscore only")
    on_cluster = f"ON CLUSTER '{cluster}'" if cluster else ""
    return Template(text).substitute(on_cluster=on_cluster, replicated="Replicated" if cluster else "")

"""From settings to an open index: the only file outside `sinks.clickhouse` that says which engine that is."""

from __future__ import annotations

import fcntl
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from schemas.errors import IndexUnavailable
from schemas.settings import Settings
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrations
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.ports.forgotten import Sources
from sinks.ports.sinks import Sinks
from sinks.ports.sql import SqlLimits

# Whatever is set: what the engine writes with no space at all is broken.
_LEAST_RESERVE_MB = 32


def open_sinks(settings: Settings, sources: Sources | None = None, *, question: bool = False) -> Sinks:
    """The index in force. Nothing is connected before the first statement. `sources`: of identity links, for whoever
    has it forget; see `clickhouse_sinks`. `question`: see `refuse_if_open`.

    Raises IndexUnavailable where another process has the embedded one.
    """
    refuse_if_open(settings, question=question)
    password = settings.clickhouse_password.get_secret_value() if settings.clickhouse_password else ""
    return clickhouse_sinks(
        ClickHouse(
            settings.index_url,
            user=settings.clickhouse_user,
            password=password,
            cluster=settings.clickhouse_cluster,
            reserve_mb=max(settings.disk_reserve_mb, _LEAST_RESERVE_MB),
        ),
        sources,
        SqlLimits(
            seconds=settings.sql_seconds,
            rows=settings.sql_rows,
            memory_bytes=settings.sql_memory_mb * 1024 * 1024,
        ),
    )


def every_migration(settings: Settings) -> Sequence[str]:
    """Names of what an index that is not there yet would be made by."""
    return [migration.name for migration in migrations(settings.clickhouse_cluster)]


def embedded_folder(settings: Settings) -> Path | None:
    """Folder of the embedded index, whether or not it is there yet; None: the index is a server."""
    parts = urlsplit(settings.index_url)
    return Path(parts.path) if parts.scheme == "chdb" else None


def refuse_if_open(settings: Settings, *, question: bool = False) -> None:
    """The embedded index takes one process per folder.

    Raises IndexUnavailable if another one has it. Asked beforehand, because the engine also writes to standard error.
    `question`: what is wanted of it is asked of the other process's API as soon as that answers.
    """
    folder = embedded_folder(settings)
    if folder is None or not (folder / "status").exists():
        return
    with (folder / "status").open("rb") as status:
        try:
            fcntl.flock(status, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            mend = (
                "if it is an `innsyn up` that starts, ask again in a moment, when its API answers; else stop it"
                if question
                else "this needs the index for itself, and waiting does not help: stop that process first, `innsyn up`"
                " with ctrl-C or SIGTERM"
            )
            raise IndexUnavailable(f"another process has the index in {folder} open; {mend}") from None

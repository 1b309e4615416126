"""What a running innsyn leaves behind, as bytes: tables, files, log; and what it is asked and told meanwhile."""

from __future__ import annotations

import http.client
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import clickhouse_connect
import structlog

from console.wiring.local import LocalInstance
from schemas.company import Company
from schemas.keys import Keyring
from schemas.settings import Settings
from streams.kafka.connection import Connection
from streams.rights.reference_job.job import ErasureJob
from streams.rights.reference_job.store import SqliteStore
from tests.support.time_bounds import HANGING_SECONDS


class Logs:
    """All that is logged, by structlog and by the standard library, at every level."""

    def __init__(self) -> None:
        self.text = io.StringIO()

    @contextmanager
    def kept(self) -> Iterator[Logs]:
        handler = logging.StreamHandler(self.text)
        root, level = logging.getLogger(), logging.getLogger().level
        before = structlog.get_config()
        structlog.configure(
            processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
            wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
            logger_factory=lambda *_: structlog.PrintLogger(self.text),
            cache_logger_on_first_use=False,
        )
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            yield self
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
            structlog.configure(**before)


def ask_api(settings: Settings, instance: LocalInstance, path: str, body: object = None) -> str:
    """Ask the API. Not with httpx, which logs addresses itself: the log is part of what is searched."""
    token = (settings.home / "token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with closing(
        http.client.HTTPConnection(instance.address.removeprefix("http://"), timeout=HANGING_SECONDS)
    ) as connection:
        connection.request(
            "GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers
        )
        return connection.getresponse().read().decode()


@contextmanager
def jobs(company: Company, settings: Settings, connection: Connection, outside: Path) -> Iterator[None]:
    """The reference erasure job of every system that takes commands."""
    keys = Keyring(settings.keys_folder).systems
    names = [name.removeprefix("deletion.") for name in company.topics if name.startswith("deletion.")]
    with ExitStack() as stack:
        for name in names:
            store = SqliteStore(outside / f"{name}.sqlite", company.every_record, company.kinds)
            stack.callback(store.close)
            job = ErasureJob(keys.job_path(keys.made(name).system), connection, store)
            stack.callback(job.stop)
            job.start()
        yield


def tables_of(home: Path) -> dict[str, bytes]:
    """Every table of the index, all its columns, not compressed."""
    return read_tables(home, lambda client: None)


def read_tables(home: Path, first: Callable[[Any], None]) -> dict[str, bytes]:
    """The same, once `first` has been done to the index."""
    client = clickhouse_connect.get_client(dsn=f"chdb://{home / 'index'}")
    try:
        first(client)
        named = client.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
        ).result_rows
        return {
            f"table {name}": bytes(client.raw_query(f"SELECT * FROM {name}", fmt="RowBinary"))
            for (name,) in named
        }
    finally:
        client.close()


def files_of(home: Path) -> dict[str, bytes]:
    """Every file the product keeps, the index's own among them."""
    return {
        f"file {path.relative_to(home)}": path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file()
    }

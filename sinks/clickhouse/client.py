"""The only place that opens a connection to ClickHouse, embedded or server, and the only one that knows its errors."""

from __future__ import annotations

import copy
import ctypes
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from schemas.errors import IndexUnavailable
from schemas.patience import current
from sinks.clickhouse import parts
from sinks.clickhouse.space import ANEW, Space
from sinks.clickhouse.sql_handles import Handle, embedded, server

# Said with every insert, because defaults differ between versions and editions: written when the call returns, each
# row once in the rollups, no cap on years per block, and no deduplication of blocks (it would also drop a legitimate
# insert after an erasure; rows are idempotent by their sorting key instead).
INSERT_SETTINGS: Mapping[str, Any] = {
    "async_insert": 0,
    "insert_deduplicate": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 0,
    "materialized_views_ignore_errors": 0,
    "max_partitions_per_insert_block": 0,
}
# A row's year follows from its identity, so versions of a row never lie in two partitions. What a statement names as
# MATERIALIZED is read once, however often it is asked for.
READ_SETTINGS: Mapping[str, Any] = {
    "do_not_merge_across_partitions_select_final": 1,
    "enable_materialized_cte": 1,
}
# Deletes, updates and merges return when they are done, on every replica; a merge that was not done is an error.
ERASE_SETTINGS: Mapping[str, Any] = {"mutations_sync": 2, "lightweight_deletes_sync": 2, "alter_sync": 2}
MERGE_SETTINGS: Mapping[str, Any] = {"optimize_throw_if_noop": 1}
# What whoever runs it can do something about; the rest is told by its number.
_WORDS = {
    159: "it took too long",
    241: "it would take more memory than allowed",
    242: "the table is read-only: the index has lost its ZooKeeper or Keeper",
    243: "no space is left on its disk",
    252: "too many parts wait to be merged",
    516: "the login is refused",
}


_TIMEOUT_EXCEEDED = 159
_DRAINS = 3


class ClickHouse:
    """Handles to one index; each thread gets its own (the engine serialises threads that share one).

    url: `chdb:///folder` (embedded, one process per folder) or `http(s)://host:port/database`.
    reserve_mb: with less space (MiB) free where an embedded one lies, nothing large is written.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str = "default",
        password: str = "",
        cluster: str | None = None,
        reserve_mb: int = 0,
    ) -> None:
        split = urlsplit(url)
        if split.scheme not in ("chdb", "http", "https") or (split.scheme != "chdb" and not split.hostname):
            raise IndexUnavailable(
                "INNSYN_CLICKHOUSE_URL is not chdb:///folder or http(s)://host:port/database; correct it"
            )
        self.cluster = cluster
        self.space = Space(Path(split.path), reserve_mb) if split.scheme == "chdb" else None
        self._parts = split
        self._before_reading: Callable[[], None] | None = None
        self._url = url
        self._login = (user, password)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: list[Client] = []

    def __repr__(self) -> str:
        return f"ClickHouse({self._parts.scheme}://{self._parts.hostname or self._parts.path})"

    @property
    def embedded(self) -> bool:
        return self._parts.scheme == "chdb"

    @property
    def user(self) -> str | None:
        """Of the server; None for an embedded index, which has none."""
        return None if self.embedded else self._login[0]

    def asking_first(self, look: Callable[[], None]) -> ClickHouse:
        """The same handles; `look()` is called before each question and raises where that must not be answered."""
        other = copy.copy(self)
        other._before_reading = look
        return other

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Rows of a SELECT; values bound on the server as `{name:Type}`. Times are aware, in UTC."""
        if self._before_reading is not None:
            self._before_reading()
        with self._errors("reading"), self._question(sql) as (text, limits):
            result = self._client().query(
                text, parameters=dict(parameters or {}), settings={**READ_SETTINGS, **limits}, tz_mode="aware"
            )
            return [tuple(row) for row in result.result_rows]

    def query_arrow(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """As `query`, as an Arrow table: for many rows. LowCardinality columns are dictionaries."""
        if self._before_reading is not None:
            self._before_reading()
        settings = {**READ_SETTINGS, "output_format_arrow_low_cardinality_as_dictionary": 1}
        with self._errors("reading"), self._question(sql) as (text, limits):
            # In the statement: the driver would set each in the embedded engine before it and back after it, which
            # takes longer than many an answer.
            said = ", ".join(f"{name} = {value}" for name, value in {**settings, **limits}.items())
            return self._client().query_arrow(
                f"{text}\nSETTINGS {said}", dict(parameters or {}), use_strings=True
            )

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None, *, erase: bool = False) -> None:
        """Run a statement that answers nothing."""
        settings = dict(ERASE_SETTINGS) if erase and not self.embedded else {}
        if erase and sql.startswith("OPTIMIZE"):
            settings |= MERGE_SETTINGS
        if erase and self.space is not None:
            self.space.refuse()
        with self._errors("changing"):
            self._client().command(sql, parameters=dict(parameters or {}), settings=settings)

    def insert(self, table: str, rows: pa.Table) -> None:
        """Append rows; returns when they are on disk. Not repeated here: the caller owns the retry."""
        if self.space is not None:
            self.space.refuse()
        with self._kept(large=True), self._errors(f"writing {table}"):
            # One dictionary for all chunks: Arrow's file format cannot hold another later on.
            whole = rows.unify_dictionaries().combine_chunks()
            self._client().insert_arrow(table, whole, settings=dict(INSERT_SETTINGS))

    def insert_rows(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], once: str | None = None
    ) -> None:
        """Append a few rows given as Python values.

        `once`: replicated tables take one insert of that name, whichever replica it comes to, and drop further ones.
        """
        settings = dict(INSERT_SETTINGS)
        if once is not None:
            settings |= {"insert_deduplicate": 1, "insert_deduplication_token": once}
        if rows:
            with self._kept(large=False), self._errors(f"writing {table}"):
                self._client().insert(table, rows, column_names=list(columns), settings=settings)

    def apart(self, settings: Mapping[str, str]) -> AbstractContextManager[Handle]:
        """A handle for one query alone, under these settings, that can change nothing."""
        if self.embedded:
            return embedded(self._parts.path, settings)
        parts = self._parts
        address = (
            f"{parts.scheme}://{parts.hostname}:{parts.port or (8443 if parts.scheme == 'https' else 8123)}/"
        )
        return server(address, parts.path.strip("/") or "default", self._login, settings)

    def kill(self, mark: str) -> None:
        """End the statement that has this comment in it, if it runs."""
        self._kill(mark)

    def close(self) -> None:
        """Close every handle. The embedded engine releases its folder."""
        with self._lock:
            for client in self._open:
                client.close()
            self._open.clear()
            self._local = threading.local()

    def _client(self) -> Client:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._connect()
            self._local.client = client
            with self._lock:
                self._open.append(client)
        return client

    def _connect(self) -> Client:
        if self.embedded:
            Path(self._parts.path).mkdir(parents=True, exist_ok=True, mode=0o700)
            client = clickhouse_connect.get_client(dsn=self._url)
            _die_of_faults()
            # For good: with each statement the driver would ask for all of them, set them and set them back, which
            # takes twice as long as to delete a few rows.
            for name, value in ERASE_SETTINGS.items():
                client.command(f"SET {name} = {value}")
            return client
        user, password = self._login
        return clickhouse_connect.get_client(
            host=self._parts.hostname,
            port=self._parts.port or (8443 if self._parts.scheme == "https" else 8123),
            secure=self._parts.scheme == "https",
            database=self._parts.path.strip("/") or "default",
            username=user,
            password=password,
            autogenerate_session_id=False,
        )

    @contextmanager
    def _question(self, sql: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The statement and its settings, bounded by the patience of who asks: ended when that is, or when they leave.

        Raises QuestionTooLong, QuestionAbandoned.
        """
        patience = current()
        if patience is None:
            yield sql, {}
            return
        # The embedded engine takes no name for a statement: it is found by a comment in it.
        mark = uuid.uuid4().hex
        limits = {"max_execution_time": round(patience.seconds(), 3)}
        try:
            with patience.running(partial(self._kill, mark)):
                yield f"{sql} /* {mark} */", limits
        except Exception as error:
            if getattr(error, "code", None) == _TIMEOUT_EXCEEDED:
                raise patience.too_long() from error
            # A statement that was ended may break off anywhere, and what came of it be no text at all.
            patience.seconds()
            raise
        # Or in between two blocks, so that it looks whole.
        patience.seconds()

    def _kill(self, mark: str) -> None:
        with suppress(IndexUnavailable), self._errors("cancelling"):
            self._client().command(
                f"KILL QUERY WHERE query LIKE '%/* {mark} */%' AND query NOT LIKE 'KILL%' ASYNC"
            )

    @contextmanager
    def _kept(self, *, large: bool) -> Iterator[None]:
        """What is written meanwhile is on disk afterwards, or it raises IndexUnavailable: without space the engine may
        say that it is and be wrong. What is large is then written again, the rest is looked at."""
        begun = self.space.now() if self.space is not None else 0.0
        yield
        if self.space is None or not self.space.low_since(begun):
            return
        seconds = self.space.now() - begun
        if large or not all(
            parts.sound(self, part) for part in parts.written_since(self, seconds, inserted=True)
        ):
            raise IndexUnavailable(self.space.sentence())

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._drain()
            code = getattr(error, "code", None)
            # A bounded question may be broken off anywhere, for no fault of the data.
            if self.space is not None and (code or current() is None):
                self.space.suspect(str(error), code=code)
            if not isinstance(error, ClickHouseError | OSError | RuntimeError):
                raise
            if self.space is not None and self.space.anew:
                raise IndexUnavailable(ANEW) from error
            # The driver's text may quote the statement or its values: only the code and the place go on.
            raise IndexUnavailable(
                f"the index ({self!r}) failed while {doing} ({_why(error)}); see `innsyn doctor`"
            ) from error

    def _drain(self) -> None:
        """After a failure: the embedded engine keeps what it had of an answer, and would begin the next one with it."""
        client: Client | None = getattr(self._local, "client", None)
        if client is None or not self.embedded:
            return
        for _ in range(_DRAINS):
            with suppress(Exception):
                if client.query("SELECT 42").result_rows == [(42,)]:
                    return
        # A new handle for the next statement.
        self._local.client = None


def _die_of_faults() -> None:
    """Have a fault in any library end the process. The engine's own handlers hang it for ever instead, without a word
    and deaf to SIGTERM, so that nobody starts it again."""
    libc = ctypes.CDLL(None)
    for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT):
        # Not by Python's module: it lets the main thread alone do this, and the engine is opened by any.
        libc.signal(int(number), ctypes.c_void_p(int(signal.SIG_DFL)))


def _why(error: Exception) -> str:
    code = getattr(error, "code", None)
    if code:
        return _WORDS.get(code, f"error {code} of ClickHouse")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "no answer" if isinstance(error, OperationalError | OSError) else "an error without a code"

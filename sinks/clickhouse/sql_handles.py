"""A way to the engine of its own for one query over SQL: no setting and no session that another statement has."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from schemas.errors import IndexUnavailable
from sinks.clickhouse.sql_limits import Settings, quoted
from sinks.ports.sql import SqlError

_ERROR = re.compile(
    r"(?:Code: \d+\. DB::Exception: )*Code: (\d+)\. (?:DB::Exception: )?(.*?)(?:\s\((\w+)\))?(?:\s\(version .*\))?\s*",
    re.S,
)
# The engine quotes what it was asked, which is what the guard asked it, in hexadecimal digits.
_OURS = re.compile(
    r":? ?(?:In scope|while executing|While processing) .*formatQuerySingleLine\(.*", re.S | re.I
)
_CONNECT_SECONDS = 5.0
# What a server may take beyond the seconds that a query has, to say so.
_GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Result:
    """`rows`: of the answer; `read_rows` and `read_bytes`: of tables."""

    body: bytes
    rows: int
    read_rows: int
    read_bytes: int
    seconds: float

    def lines(self) -> list[Any]:
        """Of JSONCompactEachRow."""
        return [json.loads(line) for line in self.body.splitlines()]


class Handle(Protocol):
    """Runs statements that change nothing."""

    def run(self, sql: str, format: str, parameters: Mapping[str, str] | None = None) -> Result:
        """Raises SqlError for what the engine says, IndexUnavailable where it does not answer."""


@contextmanager
def embedded(path: str, settings: Settings) -> Iterator[Handle]:
    """A connection of the engine in this process, read-only before the first statement and for good."""
    # Imported here: a process that forks may not have loaded the engine before.
    import chdb

    connection = chdb.connect(path)
    try:
        said = ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())
        handle = _Embedded(connection, (chdb.ChdbError, RuntimeError))
        # In one statement: what is set is read-only with it.
        handle.run(f"SET {said}, readonly = 1", "Null")
        yield handle
    finally:
        connection.close()


class _Embedded:
    def __init__(self, connection: Any, errors: tuple[type[Exception], ...]) -> None:
        """`errors`: that the engine raises."""
        self._connection, self._errors = connection, errors

    def run(self, sql: str, format: str, parameters: Mapping[str, str] | None = None) -> Result:
        begun = time.monotonic()
        try:
            found = self._connection.query(sql, format, params=dict(parameters or {}))
        except self._errors as error:
            raise sql_error(str(error)) from None
        return Result(
            body=bytes(found.bytes()),
            rows=found.rows_read(),
            read_rows=found.storage_rows_read(),
            read_bytes=found.storage_bytes_read(),
            seconds=time.monotonic() - begun,
        )


@contextmanager
def server(url: str, database: str, login: tuple[str, str], settings: Settings) -> Iterator[Handle]:
    """Requests to a ClickHouse server, read-only each."""
    limit = float(settings["max_execution_time"]) + _GRACE_SECONDS
    with httpx.Client(timeout=httpx.Timeout(limit, connect=_CONNECT_SECONDS), trust_env=False) as http:
        said = {
            "database": database,
            **settings,
            "readonly": "1",
            "log_queries": "0",
            "wait_end_of_query": "1",
        }
        yield _Server(http, url, login, said)


class _Server:
    def __init__(self, http: httpx.Client, url: str, login: tuple[str, str], said: Mapping[str, str]) -> None:
        self._http, self._url, self._said = http, url, said
        self._headers = {"X-ClickHouse-User": login[0], "X-ClickHouse-Key": login[1]}

    def run(self, sql: str, format: str, parameters: Mapping[str, str] | None = None) -> Result:
        begun = time.monotonic()
        named = {f"param_{name}": value for name, value in (parameters or {}).items()}
        asked = {**self._said, **named, "default_format": format}
        try:
            answer = self._http.post(self._url, params=asked, content=sql.encode(), headers=self._headers)
        except httpx.HTTPError as error:
            raise IndexUnavailable(
                f"the index did not answer a query ({type(error).__name__}); see `innsyn doctor`"
            ) from None
        if not answer.is_success:
            raise sql_error(answer.text)
        summary = json.loads(answer.headers.get("X-ClickHouse-Summary", "{}"))
        return Result(
            body=answer.content,
            rows=int(summary.get("result_rows", 0)),
            read_rows=int(summary.get("read_rows", 0)),
            read_bytes=int(summary.get("read_bytes", 0)),
            seconds=time.monotonic() - begun,
        )


def sql_error(text: str) -> SqlError:
    """What the engine said, of which the first code counts."""
    found = _ERROR.fullmatch(text.strip())
    if found is None:
        return SqlError(1001, "STD_EXCEPTION", "the query failed without a reason")
    return SqlError(int(found[1]), found[3] or "", _OURS.sub("", found[2]).strip())

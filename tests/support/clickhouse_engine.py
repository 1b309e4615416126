"""The chdb engine behind the test server: sessions, settings for one query, inserts from request bodies."""

import json
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

import chdb

from tests.support.time_bounds import HANGING_SECONDS

_GAP = rb"(?:\s|--[^\n]*\n|#[^\n]*\n|/\*.*?\*/)*"
_KEYWORD = re.compile(_GAP + rb"\(*\s*([A-Za-z]+)", re.DOTALL)
_NAME = rb"(?:\w+|`[^`]*`|\"[^\"]*\")"
_COLUMNS = rb"\((?:[^()`\"]|`[^`]*`|\"[^\"]*\")*\)"
_INSERT_DATA = re.compile(
    _GAP + rb"(?P<head>INSERT\s+INTO\s+(?:TABLE\s+)?" + _NAME + rb"(?:\s*\.\s*" + _NAME + rb")?\s*"
    rb"(?:" + _COLUMNS + rb")?)\s*(?P<settings>\bSETTINGS\s[^;]*?)?\s*\bFORMAT\s+(?P<format>\w+)[ \t\r]*\n?",
    re.DOTALL | re.IGNORECASE,
)
_FORMAT = re.compile(rb"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_ERROR = re.compile(r"Code: (\d+)\. DB::Exception: (.*)", re.DOTALL)
_READING = frozenset({b"SELECT", b"WITH", b"SHOW", b"DESCRIBE", b"DESC", b"EXISTS", b"EXPLAIN", b"CHECK"})

FaultKind = Literal["disconnect", "http500_after_write"]


class ServerError(Exception):
    """An error as the server words it: `Code: N. DB::Exception: text. (NAME)`."""

    def __init__(self, code: int, name: str, text: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}" + (f". ({name})" if name else ""))
        self.code = code


@dataclass(frozen=True)
class Request:
    """One query with what the transport adds to it; `sql` holds the data of an insert as well."""

    sql: bytes
    parameters: Mapping[str, str]
    settings: Mapping[str, str]
    database: str
    default_format: str
    session_id: str
    session_timeout: float
    session_check: bool
    read_only: bool


@dataclass(frozen=True)
class Answer:
    """`format` is empty for a statement without a result."""

    body: bytes
    format: str
    summary: dict[str, str]
    is_insert: bool


@dataclass
class _Session:
    handle: Any
    lock: threading.Lock = field(default_factory=threading.Lock)
    database: str = "default"
    own_settings: list[bytes] = field(default_factory=list)
    expires: float = 0.0


class Faults:
    """Counts successful inserts down to the one whose answer is lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = 0
        self._kind = ""

    def arm(self, after_inserts: int, kind: str) -> None:
        if after_inserts < 1 or kind not in get_args(FaultKind):
            raise ServerError(
                36, "BAD_ARGUMENTS", f"a fault needs after_inserts >= 1 and a kind of {get_args(FaultKind)}"
            )
        with self._lock:
            self._left, self._kind = after_inserts, kind

    def due(self) -> str:
        """The kind of fault that hits the insert just written, or an empty string."""
        with self._lock:
            self._left = max(self._left - 1, -1)
            return self._kind if self._left == 0 else ""


class Engine:
    """One chdb engine on `path`, used by many threads; a context manager.

    Each session has its own handle, a query without a session gets a fresh one, so that neither SET,
    USE nor temporary tables reach other clients. Errors: ServerError.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        # Held open so that the engine is not reloaded between queries without a session.
        self._root = chdb.connect(self._path)
        rows = self._root.query("SELECT name, value FROM system.settings WHERE changed", "JSONCompactEachRow")
        self._preset: dict[str, str] = dict(json.loads(row) for row in rows.bytes().splitlines())
        self.timezone: str = self._root.query("SELECT timezone()", "TabSeparated").bytes().decode().strip()
        self._sessions: dict[str, _Session] = {}
        self._idle = threading.Condition()
        self._running = 0
        self._scratch = tempfile.TemporaryDirectory(prefix="clickhouse-http-")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._idle:
            # The engine must not be torn down under a running query; new ones are refused.
            self._idle.wait_for(lambda: self._running == 0, timeout=HANGING_SECONDS)
            self._running = -1
            for session in self._sessions.values():
                session.handle.close()
        self._root.close()
        self._scratch.cleanup()

    def run(self, request: Request) -> Answer:
        """Run one query. Its settings and its database hold for this query only."""
        found = _KEYWORD.match(request.sql)
        keyword = found[1].upper() if found else b""
        if request.read_only and keyword not in _READING | {b"SET", b"USE"}:
            raise ServerError(
                164, "READONLY", "Cannot execute query in readonly mode, use POST to change data"
            )
        with self._session(request) as session:
            _query(session.handle, b"USE " + _quoted(request.database or session.database, "`"))
            try:
                _apply(session.handle, request.settings)
                answer = self._execute(session.handle, keyword, request)
                if keyword == b"SET":
                    session.own_settings.append(request.sql)
                elif keyword == b"USE":
                    name = _query(session.handle, b"SELECT currentDatabase()", "TabSeparatedRaw").bytes()
                    session.database = name.decode().rstrip("\n")
                return answer
            finally:
                # The handle of a request without a session is closed after it.
                if request.session_id:
                    self._restore(session, request.settings)

    def _execute(self, handle: Any, keyword: bytes, request: Request) -> Answer:
        insert = _INSERT_DATA.match(request.sql) if keyword == b"INSERT" else None
        if insert:
            result = self._insert(handle, insert, request)
        else:
            result = _query(handle, request.sql, request.default_format, request.parameters)
        body = bytes(result.bytes())
        explicit = None if keyword == b"INSERT" else _FORMAT.search(request.sql[-200:])
        shown = explicit[1].decode() if explicit else request.default_format
        summary = {
            "read_rows": result.storage_rows_read(),
            "read_bytes": result.storage_bytes_read(),
            "written_rows": result.rows_written(),
            "written_bytes": result.bytes_written(),
            "result_rows": result.rows_read(),
            "result_bytes": result.bytes_read(),
            "elapsed_ns": int(result.elapsed() * 1e9),
        }
        return Answer(
            body=body,
            format=shown if body or keyword in _READING else "",
            summary={name: str(value) for name, value in summary.items()},
            is_insert=keyword == b"INSERT",
        )

    def _insert(self, handle: Any, insert: re.Match[bytes], request: Request) -> Any:
        # chdb ends an inline query at the first byte that looks like a separator: binary data needs a file.
        with tempfile.NamedTemporaryFile(dir=self._scratch.name, suffix=".data") as file:
            file.write(memoryview(request.sql)[insert.end() :])
            file.flush()
            source = b" FROM INFILE " + _quoted(file.name, "'") + b" " + (insert["settings"] or b"")
            sql = insert["head"] + source + b" FORMAT " + insert["format"]
            return _query(handle, sql, "TabSeparated", request.parameters)

    @contextmanager
    def _session(self, request: Request) -> Iterator[_Session]:
        with self._idle:
            if self._running < 0:
                raise ServerError(236, "ABORTED", "the server is shutting down")
            session = self._find(request)
            self._running += 1
        try:
            yield session
        finally:
            session.expires = time.monotonic() + request.session_timeout
            session.lock.release()
            if not request.session_id:
                session.handle.close()
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def _find(self, request: Request) -> _Session:
        """The session of the request, locked."""
        for name, idle in list(self._sessions.items()):
            if not idle.lock.locked() and idle.expires < time.monotonic():
                self._sessions.pop(name).handle.close()
        session = self._sessions.get(request.session_id)
        if session is None:
            if request.session_check:
                raise ServerError(372, "SESSION_NOT_FOUND", "Session not found")
            session = _Session(chdb.connect(self._path))
            if request.session_id:
                self._sessions[request.session_id] = session
        if not session.lock.acquire(blocking=False):
            raise ServerError(373, "SESSION_IS_LOCKED", "Session is locked by a concurrent client")
        return session

    def _restore(self, session: _Session, settings: Mapping[str, str]) -> None:
        for name in settings:
            if name in self._preset:
                _apply(session.handle, {name: self._preset[name]})
            elif re.fullmatch(r"\w+", name):
                # An unknown name was refused when it was applied: there is nothing to take back.
                _ignore_unknown(session.handle, f"SET {name} = DEFAULT".encode())
        for statement in session.own_settings:
            _query(session.handle, statement)


def _apply(handle: Any, settings: Mapping[str, str]) -> None:
    for name in settings:
        if not re.fullmatch(r"\w+", name):
            raise ServerError(115, "UNKNOWN_SETTING", f"Unknown setting '{name}'")
    if settings:
        # Quoted values suit every type: the engine converts them.
        pairs = (name.encode() + b" = " + _quoted(value, "'") for name, value in settings.items())
        _query(handle, b"SET " + b", ".join(pairs))


def _ignore_unknown(handle: Any, sql: bytes) -> None:
    try:
        _query(handle, sql)
    except ServerError as error:
        if error.code != 115:
            raise


def _query(
    handle: Any, sql: bytes, fmt: str = "TabSeparated", parameters: Mapping[str, str] | None = None
) -> Any:
    try:
        return handle.query(sql, fmt, params=dict(parameters or {}))
    except (chdb.ChdbError, RuntimeError) as error:
        found = _ERROR.search(str(error))
        if not found:
            raise ServerError(1001, "STD_EXCEPTION", str(error)) from error
        raise ServerError(int(found[1]), "", found[2].strip()) from error


def _quoted(text: str, mark: str) -> bytes:
    escaped = text.replace("\\", "\\\\").replace(mark, "\\" + mark)
    return f"{mark}{escaped}{mark}".encode("utf-8", "surrogateescape")

"""Queries in SQL over the views of an index, for analysts: read-only, under limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from schemas.errors import InnsynError


class SqlError(InnsynError):
    """A query that is refused, or that failed. Args: ClickHouse's `code` and `name` of it, and what is told of it.

    The message may quote the query, so it goes to whoever sent that and nowhere else.
    """

    def __init__(self, code: int, name: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.name = name


@dataclass(frozen=True)
class SqlLimits:
    """Of one query: seconds, rows and bytes of its answer, bytes of memory."""

    seconds: float = 30.0
    rows: int = 1_000_000
    answer_bytes: int = 100_000_000
    memory_bytes: int = 1_000_000_000


DEFAULT_SQL_LIMITS = SqlLimits()


@dataclass(frozen=True)
class SqlQuery:
    """One statement. `format`: of the answer, where the text names none. `parameters`: of `{name:Type}`, each as
    ClickHouse's HTTP interface takes it (escaped as in a TabSeparated field). `settings`: what the client asks for
    beside; `database`: the one that names without a database are of, "" for that of the index."""

    text: str = field(repr=False)
    format: str = "TabSeparated"
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)
    database: str = ""


@dataclass(frozen=True)
class SqlSeen:
    """What is known of a query before it is run. Holds none of its values.

    `shape`: hash of its text with each literal taken out, 16 hex digits. `views`: those it reads. `tokens`: of people,
    that it names.
    """

    shape: str = ""
    views: tuple[str, ...] = ()
    tokens: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class SqlAnswer:
    """`body` in `format`. `rows`: of the answer; `read_rows` and `read_bytes`: of the tables."""

    body: bytes = field(repr=False)
    format: str
    rows: int
    read_rows: int
    read_bytes: int
    seconds: float


class SqlReader(Protocol):
    """Answers queries. Safe from several threads; each call is bounded by the patience of its thread.

    Never lets a query change anything, read anything but the views, or run beyond the limits.
    """

    def ask(self, query: SqlQuery, seen: list[SqlSeen]) -> SqlAnswer:
        """The answer. `seen` is told what the query is as soon as that is known, whether or not it is answered.

        Raises SqlError, IndexUnavailable, QuestionTooLong, QuestionAbandoned.
        """

    def grants(self, user: str, digest: str) -> Sequence[str]:
        """Statements that make a user of the server who reads the views alone. `digest`: SHA-256 of the password, in
        hexadecimal digits. Raises InputError where the index is no server's, IndexUnavailable."""

    def views(self) -> Sequence[str]:
        """Names of the views that can be asked about. Raises IndexUnavailable."""

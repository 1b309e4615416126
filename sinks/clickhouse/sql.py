"""Queries in SQL over the views of an index on ClickHouse. Contract: `sinks.ports.sql.SqlReader`."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from functools import partial

from schemas.errors import InputError, QuestionTooLong
from schemas.patience import current
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.sql_guard import FORMATS, Allowed, Offered, examine
from sinks.clickhouse.sql_handles import Handle, Result
from sinks.clickhouse.sql_limits import Settings, check_size, settings_of, system_rows
from sinks.clickhouse.sql_user import user_statements
from sinks.ports.sql import SqlAnswer, SqlError, SqlLimits, SqlQuery, SqlSeen

_TOKEN = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{32}(?![0-9A-Fa-f])")
_MOST_TOKENS = 1_000
_TIMEOUT_EXCEEDED, _CANCELLED = 159, 394


class ClickHouseSql:
    """A `SqlReader` on ClickHouse. `index`: one that refuses to be read while rows are lost."""

    def __init__(self, index: ClickHouse, limits: SqlLimits) -> None:
        self._index = index
        self._limits = limits

    def views(self) -> Sequence[str]:
        return sorted(self._offered().views)

    def grants(self, user: str, digest: str) -> Sequence[str]:
        owner = self._index.user
        if owner is None:
            raise InputError("an embedded index has no users; set INNSYN_CLICKHOUSE_URL to a server")
        offered = self._offered()
        views = sorted(offered.views)
        return user_statements(
            user, digest, owner, offered.database, views, self._limits, self._index.cluster
        )

    def ask(self, query: SqlQuery, seen: list[SqlSeen]) -> SqlAnswer:
        offered = self._offered()
        if query.format not in FORMATS:
            raise SqlError(73, "UNKNOWN_FORMAT", f"the format {query.format} is not offered here")
        if query.database not in ("", offered.database):
            raise SqlError(81, "UNKNOWN_DATABASE", f"the only database here is {offered.database}")
        settings = self._settings(query, offered)
        with self._index.apart(settings) as handle:
            try:
                text, shape = _one_statement(handle, query.text)
                seen.append(SqlSeen(shape, (), _tokens(text, query.parameters)))
                tree = handle.run(f"EXPLAIN AST {text}", "JSONCompactEachRow", query.parameters).lines()
                allowed = examine(text, [str(line[0]) for line in tree], offered)
                seen[:] = [SqlSeen(shape, allowed.views, seen[0].tokens)]
                answer = self._run(handle, text, query, allowed)
                check_size(answer.rows, len(answer.body), settings)
                return answer
            except SqlError as error:
                if error.code in (_TIMEOUT_EXCEEDED, _CANCELLED):
                    raise self._ended() from None
                raise

    def _run(self, handle: Handle, text: str, query: SqlQuery, allowed: Allowed) -> SqlAnswer:
        mark = uuid.uuid4().hex
        format = allowed.format or query.format
        run = partial(handle.run, f"{text} /* {mark} */", format, query.parameters)
        patience = current()
        if patience is None:
            found: Result = run()
        else:
            with patience.running(partial(self._index.kill, mark)):
                found = run()
        return SqlAnswer(found.body, format, found.rows, found.read_rows, found.read_bytes, found.seconds)

    def _settings(self, query: SqlQuery, offered: Offered) -> Settings:
        patience = current()
        left = self._limits.seconds if patience is None else patience.seconds()
        rows = {"additional_table_filters": system_rows(sorted(offered.views))}
        return {**settings_of(self._limits, query.settings, left), **rows}

    def _ended(self) -> QuestionTooLong:
        return QuestionTooLong(
            f"the query took longer than it may ({self._limits.seconds:g} s) and was ended; read less (a day, a topic,"
            " a token), or set INNSYN_SQL_SECONDS"
        )

    def _offered(self) -> Offered:
        ((database,),) = self._index.query("SELECT currentDatabase()")
        tables = self._index.query(
            "SELECT name, engine FROM system.tables WHERE database = currentDatabase()"
        )
        views = frozenset(str(name) for name, engine in tables if engine == "View" and name.startswith("v_"))
        databases = self._index.query("SELECT name FROM system.databases")
        functions = self._index.query("SELECT lower(name) FROM system.functions")
        return Offered(
            database=str(database),
            views=views,
            tables=frozenset(str(name) for name, _ in tables) - views,
            databases=frozenset(str(name) for (name,) in databases),
            functions=frozenset(str(name) for (name,) in functions),
        )


def _one_statement(handle: Handle, text: str) -> tuple[str, str]:
    """The query as the engine writes it, on one line and without comments, and the hash of its shape.

    Raises SqlError where it is none, or more than one.
    """
    # In hexadecimal digits, which need no quotes.
    given = f"unhex('{text.encode('utf-8', 'surrogateescape').hex()}')"
    ((line, shape),) = handle.run(
        f"SELECT formatQuerySingleLine({given}), lower(hex(normalizedQueryHash({given})))",
        "JSONCompactEachRow",
    ).lines()
    return str(line), str(shape)


def _tokens(text: str, parameters: Mapping[str, str]) -> tuple[bytes, ...]:
    """Tokens of people that are named, as the views show them."""
    found = {token.lower() for part in (text, *parameters.values()) for token in _TOKEN.findall(part)}
    return tuple(map(bytes.fromhex, sorted(found)[:_MOST_TOKENS]))

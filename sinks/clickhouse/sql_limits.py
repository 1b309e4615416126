"""Settings of a query over SQL: what every one runs under, and what a client may say beside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sinks.clickhouse.sql_guard import SYSTEM_TABLES
from sinks.ports.sql import SqlError, SqlLimits

# How an answer is written, and nothing that names a file. A view runs under these as well, so none may say what a
# JOIN, a cast or a UNION means.
_OF_THE_ANSWER = re.compile(
    r"output_format_(?:json|csv|tsv|pretty|native|arrow|parquet|orc|markdown|decimal|binary|values|xml)_\w+"
    r"|(?:date_time|bool_true|bool_false)_\w*(?:output_format|representation)|format_csv_delimiter|extremes"
    r"|session_timezone|use_client_time_zone"
)
# What clients say of their own accord, and what changes nothing of a query that only reads.
_OF_NO_MATTER = frozenset(
    {
        "readonly",
        "async_insert",
        "wait_for_async_insert",
        "log_comment",
        "max_insert_block_size",
        "input_format_null_as_default",
    }
)
# What a client may make smaller.
_BOUNDS = ("max_execution_time", "max_result_rows", "max_result_bytes", "max_memory_usage")
Settings = Mapping[str, str]


def settings_of(limits: SqlLimits, asked: Mapping[str, str], seconds: float) -> Settings:
    """What a query runs under, `readonly` apart. `asked`: by the client; `seconds`: that are left of its patience.

    Raises SqlError for what a client may not set.
    """
    sizes = (limits.rows, limits.answer_bytes, limits.memory_bytes)
    bounds = (_time(min(limits.seconds, seconds)), *map(str, sizes))
    made: dict[str, str] = {
        **dict(zip(_BOUNDS, bounds, strict=True)),
        # Never fewer rows than there are, without a word.
        "result_overflow_mode": "throw",
        # A query has one core; where the system lets a thread be given a lower rank, it has a lower one than the rest.
        "max_threads": "1",
        "os_threads_nice_value_query": "15",
        # Nothing of the index is written anywhere else to be sorted or grouped.
        "max_bytes_ratio_before_external_group_by": "0",
        "max_bytes_ratio_before_external_sort": "0",
        "max_bytes_before_external_group_by": "0",
        "max_bytes_before_external_sort": "0",
        "max_query_size": "262144",
        "max_ast_elements": "20000",
        "function_range_max_elements_in_block": "10000000",
        "allow_introspection_functions": "0",
        "session_timezone": "UTC",
        "do_not_merge_across_partitions_select_final": "1",
    }  # fmt: skip
    for name, value in asked.items():
        if name in _BOUNDS:
            made[name] = _smaller(name, value, made[name])
        elif _OF_THE_ANSWER.fullmatch(name):
            made[name] = value
        elif name not in _OF_NO_MATTER:
            raise SqlError(164, "READONLY", f"Cannot modify '{name}' setting in readonly mode")
    return made


def check_size(rows: int, size: int, settings: Settings) -> None:
    """The engine does not look at answers that no table is read for. Raises SqlError."""
    for found, name, what in ((rows, "max_result_rows", "rows"), (size, "max_result_bytes", "bytes")):
        if found > int(settings[name]):
            raise SqlError(
                396,
                "TOO_MANY_ROWS_OR_BYTES",
                f"Limit for result exceeded, max {what}: {settings[name]}, current {what}: {found}",
            )


def system_rows(views: Sequence[str]) -> str:
    """Value of `additional_table_filters`: of the system's tables, rows about the views and no others."""
    listed = ", ".join(map(quoted, views)) or "''"
    shown = f"match(name, {quoted(f'^(?:{_OF_THE_ANSWER.pattern})$')})"
    harmless = f"{shown} OR name IN ('readonly', {', '.join(map(quoted, _BOUNDS))})"
    rows = {
        "databases": "name = currentDatabase()",
        "tables": f"database = currentDatabase() AND name IN ({listed})",
        "columns": f"database = currentDatabase() AND table IN ({listed})",
        "settings": harmless,
    }
    assert rows.keys() <= SYSTEM_TABLES
    pairs = (f"{quoted('system.' + name)}: {quoted(where)}" for name, where in rows.items())
    return "{" + ", ".join(pairs) + "}"


def quoted(text: str) -> str:
    """A literal of SQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _smaller(name: str, asked: str, most: str) -> str:
    """What is asked where it is less. 0 stands for no limit."""
    try:
        value = float(asked)
    except ValueError:
        raise SqlError(72, "CANNOT_PARSE_NUMBER", f"{name} takes a number") from None
    if not 0 < value < float(most):
        return most
    return _time(value) if name == "max_execution_time" else str(max(1, int(value)))


def _time(seconds: float) -> str:
    """At least a millisecond, since 0 stands for no limit."""
    return f"{max(seconds, 0.001):.3f}"

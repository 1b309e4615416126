"""Which statements of SQL may be run for an analyst: read from the tree that the engine's own parser makes of them.

Everything is refused that is not listed: statements, parts of statements, functions, tables, formats. The text of the
tree leaves out some names (of common table expressions, for one), so a name is refused wherever it stands if it could
be that of a table or function that is not offered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sinks.ports.sql import SqlError

# Of these what is needed to find out what there is; the rows of the first three are of the views alone.
SYSTEM_TABLES = frozenset(
    {
        *("databases", "tables", "columns"),
        *("settings", "functions", "table_functions", "formats", "data_type_families", "table_engines"),
        *("one", "time_zones", "keywords"),
    }
)
FORMATS = frozenset(
    {
        "Arrow", "ArrowStream", "CSV", "CSVWithNames", "CSVWithNamesAndTypes", "JSON", "JSONColumns",
        "JSONColumnsWithMetadata", "JSONCompact", "JSONCompactColumns", "JSONCompactEachRow",
        "JSONCompactEachRowWithNames", "JSONCompactEachRowWithNamesAndTypes", "JSONCompactStrings",
        "JSONCompactStringsEachRow", "JSONCompactStringsEachRowWithNames",
        "JSONCompactStringsEachRowWithNamesAndTypes", "JSONEachRow", "JSONEachRowWithProgress", "JSONLines",
        "JSONObjectEachRow", "JSONStrings", "JSONStringsEachRow", "LineAsString", "Markdown", "MsgPack",
        "NDJSON", "Native", "Null", "ORC", "Parquet", "Pretty", "PrettyCompact", "PrettyCompactMonoBlock",
        "PrettyCompactNoEscapes", "PrettyMonoBlock", "PrettyNoEscapes", "PrettySpace", "RawBLOB", "RowBinary",
        "RowBinaryWithNames", "RowBinaryWithNamesAndTypes", "TSKV", "TSV", "TSVRaw", "TSVRawWithNames",
        "TSVRawWithNamesAndTypes", "TSVWithNames", "TSVWithNamesAndTypes", "TabSeparated", "TabSeparatedRaw",
        "TabSeparatedRawWithNames", "TabSeparatedRawWithNamesAndTypes", "TabSeparatedWithNames",
        "TabSeparatedWithNamesAndTypes", "Values", "Vertical", "XML",
    }
)  # fmt: skip
_PARTS = frozenset(
    {
        "ArrayJoin", "Asterisk", "ColumnsExceptTransformer", "ColumnsListMatcher", "ColumnsRegexpMatcher",
        "ColumnsReplaceTransformer", "ColumnsReplaceTransformer::Replacement", "ColumnsTransformerList",
        "ExpressionList", "Function", "Identifier", "InterpolateElement", "Literal", "OrderByElement",
        "QualifiedAsterisk", "QualifiedColumnsListMatcher", "QualifiedColumnsRegexpMatcher", "SampleRatio",
        "SelectIntersectExceptQuery", "SelectQuery", "SelectWithUnionQuery", "Subquery", "TableExpression",
        "TableIdentifier", "TableJoin", "TablesInSelectQuery", "TablesInSelectQueryElement", "WindowDefinition",
        "WindowListElement", "WithElement",
    }
)  # fmt: skip
_SELECT = "SelectWithUnionQuery"
_EXPLAINS = frozenset({"EXPLAIN", "EXPLAIN SYNTAX", "EXPLAIN PIPELINE", "EXPLAIN ESTIMATE"})
_ABOUT_TABLES = frozenset(
    {"DescribeQuery", "ExistsTableQuery", "ExistsViewQuery", "ShowCreateTableQuery", "ShowCreateViewQuery"}
)
_NAME = r"(?:`[\w.]+`|\w+)"
_TEXT = r"'(?:[^'\\]|\\.)*'"
# Their tree says nothing of what they show.
_SHOW = re.compile(
    rf"SHOW (?:FULL )?(?:DATABASES|TABLES)(?: FROM {_NAME})?(?: (?:NOT )?I?LIKE {_TEXT})?(?: LIMIT \d+)?"
    r"(?: FORMAT (\w+))?"
)
# Behind the name of an aggregate function.
_COMBINATOR = re.compile(r"(?:If|Array|Map|Distinct|OrDefault|OrNull|Resample|ForEach|ArgMin|ArgMax)$")
# A column of the engine's own tables; the function of that name says the database.
_COLUMNS = frozenset({"database"})
_CHILDREN = re.compile(r" \(children \d+\)$")


@dataclass(frozen=True)
class Offered:
    """What there is: the database and its views, that database's other tables, every database, and every function that
    the engine knows, in small letters."""

    database: str
    views: frozenset[str]
    tables: frozenset[str]
    databases: frozenset[str]
    functions: frozenset[str]


@dataclass(frozen=True)
class Allowed:
    """Of a query that may be run: the format it names ("": none), and the views it reads."""

    format: str
    views: tuple[str, ...]


@cache
def functions() -> frozenset[str]:
    """Functions that a query may call, in small letters."""
    lines = (Path(__file__).parent / "sql_functions.txt").read_text("utf-8").splitlines()
    return frozenset(name.lower() for line in lines if not line.startswith("#") for name in line.split())


def examine(text: str, tree: Sequence[str], offered: Offered) -> Allowed:
    """Whether a query may be run.

    `text`: as the engine writes it on one line, a single statement. `tree`: lines of EXPLAIN AST for that text. Raises
    SqlError that says what is refused.
    """
    nodes = list(_nodes(tree))
    if not nodes or [depth for depth, *_ in nodes].count(0) != 1 or nodes[0][0] != 0:
        raise _refused("this statement")
    _, kind, rest = nodes[0]
    if kind == "ShowTables":
        shown = _SHOW.fullmatch(text)
        if shown is None:
            raise _refused("this SHOW")
        return Allowed(_format(shown[1] or ""), ())
    if kind == "Explain" and rest in _EXPLAINS:
        # The format stands beside the query that is explained.
        named = _of_answer(nodes, 0)
        beside = {"Identifier"} if named else set()
        if {kind for depth, kind, _ in nodes if depth == 1} != {_SELECT} | beside:
            raise _refused(rest)
        _of_answer(nodes, 1)
        nodes = nodes[1:]
    elif kind == _SELECT:
        named, nodes = _of_answer(nodes, 0), nodes[1:]
    elif kind in _ABOUT_TABLES:
        named, nodes = _of_answer(nodes, 0, kind != "DescribeQuery"), nodes[1:]
    else:
        raise _refused(_said(kind))
    return Allowed(named, tuple(sorted(_read(nodes, offered))))


def _nodes(tree: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Depth, kind and the rest of each line."""
    for line in tree:
        kind, _, rest = _CHILDREN.sub("", line.strip(" ")).partition(" ")
        yield len(line) - len(line.lstrip(" ")), kind, rest.strip()


def _of_answer(nodes: Sequence[tuple[int, str, str]], root: int, tables: bool = False) -> str:
    """The format that is named beside the query. A file or settings that are named there are refused. `tables`: names
    of a table stand there too."""
    named = ""
    for depth, kind, rest in nodes:
        if depth != root + 1:
            continue
        if kind == "Literal":
            raise _refused("INTO OUTFILE")
        if kind == "Identifier" and not tables:
            named = _format(rest)
        elif kind == "Identifier" and rest in FORMATS:
            named = rest
    return named


def _read(nodes: Sequence[tuple[int, str, str]], offered: Offered) -> set[str]:
    """The views among the names. Raises SqlError where one node may not be there."""
    views: set[str] = set()
    before = ""
    for _, kind, rest in nodes:
        if kind not in _PARTS:
            raise _refused(_said(kind))
        # The engine takes an alias for the table whose rows it limits (`additional_table_filters`).
        if "(alias system." in rest:
            raise _refused("an alias that begins with system.")
        # What follows is the alias, which may hold anything.
        name = rest.partition(" (")[0]
        if kind == "Function" and before == "TableExpression":
            if name not in offered.views:
                raise _refused(f"the table function {name}")
            views.add(name)
        elif kind == "Function" and name not in offered.views:
            _check_function(name)
        elif kind in ("Identifier", "TableIdentifier"):
            views |= _check_name(name, offered)
        before = kind
    return views


def _check_function(name: str) -> None:
    base, known = name, functions()
    while base.lower() not in known:
        shorter = _COMBINATOR.sub("", base)
        if shorter == base:
            raise SqlError(
                497,
                "ACCESS_DENIED",
                f"the function {name} is not offered here; docs/queries.md says which are",
            )
        base = shorter


def _check_name(name: str, offered: Offered) -> set[str]:
    """The view that is named, if one is. Raises SqlError for what could be another table, or a function."""
    if name in offered.views:
        return {name}
    if name in offered.tables:
        raise _unknown(name, offered)
    first, _, others = name.partition(".")
    if others and first in offered.databases:
        table = others.partition(".")[0]
        if first == offered.database and table in offered.views:
            return {table}
        if first != "system" or table not in SYSTEM_TABLES:
            raise _unknown(name, offered)
    if not others and name.lower() in offered.functions - functions() - _COLUMNS:
        # A function can be handed over by its name alone, as in arrayMap(file, ...).
        raise SqlError(
            497,
            "ACCESS_DENIED",
            f"{name} is a function that is not offered here; give columns and aliases other names",
        )
    return set()


def _format(name: str) -> str:
    if name and name not in FORMATS:
        raise SqlError(73, "UNKNOWN_FORMAT", f"the format {name} is not offered here")
    return name


def _said(kind: str) -> str:
    """A kind of node in words of SQL, for the statements that are met most."""
    known = {
        "Set": "SET and SETTINGS", "InsertQuery": "INSERT", "CreateQuery": "CREATE", "DropQuery": "DROP and TRUNCATE",
        "AlterQuery": "ALTER", "UseQuery": "USE", "KillQueryQuery": "KILL", "ColumnsApplyTransformer": "APPLY",
    }  # fmt: skip
    return known.get(kind, f"this statement ({kind})" if kind.isidentifier() else "this statement")


def _refused(what: str) -> SqlError:
    return SqlError(164, "READONLY", f"{what} is refused here: queries read the views, and change nothing")


def _unknown(name: str, offered: Offered) -> SqlError:
    there = ", ".join(sorted(offered.views))
    return SqlError(60, "UNKNOWN_TABLE", f"{name} cannot be read here, only these views: {there}")

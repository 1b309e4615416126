"""Queries in SQL over the views, on the embedded engine and over HTTP: read-only, bounded, and known for the record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.errors import InputError, QuestionTooLong
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.sql import ClickHouseSql
from sinks.clickhouse.sql_guard import FORMATS, functions
from sinks.ports.sql import SqlError, SqlLimits, SqlQuery, SqlSeen
from tests.support.index import tables
from tests.support.sql import ROWS, filled

LIMITS = SqlLimits(seconds=20, rows=1_000)


@pytest.fixture(scope="module")
def reader(sql_engine: ClickHouse) -> ClickHouseSql:
    return ClickHouseSql(filled(sql_engine), LIMITS)


def ask(reader: ClickHouseSql, text: str, **other: Any) -> list[Any]:
    """Rows of the answer."""
    found = reader.ask(SqlQuery(text, "JSONCompactEachRow", **other), [])
    return [json.loads(line) for line in found.body.splitlines()]


def refusal(reader: ClickHouseSql, text: str, **other: Any) -> int:
    """The code with which it is refused."""
    with pytest.raises(SqlError) as raised:
        reader.ask(SqlQuery(text, **other), [])
    return raised.value.code


def test_every_view_answers(reader: ClickHouseSql) -> None:
    views = reader.views()
    assert {"v_lineage", "v_daily", "v_audit"} <= {*views}
    for view in views:
        assert ask(reader, f"SELECT toUInt8(count()) FROM {view}")[0][0] <= ROWS
    text = "SELECT system, toUInt8(count()) FROM v_lineage GROUP BY system ORDER BY system"
    assert ask(reader, text) == [["crm", ROWS // 2], ["web", ROWS // 2]]


def test_usual_sql_is_answered(reader: ClickHouseSql) -> None:
    """Common table expressions, joins, windows, aggregates with combinators, set operations, lambdas."""
    text = """
    WITH kinds AS (SELECT system, topic FROM v_lineage GROUP BY ALL)
    SELECT k.system, countIf(l.offset > 3)::UInt8 AS n, row_number() OVER (ORDER BY k.system)::UInt8 AS place,
        arrayMap(x -> upper(x), [k.topic]) AS topics, CASE k.system WHEN 'crm' THEN 1 ELSE 2 END AS which
    FROM v_lineage AS l INNER JOIN kinds AS k USING (system)
    WHERE l.token IN (SELECT token FROM v_subject_summary) AND NOT l.held_only
    GROUP BY k.system, k.topic HAVING n > 0 ORDER BY 1 LIMIT 5  -- a comment
    """
    assert ask(reader, text) == [["crm", 4, 1, ["CRM.CUSTOMERS"], 1], ["web", 4, 2, ["WEB.VISITS"], 2]]
    assert ask(reader, "SELECT 1 UNION ALL SELECT 2 EXCEPT SELECT 2") == [[1]]


def test_parameters_are_bound(reader: ClickHouseSql) -> None:
    """Of every type, a table among them; what they name is looked at like the rest."""
    text = (
        "SELECT toUInt8(count()) FROM {t:Identifier} WHERE system = {s:String} AND offset IN {o:Array(Int64)}"
    )
    given = {"t": "v_lineage", "s": "crm", "o": "[1,3,4]"}
    assert ask(reader, text, parameters=given) == [[2]]
    assert ask(reader, text, parameters={**given, "s": "x' OR 1 --"}) == [[0]]
    assert refusal(reader, text, parameters={**given, "t": "lineage"}) == 60


def test_only_the_views_are_shown_to_be_there(reader: ClickHouseSql) -> None:
    """Whatever clients ask to find out what there is."""
    views = [[view] for view in reader.views()]
    assert ask(reader, "SHOW TABLES") == views
    assert ask(reader, "SELECT name FROM system.tables ORDER BY name") == views
    assert ask(reader, "SELECT DISTINCT t.table FROM system.columns AS t ORDER BY 1") == views
    assert len(ask(reader, "SHOW DATABASES")) == len(ask(reader, "SELECT * FROM system.databases")) == 1
    assert ask(reader, "DESCRIBE TABLE v_daily")[0][:2] == ["day", "Date"]
    assert ask(reader, "EXISTS TABLE v_daily") == [[1]]
    assert ask(reader, "SELECT DISTINCT database = currentDatabase() FROM system.columns") == [[1]]


def test_a_query_is_known_for_the_record_by_its_shape(reader: ClickHouseSql) -> None:
    """Literals make no difference; tokens of people are told apart from them; a refused one is known too."""
    token = "0123456789abcdef0123456789ABCDEF"
    seen: list[list[SqlSeen]] = [[], [], []]
    for told, value in zip(seen, (token, "nobody@example.no"), strict=False):
        reader.ask(SqlQuery(f"SELECT * FROM v_lineage WHERE token = '{value}'"), told)
    with pytest.raises(SqlError):
        reader.ask(SqlQuery("SELECT 1 FROM lineage"), seen[2])
    ((first,), (second,), (third,)) = seen
    assert first.shape == second.shape != third.shape
    assert len(first.shape) == 16
    assert (first.views, third.views) == (("v_lineage",), ())
    assert (first.tokens, second.tokens) == ((bytes.fromhex(token),), ())


def test_a_server_is_told_to_make_a_user_who_reads_the_views_alone(
    reader: ClickHouseSql, sql_engine: ClickHouse
) -> None:
    """Each statement is one of the engine's own language; an embedded index has no users."""
    if sql_engine.embedded:
        with pytest.raises(InputError, match="INNSYN_CLICKHOUSE_URL"):
            reader.grants("analyst", "ab" * 32)
        return
    made = reader.grants("ana`lyst", "ab" * 32)
    for statement in made:
        ((text,),) = sql_engine.query("SELECT formatQuerySingleLine({s:String})", {"s": statement})
        assert "\n" not in text
    granted = [statement for statement in made if statement.startswith("GRANT")]
    assert len(granted) == len(reader.views())
    assert all(" SELECT ON `default`.`v_" in statement for statement in granted)
    assert "readonly = '1'" in made[0]


def test_what_takes_too_long_is_ended(sql_engine: ClickHouse) -> None:
    reader = ClickHouseSql(filled(sql_engine), SqlLimits(seconds=0.5))
    many = ", ".join(f"v_lineage AS t{number}" for number in range(8))
    with pytest.raises(QuestionTooLong, match="INNSYN_SQL_SECONDS"):
        reader.ask(SqlQuery(f"SELECT count() FROM {many} WHERE t1.token != t2.system"), [])


def test_a_client_makes_limits_smaller_and_not_larger(reader: ClickHouseSql) -> None:
    text = "SELECT arrayJoin(range(1500))"
    assert refusal(reader, text) == 396
    assert refusal(reader, text, settings={"max_result_rows": "1000000"}) == 396
    assert refusal(reader, text, settings={"max_result_rows": "0"}) == 396
    assert refusal(reader, "SELECT arrayJoin(range(20))", settings={"max_result_rows": "10"}) == 396
    assert refusal(reader, "SELECT 1", settings={"max_threads": "8"}) == 164
    assert ask(reader, "SELECT 1", settings={"readonly": "2", "output_format_json_quote_64bit_integers": "1"})


def test_each_format_is_known_to_the_engine(reader: ClickHouseSql) -> None:
    for name in sorted(FORMATS):
        assert reader.ask(SqlQuery(f"SELECT 1 AS a FORMAT {name}"), []).format == name


def test_what_may_be_called_is_there_and_has_no_namesake(sql_engine: ClickHouse) -> None:
    """Names are compared in small letters: no function that is left out differs from one that is listed in that alone.
    No view has a column that is named as one which is left out."""
    named = {str(name) for (name,) in sql_engine.query("SELECT name FROM system.functions")}
    small = {name.lower() for name in named}
    assert functions() <= small | {"lambda", "exists", "grouping"}
    filled(sql_engine)
    columns = sql_engine.query(
        "SELECT DISTINCT lower(name) FROM system.columns"
        " WHERE database = currentDatabase() AND table IN {t:Array(String)}",
        {"t": tables(sql_engine, "%View")},
    )
    assert not {str(name) for (name,) in columns} & (small - functions())

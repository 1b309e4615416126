"""Whoever has the token of the SQL endpoint tries to write, to read files or secrets, or to run without limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sinks.ports.sql import SqlLimits
from tests.support.sql import ROWS, TOKEN, USER, Endpoint, endpoint

SECRET = "what-nobody-may-read"
LIMITS = SqlLimits(seconds=3, rows=10_000, answer_bytes=2_000_000, memory_bytes=200_000_000)
WRITES = (
    "INSERT INTO lineage SELECT * FROM lineage",
    "INSERT INTO v_lineage VALUES (1)",
    "INSERT INTO FUNCTION file('{file}.new', 'TSV', 'a String') SELECT 'x'",
    "CREATE TABLE mine (a String) ENGINE = Memory",
    "CREATE TEMPORARY TABLE mine (a String)",
    "CREATE FUNCTION mine AS x -> x",
    "CREATE USER mine",
    "CREATE DATABASE mine",
    "CREATE OR REPLACE VIEW v_lineage AS SELECT 1",
    "DROP TABLE lineage",
    "DROP VIEW v_lineage",
    "TRUNCATE TABLE lineage",
    "ALTER TABLE lineage DELETE WHERE 1",
    "ALTER TABLE lineage UPDATE topic = '' WHERE 1",
    "DELETE FROM lineage WHERE 1",
    "OPTIMIZE TABLE lineage FINAL",
    "RENAME TABLE lineage TO mine",
    "DETACH TABLE lineage",
    "SYSTEM SHUTDOWN",
    "SYSTEM STOP MERGES",
    "KILL QUERY WHERE 1",
    "SET readonly = 0",
    "USE system",
    "GRANT ALL ON *.* TO default",
    "BACKUP TABLE lineage TO File('{file}.new')",
    "SELECT 1; DROP TABLE lineage",
    "SELECT 1 PARALLEL WITH DROP TABLE lineage",
    "SELECT 1 INTO OUTFILE '{file}.new'",
    "DESCRIBE TABLE v_lineage INTO OUTFILE '{file}.new'",
    "SHOW TABLES INTO OUTFILE '{file}.new'",
    "EXPLAIN SELECT 1 INTO OUTFILE '{file}.new'",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT * FROM (SELECT 1 SETTINGS max_execution_time = 0)",
)
FILES = (
    "SELECT file('{file}')",
    "SELECT `file`('{file}')",
    "SELECT File('{file}')",
    "SELECT arrayMap(file, ['{file}'])",
    "WITH file AS f SELECT arrayMap(f, ['{file}'])",
    "SELECT arrayMap(x -> file(x), ['{file}'])",
    "SELECT * REPLACE (file('{file}') AS topic) FROM v_daily",
    "SELECT topic APPLY(file) FROM v_daily",
    "SELECT COLUMNS('topic') APPLY(x -> file(x)) FROM v_daily",
    "SELECT (SELECT file('{file}'))",
    "SELECT 1 UNION ALL SELECT length(file('{file}'))",
    "SELECT 1 ORDER BY file('{file}')",
    "SELECT 1 LIMIT length(file('{file}'))",
    "SELECT 1 WHERE file('{file}') = ''",
    "SELECT sum(length(file('{file}'))) OVER () FROM v_daily",
    "EXPLAIN SELECT file('{file}')",
    "EXPLAIN SYNTAX SELECT file('{file}')",
    "EXPLAIN AST SELECT 1",
    "DESCRIBE (SELECT file('{file}'))",
    "DESCRIBE TABLE file('{file}')",
    "SELECT * FROM file('{file}', 'LineAsString')",
    "SELECT * FROM v_daily WHERE topic IN (SELECT * FROM file('{file}', 'LineAsString'))",
    "SELECT * FROM url('{url}', 'LineAsString')",
    "SELECT * FROM s3('{url}')",
    "SELECT * FROM remote('127.0.0.1', 'default', 'lineage')",
    "SELECT * FROM mysql('127.0.0.1:3306', 'a', 'b', 'c', 'd')",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    "SELECT * FROM sqlite('{file}', 'a')",
    "SELECT formatRow('Template', 1)",
    "SELECT dictGet('a', 'b', 1)",
    "SELECT joinGet('lineage', 'topic', 1)",
    "SELECT catboostEvaluate('{file}', 1)",
    "SELECT 1 FORMAT Template",
    "SELECT 1 FORMAT CapnProto SETTINGS format_schema = '{file}'",
)
SECRETS = (
    "SELECT * FROM lineage",
    "SELECT * FROM default.lineage",
    "SELECT * FROM `default`.`identifiers`",
    "SELECT * FROM identifiers",
    "SELECT * FROM retained_claims",
    "SELECT * FROM request_events",
    "WITH lineage AS (SELECT 1) SELECT * FROM lineage",
    "WITH x AS (SELECT * FROM lineage) SELECT * FROM x",
    "SELECT 1 WHERE 1 IN lineage",
    "WITH lineage AS l SELECT 1 IN l",
    "SELECT * FROM v_lineage AS v, lineage AS l",
    "SELECT * FROM v_lineage AS v LEFT JOIN default.token_pairs AS l ON 1",
    "SELECT (SELECT count() FROM lineage)",
    "SELECT EXISTS(SELECT 1 FROM lineage)",
    "SELECT * FROM merge('default', '.*')",
    "SELECT * FROM view(SELECT * FROM lineage)",
    "SELECT * FROM loop(lineage)",
    "SELECT * FROM mergeTreeIndex('default', 'lineage')",
    "SELECT * FROM numbers(10)",
    "SELECT * FROM system.processes",
    "SELECT * FROM system.query_log",
    "SELECT * FROM system.users",
    "SELECT * FROM system.server_settings",
    "SELECT * FROM system.disks",
    "SELECT * FROM system.parts",
    "SELECT * FROM system.macros",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM INFORMATION_SCHEMA.COLUMNS",
    "SHOW CREATE TABLE lineage",
    "SHOW PROCESSLIST",
    "SHOW GRANTS",
    "SHOW SETTINGS LIKE '%'",
    "SHOW CLUSTERS",
    "SHOW DICTIONARIES",
    "SHOW ACCESS",
    "EXISTS TABLE lineage",
    "DESCRIBE TABLE lineage",
    "EXPLAIN SELECT * FROM lineage",
    "CHECK TABLE lineage",
    "SELECT hostName()",
    "SELECT getServerSetting('path')",
    "SELECT getMacro('shard')",
    "SELECT serverUUID()",
    "SELECT filesystemAvailable()",
    "SELECT hasColumnInTable('default', 'lineage', 'token')",
    "SELECT getSetting('additional_table_filters')",
    "SELECT logTrace('x')",
    "SELECT addressToSymbol(1)",
)
ENDLESS = (
    "SELECT sleep(3)",
    "SELECT sleepEachRow(1) FROM v_lineage",
    "SELECT count() FROM system.numbers",
    "SELECT count() FROM numbers(1000000000000)",
    "SELECT * FROM generateRandom('a String')",
    "SELECT count() FROM {joined}",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r",
    "SELECT length(repeat('x', 1000000000))",
    "SELECT groupArray(a) FROM (SELECT arrayJoin(range(10000000)) AS a, repeat('x', 1000) AS b ORDER BY b)",
    "SELECT range(100000000)",
    "SELECT arrayJoin(range(20000))",
    "SELECT repeat('x', 300) FROM (SELECT arrayJoin(range(9000)))",
    "SELECT arrayFold((acc, x) -> acc + x, range(10000000), toInt64(0))",
    "SELECT " + "(" * 2_000 + "1" + ")" * 2_000,
    "SELECT 1" + " + 1" * 30_000,
    "SELECT '" + "x" * 300_000 + "'",
)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with endpoint(tmp_path_factory.mktemp("sql"), LIMITS) as found:
        yield found


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "secret"
    path.write_text(SECRET)
    return path


def attempt(there: Endpoint, file: Path, text: str) -> httpx.Response:
    joined = ", ".join(f"v_lineage AS t{number}" for number in range(9))
    for name, value in (("{file}", str(file)), ("{url}", there.address), ("{joined}", joined)):
        text = text.replace(name, value)
    return there.ask(text)


def assert_refused(answer: httpx.Response, codes: set[int]) -> None:
    assert answer.status_code >= 400, answer.text[:300]
    assert int(answer.headers["X-ClickHouse-Exception-Code"]) in codes, answer.text[:300]
    assert answer.text.startswith("Code: ")
    assert SECRET not in answer.text


@pytest.mark.parametrize("text", WRITES)
def test_nothing_is_written(there: Endpoint, file: Path, text: str) -> None:
    """Refused as changing something, or because it is no single statement."""
    assert_refused(attempt(there, file, text), {62, 164})
    assert not file.with_name("secret.new").exists()
    assert there.ask("SELECT count() FROM v_lineage").text == f"{ROWS}\n"


@pytest.mark.parametrize("text", FILES)
def test_no_file_and_no_address_is_read(there: Endpoint, file: Path, text: str) -> None:
    """Refused before the engine looks at it: a function of constants is worked out while a query is only planned."""
    assert_refused(attempt(there, file, text), {62, 73, 164, 497})


@pytest.mark.parametrize("text", SECRETS)
def test_nothing_but_the_views_is_read(there: Endpoint, file: Path, text: str) -> None:
    """Neither tables nor what the engine says of itself, whatever name stands for it."""
    assert_refused(attempt(there, file, text), {60, 62, 164, 497})


@pytest.mark.parametrize("text", ENDLESS, ids=lambda text: text[:60])
def test_nothing_runs_without_limit(there: Endpoint, file: Path, text: str) -> None:
    """By time, memory, rows and size of the answer, depth and length of the query."""
    answer = attempt(there, file, text)
    assert_refused(answer, {60, 62, 69, 131, 159, 164, 168, 241, 306, 396, 497})
    assert answer.elapsed.total_seconds() < LIMITS.seconds + 4
    assert there.ask("SELECT 1").text == "1\n"


@pytest.mark.parametrize(
    "given",
    [
        {"max_threads": "8"},
        {"allow_ddl": "1"},
        {"format_schema": "/x"},
        {"additional_table_filters": "{}"},
        # A view would run under them too, and say something else.
        {"join_use_nulls": "1"},
        {"cast_keep_nullable": "1"},
        {"union_default_mode": "DISTINCT"},
    ],
)
def test_what_a_client_sets_in_the_address_opens_nothing(there: Endpoint, given: dict[str, str]) -> None:
    assert_refused(there.ask("SELECT 1", **given), {164})


def test_what_a_client_says_of_limits_and_of_writing_is_no_matter(there: Endpoint) -> None:
    bounds = {
        "max_execution_time": "0",
        "max_result_rows": "999999999",
        "max_memory_usage": "0",
        "readonly": "0",
    }
    assert_refused(there.ask("SELECT arrayJoin(range(20000))", **bounds), {396})
    assert_refused(there.ask("DROP TABLE lineage", **bounds), {164})
    assert_refused(there.ask("SELECT 1", database="system"), {81})
    assert_refused(there.ask("SELECT {f:Identifier} FROM v_daily", param_f="default.lineage.token"), {60})


def test_a_limit_that_is_next_to_nothing_is_none_the_less_one(there: Endpoint) -> None:
    """What ClickHouse rounds to 0 would stand for no limit."""
    much = "SELECT length(groupArray(a)) FROM (SELECT arrayJoin(range(10000000)) AS a, toString(a) AS b ORDER BY b)"
    for given in ({"max_memory_usage": "0.5"}, {"max_execution_time": "1e-9"}):
        answer = there.ask(much, **given)
        assert_refused(answer, {159, 241})
        assert answer.elapsed.total_seconds() < LIMITS.seconds + 4


@pytest.mark.parametrize("alias", ["system.databases", "system.tables", "system.other"])
def test_no_alias_stands_for_another_table_of_the_system(there: Endpoint, alias: str) -> None:
    """The rows of these tables are limited by their name, for which the engine takes an alias as well."""
    assert_refused(there.ask(f"SELECT * FROM system.columns AS `{alias}`"), {164})


def test_what_is_not_utf_8_is_an_error_of_whoever_sent_it(there: Endpoint) -> None:
    for fields in ("query=SELECT+1&user=%ff&password=x", "query=%ff", "query=SELECT+1&default_format=%ff"):
        answer = httpx.get(f"{there.address}/?{fields}", auth=(USER, TOKEN), trust_env=False)
        assert_refused(answer, {62})


@pytest.mark.parametrize(
    "text", ["", " ", ";", "-- x", "\0", "SELECT '\0'", "SELECT 1\0; DROP TABLE lineage", "é" * 9]
)
def test_what_is_no_query_is_an_error_of_whoever_sent_it(there: Endpoint, text: str) -> None:
    answer = there.ask(text)
    assert answer.text.startswith("Code: ") or answer.text == "\\0\n"


def test_no_text_of_a_query_stands_on_record(there: Endpoint) -> None:
    """It may hold a value of somebody: who, when, which views and how many rows, and the hash of its shape."""
    there.ask("SELECT topic FROM v_lineage WHERE topic != 'kari@example.no' LIMIT 3")
    last = there.entries[-1]
    assert (last.action, last.views, last.size, last.status) == ("SQL", ("v_lineage",), 3, 200)
    assert last.caller.startswith("token ")
    assert len(last.shape) == 16
    assert "kari" not in repr(there.entries)

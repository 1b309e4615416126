"""How an index gets its shape: every kind of ClickHouse, any number of times, also after a crash."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest

from schemas.errors import IndexUnavailable, InputError
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate, migrations, pending
from tests.support.index import NOW, Row, drop_all, sql_index, tables, tags


@pytest.fixture
def blank(sql_engine: ClickHouse) -> ClickHouse:
    """A database without a table."""
    drop_all(sql_engine)
    return sql_engine


def shape(database: ClickHouse) -> list[tuple[object, ...]]:
    return database.query(
        "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY name"
    )


def test_a_dry_run_lists_and_changes_nothing(blank: ClickHouse) -> None:
    """`pending` names every file of a blank database, migrations before views, and makes no table."""
    waiting = [item.name for item in pending(blank)]
    assert waiting == [item.name for item in migrations()]
    assert waiting[0] == "migrations/0001_lineage"
    assert waiting[-1].startswith("views/")
    assert shape(blank) == []


def test_applying_twice_changes_nothing(blank: ClickHouse) -> None:
    """The second run has nothing to do; tables, rows and the record of what was applied stay."""
    assert migrate(blank, NOW) == migrations()
    sql_index(blank).write([Row(1, 0, tags())])
    before = [shape(blank), blank.query("SELECT * FROM schema_migrations ORDER BY name")]
    assert pending(blank) == []
    assert migrate(blank, NOW) == []
    assert [shape(blank), blank.query("SELECT * FROM schema_migrations ORDER BY name")] == before
    assert blank.query("SELECT count() FROM lineage") == [(1,)]


def test_a_changed_migration_is_refused(blank: ClickHouse) -> None:
    """Text that was applied may not change under its name: nothing is applied and the file is named."""
    migrate(blank, NOW)
    _record(blank, "migrations/0002_ingest")
    with pytest.raises(InputError, match="migrations/0002_ingest") as caught:
        pending(blank)
    assert "\n" not in str(caught.value)
    before = shape(blank)
    with pytest.raises(InputError, match="migrations/0002_ingest"):
        migrate(blank, NOW)
    assert shape(blank) == before


def test_a_changed_view_is_replaced(blank: ClickHouse) -> None:
    """A view holds no data, so its new text is applied in place."""
    migrate(blank, NOW)
    blank.command("CREATE OR REPLACE VIEW v_daily AS SELECT 1 AS old")
    _record(blank, "views/v_daily")
    assert [item.name for item in migrate(blank, NOW)] == ["views/v_daily"]
    assert blank.query("SELECT count() FROM v_daily WHERE events > 0") == [(0,)]
    assert pending(blank) == []


def _record(database: ClickHouse, name: str) -> None:
    """As if another text had been applied under the name."""
    database.command("DELETE FROM schema_migrations WHERE name = {name:String}", {"name": name}, erase=True)
    database.insert_rows(
        "schema_migrations", ("name", "checksum", "applied_at"), [(name, b"0123456789abcdef", NOW)]
    )


class Ending:
    """An index whose process ends before a step: a statement, or the note that a file was applied."""

    def __init__(self, index: ClickHouse, steps: int) -> None:
        self._index = index
        self._left = steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def command(self, sql: str) -> None:
        self._step()
        self._index.command(sql)

    def insert_rows(self, *given: Any) -> None:
        self._step()
        self._index.insert_rows(*given)

    def _step(self) -> None:
        if not self._left:
            raise IndexUnavailable("gone")
        self._left -= 1


def test_a_crash_between_two_statements_is_mended_by_the_next_run(blank: ClickHouse) -> None:
    """Broken off before every step there is, one after the other, and run again each time: the shape is the same."""
    migrate(blank, NOW)
    whole = shape(blank)
    drop_all(blank)
    broken = steps = 0
    while waiting := pending(blank):
        try:
            migrate(cast(ClickHouse, Ending(blank, steps)), NOW)
        except IndexUnavailable:
            broken += 1
            # A file that is done is not begun again: the next break is after the first statement of the next one.
            steps = steps + 1 if len(pending(blank)) == len(waiting) else 2
    assert broken == 1 + sum(len(item.statements) + 1 for item in migrations())
    assert shape(blank) == whole


def test_every_view_answers(blank: ClickHouse) -> None:
    """Each view can be read whole, on an empty index and on one with a row, and says in its file what it shows."""
    migrate(blank, NOW)
    views = [item.name.removeprefix("views/") for item in migrations() if item.view]
    assert sorted(views) == tables(blank, "View")
    for name in views:
        assert blank.query(f"SELECT * FROM {name}") == []
    sql_index(blank).write([Row(1, 0, tags())])
    for name in ("v_lineage", "v_daily", "v_subject_summary"):
        assert len(blank.query(f"SELECT * FROM {name}")) == 1


def test_a_cluster_gets_replicated_tables_on_every_node() -> None:
    """Each statement says ON CLUSTER; each table that stores rows has a Replicated engine, which copies an INSERT."""
    statements = [text for item in migrations("main") for text in item.statements]
    assert len(statements) == len([text for item in migrations() for text in item.statements])
    for text in statements:
        assert "$" not in text
        if text.startswith("INSERT INTO"):
            continue
        assert re.match(
            r"ALTER TABLE|DROP VIEW IF EXISTS|CREATE (OR REPLACE )?(TABLE|VIEW|MATERIALIZED VIEW)", text
        )
        assert " ON CLUSTER 'main'" in text
        if text.startswith("CREATE TABLE"):
            # A table of the engine Null stores none.
            assert re.search(r"ENGINE = (Replicated\w*MergeTree|Null$)", text)


def test_one_server_gets_plain_tables() -> None:
    """Without a cluster no statement names one, and the checksums are the same: the file is what counts."""
    for plain, clustered in zip(migrations(), migrations("main"), strict=True):
        assert (plain.name, plain.checksum) == (clustered.name, clustered.checksum)
        for text in plain.statements:
            assert "CLUSTER" not in text
            assert "Replicated" not in text


@pytest.mark.parametrize("name", ["a'; DROP TABLE lineage", "a b", "a\n"])
def test_a_cluster_name_cannot_carry_sql(name: str) -> None:
    """The name goes into the text of statements: anything but letters, digits, dash and underscore is refused."""
    with pytest.raises(InputError, match="INNSYN_CLICKHOUSE_CLUSTER"):
        migrations(name)

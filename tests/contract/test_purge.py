"""What the index forgot goes from the disk too, and it is said how far that is."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sinks.clickhouse import erase, expire
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.erase import ClickHouseEraser
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.purge import TABLES, ClickHousePurge
from sinks.ports.lineage import Span
from tests.support.index import NOW, Row, batch, sql_index, tags, token
from tests.support.time_bounds import HANGING_SECONDS

_QUICK = (
    "old_parts_lifetime = 0",
    "cleanup_delay_period = 1",
    "max_cleanup_delay_period = 1",
    "cleanup_delay_period_random_add = 0",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("purge")


@pytest.fixture(scope="module")
def database(folder: Path) -> Iterator[ClickHouse]:
    """An embedded index that removes old parts as soon as it may."""
    index = ClickHouse(f"chdb://{folder}/index")
    migrate(index, NOW)
    for table in TABLES:
        for setting in _QUICK:
            index.command(f"ALTER TABLE {table} MODIFY SETTING {setting}")
        # The first look of the engine at what it may remove comes half a minute after a table was opened under others.
        index.command(f"DETACH TABLE {table}")
        index.command(f"ATTACH TABLE {table}")
    yield index
    with suppress(Exception):
        index.close()


def bytes_of(folder: Path) -> bytes:
    """All that lies on the disk, also what is being removed."""
    found = b""
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):
            found += path.read_bytes() if path.is_file() else b""
    return found


def gone(purge: ClickHousePurge, at: datetime) -> bool:
    """Whether in the end nothing is left."""
    deadline = time.monotonic() + HANGING_SECONDS
    while time.monotonic() < deadline:
        if not (said := purge.left(at)):
            return True
        assert all(re.match(r"(\w+): ", line) for line in said)
        time.sleep(0.2)
    return False


def test_what_was_forgotten_is_gone_from_every_file(database: ClickHouse, folder: Path) -> None:
    """Rows, and the statements that deleted them, with the tokens; the neighbour's rows are where they were."""
    index, purge = sql_index(database), ClickHousePurge(database)
    mine, theirs = tags("C-06", topic="billing.invoices", system="billing"), tags()
    index.write([Row(1, 0, mine), Row(1, 1, mine), Row(2, 2, theirs)])
    database.command("ALTER TABLE lineage MODIFY COLUMN token CODEC(NONE)")
    ClickHouseEraser(database).forget([Span(token(1))], {mine.id: None})
    forgotten_at = datetime.now(UTC)
    before = purge.left(forgotten_at)
    assert any(line.startswith("lineage: ") for line in before)
    assert gone(purge, forgotten_at)
    left = bytes_of(folder)
    assert token(1) not in left
    assert token(1).hex().encode() not in left.lower()
    assert not database.query(
        "SELECT command FROM system.mutations WHERE database = currentDatabase()"
        f" AND table IN {TABLES} AND command NOT LIKE '%APPLY DELETED MASK%'"
    )
    assert index.reader.find([Span(token(2))]).total_events == 1


def test_rows_that_are_only_hidden_are_taken_out(database: ClickHouse) -> None:
    """As by a process that ended in between."""
    index, purge = sql_index(database), ClickHousePurge(database)
    mine = tags("C-06", topic="billing.invoices", system="billing")
    index.write([Row(3, 10, mine), Row(4, 11, mine)])
    database.command("DELETE FROM lineage WHERE offset = 10", erase=True)
    assert gone(purge, datetime.now(UTC))
    hidden = "SELECT count() FROM system.parts WHERE table = 'lineage' AND active AND has_lightweight_delete"
    assert database.query(hidden) == [(0,)]


def test_what_came_later_is_not_waited_for(database: ClickHouse) -> None:
    """Parts that are merged away all the time hold nothing of what was forgotten before they were made."""
    index, purge = sql_index(database), ClickHousePurge(database)
    earlier = datetime.now(UTC) - timedelta(hours=1)
    for offset in range(20, 23):
        index.writer.write(batch([Row(5, offset, tags())]), lambda: NOW)
        database.command("OPTIMIZE TABLE lineage FINAL")
        assert not purge.left(earlier)
        # Nor what was merged away since the last deletion, though it is of a moment before now.
        assert not purge.left(datetime.now(UTC))


def test_parts_that_were_set_aside_are_told(database: ClickHouse) -> None:
    """They may hold anything, and nothing removes them by itself."""
    index, purge = sql_index(database), ClickHousePurge(database)
    index.write([Row(6, 30, tags())])
    (partition,) = database.query(
        "SELECT DISTINCT partition FROM system.parts WHERE table = 'lineage' AND active"
    )[0]
    database.command(f"ALTER TABLE lineage DETACH PARTITION {partition}")
    said = purge.left(datetime.now(UTC) - timedelta(hours=1))
    assert any("set aside" in line for line in said)
    database.command(
        f"ALTER TABLE lineage DROP DETACHED PARTITION {partition} SETTINGS allow_drop_detached = 1"
    )


def test_every_table_that_the_eraser_deletes_from_is_looked_at() -> None:
    """A table that is added there is added here."""
    text = "".join(Path(file).read_text("utf-8") for file in (erase.__file__, expire.__file__))
    named = set(re.findall(r'(?:take_out|hide)\(\s*self\._index,\s*"(\w+)"', text))
    assert named <= set(TABLES)
    assert {"lineage", "lineage_by_event", "address_prefixes"} <= named

"""For which events nobody can be found: by day, topic and reason, however often they were tagged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import permutations

import pyarrow as pa
import pytest

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.views_fed import ClickHouseViewTables
from sinks.ports.views import FOUND_SCHEMA, FoundWord
from tests.support.index import NOW, empty

TODAY = NOW.date()
SHOWN = "SELECT day, topic, reason, events, of_events, share FROM v_unresolved WHERE events > 0 ORDER BY ALL"


def found(
    *rows: tuple[int, FoundWord], topic: str = "web.visits", days: int = 0, partition: int = 0
) -> pa.Table:
    """(offset, word)."""
    at = (NOW + timedelta(days=days)).replace(tzinfo=None)
    said = [
        {"topic": topic, "partition": partition, "offset": offset, "event_time": at, "found": word}
        for offset, word in rows
    ]
    return pa.Table.from_pylist(said, FOUND_SCHEMA)


def write(database: ClickHouse, tables: Sequence[pa.Table]) -> None:
    for table in tables:
        ClickHouseViewTables(database).note_found(table)


def test_events_of_nobody_are_counted_by_reason(database: ClickHouse) -> None:
    """Offsets beyond 32 bits, partitions, days and topics are told apart; writing it again changes nothing."""
    tables = [
        found(
            (0, FoundWord.ONE), (1, FoundWord.UNKNOWN), (2**32 + 1, FoundWord.UNKNOWN), (3, FoundWord.SEVERAL)
        ),
        found((1, FoundWord.UNKNOWN), partition=1),
        found((1, FoundWord.ANOTHER_TIME), days=1),
        found((1, FoundWord.UNKNOWN), topic="tv.viewings"),
    ]
    for _ in range(2):
        write(database, tables)
        assert database.query(SHOWN) == [
            (TODAY, "tv.viewings", "unknown", 1, 1, 1.0),
            (TODAY, "web.visits", "several", 1, 5, 0.2),
            (TODAY, "web.visits", "unknown", 3, 5, 0.6),
            (date(2026, 6, 2), "web.visits", "another_time", 1, 1, 1.0),
        ]


@pytest.mark.parametrize("sql_engine", ["chdb"], indirect=True)
def test_the_better_word_counts_in_any_order(database: ClickHouse) -> None:
    """Of two identifiers of an event, or once a link came and it was tagged again."""
    for words in permutations(FoundWord, 2):
        empty(database)
        write(database, [found((7, word)) for word in words])
        best = min(words, key=list(FoundWord).index)
        assert [row[2:5] for row in database.query(SHOWN)] == [
            (word, 1, 1) for word in [best] if word is not FoundWord.ONE
        ]


def test_nothing_is_written_of_no_event(database: ClickHouse) -> None:
    write(database, [FOUND_SCHEMA.empty_table()])
    assert database.query("SELECT count() FROM v_unresolved") == [(0,)]

"""What is said to ClickHouse with a statement holds for it, however it is said: once, in the statement or beside it."""

from __future__ import annotations

import threading

import pyarrow as pa

from sinks.clickhouse.client import ERASE_SETTINGS, ClickHouse


def test_a_question_for_arrow_has_its_settings(database: ClickHouse) -> None:
    """Versions of a row are looked for in their own partition alone, and few words come as a dictionary."""
    answer = database.query_arrow(
        "SELECT getSetting('do_not_merge_across_partitions_select_final') AS apart, toLowCardinality('a') AS word"
        " UNION ALL SELECT getSetting('do_not_merge_across_partitions_select_final'), toLowCardinality('b')"
    )
    assert answer["apart"].to_pylist() == [True, True]
    assert pa.types.is_dictionary(answer["word"].type)


def test_every_handle_of_the_embedded_engine_waits_for_what_it_erases(database: ClickHouse) -> None:
    """Also that of another thread; elsewhere it is said with each statement."""
    found: list[list[tuple[object, ...]]] = []
    asked = ", ".join(f"toString(getSetting('{name}'))" for name in ERASE_SETTINGS)

    def look() -> None:
        found.append(database.query(f"SELECT {asked}"))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    look()
    if database.embedded:
        assert found == [[tuple(str(value) for value in ERASE_SETTINGS.values())]] * 2

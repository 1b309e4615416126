"""How many rows the index has of each tag set: what a change of the company is counted by."""

from __future__ import annotations

from pathlib import Path

from schemas.keys import Keyring
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.clickhouse.writer import ClickHouseWriter
from tests.support.api import EVENTS, fill


def test_every_row_is_counted_once(database: ClickHouse, tmp_path: Path) -> None:
    """By the tag set that it has, however often it was written; an empty index has none."""
    assert clickhouse_sinks(database).upkeep.rows_by_tag_set() == []
    keyring = Keyring(tmp_path / "keys").made()
    for _ in range(2):
        fill(ClickHouseWriter(database), keyring)
    assert {
        (tags.topic, tags.record): count
        for tags, count in clickhouse_sinks(database).upkeep.rows_by_tag_set()
    } == {(topic, record): count for topic, (record, count) in EVENTS.items()}

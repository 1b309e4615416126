"""Fields that no contract names, in every index: kept once with their first and last sight, and among the findings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.untagged import ClickHouseUntaggedFields
from sinks.memory.untagged import MemoryUntaggedFields
from sinks.ports.untagged import UntaggedField, UntaggedFields
from tests.support.index import empty

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def fields(engine: ClickHouse | None) -> UntaggedFields:
    return ClickHouseUntaggedFields(empty(engine)) if engine else MemoryUntaggedFields()


def test_a_field_is_kept_once_with_its_first_and_last_sight(fields: UntaggedFields) -> None:
    """Whatever order the notes come in, and however often."""
    fields.note({"orders": ["nick"]}, LATER)
    fields.note({"orders": ["nick", "*"], "parcels": ["nick"]}, NOW)
    fields.note({"orders": ["nick"]}, NOW)
    assert list(fields.seen()) == [
        UntaggedField("orders", "*", NOW, NOW),
        UntaggedField("orders", "nick", NOW, LATER),
        UntaggedField("parcels", "nick", NOW, NOW),
    ]


def test_what_is_forgotten_is_gone_from_its_topic_alone(fields: UntaggedFields) -> None:
    """And may come back."""
    fields.note({"orders": ["kari", "nick"], "parcels": ["kari"]}, NOW)
    fields.forget("orders", ["kari", "ola"])
    assert [(item.topic, item.path) for item in fields.seen()] == [("orders", "nick"), ("parcels", "kari")]
    fields.note({"orders": ["kari"]}, LATER)
    assert UntaggedField("orders", "kari", LATER, LATER) in fields.seen()


def test_they_are_among_the_findings(database: ClickHouse) -> None:
    """Once each, of no one event."""
    fields = ClickHouseUntaggedFields(database)
    for _ in range(2):
        fields.note({"orders": ["nick", "age"]}, NOW)
    assert database.query("SELECT topic, field, offset, kind FROM v_detections ORDER BY field") == [
        ("orders", "age", -1, "untagged_field"),
        ("orders", "nick", -1, "untagged_field"),
    ]
    assert database.query("SELECT topic, kind, detections, events FROM v_detections_summary") == [
        ("orders", "untagged_field", 2, 0)
    ]

"""What every log of preservation orders promises: append-only, of one number the first stands, oldest order first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.preservation import ClickHousePreservation
from sinks.memory.preservation import MemoryPreservation
from sinks.ports.preservation import PreservationEntry, PreservationLog
from tests.support.index import NOW, empty


@pytest.fixture
def log(engine: ClickHouse | None) -> PreservationLog:
    return MemoryPreservation() if engine is None else ClickHousePreservation(empty(engine))


def entry(order: str, sequence: int, kind: str = "ordered", minutes: int = 0) -> PreservationEntry:
    return PreservationEntry(order, sequence, kind, NOW + timedelta(minutes=minutes), {"until": "2026-08-01"})


def test_entries_are_read_as_they_were_written(log: PreservationLog) -> None:
    """In order, the oldest order first, whatever its name."""
    written = [entry("p-b", 0), entry("p-b", 1, "lifted", 9), entry("p-a", 0, minutes=5)]
    assert [log.append(item) for item in (written[2], *written[:2])] == [True, True, True]
    assert list(log.entries()) == written
    assert [item.content for item in log.entries()] == [item.content for item in written]


def test_of_one_number_the_first_stands(log: PreservationLog) -> None:
    """Who comes second is told so, and changes nothing."""
    assert log.append(entry("p-a", 0))
    assert not log.append(entry("p-a", 0, "lifted", 3))
    assert list(log.entries()) == [entry("p-a", 0)]

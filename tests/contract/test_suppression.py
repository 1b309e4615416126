"""The suppression ledger, in every index: what was erased stands until it ends; what came back is told by origin."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.memory.sinks import memory_sinks
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch, Span
from sinks.ports.resurrected import Arrival, Resurrected
from sinks.ports.sinks import Sinks
from sinks.ports.suppression import ALWAYS, Ending, Suppressed, SuppressionEntry, SuppressionLedger
from streams.tagging.suppressed import Suppression
from tests.support.index import empty

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
KARI, ADDRESS = bytes([1] * 16), bytes([2] * 16)
SPANS = (
    Span(KARI, until=NOW),
    Span(ADDRESS, NOW - timedelta(hours=1), NOW - timedelta(microseconds=1), 1024, 2047),
)
ENTRY = Suppressed("r-1", SPANS, (2**64 - 1, 7), NOW, NOW + YEAR)


@pytest.fixture
def sinks(engine: ClickHouse | None) -> Sinks:
    return clickhouse_sinks(empty(engine)) if engine else memory_sinks()


@pytest.fixture
def ledger(sinks: Sinks) -> SuppressionLedger:
    return sinks.suppression


def standing(ledger: SuppressionLedger, now: datetime = NOW) -> list[tuple[object, ...]]:
    return sorted(tuple(row.values())[:-1] for row in ledger.standing(now).to_pylist())


def test_what_is_entered_stands_with_its_spans(ledger: SuppressionLedger) -> None:
    """Without end or with one, rounded up to the millisecond; entered twice it is there once."""
    for _ in range(2):
        ledger.enter(ENTRY)
    hour = 3_600_000
    at = int(NOW.timestamp() * 1000)
    assert standing(ledger) == [
        ("r-1", KARI, ALWAYS[0], at, 0, 65_535),
        ("r-1", ADDRESS, at - hour, at, 1024, 2047),
    ]
    assert {tuple(row) for row in ledger.standing(NOW)["stays"].to_pylist()} == {(2**64 - 1, 7)}
    assert ledger.entries() == [SuppressionEntry("r-1", 2, NOW, NOW + YEAR)]


def test_nobodys_spans_are_no_entry(ledger: SuppressionLedger) -> None:
    ledger.enter(replace(ENTRY, spans=()))
    assert (standing(ledger), list(ledger.entries())) == ([], [])


def test_it_ends_by_itself_and_by_a_person(ledger: SuppressionLedger) -> None:
    """Each by its own request; what is entered again afterwards stands again."""
    ledger.enter(ENTRY)
    ledger.enter(replace(ENTRY, request_id="r-2"))
    assert standing(ledger, NOW + YEAR - timedelta(milliseconds=1)) != []
    assert standing(ledger, NOW + YEAR) == []
    later = NOW + timedelta(days=1)
    for _ in range(2):
        ledger.end("r-1", Ending.LIFTED, later)
    assert {row[0] for row in standing(ledger)} == {"r-2"}
    first, second = ledger.entries()
    assert (first.ended_at, first.ending, first.stands(later)) == (later, Ending.LIFTED, False)
    assert second.stands(later)
    ledger.enter(replace(ENTRY, entered_at=later + timedelta(days=1)))
    assert {row[0] for row in standing(ledger)} == {"r-1", "r-2"}
    assert ledger.entries()[0].ended_at is None


def test_of_several_entries_of_a_request_the_last_stands(ledger: SuppressionLedger) -> None:
    later = replace(ENTRY, spans=SPANS[:1], entered_at=NOW + timedelta(milliseconds=1))
    for entry in (ENTRY, later, ENTRY):
        ledger.enter(entry)
    assert [row[1] for row in standing(ledger)] == [KARI]


def test_its_mark_changes_with_each_change_alone(ledger: SuppressionLedger) -> None:
    marks = [ledger.mark(), ledger.mark()]
    assert marks[0] == marks[1]
    ledger.enter(ENTRY)
    marks.append(ledger.mark())
    ledger.end("r-1", Ending.LIFTED, NOW)
    marks.append(ledger.mark())
    assert len({*marks}) == 3
    assert ledger.mark() == marks[-1]


def test_what_came_back_is_told_by_origin(sinks: Sinks) -> None:
    """Together for each request, partition and way; how many batches, the first and the last time."""
    hit = Resurrected("r-1", "orders", 0, 5, 9, 3, Arrival.PRODUCER, NOW)
    later = replace(hit, first_offset=12, last_offset=12, events=1, seen_at=NOW + YEAR)
    other = replace(hit, arrival=Arrival.REPLAY)
    writer = sinks.writer()
    for batch in ([hit, other], [later], [replace(hit, request_id="r-2", partition=100_001)]):
        writer.write(LineageBatch(ROW_SCHEMA.empty_table(), resurrected=batch), lambda: NOW)
    found = [tuple(vars(item).values()) for item in sinks.suppression.origins()]
    assert found == [
        ("r-1", "orders", 0, Arrival.PRODUCER, 5, 12, 4, 2, NOW, NOW + YEAR),
        ("r-1", "orders", 0, Arrival.REPLAY, 5, 9, 3, 1, NOW, NOW),
        ("r-2", "orders", 100_001, Arrival.PRODUCER, 5, 9, 3, 1, NOW, NOW),
    ]


@pytest.mark.parametrize("entered", ["before", "meanwhile", "never"])
def test_an_erasure_that_begins_while_a_batch_is_written_is_found(sinks: Sinks, entered: str) -> None:
    """Between the look at the ledger and the write: the rows come after it forgot, and are told of, once."""
    row = {"token": KARI, "topic": "orders", "partition": 0, "offset": 7, "role": 1, "tag_set": 1, "port": 0}
    at = (NOW - timedelta(days=1)).replace(tzinfo=None)
    batch = LineageBatch(pa.Table.from_pylist([{**row, "event_time": at}], ROW_SCHEMA))
    tagger = Suppression(sinks.suppression, Arrival.PRODUCER)
    if entered == "before":
        sinks.suppression.enter(ENTRY)
    watched = tagger.watched(batch, NOW)
    if entered == "meanwhile":
        sinks.suppression.enter(ENTRY)
    sinks.writer().write(watched, lambda: NOW)
    found = [(item.request_id, item.first_offset, item.events) for item in sinks.suppression.origins()]
    assert found == ([] if entered == "never" else [("r-1", 7, 1)])

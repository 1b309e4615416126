"""What the ClickHouse index keeps besides its answers (counts, rollups); its answers against the one in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import get_args

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.tags import TagSet
from schemas.vocabulary import Mark, Proof
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.memory.index import MemoryIndex
from sinks.ports.dead_letters import DeadRow
from sinks.ports.identity import ClaimKey, OpenClaims
from sinks.ports.lineage import FINDING_SCHEMA, Filter, IndexWriter, LineageBatch, Span
from tests.support.index import (
    NOW,
    SQL_KINDS,
    Claim,
    Index,
    Row,
    batch,
    claim_table,
    empty,
    finding_table,
    moment,
    prefix_table,
    sql_index,
    table,
    tags,
    token,
)

WEB = tags()
CHAT = tags("C-31", topic="support.chats", system="contact_centre", purposes=("P-CARE",))
RETAGGED = tags("C-21", "C-22", version="000000000002")
DAY = 86_400_000
ROWS = [
    Row(1, 0, WEB, at=0),
    Row(2, 0, WEB, at=0, role=2),
    Row(1, 1, WEB, at=DAY),
    Row(1, 2**32, WEB, at=DAY),
    Row(1, 1, WEB, at=DAY, partition=1),
    Row(1, 0, CHAT, at=400 * DAY),
]
ROLLUP = (
    "SELECT day, topic, tag_set, partition, epoch, bitmapToArray(groupBitmapMergeState(offsets)),"
    " min(first_seen), max(last_seen) FROM lineage_daily GROUP BY day, topic, tag_set, partition, epoch ORDER BY ALL"
)
DAILY = "SELECT day, system, topic, categories, events, first_seen, last_seen FROM v_daily ORDER BY ALL"


def test_writing_again_changes_no_count_and_no_rollup(database: ClickHouse) -> None:
    """Whole, in part or with other edges: rows after FINAL, rollup and views stay what they were."""
    index = sql_index(database)
    dead = DeadRow("web.visits", 0, 3, "truncated", "c301", 17, NOW)
    index.writer.write(replace(batch(ROWS), dead=[dead]), lambda: NOW)
    questions = [
        "SELECT count() FROM lineage FINAL",
        "SELECT count() FROM tag_sets FINAL",
        ROLLUP,
        DAILY,
        "SELECT * FROM v_dead_letters",
        "SELECT * FROM v_subject_summary ORDER BY ALL",
        "SELECT * FROM v_lineage ORDER BY ALL",
    ]
    before = [database.query(question) for question in questions]
    assert before[:2] == [[(6,)], [(2,)]]
    assert before[4] == [("web.visits", "truncated", 1, NOW, NOW)]
    for again in (ROWS, ROWS[1:3], ROWS[::-1], [*ROWS, *ROWS], ROWS[3:]):
        index.writer.write(replace(batch(again), dead=[dead]), lambda: NOW)
        sql_index(database).write(again)
    assert [database.query(question) for question in questions] == before


def test_the_rollup_counts_events_per_day(database: ClickHouse) -> None:
    """An event of two people counts once; offsets beyond 32 bits and partitions are told apart."""
    sql_index(database).write(ROWS)
    found = [(str(row[0]), row[1], row[4]) for row in database.query(DAILY)]
    assert found == [
        ("2026-06-01", "web", 1),
        ("2026-06-02", "web", 3),
        ("2027-07-06", "contact_centre", 1),
    ]


def test_a_row_keeps_every_column(database: ClickHouse) -> None:
    """What is stored of a row is what was given, bytes that end in zero included."""
    row = Row(4, 2**40, WEB, at=123, partition=9, role=4, port=65_535)
    sql_index(database).write([row])
    assert token(4).endswith(b"\0")
    columns = "hex(token), topic, partition, offset, role, tag_set, event_time, port"
    assert database.query(f"SELECT {columns} FROM lineage") == [
        (token(4).hex().upper(), "web.visits", 9, 2**40, "mentioned", WEB.id, moment(123), 65_535)
    ]


def test_a_batch_across_many_years_is_one_write(database: ClickHouse) -> None:
    """Old and new events may share a batch: there is no cap on the years a write touches."""
    rows = [Row(1, year, WEB, at=-year * 366 * DAY) for year in range(120)]
    sql_index(database).write(rows)
    assert sql_index(database).reader.find([Span(token(1))]).total_events == 120


ROW = st.builds(
    Row,
    token=st.integers(0, 3),
    offset=st.integers(0, 6),
    tags=st.sampled_from([WEB, CHAT, RETAGGED]),
    partition=st.integers(0, 1),
    role=st.integers(1, 4),
)
# One event has one time and each of its rows one port, however often it is written.
BATCHES = st.lists(
    st.lists(ROW.map(lambda row: replace(row, at=row.offset * DAY * 100, port=row.token)), max_size=6),
    max_size=5,
)
SPANS = st.lists(
    st.builds(
        Span,
        token=st.integers(0, 3).map(token),
        since=st.none() | st.integers(0, 6).map(lambda day: moment(day * DAY * 100)),
        until=st.none() | st.integers(0, 6).map(lambda day: moment(day * DAY * 100 + 1)),
        port_from=st.sampled_from([0, 0, 1, 2]),
        port_to=st.sampled_from([65_535, 65_535, 1, 2, 3]),
        proof=st.none() | st.sampled_from(Proof),
    ),
    max_size=4,
)
LIMITS = st.builds(
    Filter,
    since=st.none() | st.just(moment(DAY * 100)),
    until=st.none() | st.just(moment(DAY * 500)),
    categories=st.sampled_from([(), ("C-22",), ("C-21", "C-31")]),
    systems=st.sampled_from([(), ("web",)]),
)
DECISION = st.dictionaries(
    st.sampled_from([WEB.id, CHAT.id, RETAGGED.id]), st.none() | st.just(replace(CHAT, held_only=True))
)


@dataclass(frozen=True)
class World:
    """What is written, in an `order`, what is asked and what is forgotten."""

    batches: list[list[Row]]
    spans: list[Span]
    limits: Filter
    decision: dict[int, TagSet | None]
    claims: list[Claim]
    order: Random


CLAIM = st.builds(
    Claim,
    offset=st.integers(0, 3),
    part=st.integers(0, 1),
    topic=st.sampled_from([WEB.topic, CHAT.topic]),
    mark=st.sampled_from(Mark),
    token=st.none() | st.integers(0, 3),
    subject=st.none() | st.integers(0, 3),
    group=st.none() | st.integers(0, 3),
    line=st.none() | st.integers(0, 3),
    server=st.none() | st.integers(0, 4),
)
# What an event claims never changes.
CLAIMS = st.lists(CLAIM, max_size=6, unique_by=lambda claim: (claim.topic, claim.offset, claim.part))


WORLD = st.builds(
    World, batches=BATCHES, spans=SPANS, limits=LIMITS, decision=DECISION, claims=CLAIMS, order=st.randoms()
)
QUIET = [HealthCheck.function_scoped_fixture]


@pytest.mark.parametrize("sql_engine", [kind for kind in SQL_KINDS if kind != "http"], indirect=True)
@settings(max_examples=12, deadline=None, suppress_health_check=QUIET)
@given(world=WORLD)
def test_answers_are_those_of_the_index_in_memory(database: ClickHouse, world: World) -> None:
    """Any batches in any order, repeated and with something forgotten in between, give equal answers at any moment."""
    _same_answers(database, world)


@pytest.mark.parametrize("sql_engine", ["http"], indirect=True)
@settings(max_examples=4, deadline=None, suppress_health_check=QUIET)
@given(world=WORLD)
def test_answers_over_http_are_those_of_the_index_in_memory(database: ClickHouse, world: World) -> None:
    """Of fewer worlds: the statements are the same, and what goes over HTTP is the rest of this suite's."""
    _same_answers(database, world)


def _same_answers(database: ClickHouse, world: World) -> None:
    spans, limits, decision, claims = world.spans, world.limits, world.decision, world.claims
    sequence = [*world.batches, *world.batches[:2]]
    world.order.shuffle(sequence)
    memory, index = MemoryIndex(), sql_index(empty(database))
    cut = len(sequence) * 2 // 3
    _write(memory, index.writer, sequence[:cut], claims)
    _compare(memory, index, spans, limits)
    assert index.eraser.forget(spans, decision) == memory.forget(spans, decision)
    _compare(memory, index, spans, limits)
    _write(memory, index.writer, sequence[cut:], claims)
    _compare(memory, index, spans, limits)
    assert database.query("SELECT count() FROM lineage FINAL") == [(len(memory),)]


def _write(
    memory: MemoryIndex, writer: IndexWriter, sequence: Sequence[Sequence[Row]], claims: Sequence[Claim]
) -> None:
    """Each batch is written later than the one before, with the claims that it has not read yet."""
    for number, rows in enumerate(sequence):
        item = replace(
            batch(rows) if rows else LineageBatch(table([])),
            claims=OpenClaims(claim_table(claims[number:])),
            findings=finding_table([(row.tags.topic, row.offset, "email") for row in rows if row.role == 1]),
            prefixes=prefix_table([(9, 56, row.token) for row in rows]),
        )
        for one in (memory, writer):
            one.write(item, partial(moment, number))


def _compare(memory: MemoryIndex, index: Index, spans: Sequence[Span], limits: Filter) -> None:
    everybody = [Span(token(number)) for number in range(4)]
    keys = [token(number) for number in range(5)]
    for known_at in (None, moment(0), moment(2)):
        for question in (spans, everybody):
            assert index.reader.find(question, limits, known_at) == memory.find(question, limits, known_at)
        for of in get_args(ClaimKey):
            for asked in (keys[:2], keys) if known_at is None else (keys,):
                found, expected = (one.claims(asked, known_at, of=of) for one in (index.claims, memory))
                assert _rows(found) == _rows(expected)
    assert _rows(index.claims.addresses([token(9)])) == _rows(memory.addresses([token(9)]))
    assert _rows(index.claims.prefixes(keys)) == _rows(memory.prefixes(keys))
    assert isinstance(index.writer, ClickHouseWriter)
    found = index.writer._index.query_arrow("SELECT * FROM findings FINAL")
    assert _rows(found) == _rows(pa.Table.from_pylist(list(memory.findings.values()), FINDING_SCHEMA))


def _rows(found: pa.Table) -> list[str]:
    return sorted(str(row) for row in found.to_pylist())


def test_views_show_the_partition_of_kafka_and_the_history(database: ClickHouse) -> None:
    """Partition 100,003 is partition 3 after the topic was made anew once; an event of each counts."""
    index = sql_index(database)
    index.write([Row(1, 5, WEB, partition=3), Row(1, 5, WEB, partition=100_003)])
    shown = database.query("SELECT partition, history, offset FROM v_lineage ORDER BY history")
    assert shown == [(3, 0, 5), (3, 1, 5)]
    assert database.query("SELECT events FROM v_subject_summary") == [(2,)]
    assert database.query("SELECT sum(events) FROM v_daily") == [(2,)]
    for view in ("v_detections", "v_identity_claims"):
        assert database.query(f"SELECT partition, history FROM {view}") == []

"""What an index tells of itself as a whole: what it was written by last, which topics were made anew, its keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.memory.sinks import memory_sinks
from sinks.ports.keys import PAIR_SCHEMA, KeyEntry
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from sinks.ports.offsets import History
from sinks.ports.sinks import Sinks
from sinks.ports.upkeep import MadeAnew
from tests.support.index import NOW, Row, batch, empty, tags, token

HOUR = timedelta(hours=1)


@pytest.fixture
def index(engine: ClickHouse | None) -> Sinks:
    return clickhouse_sinks(empty(engine)) if engine is not None else memory_sinks()


def test_the_newest_moment_is_of_whatever_was_recorded_last(index: Sinks) -> None:
    """A batch or an event of a request; before either the beginning of 1970."""
    assert index.upkeep.newest() == datetime(1970, 1, 1, tzinfo=UTC)
    index.writer().write(batch([Row(1, 1, tags())]), lambda: NOW)
    assert index.upkeep.newest() == NOW
    index.requests.append("r-1", 0, "received", NOW + HOUR, {})
    assert index.upkeep.newest() == NOW + HOUR
    index.writer().write(batch([Row(1, 2, tags())]), lambda: NOW + 2 * HOUR)
    assert index.upkeep.newest() == NOW + 2 * HOUR


def test_an_index_says_when_it_has_learnt_something(index: Sinks) -> None:
    """Equal as long as nothing came, another once a batch did."""
    before = index.marks.learnt()
    assert index.marks.learnt() == before
    index.writer().write(batch([Row(1, 1, tags())]), lambda: NOW)
    assert index.marks.learnt() != before


def test_topics_that_were_made_anew_are_told(index: Sinks) -> None:
    """How often at most, and when that was noted last; not those that never were."""
    index.writer().note_histories([History("web.visits", 0, 0, "a"), History("tv.viewings", 0, 0, "b")], NOW)
    assert list(index.upkeep.made_anew()) == []
    index.writer().note_histories(
        [History("web.visits", 0, 2, "c"), History("web.visits", 1, 1, "c")], NOW + HOUR
    )
    assert list(index.upkeep.made_anew()) == [MadeAnew("web.visits", 2, NOW + HOUR)]


def test_an_index_in_its_current_shape_has_nothing_pending(index: Sinks) -> None:
    for told in (index.upkeep.pending(), index.upkeep.migrate(NOW), index.upkeep.lost()):
        assert list(told) == []
    assert index.upkeep.size() >= 0


def test_keys_are_told_of_any_shape(index: Sinks) -> None:
    """As one by one in the current shape."""
    index.writer().write(batch([Row(1, 1, tags())]), lambda: NOW)
    assert index.keys.append(KeyEntry(0, "in_force", "k1", "c", NOW))
    entries, used = index.keys.of_any_shape()
    assert (list(entries), used) == (list(index.keys.entries()), {"k1"})


def test_an_index_of_before_keys_were_kept_has_none(database: ClickHouse) -> None:
    """Nor is that an error: `innsyn doctor` and `innsyn keys` ask before anything is migrated."""
    database.command("RENAME TABLE token_keys TO token_keys_away, tag_sets TO tag_sets_away")
    try:
        assert clickhouse_sinks(database).keys.of_any_shape() == ((), set())
    finally:
        database.command("RENAME TABLE token_keys_away TO token_keys, tag_sets_away TO tag_sets")


def test_pairs_of_a_retired_key_go_but_for_those_that_are_kept(index: Sinks) -> None:
    """These stay as of no key, found by either end; pairs of other keys stay as they were. Safe to repeat."""
    pairs = [(token(1), token(11), "k1"), (token(2), token(12), "k1"), (token(3), token(13), "k2")]
    rows = [dict(zip(PAIR_SCHEMA.names, pair, strict=True)) for pair in pairs]
    table = pa.Table.from_pylist(rows, PAIR_SCHEMA)
    index.writer().write(LineageBatch(ROW_SCHEMA.empty_table(), pairs=table, key_id="k3"), lambda: NOW)
    for _ in range(2):
        index.pairs.retire("k1", [token(11)])
        left = index.pairs.pairs([token(number) for number in (1, 2, 3, 11, 12, 13)]).to_pylist()
        assert {tuple(row.values()) for row in left} == {(token(1), token(11), ""), pairs[2]}

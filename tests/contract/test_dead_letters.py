"""Dead letters in the index: what was done about them stays, and decides how they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.vocabulary import LetterState
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.dead_letters import ClickHouseDeadLetters
from sinks.memory.dead_letters import MemoryDeadLetters
from sinks.memory.index import MemoryIndex
from sinks.ports.dead_letters import Chosen, DeadLetterList, DeadRow, Done
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch, Span
from sinks.ports.offsets import OffsetRange
from tests.support.index import Index, Row, batch, empty, memory_index, sql_index, tags

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
START = ("", -1, -1)
HOUR = timedelta(hours=1)


def dead(topic: str, offset: int, reason: str = "unknown_schema", seen: datetime = NOW) -> DeadRow:
    return DeadRow(topic, 0, offset, reason, "c301", 9, seen)


@dataclass(frozen=True)
class Kept:
    """An index and its dead letters."""

    index: Index
    letters: DeadLetterList

    def set_aside(self, rows: Sequence[DeadRow], now: datetime = NOW) -> None:
        self.index.writer.write(LineageBatch(ROW_SCHEMA.empty_table(), dead=rows), lambda: now)


@pytest.fixture
def empty_kept(engine: ClickHouse | None) -> Kept:
    if engine is not None:
        return Kept(sql_index(empty(engine)), ClickHouseDeadLetters(engine))
    index = MemoryIndex()
    return Kept(memory_index(index), MemoryDeadLetters(index))


@pytest.fixture
def kept(empty_kept: Kept) -> Kept:
    empty_kept.set_aside(
        [dead("web.visits", 1), dead("web.visits", 2, "truncated"), dead("tv.viewings", 7, seen=NOW + HOUR)]
    )
    return empty_kept


@pytest.fixture
def letters(kept: Kept) -> DeadLetterList:
    return kept.letters


def places(found: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(item["topic"], item["offset"]) for item in found]


def test_letters_are_chosen_by_topic_reason_time_and_place(letters: DeadLetterList) -> None:
    """Each limit alone and together, in the order of the coordinates, a page at a time."""
    assert places(letters.find(START, 10)) == [("tv.viewings", 7), ("web.visits", 1), ("web.visits", 2)]
    assert places(letters.find(("web.visits", 0, 1), 10)) == [("web.visits", 2)]
    assert places(letters.find(START, 1)) == [("tv.viewings", 7)]
    for chosen, expected in (
        (Chosen(topic="web.visits"), [("web.visits", 1), ("web.visits", 2)]),
        (Chosen(reason="unknown_schema"), [("tv.viewings", 7), ("web.visits", 1)]),
        (Chosen(since=NOW + HOUR), [("tv.viewings", 7)]),
        (Chosen(until=NOW + HOUR), [("web.visits", 1), ("web.visits", 2)]),
        (Chosen(topic="web.visits", reason="truncated"), [("web.visits", 2)]),
        (Chosen(at=[("web.visits", 0, 2), ("web.visits", 1, 1)]), [("web.visits", 2)]),
        (Chosen(state=LetterState.DROPPED), []),
    ):
        assert places(letters.find(START, 10, chosen)) == expected


def test_what_was_done_decides_and_is_kept(letters: DeadLetterList) -> None:
    """A failed retry leaves it open, a drop ends it, and what was tagged once stays so; all of it with who and why."""
    where = ("web.visits", 0, 1)
    steps = [
        (Done(where, "retry", "unknown_schema", "kari"), "open", 1),
        (Done(where, "drop", "", "ola", "a test client"), "dropped", 1),
        (Done(where, "retry", "tagged", "kari"), "tagged", 2),
        (Done(where, "drop", "", "ola", "by mistake"), "tagged", 2),
    ]
    for number, (done, state, retries) in enumerate(steps, 1):
        letters.note([done], NOW + number * HOUR)
        (found,) = letters.find(START, 10, Chosen(at=[where]))
        assert (found["state"], found["retries"], len(found["history"])) == (state, retries, number)
    assert found["history"][1] == {
        "at": NOW + 2 * HOUR,
        "kind": "drop",
        "outcome": None,
        "by": "ola",
        "why": "a test client",
    }
    others = letters.find(START, 10, Chosen(state=LetterState.OPEN))
    assert places(others) == [("tv.viewings", 7), ("web.visits", 2)]
    assert [item["history"] for item in others] == [[], []]


def test_a_letter_written_again_keeps_its_record(kept: Kept) -> None:
    """A replay meets it once more: the same letter, with what was done about it."""
    kept.letters.note([Done(("web.visits", 0, 1), "drop", "", "ola", "a test client")], NOW)
    kept.set_aside([dead("web.visits", 1, seen=NOW + HOUR)], NOW + HOUR)
    (found,) = kept.letters.find(START, 10, Chosen(state=LetterState.DROPPED))
    assert (found["offset"], found["seen_at"]) == (1, NOW + HOUR)


def test_a_letter_is_known_from_its_retry_on(empty_kept: Kept) -> None:
    """`known_at` before the retry does not see it, although its offset lies in a range that was written before."""
    written = batch([Row(1, 1, tags())])
    writer, reader = empty_kept.index.writer, empty_kept.index.reader
    topic = written.rows["topic"][0].as_py()
    partition = written.rows["partition"][0].as_py()
    ranges = [OffsetRange(topic, partition, 0, 5, 1, dead=1)]
    writer.write(LineageBatch(ROW_SCHEMA.empty_table(), ranges=ranges), lambda: NOW)
    writer.write(LineageBatch(written.rows, tag_sets=written.tag_sets), lambda: NOW + HOUR)
    empty_kept.letters.note([Done((topic, partition, 1), "retry", "tagged", "kari")], NOW + HOUR)
    spans = [Span(written.rows["token"][0].as_py())]
    assert reader.find(spans).total_events == 1
    assert reader.find(spans, known_at=NOW + HOUR).total_events == 1
    assert reader.find(spans, known_at=NOW + HOUR / 2).total_events == 0


def took(kept: Kept, topic: str, first: int, good: int, bad: int, now: datetime) -> None:
    """One batch of a topic into the index, the bad ones first."""
    rows = [dead(topic, first + number, seen=now) for number in range(bad)]
    taken = OffsetRange(topic, 0, first, first + good + bad - 1, 1, events=good, dead=bad)
    kept.index.writer.write(LineageBatch(ROW_SCHEMA.empty_table(), dead=rows, ranges=[taken]), lambda: now)


def test_a_topic_is_flooded_by_its_newest_messages(empty_kept: Kept) -> None:
    """By number and share of those; not by what came before them, nor where something was done about each letter."""
    took(empty_kept, "web.visits", 0, 0, 9, NOW)
    took(empty_kept, "web.visits", 9, 20, 0, NOW + HOUR)
    took(empty_kept, "tv.viewings", 0, 2, 6, NOW + HOUR)
    took(empty_kept, "crm.contacts", 0, 20, 6, NOW + HOUR)

    def flooded(**other: Any) -> list[tuple[str, int, int, int]]:
        limits = {"newest": 10, "floor": 5, "ratio": 0.5} | other
        found = empty_kept.letters.flooded(NOW - HOUR, **limits)
        return [(item.topic, item.read, item.bad, item.first[2]) for item in found]

    assert flooded() == [("tv.viewings", 8, 6, 0)]
    assert flooded(newest=29, ratio=0.3) == [("tv.viewings", 8, 6, 0), ("web.visits", 29, 9, 0)]
    assert flooded(floor=6) == []
    dropped = [Done(("tv.viewings", 0, offset), "drop", "", "ola", "a test") for offset in range(6)]
    empty_kept.letters.note(dropped[:2], NOW + HOUR)
    assert flooded() == [("tv.viewings", 8, 6, 2)]
    empty_kept.letters.note(dropped[2:], NOW + HOUR)
    assert flooded() == []


def test_of_as_many_open_letters_others_are_told_apart(kept: Kept) -> None:
    """One is dropped and another one comes; a letter that is met again changes nothing."""

    def places() -> list[tuple[int, int]]:
        return [(item.letters, item.places) for item in kept.letters.open() if item.topic == "web.visits"]

    kept.set_aside([dead("web.visits", offset) for offset in (1, 3)], NOW + HOUR)
    before = places()
    kept.set_aside([dead("web.visits", 3)], NOW + HOUR)
    assert places() == before
    kept.letters.note([Done(("web.visits", 0, 3), "drop", "", "ola", "a test")], NOW + 2 * HOUR)
    kept.set_aside([dead("web.visits", 4)], NOW + 2 * HOUR)
    assert [count for count, _ in places()] == [count for count, _ in before]
    assert places() != before


def test_open_letters_are_counted_by_topic_and_reason(kept: Kept) -> None:
    """A letter that is met again counts once; one that was tagged or dropped no more, one whose retry failed still."""

    def counts() -> list[tuple[str, str, int]]:
        return [(item.topic, item.reason, item.letters) for item in kept.letters.open()]

    kept.set_aside([dead("web.visits", offset) for offset in (1, 3, 4)], NOW + HOUR)
    one = [("tv.viewings", "unknown_schema", 1), ("web.visits", "truncated", 1)]
    assert counts() == [*one, ("web.visits", "unknown_schema", 3)]
    kept.letters.note([Done(("web.visits", 0, 1), "retry", "unknown_schema", "kari")], NOW + HOUR)
    assert counts() == [*one, ("web.visits", "unknown_schema", 3)]
    kept.letters.note([Done(("web.visits", 0, 1), "retry", "tagged", "kari")], NOW + 2 * HOUR)
    kept.letters.note([Done(("web.visits", 0, 3), "drop", "", "ola", "a test")], NOW + 2 * HOUR)
    assert counts() == [*one, ("web.visits", "unknown_schema", 1)]
    # What was dropped by mistake and tried again without success is open.
    kept.letters.note([Done(("web.visits", 0, 3), "retry", "truncated", "kari")], NOW + 3 * HOUR)
    assert counts() == [*one, ("web.visits", "unknown_schema", 2)]
    assert sum(count for *_, count in counts()) == len(
        kept.letters.find(START, 100, Chosen(state=LetterState.OPEN))
    )

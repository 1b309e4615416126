"""What is held, without anybody's name: which tag sets have rows, and the first events of each."""

from __future__ import annotations

import pytest

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.held import ClickHouseHeld
from sinks.memory.index import MemoryIndex
from sinks.ports.held import HeldReader, HeldTags
from sinks.ports.lineage import Span
from tests.support.index import Index, Row, empty, memory_index, moment, sql_index, tags, token

WEB, BILLS = tags(), tags("C-06", topic="billing.invoices", system="billing")


@pytest.fixture
def both(engine: ClickHouse | None) -> tuple[Index, HeldReader]:
    if engine is None:
        memory = MemoryIndex()
        return memory_index(memory), memory
    return sql_index(empty(engine)), ClickHouseHeld(engine)


def test_each_tag_set_with_rows_is_counted_once(both: tuple[Index, HeldReader]) -> None:
    """By topic; a row that was written twice is one."""
    index, held = both
    index.write([Row(1, 5, WEB, at=9), Row(2, 6, WEB, at=4), Row(1, 0, BILLS, at=7)])
    index.write([Row(1, 5, WEB, at=9)])
    assert list(held.held()) == [
        HeldTags(BILLS, 1, moment(7), moment(7)),
        HeldTags(WEB, 2, moment(4), moment(9)),
    ]


def test_the_first_rows_are_those_of_the_oldest_events(both: tuple[Index, HeldReader]) -> None:
    """At most so many of each tag set; a tag set without any is left out."""
    index, held = both
    index.write([*(Row(number, number, WEB, at=9 - number) for number in range(1, 6)), Row(9, 9, BILLS)])
    found = held.first_rows([WEB.id, 12], limit=2)
    assert {*found} == {WEB.id}
    assert [(row.offset, row.token, row.at) for row in found[WEB.id]] == [
        (5, token(5), moment(4)),
        (4, token(4), moment(5)),
    ]
    assert not held.first_rows([])


def test_rows_at_and_after_the_bound_are_left_out(both: tuple[Index, HeldReader]) -> None:
    index, held = both
    index.write([Row(1, 1, WEB, at=4), Row(2, 2, WEB, at=5)])
    found = held.first_rows([WEB.id], before=moment(5))
    assert [row.offset for row in found[WEB.id]] == [1]
    assert not held.first_rows([WEB.id], before=moment(4))
    found = held.first_rows([WEB.id], before=moment(6), since=moment(5))
    assert [row.offset for row in found[WEB.id]] == [2]
    assert not held.first_rows([WEB.id], since=moment(6))


def test_the_oldest_row_of_each_token_and_tag_set_is_found(both: tuple[Index, HeldReader]) -> None:
    """Of these alone, and since a moment where one is given."""
    index, held = both
    rows = [Row(1, 1, WEB, at=4), Row(1, 2, WEB, at=3), Row(1, 3, BILLS, at=9), Row(2, 4, WEB, at=5)]
    index.write([*rows, Row(3, 5, WEB)])
    found = held.oldest_of([token(2), token(1)], [WEB.id, BILLS.id])
    assert {(row.token, tag_set, row.offset) for tag_set, row in found} == {
        (token(1), WEB.id, 2),
        (token(1), BILLS.id, 3),
        (token(2), WEB.id, 4),
    }
    assert [row.token for _, row in found] == [token(1), token(1), token(2)]
    later = held.oldest_of([token(1), token(2)], [WEB.id], since=moment(4))
    assert [row.offset for _, row in later] == [1, 4]
    assert not held.oldest_of([], [WEB.id])
    assert not held.oldest_of([token(1)], [])


def test_what_was_erased_is_in_neither(both: tuple[Index, HeldReader]) -> None:
    index, held = both
    index.write([Row(1, 1, WEB), Row(2, 2, BILLS)])
    index.eraser.forget([Span(token(1))], {WEB.id: None})
    assert [item.tags for item in held.held()] == [BILLS]
    assert not held.first_rows([WEB.id])

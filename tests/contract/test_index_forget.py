"""What every index promises when it must forget."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sinks.clickhouse.client import ClickHouse
from sinks.ports import Forgotten, Found, Span
from tests.support.index import Index, Row, moment, sql_index, tags, token

WEB = tags()
BILL = tags("C-11", "C-12", topic="billing.invoices", system="billing", purposes=("P-BILL",))
HELD = replace(BILL, categories=("C-12",), held_only=True)
PERSON = [Span(token(1))]
ROWS = [
    Row(1, 0, WEB, at=0),
    Row(1, 1, WEB, at=86_400_000 * 400),
    Row(2, 0, WEB, at=0),
    Row(1, 4, BILL, at=5),
    Row(2, 5, BILL, at=5),
]


def counts(index: Index, number: int) -> dict[int, int]:
    found = index.reader.find([Span(token(number))])
    assert found.total_events == sum(holding.events for holding in found.holdings)
    return {holding.tags.id: holding.events for holding in found.holdings}


def test_forget_removes_one_person_and_nobody_else(index: Index) -> None:
    """The rows under the spans are gone from every answer; those of others, even of the same event, stay."""
    index.write(ROWS)
    assert index.eraser.forget(PERSON, {WEB.id: None, BILL.id: None}) == Forgotten(3, 0)
    assert index.reader.find(PERSON) == Found()
    assert counts(index, 2) == {WEB.id: 1, BILL.id: 1}


def test_forget_narrows_to_what_is_still_held(index: Index) -> None:
    """A row that must partly be kept takes the tag set of what is kept, and nothing more."""
    index.write(ROWS)
    assert index.eraser.forget(PERSON, {WEB.id: None, BILL.id: HELD}) == Forgotten(2, 1)
    found = index.reader.find(PERSON)
    assert [(holding.tags, holding.events) for holding in found.holdings] == [(HELD, 1)]
    assert counts(index, 2) == {WEB.id: 1, BILL.id: 1}


def test_tag_sets_that_are_not_named_stay(index: Index) -> None:
    """Rows whose tag set the decision does not name, or names as its own, are left alone."""
    index.write(ROWS)
    assert index.eraser.forget(PERSON, {WEB.id: None}) == Forgotten(2, 0)
    assert index.eraser.forget(PERSON, {BILL.id: BILL}) == Forgotten()
    assert index.eraser.forget(PERSON, {}) == Forgotten()
    assert counts(index, 1) == {BILL.id: 1}


def test_narrowing_one_tag_set_to_another_that_is_narrowed_too_takes_one_step(index: Index) -> None:
    """Each row is decided by the tag set it has, not by one it was just given."""
    narrow = replace(HELD, categories=())
    index.write([Row(1, 0, BILL), Row(1, 1, HELD)])
    assert index.eraser.forget(PERSON, {BILL.id: HELD, HELD.id: narrow}) == Forgotten(0, 2)
    assert counts(index, 1) == {HELD.id: 1, narrow.id: 1}


def test_forget_keeps_to_the_interval_and_port(index: Index) -> None:
    """Only what lies under the spans is forgotten: the address belonged to somebody else before and after."""
    index.write([Row(1, offset, WEB, at=offset, port=offset) for offset in range(10)])
    assert index.eraser.forget([Span(token(1), moment(3), moment(6))], {WEB.id: None}) == Forgotten(3, 0)
    assert index.eraser.forget([Span(token(1), port=8)], {WEB.id: None}) == Forgotten(1, 0)
    assert counts(index, 1) == {WEB.id: 6}
    assert index.eraser.forget([], {WEB.id: None}) == Forgotten()
    assert counts(index, 1) == {WEB.id: 6}


def test_forget_is_repeatable(index: Index) -> None:
    """The second time nothing is left to do, and nothing changes."""
    index.write(ROWS)
    decision = {WEB.id: None, BILL.id: HELD}
    index.eraser.forget(PERSON, decision)
    after = counts(index, 1)
    assert index.eraser.forget(PERSON, decision) == Forgotten()
    assert counts(index, 1) == after == {HELD.id: 1}


def test_what_is_written_after_forgetting_is_found(index: Index) -> None:
    """A person who comes back has rows again: new ones, and a replayed one as well (suppression is not ours)."""
    index.write(ROWS)
    index.eraser.forget(PERSON, {WEB.id: None, BILL.id: None})
    index.write([Row(1, 9, WEB)])
    assert counts(index, 1) == {WEB.id: 1}
    index.write(ROWS)
    assert counts(index, 1) == {WEB.id: 3, BILL.id: 1}


@pytest.mark.parametrize("other", ["unnamed", "narrowed"])
def test_an_older_version_of_a_forgotten_row_does_not_come_back(index: Index, other: str) -> None:
    """A row replayed under a new catalogue and then forgotten stays forgotten, its old tags too."""
    newer = tags("C-22", version="000000000002")
    index.write([Row(1, 0, WEB), Row(1, 1, BILL), Row(1, 2, WEB, at=86_400_000 * 400)])
    index.write([Row(1, 0, newer), Row(1, 2, newer, at=86_400_000 * 400)])
    decision = {newer.id: None, **({WEB.id: HELD} if other == "narrowed" else {})}
    assert index.eraser.forget(PERSON, decision) == Forgotten(2, 0)
    assert counts(index, 1) == {BILL.id: 1}


def test_the_table_holds_no_forgotten_row_in_its_parts(database: ClickHouse) -> None:
    """What the mask hides is written out of the parts that are read from now on, and the old tags with it."""
    index = sql_index(database)
    index.write(ROWS)
    index.write([replace(row, tags=tags("C-22", version="000000000002")) for row in ROWS[:3]])
    newer = tags("C-22", version="000000000002")
    index.eraser.forget(PERSON, {newer.id: None, BILL.id: HELD})
    held = raw_rows(database)
    assert held == [(4, HELD.id)]


def test_a_mask_left_by_an_interrupted_erasure_is_applied_by_the_next(database: ClickHouse) -> None:
    """A worker that died after hiding the rows leaves them in the parts; repeating the call takes them out."""
    index = sql_index(database)
    index.write(ROWS)
    database.command("DELETE FROM lineage WHERE token = unhex({t:String})", {"t": token(1).hex()}, erase=True)
    assert raw_rows(database) != []
    assert index.eraser.forget(PERSON, {WEB.id: None, BILL.id: None}) == Forgotten()
    assert raw_rows(database) == []


def raw_rows(database: ClickHouse) -> list[tuple[int, int]]:
    """Offset and tag set of what the active parts hold of the person, hidden rows included."""
    rows = database.query(
        "SELECT offset, tag_set FROM lineage WHERE token = unhex({t:String}) ORDER BY offset, tag_set"
        " SETTINGS apply_deleted_mask = 0",
        {"t": token(1).hex()},
    )
    return [(int(offset), int(tag_set)) for offset, tag_set in rows]

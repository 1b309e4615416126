"""What every index promises of sealed record keys: of records that nothing else names, and erased with their event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from schemas.vocabulary import Role
from sinks.ports.expiry import RunOut
from sinks.ports.lineage import Span
from sinks.ports.record_keys import UnnamedRecords
from tests.support.index import NOW, Index, Row, batch, moment, record_key_table, tags, token

WEB, OTHER = tags(), tags("C-22")
BILL = tags("C-11", topic="billing.invoices", system="billing", purposes=("P-BILL",))
HELD = replace(WEB, categories=("C-21",), held_only=True)
ADDRESS, COOKIE, NEIGHBOUR = 1, 2, 3


def write(index: Index, rows: Sequence[Row], *keys: tuple[int, str]) -> None:
    index.writer.write(replace(batch(rows), record_keys=record_key_table(keys)), lambda: NOW)


def unnamed(
    index: Index,
    *spans: Span,
    named: Sequence[Span] = (),
    tag_sets: Sequence[int] = (WEB.id,),
    most: int = 10,
) -> list[str]:
    """What is sealed of the records, in the order of the answer."""
    found = index.record_keys.unnamed(UnnamedRecords(spans or [Span(token(ADDRESS))], named, tag_sets, most))
    return [sealed.decode() for sealed in found["sealed"].to_pylist()]


def test_a_record_key_is_read_as_it_was_written(index: Index) -> None:
    """With the event and the field that it is bound to, byte by byte, whatever was sealed."""
    keys = record_key_table([(0, "")])
    sealed = bytes(range(256)) + b"\0"
    keys = keys.set_column(6, "sealed", [[sealed]])
    index.writer.write(replace(batch([Row(ADDRESS, 0, WEB, record=7)]), record_keys=keys), lambda: NOW)
    question = UnnamedRecords([Span(token(ADDRESS))], (), [WEB.id], 10)
    assert index.record_keys.unnamed(question).to_pylist() == [
        {
            "topic": "web.visits",
            "partition": 0,
            "offset": 0,
            "record": "WebVisit",
            "field": "id",
            "key": "identifiers-2026-06",
            "sealed": sealed,
        }
    ]


def test_of_each_record_one_key_is_told_the_newest_first(index: Index) -> None:
    """Two events of one record, a replay, and no more than are asked for."""
    rows = [Row(ADDRESS, at, WEB, at=at, record=record) for at, record in ((0, 7), (1, 8), (2, 7), (3, 9))]
    for _ in range(2):
        write(index, rows, (0, "7"), (1, "8"), (2, "7 again"), (3, "9"))
    assert unnamed(index) == ["9", "7 again", "8"]
    assert unnamed(index, most=2) == ["9", "7 again"]


def test_what_another_identifier_names_is_left_out(index: Index) -> None:
    """By any event of the record, under the span in which that identifier is named."""
    rows = [Row(ADDRESS, at, WEB, at=at, record=7 + at) for at in range(3)]
    write(index, [*rows, Row(COOKIE, 9, WEB, at=9, record=8)], (0, "7"), (1, "8"), (2, "9"))
    assert unnamed(index, named=[Span(token(COOKIE))]) == ["9", "7"]
    assert unnamed(index, named=[Span(token(COOKIE), until=moment(9))]) == ["9", "8", "7"]
    assert unnamed(index, named=[Span(token(ADDRESS), since=moment(1))]) == ["7"]


def test_only_what_is_asked_for_is_told(index: Index) -> None:
    """Of these tag sets, in the span, by the owner, with a key: an event without one is a record of its own."""
    agent = Row(ADDRESS, 4, WEB, record=11, role=Role.AGENT.code)
    rows = [
        Row(ADDRESS, 0, WEB, record=7),
        Row(ADDRESS, 1, OTHER, record=8),
        Row(ADDRESS, 2, WEB, at=9, record=9),
    ]
    others = [Row(NEIGHBOUR, 3, WEB, record=10), agent, Row(ADDRESS, 5, WEB), Row(ADDRESS, 6, WEB, record=12)]
    write(index, [*rows, *others], *((offset, f"{offset}") for offset in range(6)))
    assert unnamed(index, Span(token(ADDRESS), until=moment(9))) == ["0"]
    assert unnamed(index, Span(token(ADDRESS), until=moment(9)), tag_sets=[WEB.id, OTHER.id]) == ["1", "0"]
    assert unnamed(index, tag_sets=[]) == []
    assert unnamed(index, Span(token(99))) == []


def test_a_record_key_goes_with_its_event_and_stays_with_what_is_held(index: Index) -> None:
    """When its day comes the system has to be told; a neighbour's key is untouched."""
    rows = [
        Row(ADDRESS, 0, WEB, record=7),
        Row(ADDRESS, 1, OTHER, record=8),
        Row(NEIGHBOUR, 2, WEB, record=9),
    ]
    write(index, rows, (0, "7"), (1, "8"), (2, "9"))
    index.eraser.forget([Span(token(ADDRESS))], {WEB.id: HELD, OTHER.id: None})
    # An interrupted run may have written the row again.
    index.write(rows[:2])
    assert unnamed(index, tag_sets=[WEB.id, OTHER.id, HELD.id]) == ["7"]
    assert unnamed(index, Span(token(NEIGHBOUR))) == ["9"]


def test_a_record_key_goes_with_an_event_that_has_run_out(index: Index) -> None:
    rows = [Row(ADDRESS, at, WEB, at=at, record=7 + at) for at in range(2)]
    write(index, rows, (0, "7"), (1, "8"))
    index.expirer.expire([RunOut(WEB.id, NOW + timedelta(milliseconds=1))])
    index.write(rows)
    assert unnamed(index) == ["8"]

"""Several people in one role of an event: each is found alone, told of beside the others, and erased without them."""

from __future__ import annotations

from dataclasses import replace

from schemas.vocabulary import Role
from sinks.clickhouse.client import ClickHouse
from sinks.ports.erasure import Forgotten, RecordsGone
from sinks.ports.lineage import LineageBatch, Others, Span
from tests.support.index import Index, Row, moment, sql_index, table, tags, token

ALONE = tags("C-01", topic="parcels", system="crm", purposes=("P-CONTRACT",))
AMONG = replace(ALONE, several=True)
OWNER, OTHER = Role.OWNER.code, Role.COUNTERPARTY.code
OWNERS = frozenset({Role.OWNER})
STAYS = RecordsGone(OWNERS, OWNERS)
SENDER, ANNA, BERIT, ADDRESS = 1, 2, 3, 9
PARCEL = [
    Row(SENDER, 0, ALONE, role=OWNER),
    Row(ANNA, 0, AMONG, role=OTHER),
    Row(BERIT, 0, AMONG, role=OTHER),
]
MOVED = [Row(ANNA, 5, AMONG, role=OWNER), Row(BERIT, 5, AMONG, role=OWNER)]


def person(*numbers: int) -> list[Span]:
    return [Span(token(number)) for number in numbers]


def test_each_is_told_of_beside_the_others(index: Index) -> None:
    """Of two consignees each has another beside them; one by two identifiers has not."""
    index.write([*PARCEL, *(Row(number, 1, ALONE, role=OTHER) for number in (ANNA, ADDRESS))])
    consignee = frozenset({Role.COUNTERPARTY})
    both = consignee | {Role.OWNER}
    for number in (ANNA, BERIT):
        assert list(index.reader.others(person(number))) == [
            Others(AMONG.id, consignee, both, frozenset(), 1)
        ]
    assert index.reader.others(person(ANNA, ADDRESS)) == index.reader.others(person(ANNA))
    (said,) = index.reader.others(person(SENDER))
    assert (said.roles, said.others) == (OWNERS, consignee)


def test_one_of_several_is_forgotten_alone(index: Index) -> None:
    """The others of the event are found as before."""
    index.write(PARCEL)
    gone = {AMONG.id: RecordsGone(OWNERS)}
    assert index.eraser.going(person(ANNA), {AMONG.id: None}, gone) == Forgotten(1)
    assert index.eraser.forget(person(ANNA), {AMONG.id: None}, gone) == Forgotten(1)
    found = [index.reader.find(person(number)).total_events for number in (SENDER, ANNA, BERIT)]
    assert found == [1, 0, 1]


def test_whom_a_record_was_moved_to_keeps_it(index: Index) -> None:
    """A change named the former customer and the new one, both as owner: the record is the new one's."""
    index.write(MOVED)
    gone = {AMONG.id: STAYS}
    assert index.eraser.going(person(ANNA), {AMONG.id: None}, gone) == Forgotten(1)
    assert index.eraser.forget(person(ANNA), {AMONG.id: None}, gone) == Forgotten(1)
    assert index.reader.find(person(BERIT)).total_events == 1


def test_an_identifier_that_is_anothers_by_then_stays_with_them(index: Index) -> None:
    """It was the person's until before the event, in which both stand in one role."""
    index.write(MOVED)
    spans = [Span(token(ANNA)), Span(token(BERIT), until=moment(-1))]
    assert index.eraser.forget(spans, {AMONG.id: None}) == Forgotten(1)
    assert index.reader.find(person(BERIT)).total_events == 1


def test_events_of_two_owners_are_kept_by_event_too(database: ClickHouse) -> None:
    """Of an event with one owner nobody asks who else is in it."""
    rows = [*MOVED, Row(ANNA, 6, ALONE, role=OWNER)]
    index = sql_index(database)
    index.writer.write(LineageBatch(table(rows), tag_sets=[ALONE, AMONG]), lambda: moment(0))
    assert database.query("SELECT offset, count() FROM lineage_by_event GROUP BY offset") == [(5, 2)]


def test_what_is_stored_under_an_id_keeps_it() -> None:
    """Tag sets of before have no word of several."""
    assert replace(ALONE, several=False).id == ALONE.id != AMONG.id

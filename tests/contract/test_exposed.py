"""What every index says of the events that a personal data breach may have reached, and of who stands in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pyarrow as pa

from schemas.vocabulary import Role
from sinks.ports.exposed import EXPOSED_SCHEMA, Exposed, Reach
from sinks.ports.identity import NOTHING
from sinks.ports.lineage import Filter, Span
from tests.support.index import NOW, Index, Row, moment, tags, token

WEB = tags()
BILL = tags("C-11", "C-12", topic="billing.invoices", system="billing", purposes=("P-BILL",))
HOUR = 3_600_000


def filled(index: Index) -> Index:
    index.write(
        [
            Row(1, 0, WEB, at=0, port=1_100),
            Row(1, 1, WEB, at=HOUR, port=1_200),
            Row(2, 1, WEB, at=HOUR, role=Role.COUNTERPARTY.code),
            Row(3, 2, WEB, at=2 * HOUR, customer=4),
            Row(3, 3, WEB, at=3 * HOUR, customer=4),
            Row(4, 0, BILL, at=HOUR),
        ]
    )
    return index


def seen(index: Index, reach: Reach, page: int = 20_000) -> list[tuple[int, int | None, int, int]]:
    """(token, customer, hour, port) by number, where no customer is named; of these hour and port are left at 0."""
    numbers = {token(number): number for number in range(1, 9)}
    tables = list(index.exposed.exposed(reach, page))
    assert all(table.schema == EXPOSED_SCHEMA and table.num_rows for table in tables)
    rows = pa.concat_tables(tables).to_pylist() if tables else []
    begun = NOW.replace(tzinfo=None)
    return [
        (
            numbers[row["token"]],
            numbers.get(row["customer"]),
            (row["event_time"] - begun) // timedelta(hours=1) if row["customer"] == NOTHING else 0,
            row["port"] if row["customer"] == NOTHING else 0,
        )
        for row in rows
    ]


def key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What is one row; port and time are not of it where a customer is named."""
    names = [name for name in EXPOSED_SCHEMA.names if name not in ("port", "event_time")]
    moment_of = (row["port"], row["event_time"]) if row["customer"] == NOTHING else ()
    return (*(row[name] for name in names), *moment_of)


def test_events_and_who_stands_in_them_are_found_by_time(index: Index) -> None:
    """Half-open; an event counts once, whoever stands in it; behind which port and when, unless a customer is named."""
    filled(index)
    reach = Reach(Filter(since=moment(HOUR), until=moment(3 * HOUR)))
    counted = index.exposed.exposed_events(reach)
    found = counted.found
    assert [(item.tags, item.events) for item in found.holdings] == [(BILL, 1), (WEB, 2)]
    assert found.total_events == 3
    assert counted.by_topic == {"billing.invoices": 1, "web.visits": 2}
    assert (found.holdings[1].first_seen, found.holdings[1].last_seen) == (moment(HOUR), moment(2 * HOUR))
    assert sorted(seen(index, reach)) == [(1, None, 1, 1_200), (2, None, 1, 0), (3, 4, 0, 0), (4, None, 1, 0)]


def test_one_event_stands_for_all_that_name_the_same_customer(index: Index) -> None:
    assert seen(filled(index), Reach(Filter(systems=["web"]))).count((3, 4, 0, 0)) == 1


def test_they_are_found_by_topic_and_by_system(index: Index) -> None:
    filled(index)
    for reach in (Reach(topics=["billing.invoices"]), Reach(Filter(systems=["billing"]))):
        assert index.exposed.exposed_events(reach).found.total_events == 1
        assert seen(index, reach) == [(4, None, 1, 0)]
    nowhere = Reach(Filter(systems=["billing"]), topics=["web.visits"])
    assert index.exposed.exposed_events(nowhere) == Exposed()
    assert seen(index, nowhere) == []


def test_they_are_found_by_where_they_stand(index: Index) -> None:
    """Of the events named those that are there, and no other of their topic."""
    filled(index)
    reach = Reach(events=[("web.visits", 0, 1), ("billing.invoices", 0, 0), ("web.visits", 0, 77)])
    assert index.exposed.exposed_events(reach).found.total_events == 2
    assert sorted(seen(index, reach)) == [(1, None, 1, 1_200), (2, None, 1, 0), (4, None, 1, 0)]


def test_they_are_found_by_the_record_they_tell_of(index: Index) -> None:
    """All events of the record and whoever stands in them, and no other; also after a second writing."""
    rows = [
        Row(1, 0, WEB, at=0, record=2**64 - 1),
        Row(2, 0, WEB, at=0, record=2**64 - 1, role=Role.COUNTERPARTY.code),
        Row(1, 1, WEB, at=HOUR, record=7),
        Row(3, 2, WEB, at=2 * HOUR, record=2**64 - 1),
        Row(1, 3, WEB, at=3 * HOUR),
    ]
    for _ in range(2):
        index.write(rows)
    one = Reach(records=[2**64 - 1])
    assert index.exposed.exposed_events(one).found.total_events == 2
    for page in (1, 20_000):
        assert seen(index, one, page) == [(1, None, 0, 0), (2, None, 0, 0), (3, None, 2, 0)]
    assert index.exposed.exposed_events(Reach(records=[7, 8])).found.total_events == 1
    early = Reach(Filter(until=moment(HOUR)), records=[2**64 - 1])
    assert index.exposed.exposed_events(early).found.total_events == 1
    assert index.exposed.exposed_events(Reach(records=[9])) == Exposed()


def test_who_stands_in_an_event_is_told_with_the_role(index: Index) -> None:
    filled(index)
    (table,) = index.exposed.exposed(Reach(events=[("web.visits", 0, 1)]))
    roles = {row["token"]: Role.of(row["role"]) for row in table.to_pylist()}
    assert roles == {token(1): Role.OWNER, token(2): Role.COUNTERPARTY}


def test_pages_say_each_row_once_and_none_is_larger_than_asked(index: Index) -> None:
    """However many a token has: of one moment behind several ports, in several roles, with customers and without."""
    filled(index)
    index.write(
        [
            Row(1, 4, WEB, at=HOUR, port=1_300),
            Row(1, 5, WEB, at=HOUR + 1, port=1_200),
            Row(1, 6, WEB, role=Role.AGENT.code),
            Row(1, 1, BILL, at=HOUR, port=1_200),
            *(Row(1, 7 + number, WEB, customer=number) for number in (2, 3, 4)),
        ]
    )
    whole = [row for table in index.exposed.exposed(Reach()) for row in table.to_pylist()]
    assert len(whole) == 12
    for page in (1, 2, 3, 5):
        tables = list(index.exposed.exposed(Reach(), page))
        assert [table.num_rows for table in tables[:-1]] == [page] * (len(tables) - 1)
        assert 0 < tables[-1].num_rows <= page
        assert [key(row) for table in tables for row in table.to_pylist()] == [key(row) for row in whole]


def test_what_was_written_twice_is_there_once_and_what_was_erased_is_not(index: Index) -> None:
    filled(filled(index))
    assert index.exposed.exposed_events(Reach()).found.total_events == 5
    index.write([Row(7, 8, WEB)])
    index.eraser.forget([Span(token(7))], {WEB.id: None})
    assert 7 not in {item[0] for item in seen(index, Reach())}
    assert index.exposed.exposed_events(Reach()).found.total_events == 5


def test_nothing_is_found_in_an_empty_index(index: Index) -> None:
    assert index.exposed.exposed_events(Reach()) == Exposed()
    assert list(index.exposed.exposed(Reach())) == []

"""What every index promises of retention clocks: what events say of them is written, read, known since, and erased."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa

from sinks.ports.clocks import UNNAMED, Owner
from sinks.ports.lineage import Span
from tests.support.index import NOW, Index, Row, Said, batch, clock_table, moment, tags, token

WEB = tags()
BILL = tags("C-11", topic="billing.invoices", system="billing", purposes=("P-BILL",))
OWNER, COOKIE, OTHER = 1, 2, 3


def write(index: Index, rows: list[Row], *said: Said, minutes: int = 0) -> None:
    index.writer.write(
        replace(batch(rows), clocks=clock_table(said)), lambda: NOW + timedelta(minutes=minutes)
    )


def places(index: Index, *numbers: int) -> list[tuple[bytes, int]]:
    rows = index.clocks.clock_events([token(number) for number in numbers]).to_pylist()
    return sorted((row["token"], row["offset"]) for row in rows)


def test_what_was_said_is_read_as_it_was_written(index: Index) -> None:
    """Every column, under the tokens asked for alone; written twice it is there once."""
    said = [
        Said(OWNER, 0, started=50, at=40, since=30),
        Said(OWNER, 0, clock="withdrawal", thing=None, part=1),
    ]
    for _ in range(2):
        write(index, [Row(OWNER, 0, WEB), Row(OTHER, 1, WEB)], *said, Said(OTHER, 1))
    found = index.clocks.clock_events([token(OWNER), token(9)]).to_pylist()
    assert sorted(found, key=lambda row: row["part"]) == clock_table(said).to_pylist()
    assert index.clocks.clock_events([]).num_rows == 0


def test_it_is_known_since_its_batch_was_written(index: Index) -> None:
    """As of a moment before, nothing is known of it."""
    write(index, [Row(OWNER, 0, WEB)], Said(OWNER, 0))
    write(index, [Row(OWNER, 5, WEB)], Said(OWNER, 5), minutes=10)
    then = index.clocks.clock_events([token(OWNER)], NOW + timedelta(minutes=5))
    assert then["offset"].to_pylist() == [0]
    assert sorted(index.clocks.clock_events([token(OWNER)])["offset"].to_pylist()) == [0, 5]


def test_it_is_erased_with_its_event(index: Index) -> None:
    """Under every identifier of the person; not where a row stays, and nobody else's."""
    rows = [Row(OWNER, 0, WEB), Row(COOKIE, 0, WEB), Row(OTHER, 1, WEB), Row(OWNER, 2, BILL)]
    said = [Said(OWNER, 0), Said(COOKIE, 0), Said(OTHER, 1), Said(OWNER, 2, topic="billing.invoices")]
    write(index, rows, *said)
    index.eraser.forget([Span(token(OWNER)), Span(token(COOKIE))], {WEB.id: None, BILL.id: BILL})
    assert places(index, OWNER, COOKIE, OTHER) == sorted([(token(OTHER), 1), (token(OWNER), 2)])
    index.eraser.forget([Span(token(OWNER))], {BILL.id: None})
    assert places(index, OWNER, COOKIE, OTHER) == [(token(OTHER), 1)]


def test_what_is_narrowed_still_says_when_its_clock_started(index: Index) -> None:
    """Held data need their day; it goes with them."""
    write(index, [Row(OWNER, 2, BILL)], Said(OWNER, 2, topic="billing.invoices", started=9))
    narrowed = replace(BILL, purposes=(), held_only=True)
    index.eraser.forget([Span(token(OWNER))], {BILL.id: narrowed})
    assert places(index, OWNER) == [(token(OWNER), 2)]


def owners(index: Index, before: int, *, after: bytes = b"", limit: int = 10) -> list[bytes]:
    return index.clocks.owners({"contract_end": moment(before)}, after, limit)


def test_owners_are_listed_whose_clock_started_before_a_moment(index: Index) -> None:
    """Of that clock, each once however many events say so; not where it has not started, or does so at the moment."""
    write(
        index,
        [],
        Said(OWNER, 0, started=5),
        Said(OWNER, 1, started=6),
        Said(OTHER, 2),
        Said(COOKIE, 3, started=9),
    )
    write(index, [], Said(8, 4, clock="case_closed", started=5))
    assert owners(index, 9) == [token(OWNER)]
    assert owners(index, 10) == [token(OWNER), token(COOKIE)]
    both = {"contract_end": moment(6), "case_closed": moment(6)}
    assert index.clocks.owners(both) == [token(OWNER), token(8)]
    assert index.clocks.owners({}) == []


def test_owners_are_listed_a_page_at_a_time(index: Index) -> None:
    """In order of their tokens, whatever bytes these have, none twice and none left out."""
    write(index, [], *(Said(number, number, started=1) for number in range(30)))
    pages, after = list[list[bytes]](), b""
    while page := owners(index, 9, after=after, limit=7):
        pages.append(page)
        after = page[-1]
    assert [len(page) for page in pages] == [7, 7, 7, 7, 2]
    assert [item for page in pages for item in page] == sorted(token(number) for number in range(30))


def test_an_erased_owner_is_not_listed(index: Index) -> None:
    write(index, [Row(OWNER, 0, WEB)], Said(OWNER, 0, started=1))
    index.eraser.forget([Span(token(OWNER))], {WEB.id: None})
    assert owners(index, 9) == []


def test_owners_of_old_rows_are_listed_with_the_time_of_the_oldest(index: Index) -> None:
    """By the moment of each tag set, in pages; whoever is only mentioned owns nothing."""
    mentioned = Row(5, 0, WEB, at=1, role=4)
    rows = [
        Row(1, 0, WEB, at=7),
        Row(1, 1, WEB, at=3),
        Row(2, 2, WEB, at=9),
        Row(3, 3, BILL, at=3),
        mentioned,
    ]
    write(index, [*rows, Row(4, 4, BILL, at=8)])
    before = {WEB.id: moment(9), BILL.id: moment(5)}
    every = index.clocks.owners_of_rows(before)
    assert every == [Owner(token(1), moment(3)), Owner(token(3), moment(3))]
    assert index.clocks.owners_of_rows(before, limit=1) == every[:1]
    assert index.clocks.owners_of_rows(before, after=token(1)) == every[1:]
    assert index.clocks.owners_of_rows({}) == []
    index.eraser.forget([Span(token(1))], {WEB.id: None})
    assert index.clocks.owners_of_rows(before) == every[1:]


def test_owners_of_whom_all_has_ended_are_counted_by_the_day_of_the_last(index: Index) -> None:
    """Not whoever has a thing that goes on; of one that is taken up again the newest event decides."""
    day = 86_400_000
    write(index, [], Said(1, 0, started=0), Said(1, 1, started=2 * day, thing=8), Said(2, 2, started=day))
    write(index, [], Said(3, 3, started=0), Said(3, 4, thing=8))
    write(index, [], Said(4, 5, started=0), Said(4, 6, at=5), Said(5, 7, at=1), Said(5, 8, started=9, at=9))
    write(index, [], Said(6, 9, started=0, clock="withdrawal"))
    today = NOW.date()
    zone = ZoneInfo("Europe/Oslo")
    found = {today + timedelta(days=number): 1 for number in range(3)}
    assert index.clocks.ended_by_day("contract_end", zone) == found
    assert index.clocks.ended_by_day("withdrawal", zone) == {today: 1}
    assert index.clocks.ended_by_day("need_end", zone) == {}


def test_things_without_a_key_are_things_of_their_own(index: Index) -> None:
    said = clock_table([Said(1, 0), Said(1, 1, started=5, at=5), Said(2, 2, started=5)])
    unnamed = said.set_column(2, said.schema.field("thing"), pa.array([UNNAMED] * 3, pa.binary(16)))
    index.writer.write(replace(batch([]), clocks=unnamed), lambda: NOW)
    assert list(index.clocks.ended_by_day("contract_end", ZoneInfo("UTC")).values()) == [1]

"""What every index promises when it must forget."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import get_args

import pytest

from schemas.vocabulary import Role
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.memory.index import MemoryIndex
from sinks.ports.erasure import Forgotten, RecordsGone
from sinks.ports.forgotten import is_forgotten
from sinks.ports.identity import ClaimKey, OpenClaims
from sinks.ports.lineage import Found, LineageBatch, Span
from tests.support.index import (
    Claim,
    Index,
    Row,
    batch,
    claim_table,
    finding_table,
    identifier_table,
    moment,
    prefix_table,
    sql_index,
    table,
    tags,
    token,
)

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
    assert index.eraser.forget([Span(token(1), port_from=8, port_to=8)], {WEB.id: None}) == Forgotten(1, 0)
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


def test_what_came_later_stays_as_it_is(index: Index) -> None:
    """By the moment at which the index had it, whether it would go or be narrowed; and what is sealed stays with it."""
    index.write([Row(1, 0, WEB), Row(1, 0, BILL), Row(2, 0, BILL)], now=moment(0))
    index.write([Row(1, 2, WEB), Row(1, 2, BILL), Row(2, 2, BILL, role=2)], now=moment(2))
    sealed = identifier_table([(1, "email", "k", b"1")])
    index.writer.write(LineageBatch(table([]), identifiers=sealed), lambda: moment(2))
    decision = {WEB.id: None, BILL.id: HELD}
    assert index.eraser.forget(PERSON, decision, known_at=moment(-1)) == Forgotten()
    assert index.eraser.going(PERSON, decision, known_at=moment(1)) == Forgotten(1, 1)
    assert index.eraser.forget(PERSON, decision, known_at=moment(1)) == Forgotten(1, 1)
    assert counts(index, 1) == {WEB.id: 1, BILL.id: 1, HELD.id: 1}
    assert index.identifiers.sealed([token(1)]).num_rows == 1
    records = {BILL.id: RecordsGone(frozenset({Role.OWNER}))}
    assert index.eraser.forget(PERSON, {BILL.id: None}, records, moment(1)) == Forgotten()
    assert index.eraser.forget(PERSON, {WEB.id: None, BILL.id: None}, records, moment(2)) == Forgotten(
        2, 0, 1
    )
    assert counts(index, 1) == {HELD.id: 1}
    assert counts(index, 2) == {BILL.id: 1}


def test_what_is_written_after_forgetting_is_found(index: Index) -> None:
    """A person who comes back has rows again: new ones, and a replayed one as well (suppression is not ours)."""
    index.write(ROWS)
    index.eraser.forget(PERSON, {WEB.id: None, BILL.id: None})
    index.write([Row(1, 9, WEB)])
    assert counts(index, 1) == {WEB.id: 1}
    index.write(ROWS)
    assert counts(index, 1) == {WEB.id: 3, BILL.id: 1}


def learnt(index: Index, *numbers: int) -> list[int]:
    """Offsets of the claims that have one of the tokens in any place, but for what stands for the forgotten."""
    keys = [token(number) for number in numbers]
    rows = chain.from_iterable(index.claims.claims(keys, of=of).to_pylist() for of in get_args(ClaimKey))
    return sorted({row["offset"] for row in rows if not is_forgotten(row["subject"])})


def test_claims_go_with_the_events_they_were_read_from(index: Index) -> None:
    """Under every key, once no token of the spans has the event; those of other events, also held ones, stay."""
    claims = [Claim(offset, topic="web.visits", token=1, subject=7, group=8) for offset in (0, 1)]
    held = Claim(4, topic="billing.invoices", token=1, subject=7, group=8)
    other = Claim(9, topic="web.visits", token=1, subject=6, group=8)
    index.write([*ROWS, Row(3, 9, WEB)])
    index.writer.write(
        LineageBatch(table([]), claims=OpenClaims(claim_table([*claims, held, other]))), lambda: moment(0)
    )
    assert index.eraser.forget([Span(token(1), until=moment(5))], {WEB.id: None, BILL.id: HELD}) == Forgotten(
        1, 0
    )
    assert learnt(index, 1) == learnt(index, 8) == [1, 4, 9]
    assert index.eraser.forget(PERSON, {WEB.id: None, BILL.id: HELD}) == Forgotten(1, 1)
    assert learnt(index, 1) == learnt(index, 8) == [4, 9]
    assert (learnt(index, 6), learnt(index, 7)) == ([9], [4])


def test_a_report_that_ends_a_session_goes_with_the_person(index: Index) -> None:
    """It lies under the address at the moment from which on that is nobody's; next holder and other roles stay."""
    name, address = 1, 2
    end = [Row(name, 0, WEB, at=50), Row(address, 0, WEB, at=50)]
    shared = [Row(name, 1, WEB, at=60), Row(address, 1, WEB, at=60, role=Role.COUNTERPARTY.code)]
    index.write([*end, *shared, Row(address, 2, WEB, at=50)])
    claim = claim_table([Claim(0, topic="web.visits", token=address, subject=name)])
    index.writer.write(LineageBatch(table([]), claims=OpenClaims(claim)), lambda: moment(0))
    person = [Span(token(name)), Span(token(address), moment(10), moment(50))]
    assert index.eraser.forget(person, {WEB.id: None}) == Forgotten(2, 0, 1)
    assert counts(index, address) == {WEB.id: 2}
    assert learnt(index, name, address) == []


def test_claims_stay_while_another_token_of_the_person_has_the_event(index: Index) -> None:
    """What is still held of an event under one of the tokens still says whose the others were."""
    index.write([Row(1, 0, WEB), Row(3, 0, WEB)])
    index.writer.write(
        LineageBatch(table([]), claims=OpenClaims(claim_table([Claim(0, topic="web.visits")]))),
        lambda: moment(0),
    )
    index.write([Row(2, 0, replace(WEB, categories=("C-1",)))])
    person = [Span(token(1)), Span(token(2))]
    index.eraser.forget(person, {WEB.id: None})
    assert learnt(index, 1) == [0]
    index.eraser.forget(person, {replace(WEB, categories=("C-1",)).id: None})
    assert learnt(index, 1, 2, 3) == []


def test_findings_go_when_nobody_has_the_event_any_more(index: Index) -> None:
    """The text of an event that is still held for somebody keeps what was recognised in it."""
    index.write(ROWS)
    found = finding_table(
        [("web.visits", 0, "email"), ("web.visits", 1, "email"), ("billing.invoices", 4, "email")]
    )
    index.writer.write(LineageBatch(table([]), findings=found), lambda: moment(0))
    index.eraser.forget(PERSON, {WEB.id: None, BILL.id: HELD})
    assert finding_offsets(index) == [("billing.invoices", 4), ("web.visits", 0)]
    index.eraser.forget([Span(token(2))], {WEB.id: None})
    assert finding_offsets(index) == [("billing.invoices", 4)]


def finding_offsets(index: Index) -> list[tuple[str, int]]:
    if isinstance(index.writer, MemoryIndex):
        return sorted((row["topic"], row["offset"]) for row in index.writer.findings.values())
    assert isinstance(index.writer, ClickHouseWriter)
    rows = index.writer._index.query("SELECT topic, offset FROM findings FINAL ORDER BY ALL")
    return [(str(topic), int(offset)) for topic, offset in rows]


def test_prefixes_go_with_the_last_row_of_their_address(index: Index) -> None:
    """An address that nobody is known by any more is not told apart by its prefix either."""
    index.write(ROWS)
    index.writer.write(
        LineageBatch(table([]), prefixes=prefix_table([(7, 56, 1), (7, 56, 2)])), lambda: moment(0)
    )
    index.eraser.forget(PERSON, {WEB.id: None})
    assert index.claims.prefixes([token(1)]).num_rows == 1
    index.eraser.forget(PERSON, {BILL.id: None})
    assert index.claims.prefixes([token(1)]).num_rows == 0
    assert index.claims.addresses([token(7)])["token"].to_pylist() == [token(2)]


def test_hundreds_of_spans_are_forgotten_at_once(index: Index) -> None:
    """Sessions on many addresses, some of them shared, in more than one statement; narrowed rows take one step."""
    narrow = replace(HELD, categories=())
    index.write([Row(number % 50, number, (BILL, HELD)[number % 2], at=number) for number in range(1_200)])
    spans = [Span(token(number % 50), moment(number), moment(number + 1)) for number in range(0, 1_200, 3)]
    overlapping = [*spans, *(replace(span, until=moment(1_200)) for span in spans[-2:])]
    assert index.eraser.forget(overlapping, {BILL.id: HELD, HELD.id: narrow}) == Forgotten(0, 400)
    assert index.eraser.forget(overlapping, {narrow.id: None}) == Forgotten(200, 0)
    everybody = index.reader.find([Span(token(number)) for number in range(50)])
    assert {holding.tags.id: holding.events for holding in everybody.holdings} == {BILL.id: 400, HELD.id: 600}


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


def test_what_forgetting_will_do_is_counted_before(index: Index) -> None:
    """The same numbers as it then says, nothing changed by counting, and nothing left to count afterwards."""
    index.write(ROWS)
    beside = [Row(1, 7, WEB, at=50), Row(3, 7, WEB, at=50)]
    index.write(beside)
    spans = [Span(token(1)), Span(token(3), until=moment(10))]
    decision = {WEB.id: None, BILL.id: HELD}
    counted = index.eraser.going(spans, decision)
    assert counted == Forgotten(3, 1, 1)
    assert index.eraser.going(spans, decision) == counted == index.eraser.forget(spans, decision)
    assert index.eraser.going(spans, decision) == Forgotten()
    assert index.eraser.going([], decision) == index.eraser.going(spans, {}) == Forgotten()


def test_what_came_since_a_moment_is_counted_apart(index: Index) -> None:
    """Read for the first time after it, not read again; narrowed rows and those of others too."""
    gone = {WEB.id: RecordsGone(frozenset({Role.OWNER}))}
    index.write([Row(1, 0, WEB), Row(1, 1, BILL), Row(4, 0, WEB, role=Role.AGENT.code)], now=moment(0))
    index.write([Row(1, 1, WEB), Row(4, 1, WEB, role=Role.AGENT.code)], now=moment(1000))
    index.write([Row(1, 0, WEB)], now=moment(1000))
    decision = {WEB.id: None, BILL.id: HELD}
    assert index.eraser.going(PERSON, decision, gone, moment(500)) == Forgotten(1, 1, 1)
    assert index.eraser.going(PERSON, decision, gone) == Forgotten(2, 1, 2)


def test_what_is_being_written_at_a_moment_was_not_known_then(index: Index) -> None:
    """Who looks while a batch goes in may not see it, however long ago its write began: at that moment nobody knew."""
    times = iter(range(1_000))
    looked: list[int] = []

    def look() -> tuple[()]:
        looked.append(next(times))
        return ()

    index.writer.write(replace(batch([Row(1, 0, WEB)]), meanwhile=look), lambda: moment(next(times)))
    (then,) = looked
    decision = {WEB.id: None}
    assert index.reader.find(PERSON, known_at=moment(then)) == Found()
    assert index.eraser.forget(PERSON, decision, known_at=moment(then)) == Forgotten()
    assert index.reader.find(PERSON, known_at=moment(next(times))).total_events == 1
    assert index.eraser.forget(PERSON, decision, known_at=moment(next(times))) == Forgotten(1)


def test_two_customers_behind_one_address_are_two_in_an_event_of_both(index: Index) -> None:
    """One calls the other: who goes by their ports is counted as theirs, and what hangs on the event goes with it."""
    gone = {WEB.id: RecordsGone(frozenset({Role.OWNER}))}
    index.write([Row(1, 0, WEB, port=1_100), Row(1, 0, WEB, role=Role.COUNTERPARTY.code, port=2_100)])
    said = claim_table([Claim(0, token=7, subject=5, topic=WEB.topic)])
    index.writer.write(LineageBatch(table([]), claims=OpenClaims(said)), lambda: moment(0))
    spans, decision = [Span(token(1), port_from=1_024, port_to=2_047)], {WEB.id: None}
    assert index.eraser.going(spans, decision, gone) == Forgotten(1, 0, 1)
    assert index.eraser.forget(spans, decision, gone) == Forgotten(1, 0, 1)
    assert index.claims.claims([token(7)], of="token").num_rows == 0


def test_another_customer_keeps_an_event_on_which_something_of_the_person_stands(index: Index) -> None:
    """In the person's own role, one to whom claims lead; whoever nobody knows is the person by another identifier."""
    gone = {WEB.id: RecordsGone(frozenset({Role.OWNER}))}
    agent = Row(4, 0, WEB, role=Role.AGENT.code)
    index.write([Row(1, 0, WEB), Row(5, 0, WEB), Row(6, 0, WEB), agent])
    leads = claim_table([Claim(9, token=7, subject=5, topic="crm.customers")])
    index.writer.write(LineageBatch(table([]), claims=OpenClaims(leads)), lambda: moment(0))
    decision = {WEB.id: None}
    assert index.eraser.going(PERSON, decision, gone) == Forgotten(1, 0, 2)
    assert index.eraser.forget(PERSON, decision, gone) == Forgotten(1, 0, 2)
    left = [number for number in (1, 4, 5, 6) if index.reader.find([Span(token(number))]).total_events]
    assert left == [5]


def test_an_event_of_owners_alone_ends_under_every_identifier_with_its_record(index: Index) -> None:
    """A visit lies under a cookie and under an address of which nothing says whose it was: the system deleted it, so
    that nothing of it is left to be found or to run out. Other events of that address stay, in any year."""
    gone = {WEB.id: RecordsGone(frozenset({Role.OWNER}))}
    year = 86_400_000 * 400
    visits = [Row(who, at, WEB, at=at * year, partition=at % 2) for at in (0, 1, 2) for who in (1, 6)]
    index.write([*visits, Row(6, 0, WEB, partition=1), Row(6, 1, BILL), Row(8, 7, WEB)])
    spans, decision = [Span(token(1), until=moment(2 * year))], {WEB.id: None}
    assert index.eraser.going(spans, decision) == Forgotten(2)
    assert index.eraser.going(spans, decision, gone) == Forgotten(2, 0, 2)
    assert index.eraser.forget(spans, decision, gone) == Forgotten(2, 0, 2)
    assert (counts(index, 1), counts(index, 6)) == ({WEB.id: 1}, {WEB.id: 2, BILL.id: 1})
    assert index.eraser.forget(spans, decision, gone) == Forgotten()


def test_nothing_of_another_customers_event_ends_with_the_person(index: Index) -> None:
    """Their e-mail on somebody else's order: the system leaves the order, and whoever else has a part in it."""
    gone = {WEB.id: RecordsGone(frozenset({Role.OWNER}))}
    receiver = [Row(7, at, WEB, role=Role.COUNTERPARTY.code) for at in (0, 1, 2)]
    mine = [Row(1, 0, WEB, customer=5), Row(1, 1, WEB, customer=2), Row(1, 2, WEB)]
    index.write([*mine, *receiver])
    # The person's own number stands in the event alone: it has no row of its own.
    spans, decision = [Span(token(1)), Span(token(2))], {WEB.id: None}
    assert index.eraser.going(spans, decision, gone) == Forgotten(3, 0, 2)
    assert index.eraser.forget(spans, decision, gone) == Forgotten(3, 0, 2)
    assert index.reader.find([Span(token(7))]).total_events == 1

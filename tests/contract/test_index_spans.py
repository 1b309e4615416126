"""What every index promises of spans: intervals, ports, proofs, and what was known at a moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from schemas.vocabulary import Proof
from sinks.ports.lineage import Filter, Found, Span
from tests.support.index import NOW, Index, Row, moment, tags, token

WEB = tags()
CHAT = tags("C-31", "C-21", topic="support.chats", system="contact_centre", purposes=("P-CARE", "P-DISPUTE"))
ROWS = [
    Row(1, 0, WEB, at=1_000),
    Row(1, 1, WEB, at=3_000),
    Row(2, 1, WEB, at=3_000, role=2),
    Row(1, 5, CHAT, at=2_000, partition=1),
    Row(2, 6, CHAT, at=9_000, partition=1, role=3),
]


def test_spans_are_half_open_to_the_millisecond(index: Index) -> None:
    """An event at `since` belongs to the span, one at `until` does not; so do neighbours share no event."""
    index.write([Row(1, offset, WEB, at=offset) for offset in range(10)])
    for since, until, count in ((3, 6, 3), (3, 3, 0), (None, 6, 6), (6, None, 4)):
        span = Span(
            token(1), None if since is None else moment(since), None if until is None else moment(until)
        )
        found = index.reader.find([span])
        assert found.total_events == count
        for holding in found.holdings:
            assert holding.first_seen == moment(since or 0)
    halves = [Span(token(1), moment(0), moment(5)), Span(token(1), moment(5), moment(10))]
    assert index.reader.find(halves).total_events == 10
    assert index.reader.find([*halves, Span(token(1), moment(2), moment(7))]).total_events == 10


def test_a_bound_between_two_milliseconds_takes_no_event_before_it(index: Index) -> None:
    """Bounds are exact: half a millisecond after an event, the event lies outside `since` and inside `until`."""
    index.write([Row(1, 0, WEB, at=5), Row(1, 1, WEB, at=6)])
    for part in (0.1, 0.5, 0.9):
        assert (
            index.reader.find([Span(token(1), since=moment(5) + (moment(1) - NOW) * part)]).total_events == 1
        )
        assert (
            index.reader.find([Span(token(1), until=moment(5) + (moment(1) - NOW) * part)]).total_events == 1
        )


def test_a_span_without_bounds_covers_the_bounded_ones(index: Index) -> None:
    """The same token with and without an interval is looked for everywhere."""
    index.write([Row(1, offset, WEB, at=offset) for offset in range(10)])
    spans = [Span(token(1), moment(0), moment(2)), Span(token(1)), Span(token(1), port_from=7, port_to=7)]
    assert index.reader.find(spans).total_events == 10


def test_a_port_narrows_an_address(index: Index) -> None:
    """Behind a shared address only the events of the given port are found, together with the time."""
    index.write([Row(1, 0, WEB, port=50_000), Row(1, 1, WEB, port=65_535), Row(1, 2, WEB)])
    assert index.reader.find([Span(token(1), port_from=50_000, port_to=50_000)]).total_events == 1
    assert index.reader.find([Span(token(1), port_from=65_535, port_to=65_535)]).total_events == 1
    assert index.reader.find([Span(token(1), port_from=1, port_to=1)]) == Found()
    assert index.reader.find([Span(token(1), since=moment(1), port_from=50_000, port_to=50_000)]) == Found()
    assert index.reader.find([Span(token(1))]).total_events == 3


def test_a_port_range_takes_both_its_ends(index: Index) -> None:
    """A block of ports of a shared address is one person's; a row that knows no port lies in none but all ports."""
    index.write(
        [Row(1, number, WEB, port=port) for number, port in enumerate((0, 1_023, 1_024, 2_047, 2_048))]
    )
    block = Span(token(1), port_from=1_024, port_to=2_047)
    assert index.reader.find([block]).total_events == 2
    assert index.reader.find([block, replace(block, port_from=2_047, port_to=2_048)]).total_events == 3
    assert index.reader.find([replace(block, port_from=2_048)]) == Found()


def test_a_holding_says_by_what_proofs_it_is_the_persons(index: Index) -> None:
    """The proofs of the spans that matched its events, in order, each once; none for an identifier that was given."""
    index.write([Row(1, offset, WEB, at=offset, port=offset) for offset in range(10)])
    index.write([Row(2, 100, WEB), Row(3, 0, CHAT)])
    user = Span(token(1), moment(2), moment(5), proof=Proof.USER)
    holder = Span(token(1), moment(4), moment(8), port_to=6, proof=Proof.HOLDER)
    for spans, count, proofs in (
        ([user], 3, (Proof.USER,)),
        ([user, holder], 5, (Proof.HOLDER, Proof.USER)),
        ([user, replace(user, proof=None)], 3, (Proof.USER,)),
        ([user, Span(token(1))], 10, (Proof.USER,)),
        ([user, replace(user, proof=Proof.PAYER), user], 3, (Proof.USER, Proof.PAYER)),
        ([replace(holder, since=moment(7)), user], 3, (Proof.USER,)),
        ([Span(token(1)), Span(token(2))], 11, ()),
        ([Span(token(1), proof=Proof.LINE_OWNER), Span(token(2))], 11, (Proof.LINE_OWNER,)),
    ):
        found = index.reader.find(spans)
        assert (found.total_events, found.holdings[0].events) == (count, count)
        assert found.holdings[0].proofs == proofs
    both = index.reader.find([user, Span(token(3), proof=Proof.SUBSCRIBER)])
    assert [holding.proofs for holding in both.holdings] == [(Proof.SUBSCRIBER,), (Proof.USER,)]


def test_known_at_is_the_moment_the_ledger_had_the_event(index: Index) -> None:
    """Events of ranges written later are not in the answer, and a range written again was known from the first time."""
    later, last = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    index.write(ROWS[:3])
    index.write([Row(1, 2, WEB, at=4_000)], now=later)
    index.write([Row(1, 5, CHAT, at=2_000, partition=1)], now=later)
    index.write(ROWS, now=last)
    spans = [Span(token(1))]
    for known_at, count in (
        (NOW - timedelta(milliseconds=1), 0),
        (NOW, 2),
        (later - timedelta(milliseconds=1), 2),
        (later, 4),
        (last, 4),
    ):
        assert index.reader.find(spans, known_at=known_at).total_events == count
    assert index.reader.find(spans, Filter(systems=["web"]), later).total_events == 3
    assert index.reader.find([Span(token(1), moment(3_000))], known_at=NOW).total_events == 1


def test_ten_thousand_spans_are_one_question(index: Index) -> None:
    """Sessions of years, each with a block of ports and a proof, many of them on one shared address."""
    rows = [Row(number % 100, number, WEB, at=number * 10, port=number % 5) for number in range(2_000)]
    index.write(rows)
    spans = [
        Span(
            token(number % 100),
            moment(number * 10),
            moment(number * 10 + 5),
            number % 2,
            3,
            Proof.of(1 + number % 5),
        )
        for number in range(10_000)
    ]
    expected = sum(1 for row in rows if row.offset % 2 <= row.port <= 3)
    found = index.reader.find(spans)
    assert found.total_events == expected
    assert found.holdings[0].proofs == tuple(Proof)[:4]
    shared = [replace(span, token=token(1)) for span in spans]
    assert index.reader.find(shared).total_events == sum(
        1 for row in rows if row.token == 1 and row.offset % 2 <= row.port <= 3
    )


def test_a_person_with_many_addresses_is_one_question(index: Index) -> None:
    """A look-up over thousands of tokens, hundreds of them with an interval, answers like one over a few."""
    index.write([Row(number, number, WEB, at=number) for number in range(3_000)])
    bounded = [Span(token(number), moment(number), moment(number + 1)) for number in range(0, 600, 2)]
    bare = [Span(token(number)) for number in range(1, 3_000, 2)]
    assert index.reader.find(bounded).total_events == 300
    assert index.reader.find(bare).total_events == 1_500
    assert index.reader.find([*bare, *bounded]).total_events == 1_800

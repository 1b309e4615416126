"""How many events and records are held under spans: what the answers of systems are held against."""

from __future__ import annotations

import random
from typing import Any

from sinks.ports.lineage import Counts, CountsQuestion, Span
from tests.support.index import NOW, Index, Row, moment, tags, token

WEB, CHAT = tags(), tags("C-31", topic="support.chats", system="contact_centre")
BOTH = [WEB.id, CHAT.id]


def counted(index: Index, *spans: Span, tag_sets: list[int] | None = None) -> Counts:
    return index.reader.counts(spans, BOTH if tag_sets is None else tag_sets)


def test_events_about_one_record_are_one_record(index: Index) -> None:
    """A row that was made, changed and changed again is three events and one record."""
    index.write([Row(1, offset, WEB, record=7) for offset in range(3)])
    assert counted(index, Span(token(1))) == Counts(events=3, records=1)


def test_an_event_without_a_record_key_is_a_record_of_its_own(index: Index) -> None:
    """So it is where a schema names none, and in rows that were written before records were told apart."""
    index.write([Row(1, 0, WEB), Row(1, 1, WEB), Row(1, 2, WEB, record=7), Row(1, 3, WEB, record=7)])
    assert counted(index, Span(token(1))) == Counts(events=4, records=3)


def test_a_record_that_names_the_person_twice_is_one(index: Index) -> None:
    """Rows of one event under two identifiers of the person are one event, as in every answer."""
    index.write([Row(1, 0, WEB, record=7), Row(2, 0, WEB, record=7), Row(1, 4, CHAT, record=8)])
    assert counted(index, Span(token(1)), Span(token(2))) == Counts(events=2, records=2)


def test_only_what_is_asked_for_counts(index: Index) -> None:
    """Other tag sets, other people and other times do not."""
    index.write(
        [
            Row(1, 0, WEB, record=7),
            Row(1, 1, CHAT, record=8),
            Row(3, 2, WEB, record=9),
            Row(1, 3, WEB, at=5_000),
        ]
    )
    early = Span(token(1), until=moment(4_000))
    assert counted(index, early, tag_sets=[WEB.id]) == Counts(1, 1)
    assert counted(index, early) == Counts(2, 2)
    assert counted(index) == Counts()
    assert counted(index, early, tag_sets=[]) == Counts()


def test_what_was_known_at_a_moment_is_counted(index: Index) -> None:
    """By the ledger: what came into the index later is not."""
    index.write([Row(1, 0, WEB, record=7), Row(1, 1, WEB, record=8)])
    assert index.reader.counts([Span(token(1))], BOTH, NOW) == counted(index, Span(token(1)))
    assert index.reader.counts([Span(token(1))], BOTH, moment(-1)) == Counts()


def test_counts_are_those_of_a_count_by_hand(index: Index) -> None:
    """Two hundred rows of three people, counted for each of them and all subsets of tag sets."""
    chance = random.Random(9)
    rows = {
        (chance.randint(1, 3), offset): (chance.choice((WEB, CHAT)), chance.randint(0, 20))
        for offset in range(200)
    }
    index.write([Row(person, at, said, record=record) for (person, at), (said, record) in rows.items()])
    for person in (1, 2, 3):
        for wanted in ([WEB.id], [CHAT.id], BOTH):
            # Topics number their offsets apart, and each is of one tag set here.
            mine = [
                (said.topic, at, record)
                for (who, at), (said, record) in rows.items()
                if who == person and said.id in wanted
            ]
            records = {record or (topic, at) for topic, at, record in mine}
            assert counted(index, Span(token(person)), tag_sets=wanted) == Counts(len(mine), len(records))


def test_a_record_that_names_another_customer_is_not_counted(index: Index) -> None:
    """Whatever of the person stands in it; their own number does, and what names no customer is whoever's it is."""
    person, mail, other = 1, 2, 3
    rows = [
        Row(mail, 0, WEB, record=7, customer=other),
        Row(mail, 1, WEB, record=8, customer=person),
        Row(mail, 2, WEB, record=9),
        Row(person, 3, WEB, record=10),
    ]
    index.write(rows)
    assert counted(index, Span(token(mail)), Span(token(person))) == Counts(3, 3)
    # Who is known by that alone has no right to what names a customer.
    assert counted(index, Span(token(mail))) == Counts(1, 1)
    assert counted(index, Span(token(mail)), Span(token(other))) == Counts(2, 2)


def test_the_customers_of_each_question_are_its_own(index: Index) -> None:
    """Asked at once as if each were asked alone."""
    reader: Any = index.reader
    index.write([Row(2, 0, WEB, record=7, customer=3), Row(2, 1, WEB, record=8, customer=1)])
    asked = [CountsQuestion([Span(token(2)), Span(token(of))], BOTH) for of in (1, 3, 4)]
    assert reader.counts_each(asked) == [Counts(1, 1), Counts(1, 1), Counts()]

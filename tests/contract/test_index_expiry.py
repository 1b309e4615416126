"""How old what is held is, in every index: events of each day and tag set, each once."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sinks.ports.expiry import DayCount, OldRecords
from sinks.ports.lineage import Span
from tests.support.index import NOW, Index, Row, Said, batch, clock_table, moment, tags, token

OSLO, UTC = ZoneInfo("Europe/Oslo"), ZoneInfo("UTC")
WEB, CHAT = tags(), tags("C-31", topic="support.chats", system="contact_centre")
DAY, HOUR = 86_400_000, 3_600_000
TODAY = NOW.date()


def counted(index: Index, *kept: Span, zone: ZoneInfo = UTC) -> set[tuple[str, date, int, int]]:
    found = [(item.tags.topic, item.day, item.events, item.kept) for item in index.expiry.by_day(zone, kept)]
    assert len({item[:2] for item in found}) == len(found)
    return set(found)


def test_events_are_counted_by_day_and_tag_set(index: Index) -> None:
    """Each once, however many identifiers of a person it names, in each partition."""
    index.write([Row(1, 0, WEB), Row(2, 0, WEB), Row(1, 0, WEB, partition=1), Row(1, 1, WEB, at=-DAY)])
    index.write([Row(1, 0, CHAT)])
    yesterday = TODAY - timedelta(days=1)
    assert counted(index) == {
        (WEB.topic, TODAY, 2, 0),
        (WEB.topic, yesterday, 1, 0),
        (CHAT.topic, TODAY, 1, 0),
    }


def test_an_empty_index_holds_nothing(index: Index) -> None:
    assert list(index.expiry.by_day(UTC)) == []
    assert index.expiry.clocks_told() == frozenset()


def test_a_day_is_one_of_the_zone(index: Index) -> None:
    """23:30 in the evening by UTC is another day in Norway, and another one before 1970 as well."""
    late = (23 - NOW.hour) * HOUR + HOUR // 2
    old = round((moment(0).replace(year=1961, hour=23, minute=30) - NOW) / timedelta(milliseconds=1))
    index.write([Row(1, 0, WEB, at=late), Row(1, 1, WEB, at=old)])
    assert {day for _, day, _, _ in counted(index)} == {TODAY, date(1961, 6, 1)}
    tomorrow = TODAY + timedelta(days=1)
    assert {day for _, day, _, _ in counted(index, zone=OSLO)} == {tomorrow, date(1961, 6, 2)}


def test_events_of_those_who_are_kept_are_told_apart(index: Index) -> None:
    """By their spans: another time and another person are not theirs; an event that names them twice is one."""
    index.write([Row(1, 0, WEB), Row(2, 0, WEB), Row(3, 1, WEB), Row(1, 2, WEB, at=HOUR)])
    kept = [Span(token(1), until=moment(HOUR)), Span(token(2))]
    assert counted(index, *kept) == {(WEB.topic, TODAY, 3, 1)}
    assert counted(index, Span(token(9))) == {(WEB.topic, TODAY, 3, 0)}


def test_what_was_tagged_again_counts_under_its_new_tags_alone(index: Index) -> None:
    index.write([Row(1, 0, WEB), Row(1, 1, WEB)])
    again = tags(version="000000000002")
    index.write([Row(1, 0, again)])
    found = {(item.tags.id, item.events) for item in index.expiry.by_day(UTC)}
    assert found == {(WEB.id, 1), (again.id, 1)}


def test_what_was_erased_is_not_counted(index: Index) -> None:
    index.write([Row(1, 0, WEB), Row(2, 1, WEB)])
    index.eraser.forget([Span(token(1))], {WEB.id: None})
    assert counted(index) == {(WEB.topic, TODAY, 1, 0)}


def test_tags_that_differ_by_the_key_alone_are_one(index: Index) -> None:
    """An event that was read again under a newer key has a row under each, and is one event."""
    newer = replace(WEB, key_id="k2")
    index.write([Row(1, 0, WEB), Row(1, 1, WEB)])
    index.write([Row(7, 1, newer), Row(7, 2, newer)])
    ((tag_set, events),) = ((item.tags.id, item.events) for item in index.expiry.by_day(UTC))
    assert (tag_set in {WEB.id, newer.id}, events) == (True, 3)


def test_the_clocks_of_which_events_speak_are_told(index: Index) -> None:
    """As long as one of these events is there."""
    said = clock_table([Said(1, 0), Said(1, 0, clock="case_closed", part=1)])
    index.writer.write(replace(batch([Row(1, 0, WEB)]), clocks=said), lambda: NOW)
    assert index.expiry.clocks_told() == {"contract_end", "case_closed"}
    index.eraser.forget([Span(token(1))], {WEB.id: None})
    assert index.expiry.clocks_told() == frozenset()


def test_counts_are_those_of_a_count_by_hand(index: Index) -> None:
    """Four hundred rows of five people over a month, in two zones, two of them kept."""
    chance = random.Random(6)
    rows = [
        Row(
            person,
            chance.randint(0, 150),
            chance.choice((WEB, CHAT)),
            partition=chance.randint(0, 1),
        )
        for person in (1, 2, 3, 4, 5)
        for _ in range(80)
    ]
    # One event is of one moment, whoever is named in it.
    rows = [
        replace(row, at=-(row.offset * 37 + row.partition) % 30 * DAY - row.offset * HOUR) for row in rows
    ]
    index.write(rows)
    for zone in (UTC, OSLO):
        events, kept = defaultdict[object, set[object]](set), defaultdict[object, set[object]](set)
        for row in rows:
            place = row.tags.topic, moment(row.at).astimezone(zone).date()
            events[place].add((row.partition, row.offset))
            if row.token in (2, 4):
                kept[place].add((row.partition, row.offset))
        expected = {(*place, len(found), len(kept[place])) for place, found in events.items()}  # type: ignore[misc]
        assert counted(index, Span(token(2)), Span(token(4)), zone=zone) == expected


def test_one_count_says_whose_tags_it_is_of(index: Index) -> None:
    index.write([Row(1, 0, WEB)])
    assert list(index.expiry.by_day(UTC, [Span(token(1))])) == [DayCount(WEB, TODAY, 1, 1)]


def test_an_event_of_somebody_kept_is_kept_whatever_tags_its_rows_have(index: Index) -> None:
    """The other one in it has tags of another role, and stays with it."""
    other = tags("C-31")
    index.write([Row(1, 0, WEB), Row(2, 0, other, role=2), Row(2, 1, other, role=2)])
    found = {(item.tags.id, item.events, item.kept) for item in index.expiry.by_day(UTC, [Span(token(1))])}
    assert found == {(WEB.id, 1, 1), (other.id, 2, 1)}


def test_what_the_index_had_at_a_moment_is_counted_apart(index: Index) -> None:
    index.write([Row(1, 0, WEB), Row(1, 0, CHAT)], now=moment(0))
    index.write([Row(1, 1, WEB), Row(2, 2, WEB)], now=moment(5))
    for known_at, events in ((-1, 0), (0, 1), (4, 1), (5, 3)):
        found = index.expiry.by_day(UTC, [Span(token(2))], moment(known_at))
        assert sum(item.events for item in found if item.tags.id == WEB.id) == events
        assert sum(item.kept for item in found) == (known_at == 5)


def test_records_are_counted_once_by_their_newest_event(index: Index) -> None:
    """An event without a record key is one by itself; of a record that was changed since none is old."""
    made, changed = tags("C-01"), tags("C-02")
    index.write(
        [
            *(Row(person, person, made, record=7) for person in (1, 2)),
            Row(1, 3, changed, at=50, record=7),
            *(Row(1, offset, changed, at=offset, record=8) for offset in (10, 11)),
            *(Row(person, 20, made, at=1) for person in (1, 2)),
            Row(3, 21, made, at=9, record=9),
        ]
    )
    every = [made.id, changed.id]

    def old(*asked: tuple[list[int], int, int | None], kept: tuple[Span, ...] = ()) -> list[int]:
        questions = [
            OldRecords(sets, every, moment(before), None if since is None else moment(since))
            for sets, before, since in asked
        ]
        return list(index.expiry.records(questions, kept))

    assert old((every, 51, None), (every, 50, None), ([made.id], 50, None), ([made.id], 99, None)) == [
        4,
        3,
        2,
        3,
    ]
    assert old((every, 50, 9), (every, 11, None), (every, 12, None)) == [2, 2, 3]
    assert old((every, 99, None), ([changed.id], 99, None), kept=(Span(token(2)),)) == [2, 1]
    assert old() == []
    assert old(*[(every, 12, None)] * 70) == [3] * 70


def test_records_under_every_key_are_counted(index: Index) -> None:
    newer = replace(WEB, key_id="k2")
    index.write([Row(1, 0, WEB), Row(7, 1, newer)])
    assert list(index.expiry.records([OldRecords([WEB.id], [WEB.id], moment(1))])) == [2]

"""What every index promises its writers and readers: in memory, embedded, over HTTP, on a server."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from schemas.errors import Fenced
from schemas.vocabulary import Role
from sinks.ports.lineage import BESIDE_SCHEMA, Filter, Found, Holding, LineageBatch, Span
from sinks.ports.offsets import History, OffsetRange
from tests.support.index import NOW, Index, Row, batch, moment, table, tags, token
from tests.support.time_bounds import HANGING_SECONDS

WEB = tags()
CHAT = replace(
    tags("C-31", "C-21", topic="support.chats", system="contact_centre", purposes=("P-CARE", "P-DISPUTE")),
    recipients=("cloud_provider", "chat_supplier"),
)
ROWS = [
    Row(1, 0, WEB, at=1_000),
    Row(1, 1, WEB, at=3_000),
    Row(2, 1, WEB, at=3_000, role=2),
    Row(1, 5, CHAT, at=2_000, partition=1),
    Row(2, 6, CHAT, at=9_000, partition=1, role=3),
]


def ask(index: Index, *numbers: int, limits: Filter | None = None) -> Found:
    return index.reader.find([Span(token(number)) for number in numbers], limits or Filter())


def events(found: Found) -> list[tuple[str, int]]:
    return [(holding.tags.system, holding.events) for holding in found.holdings]


def test_written_rows_are_found_with_their_tags(index: Index) -> None:
    """A look-up gives the events of each tag set, with all that was written about them, first and last."""
    index.write(ROWS)
    assert ask(index, 1) == Found(
        (Holding(CHAT, 1, moment(2_000), moment(2_000)), Holding(WEB, 2, moment(1_000), moment(3_000))), 3
    )


def test_nobody_is_found_where_nothing_was_written(index: Index) -> None:
    """An empty index, an unknown token and an empty question have empty answers."""
    assert ask(index, 1) == Found()
    index.write(ROWS)
    assert ask(index, 3) == Found()
    assert index.reader.find([]) == Found()


@pytest.mark.parametrize(
    "again",
    [
        pytest.param([ROWS], id="whole"),
        pytest.param([ROWS[1:3]], id="in part"),
        pytest.param([ROWS[:1], ROWS[1:4], ROWS[2:]], id="other edges"),
        pytest.param([ROWS[::-1]], id="other order"),
    ],
)
def test_writing_a_batch_again_changes_no_answer(index: Index, again: Sequence[Sequence[Row]]) -> None:
    """Rows are told apart by where they came from, so a repeated write changes nothing."""
    index.write(ROWS)
    before = [ask(index, 1), ask(index, 2), ask(index, 1, 2)]
    for rows in again:
        index.write(rows)
    assert [ask(index, 1), ask(index, 2), ask(index, 1, 2)] == before


def test_a_row_twice_in_one_batch_counts_once(index: Index) -> None:
    """Kafka may deliver a message twice into the same batch."""
    index.write([*ROWS, *ROWS])
    assert ask(index, 1).total_events == 3


def test_the_total_counts_an_event_once(index: Index) -> None:
    """Two rows of one event, of two tokens, two roles or two tag sets, are one event in the total."""
    agent = tags("C-02")
    rows = [Row(1, 7, WEB), Row(2, 7, WEB), Row(1, 7, agent, role=3), Row(1, 7, WEB, partition=1)]
    index.write(rows)
    found = ask(index, 1, 2)
    assert found.total_events == 2
    assert {holding.tags.id: holding.events for holding in found.holdings} == {WEB.id: 2, agent.id: 1}


def test_a_batch_without_rows_moves_the_position(index: Index) -> None:
    """Events that name nobody leave no rows, but their offsets are in the ledger."""
    index.writer.write(LineageBatch(table([]), ranges=[OffsetRange("web.visits", 0, 0, 41, 1)]), lambda: NOW)
    assert index.writer.positions([("web.visits", 0)]) == {("web.visits", 0): 42}
    assert ask(index, 1) == Found()


def test_positions_follow_the_ledger(index: Index) -> None:
    """Each partition goes on behind the highest offset written; one never written has no position."""
    index.write(ROWS)
    known = [("web.visits", 0), ("support.chats", 1), ("support.chats", 0), ("billing.invoices", 0)]
    assert index.writer.positions(known) == {("web.visits", 0): 2, ("support.chats", 1): 7}
    index.write([Row(1, 9, WEB)])
    index.write(ROWS)
    assert index.writer.positions(known[:1]) == {("web.visits", 0): 10}
    assert index.writer.positions([]) == {}


def test_a_claim_fences_older_owners_before_anything_is_written(index: Index) -> None:
    """After a take-over the old owner's batch is refused whole: no row, no position, no tag set of it stays."""
    partitions = [("web.visits", 0), ("support.chats", 1)]
    first = index.writer.take_over(partitions, "worker-a", NOW)
    index.write(ROWS[:1], epoch=first["web.visits", 0])
    second = index.writer.take_over(partitions[:1], "worker-b", NOW)
    assert second["web.visits", 0] > first["web.visits", 0]
    assert index.writer.epochs([*partitions, ("web.visits", 1)]) == {**first, **second}
    assert index.writer.epochs(partitions[1:]) == {("support.chats", 1): first["support.chats", 1]}
    with pytest.raises(Fenced, match=r"web\.visits/0") as caught:
        index.write([*ROWS[3:], *ROWS[1:3]], epoch=first["web.visits", 0])
    assert "\n" not in str(caught.value)
    assert index.writer.positions(partitions) == {("web.visits", 0): 1}
    assert events(ask(index, 1, 2)) == [("web", 1)]
    index.write(ROWS[1:3], epoch=second["web.visits", 0])
    index.write(ROWS[3:], epoch=first["support.chats", 1])
    assert events(ask(index, 1)) == [("contact_centre", 1), ("web", 2)]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Filter(categories=["C-31"]), [("contact_centre", 1)]),
        (Filter(categories=["C-21"]), [("contact_centre", 1), ("web", 2)]),
        (Filter(categories=["C-99"]), []),
        (Filter(purposes=["P-DISPUTE", "P-NONE"]), [("contact_centre", 1)]),
        (Filter(systems=["web"]), [("web", 2)]),
        (Filter(systems=["web"], categories=["C-31"]), []),
        (Filter(recipients=["chat_supplier", "police"]), [("contact_centre", 1)]),
        (Filter(recipients=["cloud_provider"]), [("contact_centre", 1), ("web", 2)]),
        (Filter(recipients=["police"]), []),
        (Filter(since=moment(2_000)), [("contact_centre", 1), ("web", 1)]),
        (Filter(until=moment(2_000)), [("web", 1)]),
        (Filter(since=moment(1_001), until=moment(3_000), categories=["C-21"]), [("contact_centre", 1)]),
    ],
)
def test_limits_narrow_the_answer(index: Index, limits: Filter, expected: list[tuple[str, int]]) -> None:
    """Categories, purposes, systems, recipients and time each limit what is found; the total counts what is left."""
    index.write(ROWS)
    found = ask(index, 1, limits=limits)
    assert events(found) == expected
    assert found.total_events == sum(count for _, count in expected)


def test_catalogue_versions_stand_side_by_side(index: Index) -> None:
    """Rows tagged under two catalogue versions keep the tags they were given."""
    newer = tags("C-21", "C-22", version="000000000002")
    index.write([Row(1, 0, WEB)])
    index.write([Row(1, 1, newer)])
    found = ask(index, 1)
    assert {holding.tags.catalogue_version: holding.tags for holding in found.holdings} == {
        "000000000001": WEB,
        "000000000002": newer,
    }
    assert ask(index, 1, limits=Filter(categories=["C-22"])).total_events == 1


def test_a_replay_under_a_new_catalogue_moves_rows_to_their_new_tags(index: Index) -> None:
    """What was written last holds: no event counts twice and nothing is left under the old tags."""
    newer = tags("C-22", version="000000000002")
    index.write(ROWS)
    index.write([replace(row, tags=newer) for row in ROWS if row.tags == WEB])
    found = ask(index, 1)
    assert found.total_events == 3
    assert {holding.tags.id: holding.events for holding in found.holdings} == {CHAT.id: 1, newer.id: 2}
    assert events(ask(index, 1, limits=Filter(categories=["C-21"]))) == [("contact_centre", 1)]


def test_readers_see_whole_answers_while_rows_are_written(index: Index) -> None:
    """Several threads may read while one writes; the count only grows and no reader fails."""
    failures: list[str] = []
    written = threading.Event()

    def read() -> None:
        last = 0
        while last < 200 and not failures:
            finished = written.is_set()
            count = ask(index, 1).total_events
            if count < last or (finished and count < 200):
                failures.append(f"{last} events, then {count}")
            last = count

    threads = [threading.Thread(target=read, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(20):
        index.writer.write(batch([Row(1, number * 10 + item, WEB) for item in range(10)]), lambda: NOW)
    written.set()
    for thread in threads:
        thread.join(timeout=HANGING_SECONDS)
    assert failures == []
    assert not any(thread.is_alive() for thread in threads)


def test_the_newest_history_of_a_partition_is_kept(index: Index) -> None:
    """Of one that is noted again, as when its id becomes known, the later id stands; repeating changes nothing."""
    writer, wanted = index.writer, [("web.visits", 0), ("web.visits", 1), ("support.chats", 0)]
    assert writer.histories(wanted) == {}
    writer.note_histories([History("web.visits", 0), History("web.visits", 1, 0, "one")], NOW)
    writer.note_histories([History("web.visits", 0, 0, "one")], NOW + timedelta(seconds=1))
    anew = [History("web.visits", 1, 1, "two")]
    for _ in range(2):
        writer.note_histories(anew, NOW + timedelta(seconds=2))
    assert writer.histories(wanted) == {wanted[0]: History("web.visits", 0, 0, "one"), wanted[1]: anew[0]}
    writer.note_histories([], NOW)


def test_the_same_offset_of_a_topic_made_anew_is_another_event(index: Index) -> None:
    """It stands in a history of its own: both are found, their ledgers go on apart, and forgetting takes either."""
    old, new = Row(1, 7, WEB, at=1_000), Row(1, 7, WEB, at=5_000, partition=History("t", 0, 1).stored)
    other = Row(2, 7, WEB, at=5_000, partition=new.partition, role=2)
    index.write([old])
    index.write([new, other])
    assert ask(index, 1).total_events == 2
    partitions = [("web.visits", 0), ("web.visits", new.partition)]
    assert set(index.writer.positions(partitions)) == set(partitions)
    (beside,) = index.reader.others([Span(token(1))])
    assert (beside.events, beside.others) == (1, frozenset({Role.COUNTERPARTY}))
    span = Span(token(1), since=moment(4_000))
    assert index.eraser.forget([span], {WEB.id: None}).rows_removed == 1
    assert (ask(index, 1).total_events, ask(index, 2).total_events) == (1, 1)


DAY_MILLIS = 24 * 3_600_000


def test_by_what_else_an_event_names_the_same_person(index: Index) -> None:
    """Tokens in the same role of one event, the first of each day; not who is mentioned, nor who has another role."""
    mail = tags(topic="mail")
    index.write(
        [
            *(Row(1, 1, WEB, at=5_000), Row(2, 1, WEB, at=5_000), Row(3, 1, WEB, at=5_000, role=2)),
            *(Row(1, 2, WEB, at=1_000), Row(2, 2, WEB, at=1_000)),
            *(Row(1, 3, WEB, at=DAY_MILLIS), Row(2, 3, WEB, at=DAY_MILLIS), Row(4, 3, WEB, at=DAY_MILLIS)),
            *(Row(1, 4, WEB, role=4), Row(5, 4, WEB, role=4)),
            # The same offset elsewhere is another event.
            *(Row(6, 1, WEB, partition=1), Row(7, 1, mail)),
            *(Row(8, 9, WEB, port=10), Row(9, 9, WEB)),
        ]
    )

    def beside(*spans: Span, known_at: Any = None) -> list[tuple[bytes, bytes, Any]]:
        found = index.beside.beside(spans, known_at)
        assert found.schema == BESIDE_SCHEMA
        return sorted(
            (row["token"], row["other"], row["at"].replace(tzinfo=NOW.tzinfo)) for row in found.to_pylist()
        )

    one, two, four = token(1), token(2), token(4)
    day = moment(DAY_MILLIS)
    assert beside(Span(one)) == sorted([(one, two, moment(1_000)), (one, two, day), (one, four, day)])
    assert beside(Span(two, since=day)) == sorted([(two, one, day), (two, four, day)])
    assert beside(Span(token(5)), Span(token(6)), Span(token(77))) == []
    assert beside(Span(token(8), port_from=11)) == []
    assert beside(Span(token(8), port_from=10, port_to=10)) == [(token(8), token(9), moment(0))]
    assert beside(Span(one), known_at=NOW - timedelta(hours=1)) == []
    assert beside() == []

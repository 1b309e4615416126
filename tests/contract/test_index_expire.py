"""What every index promises when it forgets what has run out: that alone, with all that hangs on it, of everybody."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, get_args

import pytest

import sinks.clickhouse.expire as sql
from schemas.errors import IndexUnavailable
from schemas.tags import TagSet
from schemas.vocabulary import Role
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.expire import ClickHouseExpirer
from sinks.ports.expiry import Expired, RunOut
from sinks.ports.forgotten import is_forgotten
from sinks.ports.identity import ClaimKey, OpenClaims
from sinks.ports.lineage import Found, LineageBatch, Span
from tests.support.index import (
    NOW,
    Claim,
    Index,
    Row,
    Said,
    batch,
    claim_table,
    clock_table,
    finding_table,
    identifier_table,
    memory_index,
    moment,
    prefix_table,
    sql_index,
    tags,
    token,
)

WEB = tags("C-21", "C-23")
CHAT = tags("C-31", topic="support.chats", system="contact_centre")
NARROW, NARROWER = replace(WEB, categories=("C-23",)), replace(WEB, categories=())
SECOND = replace(WEB, key_id="k2")


def held(index: Index, people: Iterable[int]) -> set[tuple[int, int, int]]:
    """Person, tag set and number of events, by every reader of rows."""
    return {
        (person, holding.tags.id, holding.events)
        for person in people
        for holding in index.reader.find([Span(token(person))]).holdings
    }


def learnt(index: Index, people: Collection[int]) -> list[tuple[str, int]]:
    """Topic and offset of the claims that have one of the tokens in any place; none of the forgotten."""
    keys = [token(number) for number in people]
    tables = [index.claims.claims(keys, of=of) for of in get_args(ClaimKey)]
    rows = chain.from_iterable(found.to_pylist() for found in tables)
    return sorted({(row["topic"], row["offset"]) for row in rows if not is_forgotten(row["subject"])})


def clocks(index: Index, people: Collection[int]) -> list[tuple[str, int]]:
    rows = index.clocks.clock_events([token(number) for number in people]).to_pylist()
    return sorted((row["topic"], row["offset"]) for row in rows)


def prefixes(index: Index, people: Collection[int]) -> set[bytes]:
    return set(index.claims.prefixes([token(number) for number in people])["token"].to_pylist())


def sealed(index: Index, people: Collection[int]) -> set[bytes]:
    return set(index.identifiers.sealed([token(number) for number in people])["token"].to_pylist())


def spans(*people: int) -> list[Span]:
    return [Span(token(person)) for person in people]


def beside(index: Index, people: Collection[int]) -> set[tuple[Any, ...]]:
    """Whom events concern besides: read from `lineage_by_event`."""
    return {
        (person, item.tag_set, item.roles, item.others, item.events)
        for person in people
        for item in index.reader.others([Span(token(person))])
    }


def test_what_has_run_out_goes_and_nothing_else(index: Index) -> None:
    """Of all people at once; a later event, another tag set and the moment itself stay."""
    index.write([Row(person, person, WEB, at=person) for person in range(1, 9)])
    index.write([Row(person, 100 + person, CHAT) for person in range(1, 9)])
    assert index.expirer.expire([RunOut(WEB.id, moment(4))]) == Expired(3, 0)
    assert held(index, range(9)) == {
        *((person, WEB.id, 1) for person in range(4, 9)),
        *((person, CHAT.id, 1) for person in range(1, 9)),
    }
    assert index.expirer.expire([RunOut(WEB.id, moment(4))]) == Expired()
    assert index.expirer.expire([]) == Expired()


def test_what_is_kept_longer_stays_under_narrower_tags(index: Index) -> None:
    """Of several moments the earliest that fits decides; what goes goes, whatever else was named."""
    index.write([Row(1, offset, WEB, at=offset) for offset in range(10)])
    run_out = [
        RunOut(WEB.id, moment(8), NARROW),
        RunOut(WEB.id, moment(5), NARROWER),
        RunOut(WEB.id, moment(2)),
    ]
    assert index.expirer.expire(run_out) == Expired(2, 6)
    assert held(index, [1]) == {(1, NARROWER.id, 3), (1, NARROW.id, 3), (1, WEB.id, 2)}
    assert index.expirer.expire(run_out) == Expired()
    assert index.expirer.expire([RunOut(NARROWER.id, moment(9))], spans(7)) == Expired(3, 0)
    assert held(index, [1]) == {(1, NARROW.id, 3), (1, WEB.id, 2)}


def test_each_row_is_decided_by_the_tags_it_has(index: Index) -> None:
    """Not by those it was just given."""
    index.write([Row(1, 0, WEB), Row(1, 1, NARROW)])
    run_out = [RunOut(WEB.id, moment(1), NARROW), RunOut(NARROW.id, moment(2), NARROWER)]
    assert index.expirer.expire(run_out) == Expired(0, 2)
    assert held(index, [1]) == {(1, NARROW.id, 1), (1, NARROWER.id, 1)}


def test_rows_under_every_key_run_out(index: Index) -> None:
    """Tags that differ by the key alone; narrowed, each keeps its own."""
    index.write([Row(1, 0, WEB), Row(2, 1, SECOND), Row(3, 2, WEB, at=5), Row(4, 3, SECOND, at=5)])
    run_out = [RunOut(WEB.id, moment(1)), RunOut(WEB.id, moment(9), NARROW)]
    assert index.expirer.expire(run_out) == Expired(2, 2)
    # As one, since they are the same.
    assert {(person, events) for person, _, events in held(index, range(5))} == {(3, 1), (4, 1)}
    assert {item.tags.categories for item in index.reader.find([Span(token(4))]).holdings} == {("C-23",)}


def test_a_row_that_was_tagged_again_does_not_come_back(index: Index) -> None:
    """The version that it replaced goes with it, in its year, and so it is where it is narrowed."""
    longer = tags("C-21", "C-23", version="000000000002")
    years = (0, 400 * 86_400_000)
    for at in years:
        index.write([Row(1, at, longer, at=at), Row(1, at + 1, longer, at=at)])
    for at in years:
        index.write([Row(1, at, WEB, at=at), Row(1, at + 1, CHAT, at=at)])
    assert index.expirer.expire([RunOut(WEB.id, moment(2**40))]) == Expired(2, 0)
    assert {tag_set for _, tag_set, _ in held(index, [1])} == {longer.id, CHAT.id}
    assert sum(events for *_, events in held(index, [1])) == 4


def with_hangers(index: Index) -> None:
    """Two events of one person and two of another, one of them of both, with all that hangs on each."""
    rows = [
        Row(1, 0, WEB),
        Row(1, 1, WEB, at=9),
        Row(2, 2, WEB),
        Row(1, 3, WEB),
        Row(2, 3, CHAT_AT_WEB, role=Role.COUNTERPARTY.code),
    ]
    claims = [
        Claim(at, topic=WEB.topic, token=who, subject=6 + at, group=20, server=None) for at, who in PLACES
    ]
    said = [Said(who, at) for at, who in PLACES]
    whole = replace(
        batch(rows),
        claims=OpenClaims(claim_table(claims)),
        clocks=clock_table(said),
        findings=finding_table([(WEB.topic, at, "email") for at, _ in PLACES]),
        prefixes=prefix_table([(30, 64, 1), (31, 64, 2)]),
        identifiers=identifier_table(
            [(number, "customer_number", "k", b"x") for number in (1, 2, 6, 7, 8, 9)]
        ),
    )
    index.writer.write(whole, lambda: NOW)


CHAT_AT_WEB = replace(WEB, categories=("C-31",))
PLACES = ((0, 1), (1, 1), (2, 2), (3, 1))
EVERYBODY = range(40)


def test_what_hangs_on_an_event_goes_with_its_last_row(index: Index) -> None:
    """Claims, clocks, findings, places by event, prefixes and sealed identifiers; those of other events stay."""
    with_hangers(index)
    assert index.expirer.expire([RunOut(WEB.id, moment(5))]) == Expired(3, 0)
    # Of event 3 the row of the other one is left, of event 1 it is later.
    assert learnt(index, EVERYBODY) == clocks(index, EVERYBODY) == [(WEB.topic, 1), (WEB.topic, 3)]
    assert beside(index, EVERYBODY) == set()
    assert prefixes(index, EVERYBODY) == {token(1), token(2)}
    assert sealed(index, EVERYBODY) == {token(1), token(2), token(7), token(9)}
    assert index.expirer.expire([RunOut(CHAT_AT_WEB.id, moment(5))]) == Expired(1, 0)
    assert learnt(index, EVERYBODY) == clocks(index, EVERYBODY) == [(WEB.topic, 1)]
    assert prefixes(index, EVERYBODY) == {token(1)}
    assert sealed(index, EVERYBODY) == {token(1), token(7)}
    assert index.expirer.expire([RunOut(WEB.id, moment(10))]) == Expired(1, 0)
    assert learnt(index, EVERYBODY) == clocks(index, EVERYBODY) == []
    assert prefixes(index, EVERYBODY) == sealed(index, EVERYBODY) == set()


def test_what_hangs_on_an_event_of_somebody_who_is_kept_stays(index: Index) -> None:
    with_hangers(index)
    run_out = [RunOut(WEB.id, moment(99)), RunOut(CHAT_AT_WEB.id, moment(99))]
    assert index.expirer.expire(run_out, spans(2)) == Expired(2, 0)
    assert learnt(index, EVERYBODY) == clocks(index, EVERYBODY) == [(WEB.topic, 2), (WEB.topic, 3)]
    assert prefixes(index, EVERYBODY) == {token(1), token(2)}
    # That of the person is mentioned by the claim of the event that is there for the other one.
    assert sealed(index, EVERYBODY) == {token(1), token(2), token(8), token(9)}


def test_narrowing_takes_nothing_that_hangs_on_an_event(index: Index) -> None:
    with_hangers(index)
    assert index.expirer.expire([RunOut(WEB.id, moment(99), NARROW)]) == Expired(0, 4)
    assert learnt(index, EVERYBODY) == clocks(index, EVERYBODY) == [(WEB.topic, at) for at, _ in PLACES]
    assert len(sealed(index, EVERYBODY)) == 6
    assert len(beside(index, EVERYBODY)) == 2


@dataclass(frozen=True)
class World:
    """What was written, and what was named to have run out."""

    rows: Sequence[Row]
    run_out: Sequence[RunOut]
    kept: frozenset[int]

    def decided(self, row: Row) -> TagSet | None:
        """What becomes of the tags of a row, by the words of the port."""
        ways = sorted(
            (way for way in self.run_out if way.tag_set == row.tags.id and moment(row.at) < way.before),
            key=lambda way: way.before,
        )
        if self.stays(row) or not ways:
            return row.tags
        return None if any(way.narrowed is None for way in ways) else ways[0].narrowed

    def stays(self, row: Row) -> bool:
        """Whether the event of the row names somebody who is kept."""
        event = row.tags.topic, row.offset
        return any(
            other.token in self.kept for other in self.rows if (other.tags.topic, other.offset) == event
        )


def made_up(chance: random.Random) -> World:
    sets = (WEB, CHAT, CHAT_AT_WEB)
    places = {(tag.topic, offset): chance.randint(0, 20) for tag in sets for offset in range(12)}
    rows = {
        (person, tag.topic, offset, role): Row(person, offset, tag, at=places[tag.topic, offset], role=role)
        for person in range(1, 8)
        for _ in range(6)
        for tag in [chance.choice(sets)]
        for offset, role in [(chance.randint(0, 11), chance.randint(1, 3))]
    }
    run_out = [RunOut(tag.id, moment(chance.randint(0, 15))) for tag in chance.sample(sets, 2)]
    run_out += [RunOut(WEB.id, moment(chance.randint(0, 25)), to) for to in (NARROW, NARROWER)]
    return World(list(rows.values()), run_out, frozenset(chance.sample(range(1, 9), chance.randint(0, 5))))


def fill(index: Index, world: World) -> None:
    events = sorted({(row.tags.topic, row.offset) for row in world.rows})
    people = sorted({row.token for row in world.rows})
    claims = [
        Claim(offset, topic=topic, token=1 + number % 7, subject=20 + number, group=None, server=None)
        for number, (topic, offset) in enumerate(events)
    ]
    whole = replace(
        batch(world.rows),
        claims=OpenClaims(claim_table(claims)),
        clocks=clock_table([Said(people[0], offset, topic=topic) for topic, offset in events]),
        findings=finding_table([(topic, offset, "email") for topic, offset in events]),
        prefixes=prefix_table([(90, 64, person) for person in people]),
        identifiers=identifier_table([(number, "email", "k", b"x") for number in range(60)]),
    )
    index.writer.write(whole, lambda: NOW)


@pytest.mark.parametrize("seed", range(6))
def test_made_up_rows_end_as_the_port_says(index: Index, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of seven people in shared events: by an oracle of the rows, and by the index in memory of the rest.

    Kept people are told two at a time, so that a statement for each range of tokens does the same.
    """
    monkeypatch.setattr(sql, "KEPT_AT_ONCE", 2)
    monkeypatch.setattr(sql, "KEPT_EMBEDDED", 2)
    world = made_up(random.Random(seed))
    fill(index, world)
    kept = spans(*sorted(world.kept))
    done = index.expirer.expire(world.run_out, kept)
    left = [(row, to) for row in world.rows if (to := world.decided(row)) is not None]
    changed = sum(to.id != row.tags.id for row, to in left)
    assert done == Expired(len(world.rows) - len(left), changed)
    events: dict[tuple[int, int], set[int]] = {}
    for row, to in left:
        events.setdefault((row.token, to.id), set()).add(row.offset)
    assert held(index, EVERYBODY) == {(*place, len(found)) for place, found in events.items()}
    there = sorted({(row.tags.topic, row.offset) for row, _ in left})
    assert learnt(index, EVERYBODY) == clocks(index, EVERYBODY) == there
    assert prefixes(index, EVERYBODY) == {token(row.token) for row, _ in left}
    other = memory_index()
    fill(other, world)
    other.expirer.expire(world.run_out, kept)
    everybody = range(60)
    assert sealed(index, everybody) == sealed(other, everybody)
    assert beside(index, everybody) == beside(other, everybody)
    assert index.expirer.expire(world.run_out, kept).rows_removed == 0


def test_findings_go_with_their_event(database: ClickHouse) -> None:
    """And no place by event is left of it; those of the event that stays are."""
    index = sql_index(database)
    with_hangers(index)
    index.expirer.expire([RunOut(WEB.id, moment(5))])
    for table in ("findings", "lineage_by_event"):
        rows = database.query(f"SELECT DISTINCT offset FROM {table} FINAL ORDER BY offset")
        assert [int(row[0]) for row in rows] == [1, 3], table


def test_an_interrupted_run_is_taken_up_by_the_next(database: ClickHouse) -> None:
    """Ended before each of its statements in turn, then run again: nothing is left that a whole run takes."""
    run_out = [
        RunOut(WEB.id, moment(5)),
        RunOut(CHAT_AT_WEB.id, moment(5)),
        RunOut(WEB.id, moment(99), NARROW),
    ]

    class Ending:
        """The index until so many statements have changed it."""

        def __init__(self, statements: int) -> None:
            self.left = statements

        def __getattr__(self, name: str) -> Any:
            return getattr(database, name)

        def command(self, text: str, parameters: Any = None, *, erase: bool = False) -> None:
            if not self.left:
                raise IndexUnavailable("ended")
            self.left -= 1
            database.command(text, parameters, erase=erase)

    index, statements, through = sql_index(database), 0, False
    while not through:
        for name in ("lineage", "lineage_by_event", "identity_claims", "findings", "clock_events"):
            database.command(f"TRUNCATE TABLE {name} SYNC")
        for name in ("sealed_identifiers", "address_prefixes", "record_keys"):
            database.command(f"TRUNCATE TABLE {name} SYNC")
        with_hangers(index)
        ending: Any = Ending(statements)
        try:
            ClickHouseExpirer(ending).expire(run_out)
            through = True
        except IndexUnavailable:
            index.expirer.expire(run_out)
        assert held(index, EVERYBODY) == {(1, NARROW.id, 1)}, statements
        assert learnt(index, EVERYBODY) == clocks(index, EVERYBODY) == [(WEB.topic, 1)], statements
        assert prefixes(index, EVERYBODY) == {token(1)}, statements
        assert sealed(index, EVERYBODY) == {token(1), token(7)}, statements
        rows = database.query("SELECT DISTINCT offset FROM lineage_by_event FINAL")
        assert [int(row[0]) for row in rows] == [1], statements
        statements += 1
    assert statements > 8
    assert index.reader.find([Span(token(2))]) == Found()


def test_nothing_is_kept_that_was_only_asked_for() -> None:
    """An index without rows takes any moments."""
    index = memory_index()
    index.writer.write(LineageBatch(batch([]).rows), lambda: NOW)
    assert index.expirer.expire([RunOut(7, NOW)], spans(1)) == Expired()

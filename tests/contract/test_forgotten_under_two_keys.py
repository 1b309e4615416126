"""What every index keeps of the claims of people it forgot while the token key is changed: as under one key."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pytest

from schemas.vocabulary import Role
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.memory.sinks import memory_sinks
from sinks.ports.erasure import Forgotten, RecordsGone
from sinks.ports.expiry import RunOut
from sinks.ports.forgotten import is_forgotten
from sinks.ports.identity import OpenClaims
from sinks.ports.keys import PAIR_SCHEMA, KeyEntry
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch, Span
from sinks.ports.sinks import Sinks
from tests.contract.test_index_forgotten_claims import ADDRESS, DAY, KARI, OLA, OTHER, session
from tests.support.index import (
    NOW,
    Claim,
    Row,
    claim_table,
    empty,
    identifier_table,
    moment,
    table,
    tags,
    token,
)

# Over HTTP the same statements are run.
pytestmark = pytest.mark.parametrize("engine", ["memory", "chdb"], indirect=True, scope="module")

OLD, NEW, NEWEST = "a", "b", "c"
BY = {OLD: 0, NEW: 100, NEWEST: 200}
TAGS = {
    key: replace(tags("C-17", topic="network.assignments", system="aaa"), key_id=key)
    for key in (OLD, NEW, NEWEST)
}
EVERY = (KARI, OLA, ADDRESS, OTHER, KARI + 20, OLA + 20, 9, 40, 50)


@dataclass(frozen=True)
class Changing:
    """An index whose register knows three keys, of which the first two have pairs, and the last two."""

    index: Sinks

    def learn(self, key: str, *claims: Claim) -> None:
        """As a tagger with that key writes them; each with a row of whose it is."""
        said = [_under(key, claim) for claim in claims]
        rows = [
            Row(claim.subject or claim.token or 0, claim.offset, TAGS[key], at=claim.at) for claim in said
        ]
        batch = LineageBatch(
            table(rows), tag_sets=[TAGS[key]], claims=OpenClaims(claim_table(said)), key_id=key
        )
        self.index.writer().write(batch, lambda: NOW)

    def forget(self, *people: int, keys: Sequence[str] = (OLD, NEW, NEWEST)) -> None:
        spans = [Span(token(number + BY[key])) for number in people for key in keys]
        self.index.eraser.forget(spans, {item.id: None for item in TAGS.values()})

    def claims(self, *numbers: int) -> list[dict[str, Any]]:
        keys = [token(number + by) for number in numbers for by in BY.values()]
        return list(self.index.claims.claims(keys, of="token").to_pylist())

    def left(self, *numbers: int) -> list[dict[str, Any]]:
        return [row for row in self.claims(*numbers) if is_forgotten(row["subject"])]

    def move(self, older: str, newer: str) -> None:
        rekeyer = self.index.rekeyer(
            older, newer, first=older == OLD, reseal=lambda *what: bytes(str(what), "ascii")
        )
        rekeyer.move(threading.Event())
        assert rekeyer.resting().claims == 0


def _under(key: str, claim: Claim) -> Claim:
    names = ("token", "subject", "group", "line", "server")
    return replace(
        claim, **{name: number + BY[key] for name in names if (number := getattr(claim, name)) is not None}
    )


@pytest.fixture
def index(engine: ClickHouse | None) -> Changing:
    made = clickhouse_sinks(empty(engine)) if engine is not None else memory_sinks()
    for number, key in enumerate(BY):
        assert made.keys.append(KeyEntry(number, "in_force", key, "0" * 32, NOW))
    for older, newer in ((OLD, NEW), (NEW, NEWEST)):
        pairs = {
            "older": [token(number + BY[older]) for number in EVERY],
            "newer": [token(number + BY[newer]) for number in EVERY],
            "key_id": [older] * len(EVERY),
        }
        batch = LineageBatch(ROW_SCHEMA.empty_table(), pairs=pa.table(pairs, PAIR_SCHEMA), key_id=newer)
        made.writer().write(batch, lambda: NOW)
    return Changing(made)


@pytest.mark.parametrize("hers", [OLD, NEW, NEWEST])
@pytest.mark.parametrize("his", [OLD, NEW, NEWEST])
def test_that_somebody_had_an_address_stays_whatever_key_the_others_claims_are_of(
    index: Changing, hers: str, his: str
) -> None:
    """Under the key of the claim itself, so that it moves as any other; and it goes with the last other one."""
    index.learn(hers, *session(0, KARI, 0, 1_000, 2_000))
    index.learn(his, *session(5, OLA, 500, 5_000))
    index.forget(KARI)
    assert [row["token"] for row in index.left(ADDRESS)] == [token(ADDRESS + BY[hers])] * 3
    index.move(OLD, NEW)
    index.move(NEW, NEWEST)
    assert [row["token"] for row in index.left(ADDRESS)] == [token(ADDRESS + BY[NEWEST])] * 3
    index.forget(OLA)
    assert index.claims(ADDRESS) == []


@pytest.mark.parametrize("people", [(KARI, OLA), (OLA, KARI)])
def test_what_was_kept_goes_while_the_keys_are_changed(index: Changing, people: tuple[int, int]) -> None:
    """With the last one who is near, of whatever key."""
    index.learn(OLD, *session(0, KARI, 0, 2_000))
    index.learn(NEWEST, *session(5, OLA, 500, 5_000))
    index.forget(people[0])
    assert len(index.left(ADDRESS)) == 2
    index.forget(people[1])
    assert index.claims(ADDRESS) == []


def test_what_stands_is_not_taken_away_while_a_neighbour_is_of_another_key(index: Changing) -> None:
    index.learn(OLD, *session(0, KARI, 0, 2_000), *session(5, OLA, 500, 5_000))
    index.learn(NEW, *session(9, OTHER, 800, 6_000, group=50))
    index.forget(KARI)
    # Of those who are near nobody is left under the key of what stands.
    index.forget(OLA)
    assert len(index.left(ADDRESS)) == 4


def test_a_person_under_two_keys_is_nobody_else(index: Changing) -> None:
    """What runs out of hers while she is still there leaves nothing; neither does all of it that is erased."""
    index.learn(OLD, *session(0, KARI, 0, 1_000))
    index.learn(NEW, *session(3, KARI, 2_000, 3_000, group=50))
    index.index.expirer.expire([RunOut(TAGS[OLD].id, moment(1_500))])
    assert [row["subject"] for row in index.claims(ADDRESS)] == [token(KARI + BY[NEW])] * 2
    index.learn(NEW, *session(6, KARI, 4_000, 5_000))
    index.learn(NEWEST, *session(9, KARI, 4_500, 6_000, group=40))
    # By the tokens of two keys alone: the third is the same person's.
    index.forget(KARI, keys=[OLD, NEW])
    assert {row["subject"] for row in index.claims(ADDRESS)} == {token(KARI + BY[NEWEST])}


def test_reports_of_one_session_under_two_keys_stay_one_session(index: Changing) -> None:
    """It ends when it ended."""
    begin, seen, end = session(0, KARI, 0, 1_000, 2_000)
    index.learn(OLD, begin)
    index.learn(NEW, seen, end)
    index.learn(NEW, *session(5, OLA, 500, 5_000))
    index.forget(KARI)
    left = index.left(ADDRESS)
    assert len(left) == 3
    assert len({(row["group"], row["subject"]) for row in left}) == 1


def test_another_session_of_two_keys_is_near_as_long_as_it_lasted(index: Changing) -> None:
    """Its end is of the other key than its begin: from then on it is near nobody."""
    begin, end = session(5, OLA, 0, 1_000)
    index.learn(OLD, begin)
    index.learn(NEW, end)
    index.learn(NEW, *session(0, KARI, 60 * DAY, 61 * DAY))
    index.forget(KARI)
    assert index.left(ADDRESS) == []


def test_a_slot_of_two_keys_is_one(index: Changing) -> None:
    """Of another identifier of it that somebody else has, what stays is that the slot was somebody's."""
    index.learn(OLD, replace(session(0, KARI, 0)[0], group=50))
    index.learn(NEW, replace(session(5, OLA, 500, address=OTHER)[0], group=50))
    index.forget(KARI)
    kept = index.index.claims.claims([token(50)], of="group").to_pylist()
    assert [is_forgotten(row["token"]) for row in kept] == [True]
    index.forget(OLA)
    assert index.index.claims.claims([token(50), token(150), token(250)], of="group").num_rows == 0


@pytest.mark.parametrize("key", [OLD, NEW, NEWEST])
def test_another_customer_is_known_by_claims_of_any_key(index: Changing, key: str) -> None:
    """Their row of an event in the person's own role stays, though what says that they are one is of another key."""
    tag_set = TAGS[OLD]
    agent = Row(40, 0, tag_set, role=Role.AGENT.code)
    rows = [Row(KARI, 0, tag_set), Row(OLA, 0, tag_set), Row(OTHER, 0, tag_set), agent]
    index.index.writer().write(LineageBatch(table(rows), tag_sets=[tag_set], key_id=OLD), lambda: NOW)
    index.learn(key, Claim(9, ADDRESS, OLA))
    gone = {tag_set.id: RecordsGone(frozenset({Role.OWNER}))}
    spans = [Span(token(KARI + by)) for by in BY.values()]
    assert index.index.eraser.forget(spans, {tag_set.id: None}, gone) == Forgotten(1, 0, 2)
    events = {
        number: index.index.reader.find([Span(token(number))]).total_events
        for number in (KARI, OLA, OTHER, 40)
    }
    # Of what says that the other customer is one there is a row as well.
    assert events == {KARI: 0, OLA: 1 + (key == OLD), OTHER: 0, 40: 0}


def test_what_goes_of_every_key_is_counted_before(index: Changing) -> None:
    """Decided is by a tag set of one key; it goes for those that are the same but for their key."""
    for key in (OLD, NEWEST):
        rows = [Row(KARI + BY[key], BY[key], TAGS[key]), Row(40, BY[key], TAGS[key], role=Role.AGENT.code)]
        index.index.writer().write(LineageBatch(table(rows), tag_sets=[TAGS[key]], key_id=key), lambda: NOW)
    gone = {TAGS[OLD].id: RecordsGone(frozenset({Role.OWNER}))}
    spans, decision = [Span(token(KARI + by)) for by in BY.values()], {TAGS[OLD].id: None}
    counted = index.index.eraser.going(spans, decision, gone)
    assert counted == index.index.eraser.forget(spans, decision, gone) == Forgotten(2, 0, 2)


STAYS = replace(tags("C-11", topic="billing.invoices", system="billing"), key_id=NEW)


def seal(index: Changing, *keys: str) -> None:
    """Kari's identifier, as taggers with these keys keep it."""
    for key in keys:
        rows = identifier_table([(KARI + BY[key], "customer_number", "2026-06", b"-")])
        batch = LineageBatch(ROW_SCHEMA.empty_table(), identifiers=rows, key_id=key)
        index.index.writer().write(batch, lambda: NOW)


def sealed(index: Changing) -> int:
    return int(index.index.identifiers.sealed([token(KARI + by) for by in BY.values()]).num_rows)


def test_an_identifier_stays_sealed_while_a_row_of_another_key_stays(index: Changing) -> None:
    """When the day of that comes, a system has to be told by what it knows the person."""
    index.learn(OLD, *session(0, KARI, 0))
    seal(index, OLD)
    row = Row(KARI + BY[NEW], 1, STAYS)
    index.index.writer().write(LineageBatch(table([row]), tag_sets=[STAYS], key_id=NEW), lambda: NOW)
    index.forget(KARI)
    assert sealed(index) == 1
    index.index.eraser.forget([Span(token(KARI + by)) for by in BY.values()], {STAYS.id: None})
    assert sealed(index) == 0


def test_an_identifier_stays_sealed_while_a_claim_of_another_key_mentions_it(index: Changing) -> None:
    """It goes with the last one, under every key under which it is kept."""
    index.learn(OLD, *session(0, KARI, 0))
    index.learn(NEW, *session(5, KARI, 2_000))
    seal(index, OLD, NEW)
    index.forget(KARI, keys=[NEW])
    assert sealed(index) == 2
    index.forget(KARI, keys=[OLD])
    assert sealed(index) == 0


def test_an_identifier_stays_sealed_until_the_last_row_of_any_key_has_run_out(index: Changing) -> None:
    index.learn(OLD, *session(0, KARI, 0))
    seal(index, OLD)
    row = Row(KARI + BY[NEW], 1, TAGS[NEW], at=2_000)
    index.index.writer().write(LineageBatch(table([row]), tag_sets=[TAGS[NEW]], key_id=NEW), lambda: NOW)
    index.index.expirer.expire([RunOut(TAGS[OLD].id, moment(1_000))])
    assert sealed(index) == 1
    index.index.expirer.expire([RunOut(TAGS[OLD].id, moment(3_000))])
    assert sealed(index) == 0

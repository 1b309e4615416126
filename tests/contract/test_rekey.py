"""What every index promises when what an older token key made moves to the key in force."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from schemas.errors import KeyUnavailable
from schemas.vocabulary import Mark, Role
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.rekey import Rekeyer
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.memory.sinks import memory_sinks
from sinks.ports.erasure import Forgotten
from sinks.ports.identity import NOTHING, OpenClaims, RetainedClaims
from sinks.ports.keys import PAIR_SCHEMA, KeyEntry, Resting
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch, Span
from sinks.ports.sinks import Sinks
from tests.support.index import (
    NOW,
    Claim,
    Row,
    Said,
    batch,
    claim_table,
    clock_table,
    empty,
    fact_row,
    fact_table,
    identifier_table,
    moment,
    prefix_table,
    tags,
    token,
)

# Over HTTP the same statements are run.
pytestmark = pytest.mark.parametrize("engine", ["memory", "chdb"], indirect=True, scope="module")

OLD, NEW, NEWEST = "a", "b", "c"
NEVER = threading.Event()
VISIT, BILL = (
    replace(item, key_id=OLD)
    for item in (
        tags(),
        tags("C-11", "C-12", topic="billing.invoices", system="billing", purposes=("P-BILL",)),
    )
)
WEB, BILLED, HELD_STILL = ("C-21",), ("C-11", "C-12"), ("C-12",)
HELD = replace(BILL, categories=("C-12",), held_only=True)
ROWS = [Row(1, 0, VISIT), Row(1, 1, VISIT, at=5), Row(2, 1, VISIT, at=5, role=2), Row(3, 2, BILL, at=9)]
LEARNT = NOW + timedelta(minutes=3)


@pytest.fixture
def index(engine: ClickHouse | None) -> Sinks:
    """An empty index whose register knows three keys."""
    made = clickhouse_sinks(empty(engine)) if engine is not None else memory_sinks()
    for number, key_id in enumerate((OLD, NEW, NEWEST)):
        assert made.keys.append(KeyEntry(number, "in_force", key_id, "0" * 32, NOW))
    return made


class After(threading.Event):
    """Set once it was asked some times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._left = times

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0


def write(index: Sinks, rows: Sequence[Row], key_id: str = OLD) -> None:
    index.writer().write(replace(batch(rows), key_id=key_id), lambda: NOW)


def learn(index: Sinks, *claims: Claim, retained: Sequence[Claim] = (), key_id: str = OLD) -> None:
    """Claims of the events of rows, and two prefixes: of token 3 above 1, and of 3 above the unknown 9."""
    said = LineageBatch(
        ROW_SCHEMA.empty_table(),
        claims=OpenClaims(claim_table(claims)),
        retained=RetainedClaims(claim_table(retained)),
        prefixes=prefix_table([(3, 56, 1), (3, 56, 9)]),
        key_id=key_id,
    )
    index.writer().write(said, lambda: LEARNT)


def pair(index: Sinks, *numbers: int, to: str = NEW, of: str = OLD, by: int = 100) -> None:
    """The identifiers of tokens have this token under another key: the number and `by`."""
    rows = {
        "older": [token(number) for number in numbers],
        "newer": [token(number + by) for number in numbers],
        "key_id": [of] * len(numbers),
    }
    index.writer().write(
        LineageBatch(ROW_SCHEMA.empty_table(), pairs=pa.table(rows, PAIR_SCHEMA), key_id=to), lambda: NOW
    )


def events(index: Sinks, *numbers: int) -> dict[tuple[str, ...], int]:
    """How many are found under the tokens, by the categories of their tag set."""
    found = index.reader.find([Span(token(number)) for number in numbers])
    return {holding.tags.categories: holding.events for holding in found.holdings}


def keys(index: Sinks) -> dict[str, int]:
    """How many rows there are of each key."""
    counted = Counter[str]()
    for item, rows in index.upkeep.rows_by_tag_set():
        counted[item.key_id] += rows
    return dict(counted)


def as_told(older: bytes, newer: bytes, kind: str, key: str, sealed: bytes) -> bytes:
    """Stands for sealing anew: shows what of."""
    return b"|".join([older, newer, kind.encode(), key.encode(), sealed])


def rest(index: Sinks, older: str = OLD, newer: str = NEW, *, first: bool = True) -> Resting:
    return index.rekeyer(older, newer, first=first, reseal=as_told).resting()


def move(index: Sinks, older: str = OLD, newer: str = NEW, stop: threading.Event = NEVER) -> int:
    return index.rekeyer(older, newer, first=older == OLD, reseal=as_told).move(stop)


def test_what_rests_on_a_key_is_counted(index: Sinks) -> None:
    """Rows, claims under each of their keys, prefixes, and the time of the newest row."""
    assert rest(index) == Resting(0, 0, 0, 0)
    assert rest(index).nothing
    write(index, ROWS)
    learn(index, Claim(0), Claim(1, mark=Mark.OFF), retained=[Claim(2, line=None, group=None)])
    assert rest(index) == Resting(4, 3 + 4, 2, 2, moment(9))
    assert not rest(index).nothing
    assert rest(index, NEW, NEWEST, first=False).nothing


def test_what_has_its_pair_moves(index: Sinks) -> None:
    """It is found under the newer tokens alone and is of the newer key; what has no pair stays where it was."""
    write(index, ROWS)
    pair(index, 1, 2)
    assert move(index) == 3
    assert events(index, 1) == events(index, 2) == {}
    assert (events(index, 101), events(index, 102)) == ({WEB: 2}, {WEB: 1})
    assert events(index, 3) == {BILLED: 1}
    assert rest(index) == Resting(1, 0, 0, 0, moment(9))
    assert keys(index) == {OLD: 1, NEW: 3}


def test_moving_again_moves_what_came_to_have_its_pair(index: Sinks) -> None:
    """The second time nothing is left to do, until another pair is known."""
    write(index, ROWS)
    pair(index, 1, 2)
    assert (move(index), move(index)) == (3, 0)
    pair(index, 3)
    assert (move(index), move(index)) == (1, 0)
    assert rest(index).nothing
    assert sum(events(index, 101, 102, 103).values()) == 3


def test_a_pair_of_other_keys_moves_nothing(index: Sinks) -> None:
    """From the oldest key to the newest only by the pairs of these two."""
    write(index, ROWS)
    pair(index, 1)
    pair(index, 2, of=NEW, to=NEWEST)
    assert move(index, OLD, NEWEST) == 0
    pair(index, 1, to=NEWEST, by=200)
    assert move(index, OLD, NEWEST) == 2
    assert events(index, 201) == {WEB: 2}
    assert keys(index) == {OLD: 2, NEWEST: 2}


def test_what_is_erased_or_narrowed_stays_so(index: Sinks) -> None:
    """Before the move and after it: no row comes back, and none is more than what is still held of it."""
    write(index, ROWS)
    pair(index, 1, 2, 3)
    index.eraser.forget([Span(token(1), until=moment(1))], {VISIT.id: None})
    index.eraser.forget([Span(token(3))], {BILL.id: HELD})
    assert move(index) == 3
    assert (events(index, 101), events(index, 103)) == ({WEB: 1}, {HELD_STILL: 1})
    assert keys(index) == {NEW: 3}
    gone = index.eraser.forget([Span(token(101)), Span(token(1))], {replace(VISIT, key_id=NEW).id: None})
    assert gone == Forgotten(1, 0)
    assert (move(index), events(index, 1, 101)) == (0, {})


def test_rows_of_both_keys_count_once(index: Sinks) -> None:
    """As after a replay by a tagger of the newer key: what moves is the row that is there already."""
    write(index, ROWS)
    write(
        index, [replace(row, token=row.token + 100, tags=replace(row.tags, key_id=NEW)) for row in ROWS], NEW
    )
    pair(index, 1, 2, 3)
    assert events(index, 1, 101) == {WEB: 2}
    assert move(index) == 4
    assert events(index, 1, 101) == events(index, 101) == {WEB: 2}
    assert keys(index) == {NEW: 4}


def test_stopped_in_the_middle_the_next_run_goes_on(index: Sinks) -> None:
    """Everything is found under the tokens of both keys meanwhile, each event once."""
    write(index, ROWS)
    learn(index, Claim(0, token=1, subject=2, group=None, server=None))
    pair(index, 1, 2, 3)
    everybody = (1, 2, 3, 101, 102, 103)
    halfway = move(index, stop=After(1))
    assert 0 < halfway < 4 + 2 + 1
    assert not rest(index).nothing
    assert sum(events(index, *everybody).values()) == 3
    assert halfway + move(index) == 4 + 2 + 1
    assert sum(events(index, *everybody).values()) == 3
    assert move(index, stop=After(0)) == 0


def test_a_claim_moves_whole_or_not_at_all(index: Sinks) -> None:
    """Under each of its keys, learnt when it was; one of whose tokens the pair is unknown stays."""
    known = Claim(0, token=1, subject=2, group=None, server=None)
    half = Claim(1, token=1, subject=9, group=None, server=None)
    police = Claim(2, token=1, subject=2, group=None, server=None)
    learn(index, known, half, retained=[police])
    pair(index, 1, 2, 3)
    # Of the known one, of the one for the police, each under two keys; one prefix of two.
    assert move(index) == 2 + 2 + 1
    assert rest(index) == Resting(0, 2, 0, 1)
    moved = index.claims.claims([token(101)], of="token").to_pylist()
    assert [(row["offset"], row["subject"], row["learnt_at"]) for row in moved] == [
        (0, token(102), LEARNT.replace(tzinfo=None))
    ]
    assert index.claims.claims([token(102)], of="subject").num_rows == 1
    assert index.claims.claims([token(102)], LEARNT - timedelta(seconds=1), of="subject").num_rows == 0
    assert index.claims.claims([token(1)], of="token")["offset"].to_pylist() == [1]
    assert index.claims.prefixes([token(101)])["prefix"].to_pylist() == [token(103)]
    assert index.claims.prefixes([token(9)])["prefix"].to_pylist() == [token(3)]
    assert move(index) == 0


def test_what_names_no_key_is_of_the_first_one(index: Sinks) -> None:
    """Claims and prefixes from before there was a second."""
    learn(index, Claim(0, token=1, subject=2, group=None, server=None), key_id="")
    assert rest(index, NEW, NEWEST, first=False).nothing
    assert rest(index) == Resting(0, 2, 0, 2)
    pair(index, 1, 2, 3)
    assert move(index) == 2 + 1


def test_a_key_that_was_retired_writes_nothing_more(index: Sinks) -> None:
    """Who began with it is told to start again; kept after all, it goes on."""
    index.keys.append(KeyEntry(3, "retired", OLD, "0" * 32, NOW))
    with pytest.raises(KeyUnavailable, match=f"token key {OLD}, .* was retired; start it again"):
        write(index, ROWS)
    assert rest(index).nothing
    index.keys.append(KeyEntry(4, "kept", OLD, "0" * 32, NOW))
    write(index, ROWS)
    assert rest(index).rows == 4


def name(index: Sinks, *numbers: int, key_id: str = OLD, minutes: int = 0) -> None:
    """The identifiers of tokens, sealed."""
    rows = identifier_table([(number, "ip", "k", b"sealed %d" % number) for number in numbers])
    said = LineageBatch(ROW_SCHEMA.empty_table(), identifiers=rows, key_id=key_id)
    index.writer().write(said, lambda: NOW + timedelta(minutes=minutes))


def named(index: Sinks, *numbers: int) -> dict[int, bytes]:
    """What is sealed of the tokens, by number."""
    rows = index.identifiers.sealed([token(number) for number in numbers]).to_pylist()
    return {number: row["sealed"] for number in numbers for row in rows if row["token"] == token(number)}


def test_identifiers_are_sealed_anew_for_the_token_they_move_to(index: Sinks) -> None:
    """Those whose pair is known; what a tagger wrote under the new one meanwhile stands."""
    name(index, 1, 2, 3)
    name(index, 102, key_id=NEW, minutes=1)
    assert rest(index).identifiers == 3
    pair(index, 1, 2)
    assert move(index) == 2
    assert rest(index) == Resting(0, 0, 0, 0, identifiers=1)
    assert named(index, 1, 2, 3, 101, 102) == {
        3: b"sealed 3",
        101: as_told(token(1), token(101), "ip", "k", b"sealed 1"),
        102: b"sealed 102",
    }
    assert move(index) == 0


def test_what_events_say_of_duties_moves_to_the_token_of_its_owner(index: Sinks) -> None:
    """Once that has its pair, and nothing else of it changes."""
    rows = fact_table(fact_row(1, 0, about=["P-WEB"], name=9, evidence=True), fact_row(2, 1))
    index.writer().write(LineageBatch(ROW_SCHEMA.empty_table(), facts=rows, key_id=OLD), lambda: NOW)
    assert rest(index) == Resting(0, 0, 0, 0, facts=2)
    pair(index, 1)
    assert move(index) == 1
    assert rest(index) == Resting(0, 0, 0, 0, facts=1)
    expected = fact_table(fact_row(101, 0, about=["P-WEB"], name=9, evidence=True))
    assert index.facts.facts([token(101)]).to_pylist() == expected.to_pylist()
    assert index.facts.facts([token(1)]).num_rows == 0


def test_what_events_say_of_clocks_moves_as_a_whole(index: Sinks) -> None:
    """With the thing that it is about, once both have their pair; what is about the person alone needs one."""
    rows = clock_table([Said(1, 0), Said(2, 1, started=5, thing=None), Said(3, 2)])
    index.writer().write(LineageBatch(ROW_SCHEMA.empty_table(), clocks=rows, key_id=OLD), lambda: NOW)
    assert rest(index) == Resting(0, 0, 0, 0, clocks=3)
    pair(index, 1, 2)
    assert move(index) == 1
    pair(index, 7)
    assert move(index) == 1
    assert rest(index) == Resting(0, 0, 0, 0, clocks=1)
    moved = index.clocks.clock_events([token(101), token(102)]).to_pylist()
    assert sorted((row["token"], row["thing"]) for row in moved) == sorted(
        [(token(101), token(107)), (token(102), NOTHING)]
    )
    assert index.clocks.clock_events([token(1), token(2)]).num_rows == 0
    assert move(index) == 0


def test_a_row_goes_on_naming_its_customer_under_the_newer_key(index: Sinks) -> None:
    """Whose pair is not known nobody can compare any more: what names them counts, so that a person looks."""
    write(index, [Row(1, at, VISIT, customer=of) for at, of in enumerate((2, 3, 4))])
    pair(index, 1, 2, 3)
    assert move(index) == 3
    person, other, sets = Span(token(101)), Span(token(102)), [replace(VISIT, key_id=NEW).id]
    assert index.reader.counts([person, other], sets).records == 2
    assert index.reader.counts([person], sets).records == 1


def test_whose_clock_ended_is_one_owner_under_all_keys(index: Sinks) -> None:
    """And one thing: what is said of it under the newer key decides what was said under the older one."""
    day = 86_400_000
    said = {
        OLD: [Said(1, 0, started=0), Said(2, 1, started=0), Said(3, 2, started=0)],
        NEW: [Said(101, 3, started=day, thing=108, at=1), Said(102, 4, thing=107, at=1)],
        NEWEST: [Said(203, 5, started=2 * day, thing=207, at=1)],
    }
    for key, rows in said.items():
        clocks = clock_table(rows)
        index.writer().write(LineageBatch(ROW_SCHEMA.empty_table(), clocks=clocks, key_id=key), lambda: NOW)
    pair(index, 1, 2, 3, 7)
    pair(index, 103, 107, to=NEWEST, of=NEW)
    zone = ZoneInfo("Europe/Oslo")
    ends = {NOW.date() + timedelta(days=1): 1, NOW.date() + timedelta(days=2): 1}
    assert index.clocks.ended_by_day("contract_end", zone) == ends


def test_somebody_erased_in_one_role_while_it_moves_stays_in_another(engine: ClickHouse | None) -> None:
    """Also among those who lie by event, under the newer key."""
    if engine is None:
        pytest.skip("the index in memory moves in one step")
    database = empty(engine)
    index = clickhouse_sinks(database)
    as_agent = replace(VISIT, categories=("C-1",))
    write(index, [Row(1, 0, VISIT), Row(1, 0, as_agent, role=Role.AGENT.code)])
    pair(index, 1)

    class Meanwhile:
        """The index, in which the person is erased as an owner once their rows were written anew."""

        def __getattr__(self, name: str) -> Any:
            return getattr(database, name)

        def insert(self, table: str, rows: pa.Table) -> None:
            database.insert(table, rows)
            if table == "lineage_by_event":
                index.eraser.forget([Span(token(1))], {VISIT.id: None})

    moving: Any = Meanwhile()
    Rekeyer(moving, OLD, NEW, first=True, reseal=as_told).move(NEVER)
    assert events(index, 1, 101) == {("C-1",): 1}
    rows = database.query("SELECT token, toString(role) FROM lineage_by_event FINAL")
    assert [(bytes(who), str(role)) for who, role in rows] == [(token(101), "agent")]

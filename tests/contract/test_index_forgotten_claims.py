"""What every index keeps of the claims of people it forgot: that somebody had an identifier, and not who."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pyarrow as pa
import pytest

from schemas.errors import IndexUnavailable
from schemas.vocabulary import ClaimForm, Mark
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.erase import ClickHouseEraser
from sinks.clickhouse.expire import ClickHouseExpirer
from sinks.ports.expiry import RunOut
from sinks.ports.forgotten import NEAR, is_forgotten
from sinks.ports.identity import ClaimKey, OpenClaims
from sinks.ports.lineage import LineageBatch, Span
from streams.identity.links.states import links_of
from tests.support.company import model
from tests.support.index import (
    NOW,
    Claim,
    Index,
    Row,
    claim_table,
    empty,
    moment,
    sql_index,
    table,
    tags,
    token,
)

TAGS = tags("C-17", topic="network.assignments", system="aaa")
KARI, OLA, ADDRESS, OTHER = 2, 6, 1, 8
DAY = 24 * 60 * 60 * 1_000


def session(number: int, whose: int, *at: int, address: int = ADDRESS, group: int = 0) -> list[Claim]:
    """Reports of a session, its end the last of them; `number`: the first offset."""
    marks = [Mark.OPEN, *[Mark.SEEN] * (len(at) - 2), Mark.CLOSE][: len(at)]
    return [
        Claim(number + place, address, whose, group or whose + 20, mark=mark, at=moment_, server=9)
        for place, (mark, moment_) in enumerate(zip(marks, at, strict=True))
    ]


def learn(index: Index, *claims: Claim) -> None:
    """Each with a row of whose it is."""
    rows = [Row(claim.subject or 0, claim.offset, TAGS, at=claim.at) for claim in claims]
    batch = LineageBatch(table(rows), tag_sets=[TAGS], claims=OpenClaims(claim_table(claims)))
    index.writer.write(batch, lambda: NOW)


def forget(index: Index, *people: int) -> None:
    index.eraser.forget([Span(token(number)) for number in people], {TAGS.id: None})


def on(index: Index, *identifiers: int) -> list[dict[str, Any]]:
    found = index.claims.claims([token(number) for number in identifiers], of="token")
    return list(found.to_pylist())


def mentions(index: Index, *numbers: int) -> int:
    """Claims that have one of the tokens in any place."""
    keys = [token(number) for number in numbers]
    places: Sequence[ClaimKey] = get_args(ClaimKey)
    return sum(index.claims.claims(keys, of=of).num_rows for of in places)


def test_that_somebody_had_a_shared_address_stays_and_not_who(index: Index) -> None:
    """As many claims, at their times and behind their ports; nothing under the person, the session or the line."""
    hers = [replace(item, ports=(0, 1_023), line=40) for item in session(0, KARI, 0, 1_000, 2_000)]
    learn(index, *hers, *(replace(item, ports=(1_024, 2_047)) for item in session(5, OLA, 500, 5_000)))
    forget(index, KARI)
    assert mentions(index, KARI, KARI + 20, 40) == 0
    left = [row for row in on(index, ADDRESS) if row["subject"] != token(OLA)]
    assert sorted((row["at"], row["port_to"], row["mark"]) for row in left) == [
        (moment(claim.at).replace(tzinfo=None), 1_023, claim.mark.code) for claim in hers
    ]
    assert all(is_forgotten(bytes(row[name])) for row in left for name in ("subject", "group", "line"))
    assert len({row["group"] for row in left}) == 1
    assert {row["topic"] for row in left} == {""}
    assert len(on(index, ADDRESS)) == 5


def test_nothing_stays_where_nobody_else_had_it(index: Index) -> None:
    """Neither by the person's own other sessions, nor by those of somebody long before."""
    days = 30 * DAY
    learn(index, *session(0, KARI, days, days + 1), *session(3, KARI, days + 5, days + 6, group=31))
    learn(index, *session(6, OLA, 0, 1_000), *session(9, OLA, days, days + 1, address=OTHER, group=32))
    forget(index, KARI)
    assert {row["subject"] for row in on(index, ADDRESS)} == {token(OLA)}


def test_what_was_the_persons_alone_in_a_shared_session_is_not_named(index: Index) -> None:
    """The session goes on to another address, which stands under a token that was drawn."""
    learn(index, *session(0, KARI, 0, 1_000)[:1], Claim(1, OTHER, KARI, KARI + 20, at=1_000))
    learn(index, *session(5, OLA, 1_500, 2_000))
    forget(index, KARI)
    assert on(index, OTHER) == []
    assert sorted(row["subject"] == token(OLA) for row in on(index, ADDRESS)) == [False, True, True]


def test_forgetting_twice_and_the_other_one_too_leaves_nothing_of_either(index: Index) -> None:
    learn(index, *session(0, KARI, 0, 2_000), *session(5, OLA, 500, 5_000))
    forget(index, KARI)
    once = sorted(on(index, ADDRESS), key=str)
    forget(index, KARI)
    assert sorted(on(index, ADDRESS), key=str) == once
    forget(index, OLA)
    assert mentions(index, KARI, OLA, KARI + 20, OLA + 20, ADDRESS) == 0


def test_people_who_are_forgotten_together_leave_nothing_for_each_other(index: Index) -> None:
    learn(index, *session(0, KARI, 0, 2_000), *session(5, OLA, 500, 5_000))
    forget(index, KARI, OLA)
    assert on(index, ADDRESS) == []


@pytest.mark.parametrize("form", [ClaimForm.SESSION, ClaimForm.STATE, ClaimForm.LOGIN])
def test_the_others_links_are_as_before(index: Index, form: ClaimForm) -> None:
    """A session that nobody closed, a state, a login: each ends where the forgotten one began."""
    group = None if form is ClaimForm.LOGIN else 50
    first = Claim(0, ADDRESS, OLA, group, form=form, mark=Mark.OPEN, at=0, server=None)
    second = Claim(1, ADDRESS, KARI, group and 51, form=form, mark=Mark.OPEN, at=DAY, server=None)
    if form is ClaimForm.STATE:
        # In one slot, a register of who has the address.
        second = replace(second, group=group)
    third = replace(first, offset=2, at=5 * DAY, group=group and 52)
    learn(index, first, second, third)
    before = links(index)
    forget(index, KARI)
    assert links(index) == before
    assert len(before) >= 1


def links(index: Index) -> list[tuple[int, int]]:
    """From when until when, in ms, the address is the other one's."""
    found = index.claims.claims([token(ADDRESS)], of="token")
    groups = sorted(set(found["group"].to_pylist()))
    found = pa.concat_tables([found, index.claims.claims(groups, of="group", without=[token(ADDRESS)])])
    made = links_of(found, model().catalogue.identity_sources)
    whose = [bytes(made.names[item]) for item in made.subject]
    return sorted(
        (int(since), int(until))
        for name, since, until in zip(whose, made.since, made.until, strict=True)
        if name == token(OLA)
    )


def test_what_runs_out_leaves_that_somebody_was_there_as_long_as_others_are_near(index: Index) -> None:
    """Then that goes too."""
    learn(index, *session(0, KARI, 0, DAY), *session(5, OLA, DAY // 2, 2 * DAY))
    index.expirer.expire([RunOut(TAGS.id, moment(DAY + 1))], kept=[Span(token(OLA))])
    assert mentions(index, KARI) == 0
    assert len(on(index, ADDRESS)) == 4
    index.expirer.expire([RunOut(TAGS.id, moment(DAY + 1) + NEAR + timedelta(days=30))])
    assert on(index, ADDRESS) == []


def test_a_report_that_names_nobody_is_nobody_else(index: Index) -> None:
    """Servers may leave the user name out: neither does it keep hers, nor is it kept when the last other one left."""
    begin, nameless, end = session(0, KARI, 0, 1_000, 2_000)
    hers = [begin, replace(nameless, subject=None), end]
    again = [replace(item, offset=item.offset + 10, at=item.at + 3_000, group=50) for item in hers]
    learn(index, *hers, *again)
    index.expirer.expire([RunOut(TAGS.id, moment(2_500))])
    assert len(on(index, ADDRESS)) == 3
    learn(index, *session(5, OLA, 500, 5_000))
    # The address of the report that names nobody is hers as well.
    spans = [Span(token(KARI)), Span(token(0))]
    index.eraser.forget(spans, {TAGS.id: None})
    assert {row["subject"] == token(OLA) for row in on(index, ADDRESS)} == {True, False}
    forget(index, OLA)
    assert mentions(index, KARI, OLA, ADDRESS, 50) == 0


def test_a_slot_is_nobodys_once_both_who_were_in_it_are_forgotten(index: Index) -> None:
    """Of the first one it had stayed that the slot was somebody's, by an identifier that nobody else had."""
    first = Claim(0, ADDRESS, KARI, 50, form=ClaimForm.STATE, mark=Mark.OPEN, at=0, server=None)
    learn(index, first, replace(first, offset=1, token=OTHER, subject=OLA, at=DAY))
    forget(index, KARI)
    assert index.claims.claims([token(50)], of="group").num_rows == 2
    assert on(index, ADDRESS) == []
    forget(index, OLA)
    assert mentions(index, KARI, OLA, ADDRESS, OTHER, 50) == 0


def test_what_stays_shows_no_identifier_that_nobody_else_has_any_more(index: Index) -> None:
    """The session stays for one of its two addresses; of the other one the last other holder has left."""
    hers = [*session(0, KARI, 0, 1_000), *session(2, KARI, 0, 1_000, address=OTHER)]
    learn(index, *hers, *session(5, OLA, 500, 5_000), *session(7, 10, 500, 5_000, address=OTHER))
    forget(index, KARI)
    assert (len(on(index, ADDRESS)), len(on(index, OTHER))) == (4, 4)
    forget(index, 10)
    assert (len(on(index, ADDRESS)), on(index, OTHER)) == (4, [])
    kept = {bytes(row["group"]) for row in on(index, ADDRESS) if is_forgotten(row["subject"])}
    assert index.claims.claims(sorted(kept), of="group").num_rows == 4


class Ending:
    """The index until so many statements have changed it."""

    def __init__(self, database: ClickHouse, statements: int) -> None:
        self.database, self.left = database, statements

    def __getattr__(self, name: str) -> Any:
        return getattr(self.database, name)

    def command(self, *said: Any, **more: Any) -> None:
        self._count()
        self.database.command(*said, **more)

    def insert(self, *said: Any) -> None:
        self._count()
        self.database.insert(*said)

    def _count(self) -> None:
        if not self.left:
            raise IndexUnavailable("ended")
        self.left -= 1


@pytest.mark.parametrize("way", ["forgotten", "run out"])
def test_what_stays_after_an_interrupted_call_is_what_stays_of_a_whole_one(
    database: ClickHouse, way: str
) -> None:
    """Ended before each of its statements in turn, then made again: what stays of her says the same, if twice, and what
    stayed of somebody else near her alone is gone."""
    third, later = 60, 10 * DAY
    kept = [Span(token(OLA))]
    ends, statements, through = list[Any](), 0, False
    while not through:
        index = sql_index(empty(database))
        learn(index, *session(0, KARI, 0, 1_000, 2_000), *session(5, OLA, 500, 5_000))
        learn(
            index, *session(10, KARI, later, later + 2, group=31), *session(15, third, later + 1, later + 3)
        )
        forget(index, third)
        assert len(shape(index)) == 9
        ending: Any = Ending(database, statements)
        try:
            if way == "forgotten":
                ClickHouseEraser(ending).forget([Span(token(KARI))], {TAGS.id: None})
            else:
                ClickHouseExpirer(ending).expire([RunOut(TAGS.id, moment(2 * later))], kept)
            through = True
        except IndexUnavailable:
            if way == "forgotten":
                forget(index, KARI)
            else:
                index.expirer.expire([RunOut(TAGS.id, moment(2 * later))], kept)
        ends.append(shape(index))
        statements += 1
    assert len(ends[-1]) == 5
    assert [number for number, end in enumerate(ends) if end != ends[-1]] == []
    assert statements > 5


def shape(index: Index) -> set[tuple[Any, ...]]:
    """The claims on the address, whoever was drawn for whom, and however often."""
    return {(row["at"], row["mark"], is_forgotten(row["subject"])) for row in on(index, ADDRESS)}

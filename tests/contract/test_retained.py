"""What every index promises of sessions that are kept for the police alone: they go so long after their end, and no
sooner."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from schemas.vocabulary import Mark
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.memory.sinks import memory_sinks
from sinks.ports.identity import RetainedClaims
from sinks.ports.keys import PAIR_SCHEMA
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from sinks.ports.sinks import Sinks
from tests.support.index import NOW, Claim, claim_table, empty, moment, token

HOUR = 3_600_000
SUBJECT = 2


@pytest.fixture
def index(engine: ClickHouse | None) -> Sinks:
    return memory_sinks() if engine is None else clickhouse_sinks(empty(engine))


def learn(index: Sinks, *claims: Claim) -> None:
    retained = RetainedClaims(claim_table(claims))
    index.writer().write(LineageBatch(ROW_SCHEMA.empty_table(), retained=retained), lambda: NOW)


def left(index: Sinks) -> list[int]:
    """Offsets of the reports that name the subject."""
    rows = index.claims_retained.claims([token(SUBJECT)], of="subject").to_pylist()
    return sorted(row["offset"] for row in rows)


def session(first: int, *marks: tuple[Mark, int], group: int = 3, **more: Any) -> list[Claim]:
    return [Claim(first + n, mark=mark, at=at, group=group, **more) for n, (mark, at) in enumerate(marks)]


ENDED = session(0, (Mark.OPEN, 1), (Mark.SEEN, 4), (Mark.CLOSE, 9))


def test_a_session_goes_with_its_end(index: Sinks) -> None:
    """All of its reports at once, on the moment after its Stop and not before."""
    learn(index, *ENDED)
    assert (index.retained.expire(moment(9)), left(index)) == (0, [0, 1, 2])
    assert (index.retained.expire(moment(10)), left(index)) == (3, [])
    assert index.retained.expire(moment(10)) == 0


def test_one_that_goes_on_keeps_what_says_when_it_began(index: Sinks) -> None:
    learn(index, *session(0, (Mark.OPEN, 1), (Mark.SEEN, 4), (Mark.SEEN, HOUR)))
    assert (index.retained.expire(moment(HOUR)), left(index)) == (0, [0, 1, 2])
    assert (index.retained.expire(moment(HOUR + 1)), left(index)) == (3, [])


def test_of_a_key_that_is_used_again_the_earlier_session_goes(index: Sinks) -> None:
    """With its Stop, or where that was lost with the next Start; the one that goes on stays."""
    learn(index, *ENDED, *session(10, (Mark.OPEN, 9), (Mark.SEEN, HOUR)))
    assert (index.retained.expire(moment(20)), left(index)) == (3, [10, 11])
    lost = session(20, (Mark.OPEN, 1), (Mark.SEEN, 4), (Mark.OPEN, 15), (Mark.SEEN, HOUR), group=4)
    learn(index, *lost)
    assert index.retained.expire(moment(15)) == 0
    assert (index.retained.expire(moment(16)), left(index)) == (2, [10, 11, 22, 23])


def test_whoever_is_kept_keeps_the_session(index: Sinks) -> None:
    """Also the reports that name nobody."""
    named = session(0, (Mark.OPEN, 1), group=3)
    silent = session(1, (Mark.CLOSE, 2), group=3, subject=SUBJECT)
    learn(index, *named, *silent, *session(5, (Mark.CLOSE, 2), group=8, token=7))
    assert (index.retained.expire(moment(9), [token(1)]), left(index)) == (1, [0, 1])


def test_what_a_server_says_of_all_its_sessions_goes_after_them(index: Sinks) -> None:
    off = Claim(50, token=None, subject=None, group=None, mark=Mark.OFF, at=5)
    learn(index, off, *session(0, (Mark.OPEN, 1), (Mark.SEEN, HOUR)))
    assert index.retained.expire(moment(9)) == 0
    learn(index, Claim(60, token=None, subject=None, group=None, mark=Mark.ON, at=6, server=8))
    assert index.retained.expire(moment(9)) == 1
    assert index.retained.expire(moment(HOUR + 1)) == 3


def test_so_many_go_at_once_and_the_rest_with_the_next_call(index: Sinks) -> None:
    learn(index, *(claim for n in range(5) for claim in session(10 * n, (Mark.SEEN, 1), group=100 + n)))
    counts: Sequence[int] = [index.retained.expire(moment(9), limit=2) for _ in range(4)]
    assert counts == [2, 2, 1, 0]


def test_any_reports_go_as_in_plain_python(index: Sinks) -> None:
    """Whatever comes in whatever order, both indexes leave the same."""
    chosen = random.Random(7)
    marks = [Mark.OPEN, Mark.SEEN, Mark.CLOSE]
    for _ in range(6):
        claims = [
            Claim(n, mark=chosen.choice(marks), at=chosen.randrange(12), group=chosen.randrange(3, 6))
            for n in range(14)
        ]
        plain = memory_sinks()
        learn(plain, *claims)
        learn(index, *claims)
        for before in (4, 8, 12):
            assert index.retained.expire(moment(before)) == plain.retained.expire(moment(before))
            assert left(index) == left(plain)


def test_reports_of_one_session_under_two_keys_are_one_session(index: Sinks) -> None:
    """While the token key is changed: it goes with its end; and is kept by a token of either key."""
    pairs = {"older": [token(3), token(SUBJECT)], "newer": [token(103), token(102)], "key_id": ["a", "a"]}
    batch = LineageBatch(ROW_SCHEMA.empty_table(), pairs=pa.table(pairs, PAIR_SCHEMA), key_id="b")
    index.writer().write(batch, lambda: NOW)
    begin, seen, end = ENDED
    learn(index, begin, seen, replace(end, group=103, subject=SUBJECT))
    assert (index.retained.expire(moment(8)), left(index)) == (0, [0, 1, 2])
    assert (index.retained.expire(moment(10), [token(102)]), left(index)) == (0, [0, 1, 2])
    assert (index.retained.expire(moment(10)), left(index)) == (3, [])

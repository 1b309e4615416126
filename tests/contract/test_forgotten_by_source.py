"""For how long what stays of forgotten people's claims stays: by how long their sources may be silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.entries import IdentitySource
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.memory.sinks import memory_sinks
from sinks.ports.forgotten import Sources, is_forgotten
from sinks.ports.identity import OpenClaims
from sinks.ports.lineage import LineageBatch, Span
from sinks.ports.sinks import Sinks
from tests.contract.test_index_forgotten_claims import ADDRESS, DAY, KARI, OLA, TAGS, session
from tests.support.company import model
from tests.support.index import NOW, Claim, Row, claim_table, empty, table, token

# Over HTTP the same statements are run.
pytestmark = pytest.mark.parametrize("engine", ["memory", "chdb"], indirect=True, scope="module")

RADIUS = model().catalogue.identity_sources["radius"]


def source(days: int | None, missed: int = 3) -> IdentitySource:
    """One that may be silent for so many days; None: for ever."""
    silence = None if days is None else int(timedelta(days=days).total_seconds())
    return RADIUS.model_copy(update={"silence_seconds": silence, "missed_reports": missed})


def opened(engine: ClickHouse | None, sources: Sources) -> Sinks:
    return memory_sinks(sources) if engine is None else clickhouse_sinks(empty(engine), sources)


def left(index: Sinks, *claims: Claim) -> int:
    """How many claims stay of what Kari had on the address."""
    rows = [Row(claim.subject or 0, claim.offset, TAGS, at=claim.at) for claim in claims]
    said = LineageBatch(table(rows), tag_sets=[TAGS], claims=OpenClaims(claim_table(claims)))
    index.writer().write(said, lambda: NOW)
    index.eraser.forget([Span(token(KARI))], {TAGS.id: None})
    found = index.claims.claims([token(ADDRESS)], of="token").to_pylist()
    return sum(is_forgotten(row["subject"]) for row in found)


@pytest.mark.parametrize("first", [KARI, OLA])
@pytest.mark.parametrize(
    ("sources", "stays"),
    [
        ({"radius": source(1)}, False),
        ({"radius": source(60)}, True),
        ({"radius": source(1, missed=50)}, True),
        ({"radius": source(None)}, True),
        ({}, True),
    ],
)
def test_a_session_that_nobody_ended_is_near_as_long_as_its_source_may_be_silent(
    engine: ClickHouse | None, first: int, sources: Sources, stays: bool
) -> None:
    """Its last report says that it lasts for a day; another holder comes forty days later, or was there before."""
    open_ended = replace(session(0, first, 0)[0], until=DAY)
    later = session(5, OLA if first == KARI else KARI, 40 * DAY, 41 * DAY)
    assert bool(left(opened(engine, sources), open_ended, *later)) is stays


def test_of_which_nothing_says_for_how_long_is_near_for_good(engine: ClickHouse | None) -> None:
    index = opened(engine, {"radius": source(1)})
    assert left(index, *session(0, KARI, 0), *session(5, OLA, 40 * DAY, 41 * DAY)) == 1


def test_a_session_without_end_by_an_odd_date_is_near_for_good(engine: ClickHouse | None) -> None:
    """A lease for ever ends in the last year that there is."""
    forever = replace(session(0, KARI, 0)[0], until=250_000 * DAY // 100)
    index = opened(engine, {"radius": source(1, missed=1_000_000)})
    assert left(index, forever, *session(5, OLA, 40 * DAY, 41 * DAY)) == 1

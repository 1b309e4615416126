"""Checks in an index whose token keys changed: the same events break the same duties, under whichever key they came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pyarrow as pa
import pytest

from schemas.vocabulary import Right
from sinks.ports.keys import PAIR_SCHEMA
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch, Span
from streams.duties.check import Verdict
from streams.identity.rekeyed import Same
from streams.rights.protocol.request import State
from streams.rights.protocol.scope import Scope
from tests.support.index import NOW, Row, Said, clock_table, fact_row, fact_table, moment, token
from tests.support.looking import Watched
from tests.unit.duties.test_request_checks import request
from tests.unit.duties.test_tag_checks import of

OLD, NEW, NEWEST = 1, 2, 3
"""Numbers of the tokens that one identifier had."""
DAY = 86_400_000
"""In milliseconds."""


@pytest.fixture
def watched() -> Watched:
    """Keys changed twice; what the tokens are of, pairs say."""
    made = Watched()
    made.same = Same(made.sinks.pairs, lambda: 2, kept_seconds=0.0)
    pairs = [(token(OLD), token(NEW), "k1"), (token(NEW), token(NEWEST), "k2"), (token(7), token(8), "k1")]
    rows = [dict(zip(PAIR_SCHEMA.names, pair, strict=True)) for pair in pairs]
    table = pa.Table.from_pylist(rows, PAIR_SCHEMA)
    write(made, LineageBatch(ROW_SCHEMA.empty_table(), pairs=table, key_id="k3"))
    return made


def write(watched: Watched, batch: LineageBatch) -> None:
    watched.sinks.writer().write(batch, lambda: NOW)


def said(watched: Watched, *events: Said) -> None:
    write(watched, LineageBatch(ROW_SCHEMA.empty_table(), clocks=clock_table(events), key_id="k1"))


@pytest.mark.parametrize("objected", [OLD, NEW, NEWEST])
@pytest.mark.parametrize("used", [OLD, NEW, NEWEST])
def test_an_objection_reaches_events_under_every_key(watched: Watched, objected: int, used: int) -> None:
    web = replace(of("web.visits"), purposes=("P-WEB",), legal_basis={"P-WEB": "f"})
    said = {"completed_at": moment(0), "subjects": frozenset([token(objected).hex()])}
    watched.requests = [request(Right.OBJECTION, 5, state=State.COMPLETED, scope=Scope(("P-WEB",)), **said)]
    watched.write(Row(9, 1, web, at=5))
    assert watched.check("used_after_objection").verdict is Verdict.KEPT
    watched.write(Row(used, 2, web, at=5))
    (found,) = watched.check("used_after_objection").violations
    assert found.evidence[0].token == token(used).hex()


def ended(number: int) -> Said:
    return Said(number, 10 + number, started=-120 * DAY, at=-120 * DAY)


@pytest.mark.parametrize("told", [OLD, NEW])
@pytest.mark.parametrize("held", [OLD, NEW, NEWEST])
def test_the_end_of_a_contract_counts_for_what_is_held_under_every_key(
    watched: Watched, told: int, held: int
) -> None:
    watched.write(Row(held, 1, of("crm.customers"), at=-400 * DAY))
    said(watched, ended(told))
    (found,) = watched.check("past_term_after_contract").violations
    assert (found.key, found.evidence[0].token) == ("crm", token(held).hex())
    watched.kept = [Span(token(NEWEST))]
    assert watched.check("past_term_after_contract").verdict is Verdict.KEPT


@pytest.mark.parametrize("at_once", [1, 1_000])
def test_an_end_that_was_said_under_two_keys_is_found_once(
    watched: Watched, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.duties.checks.people.AT_ONCE", at_once)
    watched.write(Row(NEWEST, 1, of("crm.customers"), at=-400 * DAY))
    said(watched, ended(OLD), ended(NEW))
    (found,) = watched.check("past_term_after_contract").violations
    assert " of 1 person " in found.says
    assert [item.token for item in found.evidence] == [token(NEWEST).hex()]


@pytest.mark.parametrize("thing", [8, 9])
def test_a_contract_that_goes_on_under_another_key_keeps_it(watched: Watched, thing: int) -> None:
    """The same one that was made again, or a new one."""
    watched.write(Row(OLD, 1, of("crm.customers"), at=-400 * DAY))
    said(watched, ended(OLD), Said(NEW, 20, started=None, at=-10 * DAY, thing=thing))
    assert watched.check("past_term_after_contract").verdict is Verdict.KEPT


def test_a_contract_ends_under_another_key_than_it_began(watched: Watched) -> None:
    """The thing that ended is the one that went on before, by whatever token."""
    watched.write(Row(OLD, 1, of("crm.customers"), at=-400 * DAY))
    said(
        watched,
        Said(OLD, 20, started=None, at=-500 * DAY, thing=7),
        Said(NEW, 21, started=-120 * DAY, at=-120 * DAY, thing=8),
    )
    assert watched.check("past_term_after_contract").verdict is Verdict.BROKEN


@pytest.mark.parametrize("consented", [OLD, NEW, NEWEST])
@pytest.mark.parametrize("used", [OLD, NEW, NEWEST])
def test_a_consent_counts_for_events_under_every_key(watched: Watched, consented: int, used: int) -> None:
    """Somebody else's does not."""
    viewing = replace(of("tv.viewings"), purposes=("P-PERSONAL",), legal_basis={"P-PERSONAL": "a"})
    watched.write(Row(used, 1, viewing, at=5))

    def consents(number: int) -> None:
        told = fact_table(fact_row(number, number, about=["P-PERSONAL"]))
        write(watched, LineageBatch(ROW_SCHEMA.empty_table(), facts=told, key_id="k1"))

    consents(9)
    assert watched.check("consent_at_event_time").verdict is Verdict.BROKEN
    consents(consented)
    assert watched.check("consent_at_event_time").verdict is Verdict.KEPT


def test_a_withdrawal_under_another_key_is_one(watched: Watched) -> None:
    viewing = replace(of("tv.viewings"), purposes=("P-PERSONAL",), legal_basis={"P-PERSONAL": "a"})
    watched.write(Row(OLD, 1, viewing, at=5))
    told = [
        fact_row(OLD, 1, about=["P-PERSONAL"]),
        fact_row(NEW, 2, says="withdrawn", about=["P-PERSONAL"], event_time=moment(2)),
    ]
    write(watched, LineageBatch(ROW_SCHEMA.empty_table(), facts=fact_table(*told), key_id="k1"))
    assert watched.check("consent_at_event_time").verdict is Verdict.BROKEN


def test_pages_of_events_miss_none_and_name_everybody_by_one_token(watched: Watched) -> None:
    viewing = replace(of("tv.viewings"), purposes=("P-PERSONAL",), legal_basis={"P-PERSONAL": "a"})
    watched.write(*(Row(number, offset, viewing, at=5) for offset in (1, 2) for number in (OLD, NEW, 9)))
    duties = watched.looking().duties
    ways: list[Callable[..., pa.Table]] = [
        partial(duties.unconsented, {viewing.id: ["P-PERSONAL"]}),
        partial(duties.owned, [token(NEW), token(9)], [viewing.id]),
    ]
    for way in ways:
        found, after = list[tuple[int, bytes]](), None
        while rows := way(after, 1).to_pylist():
            after = rows[-1]
            found.append((after["offset"], after["who"]))
        assert sorted(found) == sorted(
            (offset, token(number)) for offset in (1, 2) for number in (OLD, OLD, 9)
        )

"""Many people forgotten at once: the index ends as if it had been one after the other, and each count is the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import repeat
from random import Random
from typing import Any, cast, get_args

import pytest

from schemas.vocabulary import Role
from sinks.clickhouse.client import ClickHouse
from sinks.ports.erasure import Forgotten, IndexEraserOfMany, RecordsGone, ToForget
from sinks.ports.forgotten import is_left
from sinks.ports.identity import ClaimKey, OpenClaims
from sinks.ports.lineage import LineageBatch, Span
from sinks.ports.offsets import OffsetRange
from tests.contract.test_index_forget import finding_offsets
from tests.support.index import (
    NOW,
    Claim,
    Index,
    Row,
    Said,
    claim_table,
    clock_table,
    empty,
    finding_table,
    identifier_table,
    memory_index,
    moment,
    prefix_table,
    sql_index,
    table,
    tags,
    token,
)

WEB = tags()
BILL = tags("C-11", "C-12", topic="billing.invoices", system="billing", purposes=("P-BILL",))
HELD = tags("C-12", topic="billing.invoices", system="billing", purposes=("P-BILL",))
LESS = tags("C-11", topic="billing.invoices", system="billing", purposes=("P-BILL",))
ROLES = [role.code for role in (Role.OWNER, Role.JOINT_OWNER, Role.COUNTERPARTY, Role.MENTIONED)]
OWNERS = frozenset({Role.OWNER, Role.JOINT_OWNER})
PEOPLE, EVENTS = 7, 14
# Those at the end had people whose claims, or roles in one event, touched those of others.
SEEDS = (*range(6), 23, 30, 37, 44)


@dataclass(frozen=True)
class World:
    """Rows of some people, what hangs on their events, and who is to be forgotten of what."""

    batch: LineageBatch
    questions: Sequence[ToForget]


def made(seed: int) -> World:
    """Few tokens and events, so that people share both."""
    chance = Random(seed)
    rows = [
        Row(
            chance.randint(1, PEOPLE),
            offset,
            item,
            at=chance.randint(0, 9) * 1_000,
            role=role,
            port=chance.choice([0, 5_000, 50_000]),
        )
        for item in (WEB, BILL)
        for offset in range(EVENTS)
        for role in chance.sample(ROLES, chance.choice([1, 1, 2, 3]))
    ]
    topics = [WEB.topic, BILL.topic]
    claims = [
        Claim(
            offset,
            chance.randint(1, PEOPLE),
            chance.choice([None, *range(1, PEOPLE)]),
            chance.choice([None, 20, 21]),
            topic=chance.choice(topics),
        )
        for offset in chance.sample(range(EVENTS), 6)
    ]
    sealed = [(number, "ip", "k", bytes([number])) for number in range(1, PEOPLE + 1)]
    findings = [(chance.choice(topics), offset, "phone") for offset in chance.sample(range(EVENTS), 5)]
    clocks = [Said(row.token, row.offset, 5, topic=row.tags.topic) for row in chance.sample(rows, 5)]
    batch = LineageBatch(
        table(rows),
        claims=OpenClaims(claim_table(claims)),
        prefixes=prefix_table([(90, 56, number) for number in range(1, PEOPLE + 1)]),
        findings=finding_table(findings),
        identifiers=identifier_table(sealed),
        clocks=clock_table(clocks),
        tag_sets=[WEB, BILL],
    )
    return World(batch, [_question(chance) for _ in range(chance.randint(2, 5))])


def _question(chance: Random) -> ToForget:
    spans = [
        Span(
            token(number),
            chance.choice([None, None, moment(3_000)]),
            chance.choice([None, None, moment(7_000)]),
            *chance.choice([(0, 65_535), (0, 65_535), (0, 20_000)]),
        )
        for number in chance.sample(range(1, PEOPLE + 1), chance.randint(1, 2))
    ]
    kept = {WEB.id: None, BILL.id: chance.choice([None, HELD, LESS, BILL])}
    if chance.random() < 0.3:
        del kept[chance.choice(list(kept))]
    records = RecordsGone(OWNERS, chance.choice([frozenset(), frozenset({Role.COUNTERPARTY})]))
    gone = {item.id: records for item in (WEB, BILL) if chance.random() < 0.5}
    return ToForget(spans, kept, gone)


def left(index: Index) -> dict[str, Any]:
    """All that the index says of anybody."""
    tokens = [token(number) for number in range(1, PEOPLE + 1)]
    claims = {of: index.claims.claims(tokens, of=of).to_pylist() for of in get_args(ClaimKey)}
    return {
        "rows": [index.reader.find([Span(item)]) for item in tokens],
        "others": [Counter(index.reader.others([Span(item)])) for item in tokens],
        "claims": {of: sorted(map(_place, rows)) for of, rows in claims.items()},
        "sealed": sorted(row["token"] for row in index.identifiers.sealed(tokens).to_pylist()),
        "prefixes": sorted(row["token"] for row in index.claims.prefixes(tokens).to_pylist()),
        "clocks": sorted(
            (row["token"], row["topic"], row["offset"])
            for row in index.clocks.clock_events(tokens).to_pylist()
        ),
        "findings": finding_offsets(index),
    }


def _place(claim: dict[str, Any]) -> tuple[str, int]:
    """Where a claim was read; what stands for somebody who was forgotten lies where nobody can tell."""
    return claim["topic"], 0 if is_left(claim) else claim["offset"]


def filled(engine: ClickHouse | None, world: World) -> tuple[Index, IndexEraserOfMany]:
    index = sql_index(empty(engine)) if engine else memory_index()
    index.writer.write(world.batch, lambda: NOW)
    return index, cast(IndexEraserOfMany, index.eraser)


@pytest.mark.parametrize("seed", SEEDS)
def test_many_at_once_end_as_one_after_the_other(engine: ClickHouse | None, seed: int) -> None:
    """Also of people who share tokens or events, where one takes away rows of the other."""
    world = made(seed)
    (memory, one), (index, many) = filled(None, world), filled(engine, world)
    for _ in range(2):
        # The second time there is next to nothing to do.
        alone = [one.forget(item.spans, item.kept, item.gone) for item in world.questions]
        assert many.forget_each(world.questions) == alone
        assert left(index) == left(memory)


def test_people_who_had_one_address_one_after_the_other_each_lose_what_was_decided_of_them(
    engine: ClickHouse | None,
) -> None:
    """Of the first everything goes, of the next a part, of the last nothing."""
    times = (1_000, 4_000, 8_000)
    rows = [Row(1, offset, item, at=at) for item in (WEB, BILL) for offset, at in enumerate(times)]
    index, many = filled(engine, World(LineageBatch(table(rows), tag_sets=[WEB, BILL]), ()))
    first, then = moment(3_000), moment(7_000)
    found = many.forget_each(
        [
            ToForget([Span(token(1), until=first)], {WEB.id: None, BILL.id: None}),
            ToForget([Span(token(1), first, then)], {WEB.id: None, BILL.id: HELD}),
            ToForget([Span(token(1), then)], {WEB.id: WEB, BILL.id: BILL}),
        ]
    )
    assert found == [Forgotten(rows_removed=2), Forgotten(1, 1), Forgotten()]
    held = [
        index.reader.find([Span(token(1), *span)]) for span in ((None, first), (first, then), (then, None))
    ]
    assert [sorted(item.tags.id for item in one.holdings) for one in held] == [
        [],
        [HELD.id],
        sorted([WEB.id, BILL.id]),
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_of_what_came_into_the_index_later_nothing_goes(engine: ClickHouse | None, seed: int) -> None:
    """Nor what hangs on it, of whoever asks so; the others lose all that was decided of them."""
    world, chance = made(seed), Random(seed + 1_000)
    wanted = [replace(item, known_at=chance.choice([None, NOW])) for item in world.questions]
    (memory, one), (index, many) = filled(None, world), filled(engine, world)
    for side in (memory, index):
        for moment_of, first, last in (
            (NOW, 0, EVENTS // 2),
            (NOW + timedelta(hours=1), EVENTS // 2 + 1, EVENTS),
        ):
            ranges = [OffsetRange(item.topic, 0, first, last, 1) for item in (WEB, BILL)]
            side.writer.write(LineageBatch(table([]), ranges=ranges), repeat(moment_of).__next__)
    would = [one.going(item.spans, item.kept, item.gone, item.known_at) for item in wanted]
    assert many.going_each(wanted) == would
    before = left(memory)
    alone = [one.forget(item.spans, item.kept, item.gone, item.known_at) for item in wanted]
    assert many.forget_each(wanted) == alone
    assert left(index) == left(memory) != before
    every = [one.going(item.spans, item.kept, item.gone) for item in wanted]
    assert any(some != Forgotten() for some in every) or all(item.known_at is None for item in wanted)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_would_go_is_told_of_each_by_itself(engine: ClickHouse | None, seed: int) -> None:
    """Nothing has changed afterwards."""
    world = made(seed)
    index, eraser = filled(engine, world)
    before = left(index)
    alone = [eraser.going(item.spans, item.kept, item.gone) for item in world.questions]
    assert eraser.going_each(world.questions) == alone
    assert left(index) == before
    assert alone[0] == eraser.forget(
        world.questions[0].spans, world.questions[0].kept, world.questions[0].gone
    )


def test_nobody_to_forget_is_nothing_to_do(engine: ClickHouse | None) -> None:
    """Nobody at all, somebody without spans, and somebody of whom everything stays."""
    index, eraser = filled(engine, made(1))
    before = left(index)
    nothing = [ToForget([], {WEB.id: None}), ToForget([Span(token(1))], {WEB.id: WEB})]
    assert eraser.forget_each([]) == []
    assert eraser.forget_each(nothing) == eraser.going_each(nothing) == [Forgotten(), Forgotten()]
    assert left(index) == before

"""What checks of duties read of every index: everybody's facts, and events that need one, equal in all of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest

from schemas.vocabulary import Role
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.duties import ClickHouseDuties
from sinks.memory.index import MemoryIndex
from sinks.ports.duties import DutyReader
from sinks.ports.lineage import Span
from tests.support.index import (
    NOW,
    Index,
    Row,
    batch,
    empty,
    fact_row,
    fact_table,
    memory_index,
    moment,
    sql_index,
    tags,
    token,
)

WEB = tags()
BILL = tags("C-11", topic="billing.invoices", system="billing", purposes=("P-BILL",))
MORE, LESS = "P-PERSONAL", "P-MARKETING"
DAY = 86_400_000


@pytest.fixture
def both(engine: ClickHouse | None) -> tuple[Index, DutyReader]:
    if engine is None:
        memory = MemoryIndex()
        return memory_index(memory), memory
    return sql_index(empty(engine)), ClickHouseDuties(engine)


def write(index: Index, rows: list[Row], *said: Mapping[str, Any]) -> None:
    index.writer.write(replace(batch(rows), facts=fact_table(*said)), lambda: NOW)


def unconsented(duties: DutyReader, *purposes: str, limit: int = 100) -> list[tuple[int, str]]:
    found = duties.unconsented({WEB.id: purposes or (MORE,)}, limit=limit)
    return list(zip(found["offset"].to_pylist(), found["purpose"].to_pylist(), strict=True))


def consent(number: int, offset: int, at: int, says: str = "given", *about: str) -> dict[str, Any]:
    return fact_row(
        number, offset, says=says, about=list(about or (MORE,)), event_time=moment(at), topic="consents"
    )


def test_facts_of_all_are_those_of_the_kind(both: tuple[Index, DutyReader]) -> None:
    """Of any of the ids that are named, each once however often it was written."""
    index, duties = both
    said = [consent(1, 0, 5), consent(2, 1, 5, "given", LESS, MORE), fact_row(1, 2, "notice", "sent")]
    for _ in range(2):
        write(index, [Row(1, 0, WEB)], *said)
    assert sorted(duties.facts_of_all("consent")["offset"].to_pylist()) == [0, 1]
    assert duties.facts_of_all("consent", [LESS]).to_pylist() == fact_table(said[1]).to_pylist()
    assert duties.facts_of_all("decision").num_rows == 0


def test_groups_count_events_and_show_the_oldest(both: tuple[Index, DutyReader]) -> None:
    """An event under two identifiers is one; by topic and word."""
    index, duties = both
    said = [
        fact_row(1, at, "device_storage", "without_consent", event_time=moment(9 - at)) for at in range(4)
    ]
    said += [fact_row(2, 3, "device_storage", "without_consent", event_time=moment(6))]
    said += [fact_row(1, 7, "device_storage", "consented", topic="app.opened")]
    write(index, [Row(1, 0, WEB)], *said)
    first, second = duties.fact_groups("device_storage", rows=2)
    assert (first.topic, first.says, first.events) == ("app.opened", "consented", 1)
    assert (second.topic, second.events, second.first, second.last) == ("web.visits", 4, moment(6), moment(9))
    assert [(row.offset, row.token) for row in second.rows] == [(3, token(1)), (3, token(2))]
    assert second.rows[0].at == moment(6)
    assert duties.fact_groups("decision") == []


def test_the_first_event_of_each_owner_tag_set_and_day_is_found(both: tuple[Index, DutyReader]) -> None:
    """Under the customer where the event names one; whoever is only mentioned owns nothing."""
    index, duties = both
    rows = [
        Row(1, 0, WEB, at=9),
        Row(1, 1, WEB, at=4),
        Row(1, 2, BILL, at=1),
        Row(5, 3, WEB, at=2, customer=1),
        Row(6, 4, WEB, at=0, role=Role.MENTIONED.code),
        Row(1, 5, WEB, at=DAY),
        Row(1, 6, WEB, at=DAY + 1),
    ]
    write(index, rows)
    found = sorted(duties.first_of_days([WEB.id]).to_pylist(), key=lambda row: row["offset"])
    assert [(row["who"], row["tag_set"], row["offset"]) for row in found] == [
        (token(1), WEB.id, 3),
        (token(1), WEB.id, 5),
    ]
    assert found[0]["event_time"].replace(tzinfo=UTC) == moment(2)
    assert len(duties.first_of_days([WEB.id, BILL.id])) == 3
    assert duties.first_of_days([]).num_rows == 0


def test_events_of_owners_come_in_pages(both: tuple[Index, DutyReader]) -> None:
    """Each once, the oldest first; under the customer alone where the event names one."""
    index, duties = both
    rows = [Row(1, at, WEB, at=9 - at % 3) for at in range(7)]
    write(index, [*rows, Row(5, 8, WEB, at=1, customer=1), Row(1, 9, WEB, customer=2), Row(1, 10, BILL)])
    found: list[int] = []
    after = None
    while page := duties.owned([token(1), token(5)], [WEB.id], after, 3).to_pylist():
        found, after = [*found, *(row["offset"] for row in page)], page[-1]
    assert found == [8, 2, 5, 1, 4, 0, 3, 6]
    assert duties.owned([], [WEB.id]).num_rows == 0


def test_what_nobody_consented_to_comes_in_pages(both: tuple[Index, DutyReader]) -> None:
    index, duties = both
    write(index, [Row(number, at, WEB, at=at % 2) for at in range(4) for number in (1, 2)])
    found: list[tuple[int, bytes, str]] = []
    after = None
    while page := duties.unconsented({WEB.id: [MORE, LESS]}, after, 3).to_pylist():
        found += [(row["offset"], row["who"], row["purpose"]) for row in page]
        after = page[-1]
    assert len(found) == len({*found}) == 16
    assert [offset for offset, *_ in found] == [0] * 4 + [2] * 4 + [1] * 4 + [3] * 4


@pytest.mark.parametrize("about", [(), ("unknown",), ("unknown", LESS)])
def test_a_withdrawal_of_nothing_that_is_known_is_of_everything(
    both: tuple[Index, DutyReader], about: tuple[str, ...]
) -> None:
    """A consent to nothing that is known is none."""
    index, duties = both
    withdrawn = {**consent(1, 1, 3, "withdrawn"), "about": list(about)}
    write(index, [Row(1, 0, WEB, at=5)], consent(1, 0, 2), withdrawn)
    assert unconsented(duties) == [(0, MORE)]
    write(index, [Row(2, 1, WEB, at=5)], {**consent(2, 5, 3), "about": list(about)})
    assert unconsented(duties) == [(0, MORE), (1, MORE)]


def test_events_without_a_consent_at_their_time_are_found(both: tuple[Index, DutyReader]) -> None:
    """By purpose, the oldest first; one at the moment of a consent has it, one before has not."""
    index, duties = both
    rows = [Row(1, at, WEB, at=at) for at in range(6)] + [Row(2, 9, WEB, at=1), Row(3, 8, BILL)]
    write(index, rows, consent(1, 0, 2), consent(1, 1, 4, "withdrawn"))
    assert unconsented(duties) == [(0, MORE), (1, MORE), (9, MORE), (4, MORE), (5, MORE)]
    assert unconsented(duties, limit=2) == [(0, MORE), (1, MORE)]
    assert len(unconsented(duties, MORE, LESS)) == 5 + 7
    assert duties.unconsented({}).num_rows == 0


def test_of_two_decisions_at_one_moment_the_consent_counts(both: tuple[Index, DutyReader]) -> None:
    index, duties = both
    write(index, [Row(1, 0, WEB, at=5)], consent(1, 1, 3, "withdrawn"), consent(1, 2, 3))
    assert unconsented(duties) == []


def test_what_is_erased_is_in_no_answer(both: tuple[Index, DutyReader]) -> None:
    index, duties = both
    said = fact_row(1, 0, about=[MORE], event_time=moment(9))
    write(index, [Row(1, 0, WEB, at=1)], said)
    assert unconsented(duties) == [(0, MORE)]
    index.eraser.forget([Span(token(1))], {WEB.id: None})
    assert unconsented(duties) == []
    assert duties.facts_of_all("consent").num_rows == 0
    assert duties.first_of_days([WEB.id]).num_rows == 0


@pytest.mark.parametrize("seed", range(8))
def test_what_is_unconsented_is_what_a_plain_rule_says(both: tuple[Index, DutyReader], seed: int) -> None:
    """Random events and decisions of few people at few moments."""
    index, duties = both
    rng = random.Random(seed)
    rows = [
        Row(rng.randint(1, 3), at, WEB, at=rng.randint(0, 9), customer=rng.choice([None, 1, 2]))
        for at in range(30)
    ]
    told = [
        consent(
            rng.randint(1, 3), at, rng.randint(0, 9), rng.choice(["given", "withdrawn", "refused"]), purpose
        )
        for at in range(12)
        for purpose in [rng.choice([MORE, LESS])]
    ]
    write(index, rows, *told)

    def allowed(row: Row, purpose: str) -> bool:
        who = token(row.customer or row.token)
        before = [
            (item["event_time"], item["says"] == "given")
            for item in told
            if item["token"] == who and purpose in item["about"] and item["event_time"] <= moment(row.at)
        ]
        return bool(before) and max(before)[1]

    wanted = [(row.offset, purpose) for row in rows for purpose in (LESS, MORE) if not allowed(row, purpose)]
    assert sorted(unconsented(duties, MORE, LESS, limit=1_000)) == sorted(wanted)

"""What every index promises of facts: what events say of duties is written, read, known since, and erased."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sinks.ports.expiry import RunOut
from sinks.ports.lineage import Span
from tests.support.index import NOW, Index, Row, batch, fact_row, fact_table, moment, tags, token

WEB = tags()
BILL = tags("C-11", topic="billing.invoices", system="billing", purposes=("P-BILL",))
OWNER, COOKIE, OTHER = 1, 2, 3


def write(index: Index, rows: list[Row], *said: Mapping[str, Any], minutes: int = 0) -> None:
    index.writer.write(
        replace(batch(rows), facts=fact_table(*said)), lambda: NOW + timedelta(minutes=minutes)
    )


def places(index: Index, *numbers: int) -> list[tuple[bytes, int]]:
    rows = index.facts.facts([token(number) for number in numbers]).to_pylist()
    return sorted((row["token"], row["offset"]) for row in rows)


def test_what_was_said_is_read_as_it_was_written(index: Index) -> None:
    """Every column, under the tokens asked for alone; written twice it is there once."""
    told = {
        "about": ["C-05", "unknown"],
        "recipient": "police",
        "instrument": "statutory_order",
        "version": "2026-01",
        "occasion": "disclosure",
        "name": 2**64 - 1,
        "evidence": True,
        "event_time": moment(77),
    }
    said = [fact_row(OWNER, 0, "disclosure", "disclosed", **told), fact_row(OWNER, 0, part=1)]
    for _ in range(2):
        write(index, [Row(OWNER, 0, WEB), Row(OTHER, 1, WEB)], *said, fact_row(OTHER, 1))
    found = index.facts.facts([token(OWNER), token(9)]).to_pylist()
    assert sorted(found, key=lambda row: row["part"]) == fact_table(*said).to_pylist()
    assert index.facts.facts([]).num_rows == 0


def test_only_the_facts_asked_for_are_read(index: Index) -> None:
    said = [
        fact_row(OWNER, 0),
        fact_row(OWNER, 1, "notice", "sent"),
        fact_row(OWNER, 2, "decision", "automated"),
    ]
    write(index, [Row(OWNER, at, WEB) for at in range(3)], *said)
    found = index.facts.facts([token(OWNER)], ["notice", "decision"])
    assert sorted(found["offset"].to_pylist()) == [1, 2]


def test_it_is_known_since_its_batch_was_written(index: Index) -> None:
    """As of a moment before, nothing is known of it."""
    write(index, [Row(OWNER, 0, WEB)], fact_row(OWNER, 0))
    write(index, [Row(OWNER, 5, WEB)], fact_row(OWNER, 5), minutes=10)
    then = index.facts.facts([token(OWNER)], known_at=NOW + timedelta(minutes=5))
    assert then["offset"].to_pylist() == [0]
    assert sorted(index.facts.facts([token(OWNER)])["offset"].to_pylist()) == [0, 5]


def test_it_is_erased_with_its_event(index: Index) -> None:
    """Under every identifier of the person; not where a row stays, and nobody else's."""
    rows = [Row(OWNER, 0, WEB), Row(COOKIE, 0, WEB), Row(OTHER, 1, WEB), Row(OWNER, 2, BILL)]
    said = [
        *(fact_row(number, 0) for number in (OWNER, COOKIE)),
        fact_row(OTHER, 1),
        fact_row(OWNER, 2, topic="billing.invoices"),
    ]
    write(index, rows, *said)
    index.eraser.forget([Span(token(OWNER)), Span(token(COOKIE))], {WEB.id: None, BILL.id: BILL})
    assert places(index, OWNER, COOKIE, OTHER) == sorted([(token(OTHER), 1), (token(OWNER), 2)])
    index.eraser.forget([Span(token(OWNER))], {BILL.id: None})
    assert places(index, OWNER, COOKIE, OTHER) == [(token(OTHER), 1)]


def test_it_goes_when_the_last_row_of_its_event_has_run_out(index: Index) -> None:
    """And stays while one of its rows does."""
    write(
        index,
        [Row(OWNER, 0, WEB), Row(OWNER, 1, WEB), Row(COOKIE, 1, tags("C-22"))],
        *(fact_row(OWNER, at) for at in range(2)),
    )
    index.expirer.expire([RunOut(WEB.id, NOW + timedelta(days=1))])
    assert places(index, OWNER) == [(token(OWNER), 1)]

"""How many events and people there are, by what the tags say: the views, with the rows that they give."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from sinks.clickhouse.client import ClickHouse
from tests.support.index import Row, sql_index, tags, token

DAY = 86_400_000
WEB = replace(tags("C-21", "C-22"), recipients=())
SECRET = replace(WEB, categories=("C-21",), detected=("C-31",))
BILLS = replace(
    tags("C-06", topic="billing.invoices", system="billing", purposes=("P-BILLING", "P-WEB")),
    record="Invoice",
    recipients=("bank", "collection_agency"),
    origin="derived",
)
# Of event 0 both ends of it; of event 1 an address beside the customer number.
ROWS = [
    Row(1, 0, WEB),
    Row(2, 0, WEB, role=2),
    Row(8, 1, WEB, at=DAY, customer=1),
    Row(1, 1, WEB, at=DAY),
    Row(3, 2, SECRET, at=DAY),
    Row(1, 0, BILLS, at=2 * DAY),
    Row(1, 1, BILLS, at=2 * DAY),
]
EXPECTED = {
    "purpose": [("P-BILLING", 2, 1), ("P-WEB", 5, 3)],
    "category": [("C-06", 2, 1), ("C-21", 3, 3), ("C-22", 2, 2), ("C-31", 1, 1)],
    "recipient": [("", 3, 3), ("bank", 2, 1), ("collection_agency", 2, 1)],
    "source, record": [("billing.invoices", "Invoice", 2, 1), ("web.visits", "WebVisit", 3, 3)],
    "origin": [("auto_generated", 3, 3), ("derived", 2, 1)],
    "system": [("billing", 2, 1), ("web", 3, 3)],
}


def totals(database: ClickHouse, keys: str) -> list[tuple[object, ...]]:
    view = f"v_by_{keys.split(',')[0]}"
    return database.query(f"SELECT {keys}, events_tagged, people_held FROM {view} ORDER BY ALL")


@pytest.mark.parametrize("keys", EXPECTED)
def test_events_and_people_count_once_for_each_tag(database: ClickHouse, keys: str) -> None:
    """Whom an event names by an address beside the customer number is one; writing it again changes nothing."""
    for _ in range(2):
        sql_index(database).write(ROWS)
        assert totals(database, keys) == EXPECTED[keys]


def test_a_total_says_from_when_to_when(database: ClickHouse) -> None:
    sql_index(database).write(ROWS)
    assert database.query("SELECT system, first_day, last_day FROM v_by_system ORDER BY system") == [
        ("billing", date(2026, 6, 3), date(2026, 6, 3)),
        ("web", date(2026, 6, 1), date(2026, 6, 2)),
    ]


def test_who_is_erased_is_held_no_more_and_what_was_tagged_stays_counted(database: ClickHouse) -> None:
    index = sql_index(database)
    index.write(ROWS)
    database.command(
        "DELETE FROM lineage WHERE token = unhex({token:String})", {"token": token(3).hex()}, erase=True
    )
    assert totals(database, "category")[-1] == ("C-31", 1, 0)
    assert totals(database, "system") == [("billing", 2, 1), ("web", 3, 2)]


def test_the_days_of_a_year_are_counted_apart(database: ClickHouse) -> None:
    sql_index(database).write(ROWS)
    sql_index(database).write(ROWS[:3])
    found = {
        name: database.query(f"SELECT day, {name}, events_tagged FROM v_daily_by_{name} ORDER BY ALL")
        for name in ("purpose", "category", "recipient", "origin")
    }
    days = [date(2026, 6, day) for day in (1, 2, 3)]
    assert found["purpose"] == [
        (days[0], "P-WEB", 1), (days[1], "P-WEB", 2), (days[2], "P-BILLING", 2), (days[2], "P-WEB", 2)
    ]  # fmt: skip
    assert found["category"] == [
        *[(days[0], "C-21", 1), (days[0], "C-22", 1)],
        *[(days[1], "C-21", 2), (days[1], "C-22", 1), (days[1], "C-31", 1)],
        (days[2], "C-06", 2),
    ]
    assert found["recipient"][-2:] == [(days[2], "bank", 2), (days[2], "collection_agency", 2)]
    assert found["origin"] == [
        (days[0], "auto_generated", 1), (days[1], "auto_generated", 2), (days[2], "derived", 2)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "view", sorted((Path(__file__).parents[2] / "sinks" / "clickhouse" / "views").glob("v_*.sql"))
)
def test_a_view_says_at_its_head_what_it_shows(view: Path) -> None:
    lines = view.read_text("utf-8").splitlines()
    assert lines[0].startswith(f"-- {view.stem}: ")

"""Reports and counts by dimensions: what they give, and that views say the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from schemas.errors import InputError
from schemas.in_force import in_force
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.reports import ClickHouseReports
from sinks.clickhouse.untagged import ClickHouseUntaggedFields
from sinks.clickhouse.views_fed import ClickHouseViewTables
from sinks.ports.dead_letters import DeadRow
from sinks.ports.lineage import Span
from sinks.ports.offsets import OffsetRange
from sinks.ports.reports import REPORTS, Aggregate, Dimension
from tests.contract.test_views_by import DAY, EXPECTED, ROWS
from tests.support.company import model
from tests.support.index import NOW, Row, batch, fact_row, fact_table, moment, sql_index, tags, token

PURPOSE, SYSTEM, CATEGORY, DAYS = Dimension.PURPOSE, Dimension.SYSTEM, Dimension.CATEGORY, Dimension.DAY


@pytest.mark.parametrize("name", [name for name, item in REPORTS.items() if item.by and DAYS not in item.by])
def test_a_report_counts_as_its_view_does(database: ClickHouse, name: str) -> None:
    sql_index(database).write(ROWS)
    found = ClickHouseReports(database).report(REPORTS[name], None, None, 100)
    keys = ", ".join(REPORTS[name].by)
    assert list(found.columns) == [*keys.split(", "), "events_tagged", "people_held"]
    assert sorted(found.rows) == EXPECTED[keys]
    assert not found.more


def test_combinations_are_counted_of_the_days_and_values_that_are_asked_for(database: ClickHouse) -> None:
    """An event that serves one of the purposes counts, under that one alone; people once in each combination."""
    sql_index(database).write(ROWS)
    reports = ClickHouseReports(database)
    assert reports.aggregate(Aggregate([SYSTEM, PURPOSE])).rows == [
        ("web", "P-WEB", 3, 3), ("billing", "P-BILLING", 2, 1), ("billing", "P-WEB", 2, 1)
    ]  # fmt: skip
    web = {PURPOSE: ["P-BILLING"], SYSTEM: ["billing", "nowhere"]}
    assert reports.aggregate(Aggregate([SYSTEM, PURPOSE], web)).rows == [("billing", "P-BILLING", 2, 1)]
    assert reports.aggregate(Aggregate([SYSTEM], {CATEGORY: ["C-31"]})).rows == [("web", 1, 1)]
    second = date(2026, 6, 2)
    assert reports.aggregate(Aggregate([DAYS], since=second)).rows == [
        (second, 2, 2), (date(2026, 6, 3), 2, 1)
    ]  # fmt: skip
    assert reports.aggregate(Aggregate([SYSTEM], until=second)).rows == [("web", 1, 2)]


def test_no_more_rows_than_the_limit_are_given(database: ClickHouse) -> None:
    sql_index(database).write(ROWS)
    found = ClickHouseReports(database).aggregate(Aggregate([CATEGORY], limit=2))
    assert (len(found.rows), found.more) == (2, True)


def test_days_are_refused_where_they_bound_nothing(database: ClickHouse) -> None:
    with pytest.raises(InputError, match="of all days"):
        ClickHouseReports(database).report(REPORTS["coverage"], date(2026, 1, 1), None, 9)
    with pytest.raises(InputError, match="since and until"):
        ClickHouseReports(database).aggregate(Aggregate([SYSTEM], {DAYS: ["2026-01-01"]}))


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_answers_of_an_empty_index(database: ClickHouse, name: str) -> None:
    """With days where it takes them."""
    day = date(2026, 1, 1) if REPORTS[name].takes_days else None
    found = ClickHouseReports(database).report(REPORTS[name], day, day, 9)
    assert (found.rows, found.more) == ([], False)
    assert found.columns


def test_coverage_says_what_becomes_of_each_topic(database: ClickHouse) -> None:
    """Ranges that were read twice with other edges count once; an event of nobody is neither tagged nor dead."""
    index = sql_index(database)
    dead = [DeadRow("web.visits", 0, offset, "truncated", "c301", 9, NOW) for offset in (3, 4)]
    ranges = [OffsetRange("web.visits", 0, first, last, 1) for first, last in ((0, 4), (5, 9), (0, 6))]
    written = batch([Row(1, 0, tags()), Row(2, 0, tags()), Row(1, 1, tags())])
    index.writer.write(replace(written, dead=dead, ranges=ranges), lambda: NOW)
    done = ("web.visits", 0, 3, NOW, "1", "drop", "", "api", "test")
    database.insert_rows(
        "dead_letter_events",
        ("topic", "partition", "offset", "at", "entry", "kind", "outcome", "by", "why"),
        [done],
    )
    ClickHouseUntaggedFields(database).note({"web.visits": ["shoe_size"], "orders": ["a", "b"]}, NOW)
    assert database.query("SELECT * FROM v_coverage ORDER BY topic") == [
        ("orders", 0, 0, 0, 0, 0, 2, None),
        ("web.visits", 10, 2, 2, 1, 6, 1, NOW),
    ]


def test_special_categories_are_told_apart_by_what_reveals_them(database: ClickHouse) -> None:
    """Declared ones that need care, and whatever only a text reveals; ordinary ones are not among them."""
    ClickHouseViewTables(database).put_in_force(in_force(model()), NOW)
    declared = tags("C-02", "C-21", topic="orders", system="crm")
    revealed = replace(tags("C-11"), detected=("C-31",))
    sql_index(database).write([Row(1, 0, declared), Row(1, 0, revealed), Row(2, 1, revealed, at=DAY)])
    columns = "category, system, topic, found, special, sensitivity, national_id, events_tagged, people_held"
    assert database.query(f"SELECT {columns} FROM v_special_categories ORDER BY category") == [
        ("C-02", "crm", "orders", "declared", False, 3, True, 1, 1),
        ("C-31", "web", "web.visits", "detected", True, 3, False, 2, 2),
    ]


def test_who_was_given_what_stands_beside_who_is_declared(database: ClickHouse) -> None:
    """An event of a disclosure counts once under however many identifiers; what is erased is none any more."""
    ClickHouseViewTables(database).put_in_force(in_force(model()), NOW)
    declared = replace(tags("C-12"), recipients=("chat_supplier",))
    desk = replace(tags("C-26", topic="privacy.disclosures", system="disclosure_desk"), recipients=())

    def given(number: int, offset: int, **more: object) -> dict[str, object]:
        said = {"recipient": "police", "instrument": "statutory_order", "about": ["C-16", "C-17"]} | more
        return fact_row(
            number,
            offset,
            "disclosure",
            "disclosed",
            topic="privacy.disclosures",
            event_time=moment(offset),
            **said,
        )

    told = [
        given(1, 0),
        given(2, 0),
        given(1, 1, about=["C-17"]),
        given(3, 2, recipient="chat_supplier", instrument="dpa", about=["C-12"]),
        given(3, 3, recipient="unknown", instrument="", about=[]),
    ]
    rows = [
        Row(1, 0, declared),
        Row(2, 1, declared),
        *(Row(number, at, desk) for number, at in ((1, 0), (1, 1), (3, 2), (3, 3))),
    ]
    index = sql_index(database)
    index.writer.write(replace(batch(rows), facts=fact_table(*told)), lambda: NOW)
    columns = "recipient, category, instrument, events_declared, disclosures"
    found = [
        ("chat_supplier", "C-12", "dpa", 2, 1),
        ("police", "C-16", "statutory_order", 0, 1),
        ("police", "C-17", "statutory_order", 0, 2),
        ("unknown", "", "", 0, 1),
    ]
    assert database.query(f"SELECT {columns} FROM v_recipients_observed ORDER BY ALL") == found
    times = "SELECT first, last FROM v_recipients_observed WHERE category = 'C-17'"
    assert database.query(times) == [(moment(0), moment(1))]
    index.eraser.forget([Span(token(1))], {desk.id: None})
    assert database.query(f"SELECT {columns} FROM v_recipients_observed ORDER BY ALL") == [found[0], found[3]]

"""What was processed for which purpose: the counts that records of processing are made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.processed import ClickHouseProcessed
from sinks.ports.processed import By, Processed
from tests.contract.test_views_by import BILLS, DAY, ROWS, SECRET, WEB
from tests.support.index import Row, sql_index, tags, token

FIRST, SECOND, THIRD = (date(2026, 6, day) for day in (1, 2, 3))


def of(found: object, purpose: str) -> dict[tuple[str, tuple[str, ...]], tuple[int, int]]:
    assert isinstance(found, list)
    items = [item for item in found if isinstance(item, Processed) and item.purpose == purpose]
    counted = {(str(item.by), item.value): (item.events, item.people) for item in items}
    assert len(counted) == len(items)
    return counted


def test_each_tag_set_is_seen_with_its_days(database: ClickHouse) -> None:
    """Written twice it is the same; of other days there is less, or nothing."""
    for _ in range(2):
        sql_index(database).write(ROWS)
    reader = ClickHouseProcessed(database)
    assert [(item.tags, item.events, item.first_day, item.last_day) for item in reader.tagged()] == [
        (BILLS, 2, THIRD, THIRD),
        *sorted([(SECRET, 1, SECOND, SECOND), (WEB, 2, FIRST, SECOND)], key=lambda item: item[0].id),
    ]
    within = reader.tagged(since=SECOND, until=THIRD)
    assert {(item.tags.id, item.events) for item in within} == {(SECRET.id, 1), (WEB.id, 1)}
    assert reader.tagged(until=FIRST) == []


def test_events_and_people_are_counted_within_each_purpose(database: ClickHouse) -> None:
    """By category, system, and topic and record; what a text reveals serves the purposes of its category alone."""
    sql_index(database).write(ROWS)
    reader = ClickHouseProcessed(database)
    found = reader.processed({"C-31": ["P-SUPPORT", "P-ADMIN"]})
    assert {item.purpose for item in found} == {"P-ADMIN", "P-BILLING", "P-SUPPORT", "P-WEB"}
    assert of(found, "P-BILLING") == {
        (By.PURPOSE, ()): (2, 1),
        (By.CATEGORY, ("C-06",)): (2, 1),
        (By.SYSTEM, ("billing",)): (2, 1),
        (By.RECORD, ("billing.invoices", "Invoice")): (2, 1),
    }
    web = of(found, "P-WEB")
    assert web[(By.PURPOSE, ())] == (5, 3)
    assert web[(By.CATEGORY, ("C-21",))] == (3, 3)
    assert (By.CATEGORY, ("C-31",)) not in web
    assert (
        of(found, "P-SUPPORT")
        == of(found, "P-ADMIN")
        == {
            (By.PURPOSE, ()): (1, 1),
            (By.CATEGORY, ("C-31",)): (1, 1),
            (By.SYSTEM, ("web",)): (1, 1),
            (By.RECORD, ("web.visits", "WebVisit")): (1, 1),
        }
    )
    assert of(reader.processed({}), "P-WEB")[(By.CATEGORY, ("C-31",))] == (1, 1)


def test_days_bound_both_counts(database: ClickHouse) -> None:
    sql_index(database).write(ROWS)
    found = ClickHouseProcessed(database).processed({}, since=SECOND, until=THIRD)
    assert of(found, "P-WEB")[(By.PURPOSE, ())] == (2, 2)
    assert of(found, "P-BILLING") == {}


def test_who_is_erased_is_counted_no_more_and_their_events_are(database: ClickHouse) -> None:
    sql_index(database).write(ROWS)
    database.command(
        "DELETE FROM lineage WHERE token = unhex({token:String})", {"token": token(3).hex()}, erase=True
    )
    found = ClickHouseProcessed(database).processed({"C-31": ["P-SUPPORT"]})
    assert of(found, "P-SUPPORT")[(By.CATEGORY, ("C-31",))] == (1, 0)


def test_an_event_of_two_tag_sets_counts_once(database: ClickHouse) -> None:
    """As after a change of the catalogue, when it was read again."""
    again = replace(tags("C-21"), catalogue_version="anewversion0")
    sql_index(database).write([Row(1, 0, tags("C-21")), Row(1, 1, tags("C-21"), at=DAY)])
    sql_index(database).write([Row(1, 0, again)])
    found = ClickHouseProcessed(database).processed({})
    assert of(found, "P-WEB")[(By.CATEGORY, ("C-21",))] == (2, 1)
    assert of(found, "P-WEB")[(By.RECORD, ("web.visits", "WebVisit"))] == (2, 1)

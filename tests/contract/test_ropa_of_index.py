"""Records of processing over an index that holds events: of the model company and of the second one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from schemas.company import Company, load_company
from schemas.tags import TagSet
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.processed import ClickHouseProcessed
from streams.ropa.asked import ProcessingRecords
from tests.support.company import model
from tests.support.index import Row, sql_index, token
from tests.support.ropa import MINIMAL_COMPANY, all_declared, wrong

LATER = datetime(2026, 6, 30, 12, tzinfo=UTC)
DAY = 86_400_000


def stored(tags: TagSet) -> TagSet:
    """As a writer stores it: with a schema and a key."""
    return replace(tags, schema="0123456789abcdef", key_id="k1")


def rows_of(company: Company) -> list[Row]:
    """An event of two people under each tag set that the company declares, on the first days of June 2026."""
    places: dict[str, int] = {}
    rows = []
    for tags in map(stored, all_declared(company)):
        offset = places[tags.topic] = places.get(tags.topic, -1) + 1
        rows += [Row(person, offset, tags, at=(offset % 5) * DAY) for person in (1, 2)]
    return rows


@pytest.mark.parametrize("company", [model(), load_company(MINIMAL_COMPANY)], ids=["model", "minimal"])
def test_the_record_of_an_index_is_whole(database: ClickHouse, company: Company) -> None:
    """By the schema of Art. 30, with every purpose that is declared, and no difference from what is."""
    sql_index(database).write(rows_of(company))
    records = ProcessingRecords(ClickHouseProcessed(database), company)
    record = records.record(LATER)
    assert not wrong(record)
    purposes = {name for tags in all_declared(company) for name in tags.purposes}
    assert {item.id for item in record.activities} == purposes
    assert all(item.people_held == 2 for item in record.activities)
    assert all(category.people_held == 2 for item in record.activities for category in item.categories)
    assert all(source.events_tagged for item in record.activities for source in item.sources)
    assert records.against_declared(LATER).items == []


def test_what_is_written_later_is_new_in_its_month(database: ClickHouse) -> None:
    """And who is erased is held no more, while the activity stays in the record: it took place."""
    company = model()
    web = [row for row in rows_of(company) if row.tags.topic == "web.visits"]
    bills = [
        Row(3, 0, stored(tags), at=-20 * DAY)
        for tags in all_declared(company)
        if tags.topic == "billing.invoices"
    ]
    index = sql_index(database)
    index.write([*web, *bills])
    records = ProcessingRecords(ClickHouseProcessed(database), company)
    found = records.against_month(LATER)
    assert {(item.side, item.value.id) for item in found.items if item.kind == "record"} == {
        ("new", "web.visits WebVisit"),
        ("gone", "billing.invoices Invoice"),
    }
    database.command(
        "DELETE FROM lineage WHERE token = unhex({token:String})", {"token": token(3).hex()}, erase=True
    )
    billing = next(item for item in records.record(LATER).activities if item.id == "P-BILLING")
    assert (billing.people_held, billing.events_tagged) == (0, 1)

"""When what is held ends, and by which rule: the views against the rules in Python, every rule of three companies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.company import Company, load_company
from schemas.entries import RetentionRule
from schemas.expiry import clocks_of_people, clocks_said, decided, kept_from, last_day
from schemas.in_force import in_force
from schemas.layers import COMPANIES
from schemas.tags import TagSet
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.views_fed import ClickHouseViewTables
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.expiry import DayCount
from streams.answers.expiry import expiry, term_of
from streams.answers.report import rules_of, terms_of
from tests.support.index import NOW, Row, empty, sql_index, tags

ROOT = Path(__file__).parents[2]
FOLDERS = {"model": None, "minimal": COMPANIES / "minimal", "trillebud": ROOT / "examples" / "trillebud"}
DAY = timedelta(days=1)
# Ends of months of each length, of leap years and of years without, of financial years, and the first and last of all.
DAYS = [
    date(1900, 1, 1), date(1969, 12, 31), date(2023, 12, 31), date(2024, 1, 31), date(2024, 2, 29), date(2025, 2, 28),
    date(2025, 8, 31), date(2025, 12, 31), date(2026, 1, 1), date(2026, 3, 30), date(2026, 6, 1),
]  # fmt: skip
ROWS = "SELECT tag_set, category, day, rule, until, clocks, unjudged, rules FROM v_terms_of_days"
SQL = pytest.mark.parametrize("sql_engine", ["chdb"], indirect=True)
QUIET = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@cache
def company(name: str) -> Company:
    folder = FOLDERS[name]
    return load_company(folder) if folder else load_company()


def write(database: ClickHouse, of: Company, sets: Sequence[TagSet], days: Iterable[date]) -> None:
    """Say what is in force, and that one event is held of each tag set and day."""
    views = ClickHouseViewTables(empty(database))
    views.put_in_force(in_force(of), NOW)
    ClickHouseWriter(database).write_tag_sets(sets)
    rows = [(NOW, item.id, day, 1) for item in sets for day in days]
    database.insert_rows("held_days", ("counted_at", "tag_set", "day", "events"), rows)
    database.insert_rows("held_counts", ("counted_at",), [(NOW,)])


def ways(item: TagSet, category: str, of: Company) -> list[list[RetentionRule]]:
    """The rules of the category, and of a revealed one those of the text; as an answer has them."""
    found = [list(terms_of(item, category, of.catalogue).rules)]
    if category in item.revealed:
        text = rules_of(item, of.catalogue)
        found.append([rule for rule in text if any(map(rule.covers_category, item.categories))])
    return [rules for rules in found if decided(rules)]


def expected(item: TagSet, category: str, day: date, of: Company, told: frozenset[str]) -> tuple[Any, ...]:
    """Rule, last day and clocks, by the functions that answers and runs go by."""
    calendar, found = of.catalogue.calendar, ways(item, category, of)
    ends = [last_day(rules, day, calendar) for rules in found if not clocks_of_people(rules, told)]
    if not ends:
        clocks = {clock for rules in found for clock in clocks_of_people(rules, told)}
        return "", None, sorted(clocks)
    rule, until = min(ends, key=lambda end: end[1] or date.max)
    assert until is not None

    def looked(rules: tuple[RetentionRule, ...]) -> tuple[date, ...]:
        return kept_from(rules, until, calendar), kept_from(rules, until + DAY, calendar)

    # And as a run has it: on that day it is kept, on the next one it is not.
    kept = term_of(item, category, of.catalogue, told, looked, until).kept
    assert kept[0] <= day < kept[1]
    return rule.id, until, []


def compare(database: ClickHouse, of: Company, sets: Sequence[TagSet], days: Sequence[date]) -> int:
    known = {item.id: item for item in sets}
    told = clocks_said(of.every_record.values())
    found = database.query(ROWS)
    for tag_set, category, day, rule, until, clocks, unjudged, rules in found:
        item = known[tag_set]
        where = (item.retention, item.categories, item.detected, category, day)
        assert (rule, until, sorted(clocks)) == expected(item, category, day, of, told), where
        assert not unjudged
        own = terms_of(item, category, of.catalogue).rules
        assert sorted(rules) == sorted(one.id for one in own if decided([one]))
    assert len(found) == sum(len(item.every_category) for item in known.values()) * len(days)
    return sum(until is not None for _, _, _, _, until, _, _, _ in found)


def ruled(of: Company, rules: Sequence[str], **other: Any) -> TagSet:
    """A tag set under these rules, of the categories that they speak of."""
    known = of.catalogue.retention_rules
    covered = sorted({name for rule in rules for name in known[rule].covers}) or ["C-01"]
    return replace(tags(*covered, topic="+".join(rules)), retention=tuple(rules), **other)


@SQL
@pytest.mark.parametrize("name", FOLDERS)
def test_every_rule_ends_on_the_day_on_which_it_ends_in_python(database: ClickHouse, name: str) -> None:
    """Each rule alone and each two of them together, inactive and locked ones too."""
    of = company(name)
    rules = list(of.catalogue.retention_rules)
    sets = [ruled(of, some) for count in (1, 2) for some in combinations(rules, count)]
    write(database, of, sets, DAYS)
    assert compare(database, of, sets, DAYS)


@SQL
@QUIET
@given(data=st.data(), name=st.sampled_from(sorted(FOLDERS)))
def test_any_rules_together_end_as_in_python(database: ClickHouse, data: st.DataObject, name: str) -> None:
    """Of any days, with what free texts reveal, and after a partial erasure."""
    of = company(name)
    rules, categories = sorted(of.catalogue.retention_rules), sorted(of.catalogue.categories)
    made = st.builds(
        lambda some, own, found, held: replace(
            tags(*own), retention=tuple(some), detected=tuple(found), held_only=held
        ),
        st.lists(st.sampled_from(rules), unique=True, max_size=6),
        st.lists(st.sampled_from(categories), unique=True, min_size=1, max_size=4),
        st.lists(st.sampled_from(categories), unique=True, max_size=2),
        st.booleans(),
    )
    sets = data.draw(st.lists(made, min_size=1, max_size=12, unique_by=lambda item: item.id))
    days = data.draw(st.lists(st.dates(date(1900, 1, 1), NOW.date()), min_size=1, max_size=12, unique=True))
    write(database, of, sets, days)
    compare(database, of, sets, days)


def test_what_expires_is_counted_by_rule_and_day(database: ClickHouse) -> None:
    """As `innsyn retention preview` counts it, of what is held: who is erased is gone from the next count."""
    of = company("model")
    visit, invoice = tags("C-21", "C-22"), ruled(of, ["T01", "T05"])
    invoice = replace(invoice, system="billing", record="Invoice", topic="billing.invoices")
    index, views = sql_index(database), ClickHouseViewTables(database)
    assert views.put_in_force(in_force(of), NOW)
    assert not views.put_in_force(in_force(of), NOW)
    assert database.query("SELECT * FROM v_expiry") == []
    # The last one is dated in the future, and counts as of today.
    index.write([Row(1, 0, visit), Row(2, 0, visit), Row(1, 1, visit, at=-86_400_000)])
    index.write([Row(1, 0, invoice, at=864_000_000)])
    views.count_held("Europe/Oslo", NOW)
    shown = "SELECT system, category, until, rule, clocks, events FROM v_expiry ORDER BY ALL"
    visits: list[tuple[object, ...]] = [
        ("web", category, until, "T30", [], 1)
        for category in ("C-21", "C-22")
        for until in (date(2026, 8, 29), date(2026, 8, 30))
    ]
    found = database.query(shown)
    assert found[-4:] == visits
    assert ("billing", "C-06", date(2031, 12, 31), "T01", [], 1) in found
    today = NOW.date()
    days = [DayCount(visit, today, 1), DayCount(visit, today - DAY, 1), DayCount(invoice, today, 1)]
    told = clocks_said(of.every_record.values())
    by_python = expiry(days, of.catalogue, date(2026, 8, 30), told, 1)
    ((overdue,),) = database.query(
        "SELECT sum(events) FROM v_expiry WHERE category = 'C-21' AND until < '2026-08-30'"
    )
    assert overdue == sum(item.overdue for item in by_python.items if "C-21" in item.categories) == 1
    assert {clock for row in found for clock in row[4]} == {
        clock for item in by_python.waiting for clock in item.clocks
    }
    database.command("DELETE FROM lineage WHERE tag_set = {id:UInt64}", {"id": visit.id}, erase=True)
    views.count_held("Europe/Oslo", datetime(2026, 6, 2, tzinfo=UTC))
    assert {row[0] for row in database.query(shown)} == {"billing"}


def test_what_cannot_be_judged_is_said_to_be(database: ClickHouse) -> None:
    """A rule that the catalogue lacks is no permission to forget."""
    write(database, company("model"), [replace(tags(), retention=("T30", "T99"))], [NOW.date()])
    shown = database.query("SELECT category, until, rule, unjudged FROM v_expiry")
    assert shown == [("C-21", None, "", True)]


def test_the_catalogue_that_came_into_force_last_counts(database: ClickHouse) -> None:
    model, other = in_force(company("model")), in_force(company("trillebud"))
    views = ClickHouseViewTables(database)
    for number, said in enumerate((model, other, model, other)):
        assert views.put_in_force(said, NOW + number * DAY)
    rules = [row[0] for row in database.query("SELECT rule FROM v_retention_rules ORDER BY rule")]
    assert rules == sorted(company("trillebud").catalogue.retention_rules)

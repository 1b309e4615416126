"""What a retention run takes: which records of which system, before which moment, and what the index forgets."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schemas.catalogue import load_catalogue
from schemas.records import RecordSchema, load_records
from schemas.tags import TagSet, tag_set
from sinks.ports.expiry import DayCount
from streams.answers.expiry_plan import make_run_plan
from streams.answers.recategorised import Versions, versions_by_schema
from streams.answers.run_plan import (
    RunPlan,
    recounted,
    rules_fingerprint,
    run_from_json,
    run_json,
    without_unknown,
)

CATALOGUE, RECORDS = load_catalogue(), load_records()
TODAY = date(2026, 6, 10)
MANY = 10**9


def tags(record: str, topic: str, detected: tuple[str, ...] = ()) -> TagSet:
    version = CATALOGUE.version
    return tag_set(RECORDS[record], topic, "owner", catalogue_version=version, key_id="k1", detected=detected)


VISIT, LOGIN = tags("WebVisit", "web.visits"), tags("Login", "web.logins")
INVOICE = tags("Invoice", "billing.invoices")


def midnight(day: date) -> datetime:
    """In the summer of Norway."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=2)


def made(days: Iterable[DayCount], most: int = MANY, told: Iterable[str] = (), **more: Any) -> RunPlan:
    return make_run_plan(list(days), CATALOGUE, RECORDS, TODAY, frozenset(told), most, **more)


def test_a_record_goes_whole_before_the_first_day_that_is_kept() -> None:
    """T30: 90 days. All its personal fields are named, and the index forgets by the same moment."""
    found = made([DayCount(VISIT, date(2026, 3, 11), 5, 2), DayCount(VISIT, date(2026, 3, 12), 7)])
    (line,) = found.records
    before = datetime(2026, 3, 11, 23, tzinfo=UTC)
    assert (line.system, line.record, line.rule, line.whole, line.before) == (
        "web",
        "WebVisit",
        "T30",
        True,
        before,
    )
    personal = {f"WebVisit.{item.name}" for item in RECORDS["WebVisit"].fields if item.personal}
    assert set(line.fields) == personal
    assert (line.events, line.kept, line.since) == (5, 2, None)
    assert [(way.tag_set, way.before, way.narrowed) for way in found.index] == [(VISIT.id, before, None)]
    assert found.more is False
    assert run_from_json(run_json(found)) == found


def test_nothing_is_planned_where_nothing_has_run_out() -> None:
    found = made([DayCount(VISIT, date(2026, 3, 12), 7), DayCount(LOGIN, TODAY, 7)])
    assert (found.records, found.index, found.systems, found.latest) == ((), (), (), None)


def test_what_is_kept_longer_stays_and_the_rest_is_blanked() -> None:
    """Of a log-in the cookie runs out after 90 days; the user name as the contract ends, on another day for each."""
    found = made([DayCount(LOGIN, date(2026, 1, 1), 4)])
    (line,) = found.records
    assert (line.rule, line.whole, line.categories) == ("T30", False, ("C-23",))
    assert line.fields
    assert {RECORDS["Login"].find(name.partition(".")[2]).category for name in line.fields} == {"C-23"}  # type: ignore[union-attr]
    (way,) = found.index
    assert way.narrowed is not None
    assert way.narrowed.categories == tuple(name for name in LOGIN.categories if name != "C-23")
    # What is narrowed already has nothing more to lose.
    assert made([DayCount(way.narrowed, date(2026, 1, 1), 4)]).index == ()


def test_of_several_moments_each_record_counts_once() -> None:
    """The contact data of an invoice go after five months and the invoice after five years: what goes whole by the
    second line is not of the first."""
    days = [DayCount(INVOICE, date(2025, 12, 1), 3), DayCount(INVOICE, date(2020, 12, 31), 2)]
    whole, blank = made(days).records
    assert (whole.whole, whole.rule, whole.events, whole.since) == (True, "T01", 2, None)
    assert (blank.whole, blank.rule, blank.events, blank.since) == (False, "T05", 3, whole.before)
    assert whole.before < blank.before
    ways = made(days).index
    assert [(way.before, way.narrowed is None) for way in ways] == [
        (whole.before, True),
        (blank.before, False),
    ]


def test_a_day_on_which_it_runs_out_for_a_person_keeps_the_record() -> None:
    """Where settlements are told the contact data go with each of them, and the invoice stays for everybody else."""
    (line,) = made([DayCount(INVOICE, date(2020, 12, 31), 2)], told={"invoice_settled"}).records
    assert (line.whole, set(line.categories)) == (False, {"C-06", "C-07"})


def test_a_run_takes_the_oldest_days_first() -> None:
    """As many as it may, of all systems together; one day more than that at once if it alone is too many."""
    days = [
        DayCount(VISIT, date(2026, 1, 1), 5),
        DayCount(VISIT, date(2026, 1, 2), 5),
        DayCount(LOGIN, date(2026, 1, 2), 5),
        DayCount(VISIT, date(2026, 1, 3), 5),
    ]
    for most, last, more in ((4, 1, True), (14, 1, True), (15, 2, True), (19, 2, True), (20, 3, False)):
        found = made(days, most)
        taken = {
            day
            for day in (1, 2, 3)
            if any(midnight_of(way.before) > date(2026, 1, day) for way in found.index)
        }
        assert (max(taken), found.more) == (last, more), most


def midnight_of(moment: datetime) -> date:
    return CATALOGUE.calendar.day(moment)


def test_what_is_kept_takes_no_room_of_a_run() -> None:
    days = [DayCount(VISIT, date(2026, 1, 1), 50, 50), DayCount(VISIT, date(2026, 1, 2), 5)]
    assert made(days, 5).more is False


def test_systems_that_another_run_still_works_on_are_left() -> None:
    days = [DayCount(VISIT, date(2026, 1, 1), 5), DayCount(INVOICE, date(2020, 1, 1), 5)]
    assert made(days, without=frozenset({"web"})).systems == ("billing",)


def test_nobody_is_told_of_what_a_system_deletes_by_itself() -> None:
    """The index forgets it all the same."""
    found = made([DayCount(replace(VISIT, system="kafka"), date(2026, 1, 1), 4)])
    assert found.records == ()
    assert [way.system for way in found.index] == ["kafka"]


@pytest.mark.parametrize("broken", [{"system": "nowhere"}, {"record": "Gone"}, {"retention": ("T999",)}])
def test_what_nobody_can_judge_stays_and_says_so(broken: dict[str, object]) -> None:
    """With all of its record: a command reaches them too. The other records go."""
    odd = replace(VISIT, **broken)  # type: ignore[arg-type]
    days = [
        DayCount(odd, date(2026, 1, 1), 4),
        DayCount(VISIT, date(2026, 1, 1), 4),
        DayCount(INVOICE, date(2020, 1, 1), 1),
    ]
    found = made(days)
    assert len(found.left) == 1
    same = (odd.system, odd.record) == (VISIT.system, VISIT.record)
    assert ("web" in found.systems, "billing" in found.systems) == (not same, True)


def test_what_a_free_text_reveals_goes_with_the_text() -> None:
    """It lies in no field of its own; where its own rule ends earlier that is said."""
    kept = replace(
        tags("NoticeSent", "crm.notices"), retention=("T33",), categories=("C-26",), detected=("C-31",)
    )
    found = made([DayCount(kept, date(2025, 1, 1), 4)])
    assert found.index == ()
    assert ["C-31" in line for line in found.left] == [True]
    (way,) = made([DayCount(replace(VISIT, detected=("C-31",)), date(2026, 1, 1), 4)]).index
    assert way.narrowed is None


def test_other_rules_have_another_fingerprint() -> None:
    rule = CATALOGUE.retention_rules["T30"]
    for change in ({"period": "P91D"}, {"active": False}):
        rules = {**CATALOGUE.retention_rules, "T30": rule.model_copy(update=change)}
        assert rules_fingerprint(replace(CATALOGUE, retention_rules=rules), RECORDS) != rules_fingerprint(
            CATALOGUE, RECORDS
        )
    oslo = CATALOGUE.calendar
    elsewhere = replace(CATALOGUE, calendar=replace(oslo, zone=ZoneInfo("Europe/Lisbon")))
    assert rules_fingerprint(elsewhere, RECORDS) != rules_fingerprint(CATALOGUE, RECORDS)
    fewer = {name: record for name, record in RECORDS.items() if name != "WebVisit"}
    assert rules_fingerprint(CATALOGUE, fewer) != rules_fingerprint(CATALOGUE, RECORDS)


def of_another_category() -> Mapping[str, RecordSchema]:
    """The records, the user name of a log-in as if it were part of the cookie."""
    login = RECORDS["Login"]
    fields = tuple(
        item.model_copy(update={"category": "C-23"}) if item.name == "username" else item
        for item in login.fields
    )
    return {**RECORDS, "Login": replace(login, fields=fields)}


def test_a_field_of_another_category_is_another_rule() -> None:
    """The user name of a log-in would be blanked with the cookie, by the same rules."""
    changed = of_another_category()
    days = [DayCount(LOGIN, date(2026, 1, 1), 4)]
    before, after = (
        make_run_plan(days, CATALOGUE, records, TODAY, frozenset(), MANY) for records in (RECORDS, changed)
    )
    assert {*after.records[0].fields} - {*before.records[0].fields} == {"Login.username"}
    assert after.rules != before.rules


def test_nobody_is_told_of_records_that_the_index_does_not_count() -> None:
    """Their events are old, and they were changed since."""
    days = [DayCount(VISIT, date(2026, 1, 1), 4), DayCount(INVOICE, date(2020, 1, 1), 4)]
    counted = without_unknown(recounted(made(days), [0, 3], [0, 5]))
    assert [(item.expected, item.again) for item in counted.records] == [(3, 3)]
    assert len(counted.index) == len(made(days).index)


@pytest.mark.parametrize("seed", range(20))
def test_runs_after_each_other_take_all_of_it_once(seed: int) -> None:
    """Whatever the days and the bound: each run takes something, none takes what was not due, and then none is left."""
    chance = random.Random(seed)
    sets = [VISIT, LOGIN, INVOICE, tags("TvViewing", "tv.viewings"), replace(VISIT, detected=("C-31",))]
    known = {item.id: item for item in sets}
    held = Counter[tuple[int, date]]()
    for _ in range(200):
        day = date(2019, 1, 1) + timedelta(days=chance.randrange(2_600))
        held[chance.choice(sets).id, day] += chance.randint(1, 9)
    limits = {way.tag_set: way.before for way in made(counts(held, known)).index if way.narrowed is None}
    for _ in range(1_000):
        found = made(counts(held, known), most=chance.choice((1, 40, 200)))
        if not found.index:
            break
        known |= {way.narrowed.id: way.narrowed for way in found.index if way.narrowed is not None}
        after = taken(found, held)
        assert after != held
        held = after
    else:
        pytest.fail("it never ends")
    # What went, went by the moments of one run that takes all, and nothing of that is left.
    for name, day in held:
        assert name not in limits or midnight_of(limits[name]) <= day


def counts(held: Counter[tuple[int, date]], known: dict[int, TagSet]) -> list[DayCount]:
    return [DayCount(known[name], day, events) for (name, day), events in held.items()]


def taken(found: RunPlan, held: Counter[tuple[int, date]]) -> Counter[tuple[int, date]]:
    """What is left after a run, as the index forgets."""
    after = Counter[tuple[int, date]]()
    for (name, day), events in held.items():
        fit = [way for way in found.index if way.tag_set == name and midnight_of(way.before) > day]
        if any(way.narrowed is None for way in fit):
            continue
        to = min(fit, key=lambda way: way.before).narrowed if fit else None
        after[to.id if to is not None else name, day] += events
    return after


def test_a_field_that_changed_its_category_goes_once_both_have_run_out() -> None:
    """Events say of which categories they have something, and not which of them the user name was then."""
    changed, days = of_another_category(), [DayCount(LOGIN, date(2026, 1, 1), 4)]
    versions = versions_by_schema([*RECORDS.values(), *changed.values()])
    found = by_versions(days, changed, versions)
    assert (found.records, found.index) == ((), ())
    (line,) = found.left
    assert line == (
        "Login of web: username may be of another category there than now, as events were tagged before it changed;"
        " C-10 and C-23 stay until both have run out"
    )
    # Of another record nothing changed.
    (visits,) = by_versions([DayCount(VISIT, date(2026, 1, 1), 4)], changed, versions).records
    assert visits.whole


def test_a_category_that_no_field_has_any_more_may_have_been_any_fields() -> None:
    """Nobody committed the version by which the event was tagged."""
    then = replace(LOGIN, schema="0" * 16, categories=("C-09", "C-10", "C-23"))
    assert by_versions([DayCount(then, date(2026, 1, 1), 4)], RECORDS, versions_by_schema([])).records == ()
    then = replace(LOGIN, schema="0" * 16)
    assert (
        len(by_versions([DayCount(then, date(2026, 1, 1), 4)], RECORDS, versions_by_schema([])).records) == 1
    )


def by_versions(days: list[DayCount], records: Mapping[str, RecordSchema], versions: Versions) -> RunPlan:
    return make_run_plan(days, CATALOGUE, records, TODAY, frozenset(), MANY, versions=versions)

"""Erasures of events that were tagged before a field changed its category: what may be held stays, all else goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.policy import RetentionAnchors
from schemas.records import RecordSchema
from schemas.tags import TagSet, tag_set
from sinks.ports.lineage import Found, Holding
from streams.answers.plan import Part, Plan, plan_from_json, plan_json
from streams.answers.recategorised import versions_by_schema
from streams.answers.telling import with_telling
from tests.support.company import model, planned

COMPANY = model()
NOW, TODAY = datetime(2026, 11, 22, 12, tzinfo=UTC), date(2026, 11, 22)
LEFT = RetentionAnchors(contract_end=date(2020, 1, 31))
MARCH = datetime(2026, 3, 5, 9, tzinfo=UTC)


def changed(record: RecordSchema, name: str, category: str) -> RecordSchema:
    """The record in which that field is of this category, as another version of it."""
    fields = [
        item.model_copy(update={"category": category}) if item.name == name else item
        for item in record.fields
    ]
    said = repr([(item.name, item.category) for item in fields]).encode()
    return replace(record, fields=tuple(fields), fingerprint=sha256(said).digest()[:8])


CONTRACT = changed(COMPANY.every_record["ContractEvent"], "product", "C-01")
"""Its address and its product are of C-01, which goes once the customer has left; C-09 proves a claim, for three years
(T18)."""


def tags(record: RecordSchema) -> TagSet:
    return tag_set(record, "orders.contracts", "owner", catalogue_version="v1", key_id="k1")


def plan(now: RecordSchema, *then: RecordSchema, anchors: RetentionAnchors = LEFT) -> Plan:
    """Of an event of each of the versions `then`; the company has `now`."""
    records: Mapping[str, RecordSchema] = {**COMPANY.every_record, now.name: now}
    found = Found([Holding(tags(record), 2, MARCH, MARCH) for record in then], 2 * len(then))
    versions = versions_by_schema([CONTRACT, now, *then])
    made = planned(found, COMPANY.catalogue, TODAY, anchors, records=records, versions=versions)
    return with_telling(made, found, records, NOW)


def told(made: Plan) -> set[str]:
    """The fields that the system is told to erase."""
    (command,) = made.commands
    return {*command.fields, *(name for order in command.orders for name in order.fields)}


def kept(made: Plan) -> set[str]:
    """The fields that the system is told to keep."""
    return {name for item in made.telling for line in item.kept for name in line.fields}


def actions(made: Plan, record: RecordSchema) -> Mapping[str, str]:
    return {part.category: part.action for part in made.parts if part.tag_set == tags(record).id}


def fields(*categories: str) -> set[str]:
    return {f"ContractEvent.{item.name}" for item in CONTRACT.fields if item.category in categories}


ADDRESS = {"ContractEvent.address"}


def test_without_a_change_each_category_goes_or_stays_by_itself() -> None:
    made = plan(CONTRACT, CONTRACT)
    assert (told(made), kept(made)) == (fields("C-01"), fields("C-09"))


def test_a_field_that_is_of_a_held_category_by_now_stays_and_the_index_knows() -> None:
    """It was told to nobody, and the index forgot it: what was C-01 of the event was gone there."""
    held = changed(CONTRACT, "address", "C-09")
    made = plan(held, CONTRACT)
    assert (told(made), kept(made)) == (fields("C-01") - ADDRESS, fields("C-09") | ADDRESS)
    left = made.kept[tags(CONTRACT).id]
    assert left is not None
    assert left.categories == ("C-09",)


@pytest.mark.parametrize("with_new", [False, True])
def test_a_field_that_was_of_a_held_category_stays_though_it_is_of_another_now(*, with_new: bool) -> None:
    """Of new events as well: a command reaches fields, whatever the day. The index went on showing what was gone."""
    then = changed(CONTRACT, "address", "C-09")
    versions = (then, CONTRACT) if with_new else (then,)
    made = plan(CONTRACT, *versions)
    assert (told(made), kept(made)) == (fields("C-01") - ADDRESS, fields("C-09") | ADDRESS)
    for record in versions:
        left = made.kept[tags(record).id]
        assert left is not None
        assert left.categories == ("C-09",)
        assert actions(made, record)["C-09"] == "hold_until"


def test_new_events_keep_what_a_field_was_of_in_old_ones() -> None:
    """Where they have nothing else that is held, the index says as what the field stays."""
    now = CONTRACT
    for name in (item.name for item in CONTRACT.fields if item.category == "C-09"):
        now = changed(now, name, "C-01")
    then = changed(now, "address", "C-09")
    made = plan(now, then, now)
    assert actions(made, now) == {"C-01": "erase_now", "C-09": "hold_until"}
    left = made.kept[tags(now).id]
    assert left is not None
    assert (left.categories, kept(made)) == (("C-09",), ADDRESS)
    assert ADDRESS.isdisjoint(told(made))


def test_a_category_of_which_every_field_stays_is_held_with_them() -> None:
    """No command could name anything of it."""
    now = CONTRACT
    for name in (item.name for item in CONTRACT.fields if item.category == "C-01" and item.name != "address"):
        now = changed(now, name, "none")
    then = changed(now, "address", "C-09")
    made = plan(now, then, now)
    assert made.commands == ()
    assert set(actions(made, now).values()) == {"hold_until"}


def test_a_field_of_which_no_category_is_held_goes_by_the_one_that_it_was_of() -> None:
    """The events have nothing of the category that it is of now, so no part named it."""
    now = changed(CONTRACT, "address", "C-10")
    made = plan(now, CONTRACT)
    assert told(made) >= ADDRESS
    assert actions(made, CONTRACT) == {"C-01": "erase_now", "C-09": "hold_until"}


def test_a_field_that_was_held_goes_with_all_else_once_the_hold_is_over() -> None:
    """Also of events of which the index has nothing left but what it was held as."""
    now = CONTRACT
    for name in (item.name for item in CONTRACT.fields if item.category == "C-09"):
        now = changed(now, name, "C-01")
    left = plan(now, changed(now, "address", "C-09"), now).kept[tags(now).id]
    assert left is not None
    found = Found([Holding(left, 2, MARCH, MARCH)], 2)
    records = {**COMPANY.every_record, now.name: now}
    later = planned(
        found, COMPANY.catalogue, date(2030, 1, 1), LEFT, records=records, versions=versions_by_schema([now])
    )
    assert told(later) >= ADDRESS


def test_what_a_part_says_of_its_fields_is_kept_with_the_plan() -> None:
    made = plan(changed(CONTRACT, "address", "C-09"), CONTRACT)
    assert plan_from_json(plan_json(made)) == made
    assert [part.fields for part in made.parts if part.fields]
    plain = plan_json(plan(CONTRACT, CONTRACT))
    assert all("fields" not in part for part in plain["parts"])
    assert Part.__dataclass_fields__["fields"].default == ()


def test_versions_that_differ_in_annotations_alone_are_one_schema() -> None:
    """Nobody can tell which of them an event was tagged by."""
    now = changed(CONTRACT, "address", "C-09")
    now = replace(now, fingerprint=CONTRACT.fingerprint)
    made = plan(now, CONTRACT)
    assert (told(made), kept(made)) == (fields("C-01") - ADDRESS, fields("C-09") | ADDRESS)


@given(st.lists(st.tuples(*[st.sampled_from(["C-01", "C-09", "C-10"])] * 2), min_size=8, max_size=8))
def test_whatever_changed_what_may_be_held_stays_there_and_in_the_index_and_all_else_goes(
    categories: list[tuple[str, str]],
) -> None:
    then = now = CONTRACT
    for item, (before, after) in zip(CONTRACT.fields, categories, strict=True):
        then, now = changed(then, item.name, before), changed(now, item.name, after)
    made = plan(now, then, now)
    held = {item.name for item, known in zip(CONTRACT.fields, categories, strict=True) if "C-09" in known}
    named = {f"ContractEvent.{name}" for name in held}
    every = {f"ContractEvent.{item.name}" for item in CONTRACT.fields}
    assert (told(made) if made.commands else set()) == every - named
    # What a system is told to keep it is told beside something that goes.
    assert kept(made) == (named if made.commands else set())
    assert {made.kept[tags(record).id] is None for record in (then, now)} == {not held}

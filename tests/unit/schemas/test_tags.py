"""Tag sets: an id that is the content's own, the same on every machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest

from schemas.records import load_records
from schemas.tags import TagSet, tag_set
from tests.support.records import EVENT_TIME, record_of

TAGS = TagSet(
    topic="web.visits",
    record="WebVisit",
    schema="0011223344556677",
    catalogue_version="abcdef012345",
    key_id="k1",
    system="web",
    subject_type="site_visitor",
    categories=("C-21", "C-23"),
    purposes=("P-WEB", "P-SECURITY"),
    legal_basis={"P-WEB": "f", "P-SECURITY": "f"},
    origin="auto_generated",
    operation="collect",
    recipients=("cloud_provider",),
    retention=("T30",),
)
CHANGES: Mapping[str, Any] = {
    "topic": "web.visits2",
    "record": "WebVisits",
    "schema": "0011223344556678",
    "catalogue_version": "abcdef012346",
    "key_id": "k2",
    "system": "crm",
    "subject_type": "customer",
    "categories": ("C-21",),
    "purposes": ("P-WEB",),
    "legal_basis": {"P-WEB": "a", "P-SECURITY": "f"},
    "origin": "derived",
    "operation": "store",
    "recipients": (),
    "retention": ("T30", "T04"),
    "held_only": True,
    "detected": ("C-31",),
    "several": True,
    "of_another": True,
}


def test_the_id_is_pinned() -> None:
    """Rows that are stored carry this number: a change of how it is made is a migration, not a refactoring."""
    assert TAGS.id == 11_553_273_090_095_528_374


def test_the_id_depends_on_nothing_but_the_content() -> None:
    """An equal set, or one whose bases were read in another order, has the same id."""
    assert replace(TAGS).id == TAGS.id
    assert replace(TAGS, legal_basis={"P-SECURITY": "f", "P-WEB": "f"}).id == TAGS.id
    assert 0 <= TAGS.id < 2**64


@pytest.mark.parametrize("name", [field.name for field in fields(TagSet)])
def test_each_field_changes_the_id(name: str) -> None:
    """Nothing an auditor can ask of a row hides behind an id that stays the same."""
    assert replace(TAGS, **{name: CHANGES[name]}).id != TAGS.id


def test_values_cannot_move_between_fields() -> None:
    """The same words under other fields are another set."""
    moved = replace(TAGS, purposes=TAGS.categories, categories=TAGS.purposes)
    joined = replace(TAGS, categories=("C-21,C-23",))
    assert len({TAGS.id, moved.id, joined.id}) == 3


def test_a_record_says_its_tags() -> None:
    """Everything comes from the annotations of the schema, the fingerprint as hex."""
    record = load_records()["WebVisit"]
    said = record.json["innsyn"]
    found = tag_set(record, "web.visits", "owner", catalogue_version="v1", key_id="k1")
    assert (found.topic, found.record, found.schema) == ("web.visits", "WebVisit", record.fingerprint.hex())
    assert (found.catalogue_version, found.key_id, found.held_only) == ("v1", "k1", False)
    for name in ("system", "subject_type", "origin", "operation", "legal_basis"):
        assert getattr(found, name) == said[name]
    for name in ("purposes", "recipients", "retention"):
        assert list(getattr(found, name)) == said[name]
    annotated = {field["innsyn"]["category"] for field in record.json["fields"]} - {"none"}
    assert found.categories == tuple(sorted(annotated))


def test_the_persons_of_one_event_have_their_own_categories() -> None:
    """What the notes say of the customer is not said of the agent: another role, another set."""
    identifier = {"kind": "customer_number", "role": "owner"}
    record = record_of(
        {"name": "occurred_at", "type": EVENT_TIME},
        {"name": "who", "type": "string", "innsyn": {"category": "C-01", "identifier": identifier}},
        {"name": "notes", "type": "string", "innsyn": {"category": "C-12", "about": ["owner"]}},
        {"name": "shift", "type": "string", "innsyn": {"category": "C-30", "about": ["agent"]}},
        {"name": "place", "type": "string", "innsyn": {"category": "C-22"}},
    )
    owner, agent = (
        tag_set(record, "support.cases", role, catalogue_version="v1", key_id="k1")
        for role in ("owner", "agent")
    )
    assert owner.categories == ("C-01", "C-12", "C-22")
    assert agent.categories == ("C-22", "C-30")
    assert owner.id != agent.id


def test_a_variant_is_a_set_of_its_own() -> None:
    """What is kept for the police alone has another purpose, basis and rule, and so another id."""
    record = load_records()["AddressAssignment"]
    usual, locked = (
        tag_set(record, "network.assignments", "owner", catalogue_version="v1", key_id="k1", variant=variant)
        for variant in (None, record.variant("purpose", "retention"))
    )
    assert (usual.purposes, usual.retention) == (("P-CONTRACT",), ("T09",))
    assert (locked.purposes, locked.legal_basis, locked.retention) == (
        ("P-IPRET",),
        {"P-IPRET": "c"},
        ("T06",),
    )
    assert locked == replace(
        usual, purposes=locked.purposes, legal_basis={"P-IPRET": "c"}, retention=("T06",)
    )
    assert usual.id != locked.id


def test_a_tag_set_is_a_row_of_plain_values() -> None:
    """It survives JSON, which is how it travels to the index."""
    record = load_records()["TrafficRecord"]
    found = tag_set(record, "network.traffic", "owner", catalogue_version="v1", key_id="k1")
    plain: dict[str, Any] = json.loads(
        json.dumps({field.name: getattr(found, field.name) for field in fields(found)})
    )
    lists = {name: tuple(value) for name, value in plain.items() if isinstance(value, list)}
    again = TagSet(**plain | lists)
    assert again == found
    assert again.id == found.id

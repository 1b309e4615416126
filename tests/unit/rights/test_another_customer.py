"""A record that names a customer is that customer's, whatever of somebody else stands in it: every kind of a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from innsyn_sdk.mapping import Column, RecordMapping
from innsyn_sdk.matching import NOTHING, Rules, Whose
from innsyn_sdk.protocol import Identifier

from schemas.records import RecordSchema, read_record
from streams.rights.copies_redacted import STRANGER, Given, given
from streams.rights.protocol.messages import Named
from streams.rights.reference_job.changing import ChangingStore
from tests.sdk.mapped import TODAY, all_of, command_of
from tests.support.kinds import KINDS

ANNE, BO = "100041", "100042"
AT = "2026-03-01T09:30:00Z"
VALUES = {
    "fodselsnummer": "15876500115",
    "email": "anne@example.no",
    "phone": "+4790000001",
    "username": "anne",
    "chat_handle": "anne",
    "social_handle": "anne",
    "case_number": "C-1",
    "account_number": "86011117947",
}
FAMILY = sorted(
    name for name, kind in KINDS.items() if kind.names == "person" and not kind.stands_for_customer
)
PROOFS = (None, "holder")


def field(name: str, kind: str | None = None, role: str = "owner") -> dict[str, Any]:
    said = {"identifier": {"kind": kind, "role": role}} if kind else {}
    return {"name": name, "type": ["null", "string"], "innsyn": {"category": "C-07", **said}}


def invoice(kind: str) -> RecordSchema:
    """`number` is the customer's, `other` of the kind; the payers of an array are named by both as well."""
    named = [field("number", "customer_number"), field("other", kind)]
    paying = [field("number", "customer_number", "counterparty"), field("other", kind, "counterparty")]
    payer = {"type": "record", "name": "Payer", "fields": paying}
    fields = [field("at"), *named, field("name")]
    array = {"name": "payers", "type": {"type": "array", "items": payer}}
    schema = {"type": "record", "name": "Bill", "innsyn": {"event_time": "at"}, "fields": [*fields, array]}
    return read_record(schema, "bill.avsc")


def bill(number: str | None, other: str | None, *payers: tuple[str | None, str | None]) -> dict[str, Any]:
    places = {str(place): payer for place, payer in enumerate(payers)}
    return {
        "at": AT,
        "number": number,
        "other": other,
        "name": "N",
        "payers[].number": {place: payer[0] for place, payer in places.items()} or None,
        "payers[].other": {place: payer[1] for place, payer in places.items()} or None,
    }


def by_contract(record: RecordSchema) -> RecordSchema:
    """The same of somebody else's schema: the paths of its arrays are columns."""
    fields = [
        item.model_copy(update={"name": item.name.replace("payers.", "payers[].")}) for item in record.fields
    ]
    return replace(record, fields=tuple(item for item in fields if item.name != "payers"), contract=True)


def stored(folder: Path, kind: str, rows: Sequence[dict[str, Any]]) -> ChangingStore:
    store = ChangingStore(folder / "s.sqlite", {"Bill": by_contract(invoice(kind))}, KINDS)
    store.put_many(("Bill", row) for row in rows)
    return store


def anne(kind: str, proof: str | None = None) -> list[Named]:
    return [Named("customer_number", ANNE), Named(kind, VALUES[kind], proof=proof)]


def test_the_family_is_whole() -> None:
    assert sorted(VALUES) == FAMILY


@pytest.mark.parametrize("proof", PROOFS)
@pytest.mark.parametrize("kind", FAMILY)
def test_an_erasure_leaves_what_names_another_customer(tmp_path: Path, kind: str, proof: str | None) -> None:
    """Her own goes, also what names her by nothing but that; of one without a number nobody else has a claim."""
    value = VALUES[kind]
    rows = [bill(ANNE, value), bill(None, value), bill("", value), bill(BO, value), bill(BO, None)]
    store = stored(tmp_path, kind, rows)
    everything = [f"Bill.{name}" for name in rows[0]]
    assert store.erase(anne(kind, proof), (), everything).erased == 3
    assert store.count([("customer_number", BO)]) == 2
    assert store.count([(kind, value)]) == 1
    # By that alone, too, it is another's.
    assert store.erase([Named(kind, value, proof=proof)], (), everything).erased == 0
    store.close()


@pytest.mark.parametrize("kind", FAMILY)
def test_of_an_array_the_item_of_another_customer_stays(tmp_path: Path, kind: str) -> None:
    value = VALUES[kind]
    store = stored(
        tmp_path, kind, [bill(None, None, (BO, value)), bill(None, None, (BO, value), (ANNE, value))]
    )
    fields = ["Bill.payers[].number", "Bill.payers[].other"]
    assert store.erase(anne(kind), (), fields).erased == 1
    assert store.count([("customer_number", BO)]) == 2
    assert store.count([("customer_number", ANNE)]) == 0
    store.close()


@pytest.mark.parametrize("kind", FAMILY)
def test_other_rights_leave_it_as_well(tmp_path: Path, kind: str) -> None:
    store = stored(tmp_path, kind, [bill(ANNE, VALUES[kind]), bill(BO, VALUES[kind])])
    changed = store.rectify(anne(kind), {"Bill.name": "Anne"}, once="r-1/s#1")
    assert changed.records == {"Bill": 1}
    assert store.restrict(anne(kind), (), (), once="r-2/s#1").records == {"Bill": 1}
    assert [(row["number"], row["name"]) for row in store.usable("Bill", "P-BILLING")] == [(BO, "N")]
    store.close()


@pytest.mark.parametrize("proof", PROOFS)
@pytest.mark.parametrize("kind", FAMILY)
def test_a_copy_is_without_it(kind: str, proof: str | None) -> None:
    record, named = invoice(kind), anne(kind, proof)
    copied = {"at": AT, "number": BO, "other": VALUES[kind], "name": "N"}
    assert given(record, copied, named, KINDS, lambda text: []) == STRANGER
    assert isinstance(given(record, {**copied, "number": ANNE}, named, KINDS, lambda text: []), Given)
    items = [{"number": BO, "other": VALUES[kind]}, {"number": ANNE, "other": VALUES[kind]}]
    found = given(record, {"at": AT, "payers": items}, named, KINDS, lambda text: [])
    assert isinstance(found, Given)
    assert found.values["payers"] == [{"number": None, "other": None}, items[1]]


@pytest.mark.parametrize("proof", PROOFS)
@pytest.mark.parametrize("kind", FAMILY)
def test_jobs_that_are_ready_decide_alike(kind: str, proof: str | None) -> None:
    columns = (
        Column("number", "number", "customer_number", person=True, customer=True),
        Column("other", "other", kind, person=True),
    )
    mapping = RecordMapping("Bill", "bill", columns)
    identifiers = [Identifier("customer_number", ANNE), Identifier(kind, VALUES[kind], proof=proof)]
    rules, whose = (
        Rules(command_of(identifiers, all_of(mapping)), mapping, TODAY),
        Whose(identifiers, mapping),
    )
    another = {"number": BO, "other": VALUES[kind]}
    assert rules.decide(another) == NOTHING
    assert not whose.roles(another)
    for number in (ANNE, None, ""):
        assert rules.decide({**another, "number": number}).delete

"""`schemas.check`: one clear line for each thing that is wrong with a record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.check import incompatibilities
from schemas.records import load_records
from tests.support.checked import GOOD, Change, changed, field, lines, said


def test_good_record_has_no_problem() -> None:
    """A fully annotated record passes, also against itself."""
    assert lines(GOOD, GOOD) == []


BAD: list[tuple[Change, str]] = [
    (lambda s: s.pop("innsyn"), 'OrderPlaced: record without annotation; add an "innsyn" object to it'),
    (lambda s: s["innsyn"].pop("origin"), "OrderPlaced: annotation lacks origin; add it"),
    (lambda s: s["innsyn"].pop("legal_basis"), "OrderPlaced: annotation lacks legal_basis; add it"),
    (said("purpose", []), "OrderPlaced: unknown annotation key purpose; use one of system, "),
    (said("system", "order"), "OrderPlaced: unknown system order; did you mean orders?"),
    (said("subject_type", "custmer"), "OrderPlaced: unknown subject type custmer; did you mean customer?"),
    (said("origin", "x"), "OrderPlaced: unknown origin x; use auto_generated, "),
    (said("operation", "colect"), "OrderPlaced: unknown operation colect; did you mean collect?"),
    (said("retention", ["T99"]), "OrderPlaced: unknown retention rule T99; did you mean T"),
    (said("retention", []), "OrderPlaced: no retention rule; name at least one in retention"),
    (said("retention", ["T20"]), "OrderPlaced: no retention rule for category C-21; add a rule to retention"),
    (said("recipients", ["instaler"]), "OrderPlaced: unknown recipient instaler; did you mean installer?"),
    (said("legal_basis", {}), "OrderPlaced: purpose P-CONTRACT without basis; add"),
    (
        said("legal_basis", {"P-CONTRACT": "g"}),
        "OrderPlaced: unknown legal basis g of P-CONTRACT; use one of a,",
    ),
    (
        said("legal_basis", {"P-CONTRACT": "b", "P-WEB": "f"}),
        "OrderPlaced: basis for P-WEB, which is no purpose of it; add it to purposes",
    ),
    (said("event_time", "sent_at"), "OrderPlaced: event_time sent_at is not a field; name the field"),
    (said("event_time", "customer"), "OrderPlaced.customer: event time is not a timestamp; make it"),
    (lambda s: s["innsyn"].pop("event_time"), "OrderPlaced: annotation lacks event_time; add it"),
    (lambda s: s["fields"][3].pop("innsyn"), "OrderPlaced.placed_at: field without annotation; add"),
    (
        field(3, "catgory", "C-09"),
        "OrderPlaced.placed_at: unknown annotation key catgory; use one of category,",
    ),
    (
        lambda s: s["fields"][0].update({"innsyn": {"category": "C-99"}, "confluent:tags": ["C-99"]}),
        "OrderPlaced.customer: unknown category C-99; did you mean C-",
    ),
    (
        lambda s: s["fields"][0].update({"confluent:tags": ["C-01"]}),
        'OrderPlaced.customer: confluent:tags differ from the category; write "confluent:tags": ["C-09"]',
    ),
    (lambda s: s["fields"][0].pop("confluent:tags"), "OrderPlaced.customer: confluent:tags differ"),
    (
        lambda s: s["fields"][3].update({"confluent:tags": ["C-01"]}),
        "OrderPlaced.placed_at: confluent:tags differ from the category; take the tags out",
    ),
    (
        field(0, "identifier", {"role": "owner"}),
        'OrderPlaced.customer: identifier without kind; add "kind": one of ',
    ),
    (
        field(0, "identifier", {"kind": "phone", "role": "owner", "form": "e146"}),
        "OrderPlaced.customer: phone has no form e146; use e164",
    ),
    (
        field(0, "identifier", {"kind": "email", "role": "owner", "form": "e164"}),
        "OrderPlaced.customer: email has no form e164; take it out",
    ),
    (
        field(0, "identifier", {"kind": "email"}),
        'OrderPlaced.customer: identifier without role; add "role": one of ',
    ),
    (
        field(0, "identifier", {"kind": "e-mail", "role": "owner"}),
        "OrderPlaced.customer: unknown identifier kind e-mail; did you mean email?",
    ),
    (
        field(0, "identifier", {"kind": "email", "role": "ownr"}),
        "OrderPlaced.customer: unknown identifier role ownr; did you mean owner?",
    ),
    (
        lambda s: s["fields"][0].update({"type": "long"}),
        "OrderPlaced.customer: identifier that is not a string of the record; make it a string",
    ),
    (field(2, "free_text", True), "OrderPlaced.port: free text that is not a string of the record; make it"),
    (
        lambda s: (s["fields"][0].pop("confluent:tags"), field(0, "category", "none")(s)),
        "OrderPlaced.customer: identifier without category; give it a data category",
    ),
    (
        field(2, "port_of", "adress"),
        "OrderPlaced.port: port_of adress is no field with an ip identifier; name",
    ),
    (field(2, "port_of", "customer"), "OrderPlaced.port: port_of customer is no field with an ip identifier"),
    (field(0, "necessity", "law"), "OrderPlaced.customer: unknown necessity law; "),
    (field(2, "about", ["owner", "caller"]), "OrderPlaced.port: unknown role caller; "),
]


@pytest.mark.parametrize(("change", "line"), BAD, ids=[line.split(";")[0] for _, line in BAD])
def test_each_mistake_gives_one_line(change: Change, line: str) -> None:
    """One mistake, one line: file, record or field, what, mend."""
    found = lines(changed(change))
    assert len(found) == 1, found
    assert found[0].startswith(f"order.avsc: {line}")
    assert "\n" not in found[0]


def test_unknown_purpose_is_named_with_the_closest() -> None:
    """An unknown purpose, with a basis of its own, is one line."""
    schema = changed(said("purposes", ["P-CONTRAKT"]))
    schema["innsyn"]["legal_basis"] = {"P-CONTRAKT": "b"}
    assert lines(schema) == ["order.avsc: OrderPlaced: unknown purpose P-CONTRAKT; did you mean P-CONTRACT?"]


def named_by_nobody(schema: dict[str, Any]) -> None:
    for item in schema["fields"]:
        item["innsyn"].pop("identifier", None)
        item["innsyn"].pop("port_of", None)


def test_personal_fields_have_to_name_somebody() -> None:
    """A record with personal data that leads to nobody cannot be asked for, so it fails."""
    found = lines(changed(named_by_nobody))
    assert found == [
        "order.avsc: OrderPlaced: personal fields that name nobody (customer, address, port); annotate an identifier,"
        ' or say with "link" on a field how its value leads to the person'
    ]


@pytest.mark.parametrize(
    "change",
    [
        field(0, "link", "Basket.customer"),
        field(0, "key", "line"),
        lambda s: [
            item.update({"innsyn": {"category": "none"}, "confluent:tags": []}) for item in s["fields"]
        ],
    ],
    ids=["a declared link", "a key of the network", "nothing personal"],
)
def test_a_declared_link_is_enough(change: Change) -> None:
    """What is linked to somebody, or is nobody's, passes without an identifier."""
    schema = changed(named_by_nobody)
    change(schema)
    assert lines(schema) == []


@given(st.sampled_from(sorted(load_records())), st.data())
def test_every_record_reads_itself_without_any_one_field(name: str, data: st.DataObject) -> None:
    """Taking a field out is compatible, putting it back is so exactly if it has a default."""
    schema = load_records()[name].json
    index = data.draw(st.integers(0, len(schema["fields"]) - 1))
    fewer = {**schema, "fields": [f for number, f in enumerate(schema["fields"]) if number != index]}
    whole, part = json.dumps(schema), json.dumps(fewer)
    assert incompatibilities(part, whole) == []
    assert (incompatibilities(whole, part) == []) == ("default" in schema["fields"][index])

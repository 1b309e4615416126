"""`schemas.check`: one clear line for each thing that is wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import load_catalogue
from schemas.check import check_record, incompatibilities
from schemas.errors import SchemaError
from schemas.records import load_records, parse_record, read_record

CATALOGUE = load_catalogue()
GOOD: dict[str, Any] = {
    "type": "record",
    "name": "OrderPlaced",
    "namespace": "no.example.shop",
    "innsyn": {
        "system": "orders",
        "subject_type": "customer",
        "purposes": ["P-CONTRACT"],
        "legal_basis": {"P-CONTRACT": "b"},
        "origin": "direct",
        "operation": "collect",
        "retention": ["T20", "T30"],
        "recipients": ["delivery_partner"],
        "event_time": "placed_at",
    },
    "fields": [
        {
            "name": "customer",
            "type": "string",
            "innsyn": {"category": "C-09", "identifier": {"kind": "customer_number", "role": "owner"}},
            "confluent:tags": ["C-09"],
        },
        {
            "name": "address",
            "type": ["null", "string"],
            "default": None,
            "innsyn": {"category": "C-21", "identifier": {"kind": "ip", "role": "owner"}},
            "confluent:tags": ["C-21"],
        },
        {
            "name": "port",
            "type": ["null", "int"],
            "default": None,
            "innsyn": {"category": "C-21", "port_of": "address"},
            "confluent:tags": ["C-21"],
        },
        {
            "name": "placed_at",
            "type": {"type": "long", "logicalType": "timestamp-millis"},
            "innsyn": {"category": "none"},
        },
    ],
}
Change = Callable[[dict[str, Any]], object]


def lines(schema: dict[str, Any], previous: dict[str, Any] | None = None) -> list[str]:
    before = read_record(previous, "old.avsc") if previous else None
    return [str(problem) for problem in check_record(read_record(schema, "order.avsc"), CATALOGUE, before)]


def changed(change: Change) -> dict[str, Any]:
    schema = copy.deepcopy(GOOD)
    change(schema)
    return schema


def said(key: str, value: object) -> Change:
    return lambda schema: schema["innsyn"].__setitem__(key, value)


def field(number: int, key: str, value: object) -> Change:
    return lambda schema: schema["fields"][number]["innsyn"].__setitem__(key, value)


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


LOANED: dict[str, Any] = {
    "form": "session",
    "tokens": ["address"],
    "subject": ["customer"],
    "since": "placed_at",
    "mark": "event",
    "marks": {"lent": "open", "kept": "seen", "returned": "close"},
    "proof": "subscriber",
    "source": "equipment",
}
EVENT = {"type": "enum", "name": "Event", "symbols": ["lent", "kept", "returned", "lost"]}
VARIANT = {"purposes": ["P-LEGALREC"], "legal_basis": {"P-LEGALREC": "c"}, "retention": ["T20", "T30"]}


def identity(**said: object) -> Change:
    """The order record with an enum and one identity rule, changed; None takes a key of the rule out."""

    def change(schema: dict[str, Any]) -> None:
        schema["fields"].append({"name": "event", "type": EVENT, "innsyn": {"category": "none"}})
        schema["innsyn"]["identity"] = [
            {key: value for key, value in (LOANED | said).items() if value is not None}
        ]

    return change


def variants(by_field: object) -> Change:
    def change(schema: dict[str, Any]) -> None:
        identity()(schema)
        schema["innsyn"]["variants"] = by_field

    return change


def varied(**said: object) -> Change:
    return variants({"event": {"lost": VARIANT | said}})


def key(domain: str, number: int = 0) -> Change:
    """A field of the order record is a network key too."""
    return field(number, "key", domain)


def test_a_record_may_say_whose_identifiers_are() -> None:
    """An identity rule, a variant and a key that name what is there are no problem."""
    assert lines(changed(identity())) == []
    assert lines(changed(varied())) == []
    schema = changed(identity(form="login", tokens=["line"], mark=None, marks=None, since=None))
    line = {"name": "line", "type": "string", "innsyn": {"category": "C-09", "key": "line"}}
    schema["fields"].append(line | {"confluent:tags": ["C-09"]})
    assert lines(schema) == []


BAD_IDENTITY: list[tuple[Change, str]] = [
    (identity(form="sesion"), "OrderPlaced identity.0: unknown form sesion; did you mean session?"),
    (identity(tokens=[]), "OrderPlaced identity.0: no tokens; add tokens to the rule"),
    (identity(subject=[]), "OrderPlaced identity.0: no subject; add subject"),
    (identity(proof=None), "OrderPlaced identity.0: no proof; add proof"),
    (identity(source=None), "OrderPlaced identity.0: no source; add source"),
    (identity(proof="holding"), "OrderPlaced identity.0: unknown proof holding; did you mean holder?"),
    (
        identity(source="equipmnt"),
        "OrderPlaced: unknown source of identity equipmnt; did you mean equipment?",
    ),
    (
        identity(tokens=["adress"]),
        "OrderPlaced identity.0: adress in tokens identifies nothing; name a field",
    ),
    (identity(subject=["customer", "port"]), "OrderPlaced identity.0: port in subject identifies nothing"),
    (identity(since="port"), "OrderPlaced identity.0: since port is no time; name a field"),
    (identity(since="then"), "OrderPlaced identity.0: since then is no time; name a field"),
    (
        identity(mark=None, marks=None),
        "OrderPlaced identity.0: mark and marks do not go together; name an enum",
    ),
    (identity(form="login", marks=None), "OrderPlaced identity.0: mark and marks do not go together"),
    (identity(mark="customer"), "OrderPlaced identity.0: mark customer is no enum; name an enum"),
    (
        identity(marks={"sold": "open"}),
        "OrderPlaced identity.0: unknown symbol sold; use lent, kept, returned",
    ),
    (identity(marks={"lent": "opened"}), "OrderPlaced identity.0: unknown mark opened; did you mean open?"),
    (
        identity(form="assignment"),
        "OrderPlaced identity.0: an assignment says the rest by its fields; write {",
    ),
    (variants({"port": {"lost": VARIANT}}), "OrderPlaced: variants by port, which is no enum; name an enum"),
    (
        variants({"event": {"gone": VARIANT}}),
        "OrderPlaced variants.event: unknown symbol gone; use lent, kept,",
    ),
    (varied(purposes=[]), "OrderPlaced with event lost: no purpose; name at least one"),
    (varied(purposes=["P-LEGALRC"]), "OrderPlaced with event lost: unknown purpose P-LEGALRC; did you mean"),
    (varied(legal_basis={}), "OrderPlaced with event lost: purpose P-LEGALREC without basis; add"),
    (varied(retention=["T20", "T30", "T77"]), "OrderPlaced with event lost: unknown retention rule T77; did"),
    (varied(retention=["T20"]), "OrderPlaced with event lost: no retention rule for category C-21; add"),
    (
        lambda s: (field(3, "key", "lin")(s), s["fields"][3].update({"type": "string"})),
        "OrderPlaced.placed_at: unknown key lin; did you mean line?",
    ),
    (key("line"), "OrderPlaced.customer: key that cannot be one; make it a string at the top"),
    (key("line", 2), "OrderPlaced.port: key that cannot be one; make it a string at the top"),
]


@pytest.mark.parametrize(
    ("change", "line"), BAD_IDENTITY, ids=[line.split(";")[0] for _, line in BAD_IDENTITY]
)
def test_each_mistake_about_identity_gives_its_line(change: Change, line: str) -> None:
    """What no event could be read by is said in one line, with what to write instead."""
    found = [one.removeprefix("order.avsc: ") for one in lines(changed(change))]
    assert [one for one in found if one.startswith(line)], found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (identity(form=None), "annotation identity.0.form is missing; add it"),
        (identity(sorce="login"), "annotation identity.0.sorce is no key of it; take it out"),
        (identity(tokens="address"), "annotation identity.0.tokens: "),
        (varied(system="web"), "annotation variants.event.lost.system is no key of it"),
        (variants({"event": {"lost": {"purposes": []}}}), "legal_basis is missing; add it"),
    ],
)
def test_an_identity_annotation_of_another_shape_is_refused(change: Change, words: str) -> None:
    """A key that is missing, unknown or of another type is named when the file is read."""
    with pytest.raises(SchemaError) as caught:
        read_record(changed(change), "order.avsc")
    assert words in str(caught.value)
    assert str(caught.value).startswith("order.avsc: OrderPlaced: ")


@pytest.mark.parametrize("change", [change for change, line in BAD_IDENTITY if "identity.0" in line])
def test_a_record_that_cannot_be_read_by_its_rules_is_not_used(change: Change) -> None:
    """A schema from a registry is held to the same form before its first event is read."""
    with pytest.raises(SchemaError):
        parse_record(changed(change), "registry id 7")


ASSIGNMENT = load_records()["AddressAssignment"].json


def assignment(change: Change) -> list[str]:
    schema = copy.deepcopy(ASSIGNMENT)
    change(schema)
    return lines(schema)


def other_field(name: str, value: object) -> Change:
    """The field with some of its parts exchanged; None takes it out."""

    def change(schema: dict[str, Any]) -> None:
        (found,) = [item for item in schema["fields"] if item["name"] == name]
        if value is None:
            schema["fields"].remove(found)
        else:
            found.update(value)

    return change


def test_the_assignment_of_ours_passes() -> None:
    """Nothing to say about the record as it is."""
    assert assignment(lambda schema: None) == []


NAS_OR_NULL = {"type": ["null", "string"], "default": None}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (other_field("session_id", None), "no field session_id of type string with session as its key"),
        (other_field("lease_seconds", {"type": ["null", "string"]}), "no field lease_seconds of type long"),
        (
            other_field("mac", {"innsyn": {"category": "C-17"}}),
            "no field mac of type string with mac as its key",
        ),
        (
            other_field("nas", NAS_OR_NULL),
            "no field nas of type string with server as its key or identifier, never",
        ),
        (
            other_field("kind", {"type": {"type": "enum", "name": "K", "symbols": ["start", "begin"]}}),
            "AddressAssignment.kind: unknown symbol begin",
        ),
        (
            other_field("source", {"type": {"type": "enum", "name": "S", "symbols": ["radius", "pppoe"]}}),
            "AddressAssignment.source: unknown source of identity pppoe",
        ),
        (
            lambda schema: schema["innsyn"].pop("variants"),
            "no variant for purpose retention; say in variants",
        ),
        (
            lambda schema: schema["innsyn"]["variants"]["purpose"]["retention"].update(
                {"retention": ["T09"]}
            ),
            "AddressAssignment with purpose retention: retention rule T09 is not locked; name only rules",
        ),
    ],
)
def test_a_record_of_assignments_has_the_fields_and_the_lock(change: Change, line: str) -> None:
    """Fields of another type, unknown reports, and data for the police without their own rules are refused."""
    assert [found for found in assignment(change) if line in found]

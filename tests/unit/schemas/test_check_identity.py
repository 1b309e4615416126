"""`schemas.check`: one clear line for each thing that is wrong with what a record says of identities."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from schemas.errors import SchemaError
from schemas.records import load_records, parse_record, read_record
from tests.support.checked import Change, changed, field, key, lines

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

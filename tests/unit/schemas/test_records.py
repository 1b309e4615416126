"""The Avro records, their annotations and their examples."""

from __future__ import annotations

import copy
import io
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import avro.schema
import fastavro
import pytest
from fastavro.schema import to_parsing_canonical_form
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import load_catalogue
from schemas.check import check_record
from schemas.errors import SchemaError
from schemas.records import SubjectReference, load_examples, load_records, parse_record, read_record
from tests.support.company import model, model_examples

RECORDS = load_records()
NAMES = sorted(RECORDS)
BUSY = ("WebVisit", "TrafficRecord", "TvViewing")


def body(record: str, value: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(RECORDS[record].json), value, strict=True)
    return out.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_record_keeps_the_contract(name: str) -> None:
    """Every record of ours passes the check that other teams have to pass."""
    assert check_record(RECORDS[name], load_catalogue(), RECORDS[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_file_is_named_after_its_record(name: str) -> None:
    """One record per file, named in snake case, in our namespace."""
    stem = Path(RECORDS[name].file).stem
    assert "".join(part.capitalize() for part in stem.split("_")) == name
    assert RECORDS[name].fullname == f"no.innsyn.{name}"


@pytest.mark.parametrize("name", NAMES)
def test_examples_survive_the_wire(name: str) -> None:
    """At least two examples per record, complete, and equal after encoding and decoding."""
    examples = model_examples(name)
    assert len(examples) >= 2
    for example in examples:
        assert set(example) == {field.name for field in RECORDS[name].fields if "." not in field.name}
        data = io.BytesIO(body(name, example))
        assert fastavro.schemaless_reader(data, fastavro.parse_schema(RECORDS[name].json)) == example
        assert data.read() == b""


@pytest.mark.parametrize("name", NAMES)
def test_examples_use_every_identifier(name: str) -> None:
    """Each field that names a person has a value in some example, so that tests of tagging meet it."""
    examples = model_examples(name)
    for reference in RECORDS[name].identifiers:
        assert any(example[reference.field] is not None for example in examples), reference.field


@pytest.mark.parametrize("name", NAMES)
def test_fingerprint_is_that_of_the_avro_package(name: str) -> None:
    """fastavro and the avro package agree on the fingerprint of the Parsing Canonical Form."""
    canonical = to_parsing_canonical_form(RECORDS[name].json)
    assert RECORDS[name].fingerprint == avro.schema.parse(canonical).fingerprint("CRC-64-AVRO")
    assert len(RECORDS[name].fingerprint) == 8


def test_fingerprints_tell_records_apart() -> None:
    """No two records share a fingerprint."""
    assert len({record.fingerprint for record in RECORDS.values()}) == len(RECORDS)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40), st.sampled_from(NAMES))
def test_documentation_does_not_change_the_fingerprint(doc: str, name: str) -> None:
    """What a reader of bytes need not know (doc, annotations) is no part of the fingerprint."""
    changed = {**RECORDS[name].json, "doc": doc, "other": doc}
    assert read_record(changed, "x.avsc").fingerprint == RECORDS[name].fingerprint


@pytest.mark.parametrize("name", BUSY)
def test_busy_records_are_flat(name: str) -> None:
    """Records of busy topics decode into plain columns."""
    assert RECORDS[name].flat


def test_records_with_lists_are_not_flat() -> None:
    """An array makes a record not flat."""
    assert not RECORDS["Invoice"].flat


def test_identifiers_carry_role_and_port() -> None:
    """A subject reference knows its kind, its role and the field with the source port."""
    assert RECORDS["TrafficRecord"].identifiers == (
        SubjectReference("client_address", "ip", "owner", "client_port"),
        SubjectReference("caller", "phone", "owner", form="e164"),
        SubjectReference("callee", "phone", "counterparty", form="e164"),
    )


def test_categories_follow_the_role() -> None:
    """A person in a side role gets only the categories of fields about that role."""
    chat = record_with({"category": "C-12", "about": ["owner"]}, {"category": "C-11", "about": ["agent"]})
    assert chat.categories == ("C-11", "C-12")
    assert chat.categories_for("owner") == ("C-12",)
    assert chat.categories_for("agent") == ("C-11",)
    assert chat.categories_for("mentioned") == ()


def test_identifier_is_about_the_person_it_names() -> None:
    """Without `about`, an identifier field concerns its own role and no other."""
    record = record_with({"category": "C-02", "identifier": {"kind": "fodselsnummer", "role": "owner"}})
    assert record.categories_for("owner") == ("C-02",)
    assert record.categories_for("counterparty") == ()


def test_a_variant_exchanges_what_it_says_and_nothing_else() -> None:
    """Data for the police have their own purpose, basis and rule; system, origin and the rest are the record's."""
    record = RECORDS["AddressAssignment"]
    said, varied = record.annotation, record.variant("purpose", "retention")
    assert (varied.purposes, varied.legal_basis, varied.retention) == (
        ("P-IPRET",),
        {"P-IPRET": "c"},
        ("T06",),
    )
    assert (said.purposes, said.retention) == (("P-CONTRACT",), ("T09",))
    same = {"system", "subject_type", "origin", "operation", "recipients", "event_time"}
    assert said.model_dump(include=same) == varied.model_dump(include=same)


def test_symbols_are_those_of_an_enum_at_the_top() -> None:
    """Any other field has none."""
    assert RECORDS["AddressAssignment"].symbols("purpose") == ("operations", "retention")
    assert RECORDS["AddressAssignment"].symbols("nas") == ()
    assert RECORDS["AddressAssignment"].symbols("absent") == ()


def test_a_network_key_names_nobody() -> None:
    """A field with a key is no subject reference: it gets a token, and no row."""
    record = RECORDS["CustomerDetails"]
    line = record.find("line_id")
    assert line is not None
    assert line.key == "line"
    assert "line_id" not in [reference.field for reference in record.identifiers]


def test_nested_fields_are_annotated_too() -> None:
    """Fields of a record inside an array have dotted names."""
    found = RECORDS["Invoice"].find("lines.product")
    assert found is not None
    assert found.category == "C-07"


def test_example_times_are_read_by_their_logical_type() -> None:
    """Timestamps are UTC datetimes, dates are dates, bytes are bytes."""
    invoice = model_examples("Invoice")[1]
    assert invoice["issued_at"] == datetime(2026, 3, 1, 4, tzinfo=UTC)
    assert invoice["due_date"] == date(2026, 3, 20)
    assert model_examples("RightsRequest")[1]["sealed_identifiers"] == b"sealed bytes 1"


def record_of(**field: Any) -> dict[str, Any]:
    return {"type": "record", "name": "X", "fields": [{"name": "a", **field}]}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (
            record_of(type="strng"),
            "X.a: is not valid Avro: it has the unknown type strng; use a type of Avro",
        ),
        (record_of(type=["null", "Other"]), "X.a: is not valid Avro: it has the unknown type Other; use"),
        (record_of(), "X.a: is not valid Avro: it has no type; add one"),
        (record_of(type={"logicalType": "date"}), "X.a: is not valid Avro: it has no type; add one"),
        (
            record_of(type={"type": {"type": "int"}}),
            "X.a: is not valid Avro: it has a type written inside a type",
        ),
        (
            record_of(type={"type": "array"}),
            "X.a: is not valid Avro: it has type array without items; add them",
        ),
        (
            record_of(type=["null", ["int"]]),
            "X.a: is not valid Avro: it has a union inside a union; write one",
        ),
        (record_of(type=["int", "int"]), "X.a: is not valid Avro: it has int twice in its union; keep one"),
        (
            record_of(type={"type": "enum", "name": "E"}),
            "X.a: is not valid Avro: it is an enum without symbols",
        ),
        (
            record_of(type={"type": "enum", "symbols": ["a"]}),
            "X.a: is not valid Avro: it has type enum without a valid name; use",
        ),
        (
            record_of(type={"type": "enum", "name": "E", "symbols": ["a", "a"]}),
            "X.a: is not valid Avro: it has a symbol twice; keep one",
        ),
        (
            record_of(type={"type": "fixed", "name": "F"}),
            'X.a: is not valid Avro: it is a fixed without "size"',
        ),
        (
            record_of(type="int", default="one"),
            "X.a: is not valid Avro: it has a default that is not of its type",
        ),
        (
            {"type": "record", "name": "X", "fields": [{"name": "a", "type": "int"}] * 2},
            "X.a: is not valid Avro: it stands twice; keep one",
        ),
    ],
)
def test_what_is_not_avro_is_told_in_words_of_the_schema(schema: dict[str, Any], said: str) -> None:
    """The field and the mend, in one line; nothing of how the libraries put it."""
    with pytest.raises(SchemaError) as caught:
        read_record(schema, "x.avsc")
    assert str(caught.value).startswith(f"x.avsc: {said}")
    assert "{" not in str(caught.value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["local-timestamp-millis", "timestamp-nanos", "no-such-type"])
def test_a_logical_type_that_the_libraries_do_not_know_is_valid(name: str) -> None:
    """The specification has it ignored; nothing is written to standard error about it."""
    kind = {"type": "long", "logicalType": name}
    assert read_record(record_of(type=kind), "x.avsc").fields[0].logical_type == name


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{", ["line 1", "is not JSON"]),
        ('"string"', ["one Avro record per file"]),
        ('{"type": "record", "name": "X"}', ["X", "is not valid Avro"]),
        ('{"type": "record", "name": "X", "fields": [], "innsyn": 1}', ["X", "annotation is not an object"]),
        (
            '{"type": "record", "name": "X", "fields": [], "innsyn": {"system": 1}}',
            ["X", "annotation system"],
        ),
    ],
)
def test_unreadable_schema_says_where(source: str, words: list[str]) -> None:
    """What is no record at all is refused in one line with file and place."""
    with pytest.raises(SchemaError) as caught:
        read_record(source, "x.avsc")
    assert str(caught.value).startswith("x.avsc: ")
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words)


JUNK = st.sampled_from(
    [None, 1, True, "", "x", [], {}, ["null"], ["int", "string", "null"], {"type": "array"}, {"type": "enum"},
     {"type": ["null", "int"]}, {"type": "map", "values": "int"}, {"type": "fixed", "name": "f", "size": -1},
     {"type": "record", "name": "n", "fields": []}]
)  # fmt: skip


@settings(max_examples=300)
@given(st.sampled_from(NAMES), JUNK, st.data())
def test_damaged_schema_is_read_or_refused(name: str, junk: Any, data: st.DataObject) -> None:
    """Whatever stands in place of a part of a schema: it is read, or refused with one line, never a crash."""
    schema = copy.deepcopy(RECORDS[name].json)
    holder: Any = schema
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(holder[key], dict | list) or not holder[key] or data.draw(st.booleans()):
            break
        holder = holder[key]
    holder[key] = junk
    assert all("\n" not in line for line in judged(schema, name))


def judged(schema: dict[str, Any], name: str) -> list[str]:
    try:
        record = read_record(schema, "x.avsc")
    except SchemaError as error:
        return [str(error)]
    return [str(problem) for problem in check_record(record, load_catalogue(), RECORDS[name])]


def test_missing_annotation_is_refused() -> None:
    """A record that is to be used must be annotated throughout."""
    bare = {"type": "record", "name": "X", "fields": [{"name": "a", "type": "string"}]}
    with pytest.raises(SchemaError, match=r"x\.avsc: X: record without annotation"):
        parse_record(bare, "x.avsc")
    assert read_record(bare, "x.avsc").fields[0].category == ""


def test_folder_with_broken_example_is_refused(tmp_path: Path) -> None:
    """An example that is no object names its file."""
    (tmp_path / "invoice").mkdir()
    (tmp_path / "invoice" / "a.json").write_text(json.dumps([1]))
    with pytest.raises(SchemaError, match=r"examples/invoice/a\.json"):
        load_examples(model().records["Invoice"], tmp_path)


def record_with(*annotations: dict[str, Any]) -> Any:
    fields = [
        {"name": f"f{number}", "type": "string", "innsyn": annotation}
        for number, annotation in enumerate(annotations)
    ]
    return read_record({"type": "record", "name": "X", "fields": fields}, "x.avsc")

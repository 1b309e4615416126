"""Schemas and bodies made to end the tagger, or to fool it: each costs its own message, and the others are tagged."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from schemas.bounds import DEEPEST, LARGEST_TEXT, MOST_TYPES, largest_body
from schemas.catalogue import load_catalogue
from schemas.codec import confluent_prefix, single_object_prefix
from schemas.errors import DecodeError
from streams.tagging.decode import isolated
from streams.tagging.decode.columnar import Bodies, ColumnDecoder
from streams.tagging.decode.isolated import GIVEN_UP, Isolated
from streams.tagging.decode.schema_lookup import RefusedSchema, WriterSchemas
from streams.tagging.prepare import LARGEST_EVENT
from streams.tagging.tag import Tagger
from tests.support.company import model
from tests.support.records import varint
from tests.support.registered import (
    BODY,
    GOOD,
    PLAIN,
    TECHNICAL,
    VISIT,
    WRITERS,
    Registered,
    adding,
    field_saying,
    of_record,
    prepared,
    preparer,
    saying,
    with_field,
    with_fields,
)

RULES = load_catalogue().retention_rules


@pytest.fixture(scope="module", autouse=True)
def small_child() -> Iterator[Isolated]:
    """A child whose limits are reached soon."""
    with pytest.MonkeyPatch.context() as patch:
        child = Isolated(memory=48 * 1024 * 1024, processor_seconds=0.5)
        patch.setattr(isolated, "ISOLATED", child)
        yield child
        child.close()


def beside_good(text: str, body: bytes) -> tuple[list[int], list[str]]:
    """Offsets that are in the index, and the reasons of the dead letters, of one message between two good ones."""
    done = prepared(preparer(Registered(text)), [GOOD, confluent_prefix(7) + body, GOOD])
    (counted,) = done.batch.ranges
    assert counted.events + counted.dead == 3
    return sorted(set(done.batch.rows["offset"].to_pylist())), [letter.row.reason for letter in done.dead]


LINKED = ["null", of_record({"name": "next", "type": ["null", "Inner"]})]
BODIES = {
    "a chain of records inside themselves, 20 kB": (LINKED, b"\x02" * 20_000 + b"\0", "decode_crashed"),
    "the same, half a megabyte": (LINKED, b"\x02" * 500_000 + b"\0", "decode_crashed"),
    "an array of 2**40 nulls": ({"type": "array", "items": "null"}, varint(2**40) + b"\0", "decode_limit"),
    "an array of 100 million records of nothing": (
        {"type": "array", "items": {"type": "record", "name": "Inner", "fields": []}},
        varint(10**8) + b"\0",
        "decode_limit",
    ),
    "an array of 100 million fixed of size 0": (
        {"type": "array", "items": {"type": "fixed", "name": "Z", "size": 0}},
        varint(10**8) + b"\0",
        "decode_limit",
    ),
    "a text of negative length in an array": (
        {"type": "array", "items": "string"},
        varint(1) + varint(-5) + b"\0",
        "truncated",
    ),
    "a text of a terabyte in an array": (
        {"type": "array", "items": "string"},
        varint(1) + varint(2**40) + b"\0",
        "truncated",
    ),
    "a map of 2**62 entries": ({"type": "map", "values": "null"}, varint(2**62) + b"\0", "truncated"),
    "a branch that is not there": (["null", "string", "long"], varint(2**40), "malformed_body"),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_costs_itself_alone(case: str) -> None:
    avro_type, more, reason = BODIES[case]
    assert beside_good(with_field(avro_type), BODY + more) == ([0, 2], [reason])


def test_what_is_not_proven_harmless_and_is_harmless_is_tagged() -> None:
    """By a child, with the same rows as any other."""
    chain = BODY + b"\x02" * 50 + b"\0"
    assert beside_good(with_field(LINKED), chain) == ([0, 1, 2], [])
    nulls = with_field({"type": "array", "items": "null"})
    assert beside_good(nulls, BODY + varint(1000) + b"\0") == ([0, 1, 2], [])


def fields(count: int) -> list[dict[str, Any]]:
    return [{"name": f"f{number}", "type": "null", "innsyn": TECHNICAL} for number in range(count)]


def doubled(levels: int) -> list[dict[str, Any]]:
    """Records each of which holds the one before twice: the last means 2**levels types."""
    made: list[dict[str, Any]] = [{"name": "g", "type": of_record({"name": "x", "type": "null"}, name="R0")}]
    for level in range(1, levels):
        inner = [{"name": name, "type": f"R{level - 1}", "innsyn": TECHNICAL} for name in "ab"]
        record = {"type": "record", "name": f"R{level}", "fields": inner}
        made.append({"name": f"g{level}", "type": record})
    return [{"innsyn": TECHNICAL} | item for item in made]


def hushed(field: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The field as a technical one, if it is the one of that name."""
    if field["name"] != name:
        return field
    return {**field, "confluent:tags": [], "innsyn": TECHNICAL}


SCHEMAS = {
    "JSON nested 100,000 deep": (adding("[" * 100_000 + "]" * 100_000), "schema_too_large"),
    "objects nested 10,000 deep": (
        adding('{"a":' * 10_000 + "1" + "}" * 10_000),
        "schema_too_large",
    ),
    "a text beyond the largest": (
        adding(f'"{LARGEST_TEXT * "a"}"'),
        "schema_too_large",
    ),
    "more fields than any record has": (with_fields(fields(MOST_TYPES)), "schema_too_large"),
    "types that double at every level": (with_fields(doubled(24)), "schema_too_large"),
    "a fixed of 2**62 bytes": (
        with_field({"type": "fixed", "name": "F", "size": 2**62}),
        "schema_too_large",
    ),
    "a fixed of 2**80 bytes": (
        with_field({"type": "fixed", "name": "F", "size": 2**80}),
        "schema_too_large",
    ),
    "a fixed of -4 bytes": (with_field({"type": "fixed", "name": "F", "size": -4}), "unannotated_schema"),
    "a name of a thousand characters": (with_field("null", name="n" * 1_000), "schema_too_large"),
    "a number of 5,000 digits": (adding("9" * 5_000), "unannotated_schema"),
    "no number": (adding("NaN"), "unannotated_schema"),
    "half a character in a name": (PLAIN.replace('"page"', '"p\\ud800"'), "unannotated_schema"),
    "a key that stands twice": (adding("{}", "innsyn"), "unannotated_schema"),
    "no JSON": ("", "unannotated_schema"),
    "no record": ('["null"]', "unannotated_schema"),
    "a logical type that is a list": (
        with_field({"type": "string", "logicalType": ["x"]}),
        "unannotated_schema",
    ),
    "an unknown identifier kind": (
        field_saying("client_address", identifier={"kind": "horoscope", "role": "owner"}),
        "unknown_identifier_kind",
    ),
    "an unknown role": (
        field_saying("client_address", identifier={"kind": "ip", "role": "emperor"}),
        "unknown_identifier_role",
    ),
    "an unknown form": (
        field_saying("client_address", identifier={"kind": "ip", "role": "owner", "form": "upside_down"}),
        "schema_refused",
    ),
    "port_of a field that is not there": (field_saying("client_port", port_of="nothing"), "schema_refused"),
    "a port that is a text": (field_saying("page", port_of="client_address"), "schema_refused"),
    "an identifier that is an array": (
        with_field(
            {"type": "array", "items": "string"}, category="C-01", identifier={"kind": "ip", "role": "owner"}
        ),
        "schema_refused",
    ),
    "an identifier that is a map": (
        with_field(
            {"type": "map", "values": "string"}, category="C-01", identifier={"kind": "ip", "role": "owner"}
        ),
        "schema_refused",
    ),
    "a free text that is a number": (field_saying("status", free_text=True), "schema_refused"),
    "an unknown category": (field_saying("client_address", category="C-99"), "unknown_category"),
    "a system that nobody runs": (saying(system="shadow"), "unknown_system"),
    "an unknown retention rule": (saying(retention=["T99"]), "unknown_retention_rule"),
    "an unknown purpose": (saying(purposes=["P-SPY"], legal_basis={"P-SPY": "f"}), "unknown_purpose"),
    "an unknown operation": (saying(operation="vanish"), "unknown_operation"),
    "an address that is nobody's any more": (
        field_saying("client_address", identifier=None),
        "schema_refused",
    ),
    "a field whose people are taken out of it": (
        json.dumps(VISIT.json | {"fields": [hushed(field, "location") for field in VISIT.json["fields"]]}),
        "unexplained_privacy_change",
    ),
    "another system, without a reason": (saying(system="billing"), "unexplained_privacy_change"),
    "an event time inside another record": (
        json.dumps(
            json.loads(
                with_field(
                    of_record({"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}})
                )
            )
            | {"innsyn": VISIT.json["innsyn"] | {"event_time": "more.at"}}
        ),
        "unannotated_schema",
    ),
}


@pytest.mark.parametrize("case", SCHEMAS)
def test_a_schema_that_breaks_a_rule_parks_its_messages(case: str) -> None:
    text, reason = SCHEMAS[case]
    assert beside_good(text, BODY) == ([0, 2], [reason])


def test_a_message_that_fails_as_nobody_foresaw_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is raised, a panic of a library in Rust too; the log has no value of it."""

    class Panic(BaseException):
        pass

    known = Tagger.tag

    def tag(self: Tagger, record: Any, topic: str, decoded: Any, at: Any, latest: int) -> Any:
        found = known(self, record, topic, decoded, at, latest)
        if 3 in at.offset:
            raise Panic("203.0.113.4")
        if 5 in at.offset:
            raise RecursionError
        return found

    monkeypatch.setattr(Tagger, "tag", tag)
    with capture_logs() as said:
        done = prepared(preparer(Registered(PLAIN)), [GOOD] * 20)
    assert [(letter.row.offset, letter.row.reason) for letter in done.dead] == [
        (3, "tagging_failed"),
        (5, "tagging_failed"),
    ]
    assert sorted(done.batch.rows["offset"].to_pylist()) == [at for at in range(20) if at not in (3, 5)]
    assert [line["error"].partition(" in streams/tagging/")[0] for line in said] == [
        "Panic",
        "RecursionError",
    ]
    assert "203.0.113.4" not in str(said)


def test_ctrl_c_is_no_fault_of_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def tag(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Tagger, "tag", tag)
    with pytest.raises(KeyboardInterrupt):
        prepared(preparer(Registered(PLAIN)), [GOOD] * 2)


NULLS = with_field({"type": "array", "items": "null"})


def test_a_child_that_is_killed_costs_no_message() -> None:
    """By a person, or because the machine is short of memory: another one decodes the body."""
    child = Isolated()
    body = BODY + varint(3) + b"\0"
    try:
        assert child.values(NULLS, ["page"], body) == ["/"]
        assert child._process is not None
        os.killpg(child._process.pid, signal.SIGKILL)
        child._process.wait()
        assert child.values(NULLS, ["page", "client_port"], body) == ["/", None]
    finally:
        child.close()


def test_signals_to_the_whole_group_end_no_child() -> None:
    """A service manager sends SIGTERM to all processes: that is not the body's doing."""
    child = Isolated()
    body = BODY + varint(3) + b"\0"
    try:
        child.values(NULLS, ["page"], body)
        first = child._process
        assert first is not None
        os.killpg(first.pid, signal.SIGTERM)
        os.killpg(first.pid, signal.SIGINT)
        assert child.values(NULLS, ["page"], body) == ["/"]
        assert child._process is first
    finally:
        child.close()


def test_a_schema_whose_bodies_take_too_long_to_fail_is_not_tried_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Thousands of them would be hours in which nothing else is tagged."""
    monkeypatch.setattr("streams.tagging.decode.isolated._BUDGET_SECONDS", 0.0001)
    child = Isolated(memory=16 * 1024 * 1024, processor_seconds=0.2)
    bomb = BODY + varint(2**40) + b"\0"
    try:
        reasons = []
        for body in (bomb, bomb, BODY + b"\0"):
            with pytest.raises(DecodeError) as caught:
                child.values(NULLS, ["page"], body)
            reasons.append(caught.value.reason)
        assert reasons == ["decode_limit", GIVEN_UP, GIVEN_UP]
        other = with_field({"type": "array", "items": "null"}, name="other")
        assert child.values(other, ["page"], BODY + b"\0") == ["/"]
    finally:
        child.close()


def test_several_threads_share_one_child(small_child: Isolated) -> None:
    found: list[Any] = []

    def ask() -> None:
        for number in range(20):
            schema = NULLS if number % 2 else with_field(LINKED)
            found.extend(small_child.values(schema, ["status", "page"], BODY + b"\0"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200, "/"] * 80


def test_our_own_records_are_read_without_a_child_whatever_is_in_them() -> None:
    """Of a body that a topic lets pass, which is what the rights topics and dead letters are read by too."""
    assert [record.name for record in WRITERS if largest_body(record.json) < LARGEST_EVENT] == []


def test_a_flat_body_is_read_without_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual road knows no child, nor a loop over events."""

    def never(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(Isolated, "values", never)
    monkeypatch.setattr(ColumnDecoder, "_one", never)
    decoder = ColumnDecoder(VISIT, ["page"])
    assert decoder.decode(Bodies.of([BODY] * 3)).columns["page"].to_pylist() == ["/"] * 3


def test_a_schema_as_deep_as_allowed_is_read() -> None:
    """The bound is beyond what people write."""
    deep: Any = "string"
    for _ in range((DEEPEST - 4) // 2):
        deep = {"type": "array", "items": deep}
    assert beside_good(with_field(deep), BODY + b"\0") == ([0, 1, 2], [])


def test_a_committed_version_is_not_judged_by_newer_rules() -> None:
    """What it wrote was right in its day, from a registry too; a word that the catalogue lost is another matter."""
    old = next(record for record in WRITERS if record.name == "Invoice" and record.file.endswith("/1.avsc"))
    schemas = WriterSchemas(WRITERS, model().catalogue, Registered(old.text))
    assert schemas.resolve(confluent_prefix(1), "Invoice").fingerprint == old.fingerprint
    less = dataclasses.replace(
        load_catalogue(), retention_rules={name: rule for name, rule in RULES.items() if name != "T30"}
    )
    schemas = WriterSchemas(WRITERS, catalogue=less)
    with pytest.raises(RefusedSchema) as caught:
        schemas.resolve(single_object_prefix(VISIT), "WebVisit")
    assert caught.value.reason == "unknown_retention_rule"
    # Mended: the same message is tagged by whoever asks with the catalogue of then.
    assert (
        WriterSchemas(WRITERS, model().catalogue).resolve(single_object_prefix(VISIT), "WebVisit").name
        == "WebVisit"
    )


def test_a_schema_that_says_why_it_says_less_is_used() -> None:
    text = saying(system="billing", privacy_change="billing runs the web server now")
    assert beside_good(text, BODY) == ([0, 1, 2], [])

"""Each message class says what its Avro record says: the same fields, of the same types, null where it may be."""

from __future__ import annotations

import dataclasses
import json
import types
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import decode
from schemas.layers import BASE
from schemas.messages import MESSAGES, encoded, message_of, value_of
from schemas.own import own_record, own_versions

PLAIN = {"string": str, "bytes": bytes, "int": int, "long": int, "boolean": bool}
LOGICAL = {"timestamp-millis": datetime, "date": date}
# Of a command and a receipt: their records have the same names with "Erasure" before them.
PARTS = ("Order", "Selector", "Redaction", "Outcome", "Kept")
TEXTS = st.text(alphabet="abc-/_", max_size=8)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    bytes: st.binary(max_size=8),
    int: st.integers(-(2**31), 2**31 - 1),
    bool: st.booleans(),
    date: st.dates(date(1970, 1, 1), date(2100, 1, 1)),
    datetime: st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
}


def of_class(kind: Any) -> Any:
    """The Avro form of a Python type: words for plain types, symbols of enums, fields of records."""
    if get_origin(kind) is types.UnionType:
        inner, none = get_args(kind)
        assert none is type(None)
        return ["null", of_class(inner)]
    if get_origin(kind) is tuple:
        item, more = get_args(kind)
        assert more is ...
        return {"array": of_class(item)}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"enum": list(map(str, kind))}
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        hints = get_type_hints(kind)
        name = f"Erasure{kind.__name__}" if kind.__name__ in PARTS else kind.__name__
        return {name: {item: of_class(hint) for item, hint in hints.items()}}
    return kind


def of_schema(schema: Any) -> Any:
    """The same of an Avro schema."""
    if isinstance(schema, list):
        null, inner = schema
        return [null, of_schema(inner)]
    if isinstance(schema, str):
        return PLAIN[schema]
    match schema["type"]:
        case "record":
            return {schema["name"]: {item["name"]: of_schema(item["type"]) for item in schema["fields"]}}
        case "array":
            return {"array": of_schema(schema["items"])}
        case "enum":
            return {"enum": schema["symbols"]}
    return LOGICAL[schema["logicalType"]]


def made(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of the type."""
    if get_origin(kind) is types.UnionType:
        return st.none() | made(get_args(kind)[0])
    if get_origin(kind) is tuple:
        return st.lists(made(get_args(kind)[0]), max_size=2).map(tuple)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return st.sampled_from(kind)
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        return st.builds(kind, **{name: made(hint) for name, hint in get_type_hints(kind).items()})
    return VALUES[kind]


def test_every_own_record_has_a_class() -> None:
    """A record that innsyn itself reads or writes is added here with its schema."""
    records = {json.loads(path.read_text("utf-8"))["name"] for path in (BASE / "avro").glob("*.avsc")}
    assert {kind.__name__ for kind in MESSAGES} == records


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_class_says_what_its_schema_says(kind: Any) -> None:
    """Both ways: neither has a field, a type, a symbol or a null that the other lacks."""
    assert of_class(kind) == of_schema(own_record(kind.__name__).json)


@pytest.mark.parametrize("kind", MESSAGES)
def test_what_older_versions_lack_has_a_default(kind: Any) -> None:
    """A message of any version becomes an object, with what the schema says of a field that is not there."""
    fields = {item.name: item for item in dataclasses.fields(kind)}
    defaults = {item["name"]: item for item in own_record(kind.__name__).json["fields"]}
    for version in own_versions(kind.__name__).values():
        for name in fields.keys() - {item["name"] for item in version.json["fields"]}:
            said = defaults[name]["default"]
            expected = said.encode() if defaults[name]["type"] == "bytes" else said
            assert fields[name].default == (tuple(expected) if isinstance(expected, list) else expected), name


@pytest.mark.parametrize("kind", MESSAGES)
@given(data=st.data())
def test_a_message_comes_back_as_it_was_sent(kind: Any, data: st.DataObject) -> None:
    """Through Avro, whatever it says."""
    message = data.draw(made(kind))
    assert message_of(kind, decode(own_record(kind.__name__), encoded(message))) == message
    assert message_of(kind, value_of(message)) == message


@pytest.mark.parametrize("kind", MESSAGES)
def test_what_is_sealed_is_not_shown(kind: Any) -> None:
    """Neither in a log line nor in a traceback."""
    hidden = {item.name for item in dataclasses.fields(kind) if not item.repr}
    assert {name for name, hint in get_type_hints(kind).items() if hint is bytes} <= hidden

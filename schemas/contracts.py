"""Contracts: what holds for the events of a topic that somebody else owns, read from `contracts/<topic>.yaml`.

A contract says of messages in JSON, Debezium or foreign Avro what the `innsyn` properties say in a schema of one's own:
whose data each field carries, for what and for how long. It becomes the same typed thing, a `RecordSchema` of one flat
field for each path, so that whatever reads annotated records reads contracts too.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NoReturn
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from schemas.annotations import (
    ErasureRule,
    FieldAnnotation,
    Identifier,
    Problem,
    RecordAnnotation,
    RecordSchema,
)
from schemas.catalogue import Catalogue
from schemas.check import check_record
from schemas.errors import CatalogueError, SchemaError
from schemas.layers import read_mapping
from schemas.paths import Node, steps, tree
from schemas.records import read_record

FOLDER = "contracts"
SOURCE_DELETE = "source_delete"
"""The operation of rows whose event says that the source deleted the record."""
ENVELOPE = "envelope."
"""What the names of fields begin with that belong to Debezium's envelope, not to the row inside."""
Unit = Literal["seconds", "millis", "micros", "nanos", "days", "iso8601"]
UNITS: Mapping[str, Unit] = MappingProxyType(
    {
        "io.debezium.time.Timestamp": "millis",
        "io.debezium.time.MicroTimestamp": "micros",
        "io.debezium.time.NanoTimestamp": "nanos",
        "io.debezium.time.ZonedTimestamp": "iso8601",
        "io.debezium.time.Date": "days",
    }
)
"""The semantic types that Debezium names in its schemas, as units."""
_TYPES = {"string": "string", "integer": "long", "number": "double", "boolean": "boolean"}
# Where a word stands that `schemas.check` knows by its noun.
_KEYS = {
    "basis": "legal_basis",
    "retention rule": "retention",
    "subject type": "subject_type",
    "purpose": "purposes",
    "recipient": "recipients",
    "system": "system",
    "origin": "origin",
    "operation": "operation",
}
_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,99}$"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EventTime(_Frozen):
    """When it happened: a field (`path`) or a time of Debezium's envelope. `zone`: of texts that give no offset."""

    path: str = ""
    envelope: Literal["ts_ms", "source.ts_ms"] | None = None
    unit: Unit = "millis"
    zone: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _semantic_type(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("unit") in UNITS:
            return {**given, "unit": UNITS[given["unit"]]}
        return given

    @model_validator(mode="after")
    def _one_place(self) -> EventTime:
        if bool(self.path) == (self.envelope is not None):
            raise PydanticCustomError("time", "name the field in path or, of Debezium, a time in envelope")
        if self.envelope is not None and self.unit != "millis":
            raise PydanticCustomError("time", "Debezium's own times are in millis; leave unit out")
        if self.zone is not None and (self.unit != "iso8601" or self.zone not in available_timezones()):
            raise PydanticCustomError("time", "zone is an IANA name such as Europe/Oslo, of unit iso8601")
        return self

    @property
    def column(self) -> str:
        """The name of its field in the record."""
        return self.path or f"{ENVELOPE}{self.envelope}"

    @property
    def kind(self) -> str:
        """The type that the message gives it in."""
        return "string" if self.unit == "iso8601" else "number" if self.unit == "seconds" else "integer"


class ContractField(_Frozen):
    """What a contract says of one path. `type`: as the message has it; it matters where the field is read."""

    category: Annotated[str, Field(min_length=1)]
    identifier: Identifier | None = None
    type: Literal["string", "integer", "number", "boolean"] = "string"
    link: str | None = None
    port_of: str | None = None
    free_text: bool = False
    record_key: bool = False
    necessity: str | None = None
    about: tuple[str, ...] = ()


class MessageKey(_Frozen):
    """Whom the key of a message names: `field` is the field with that identifier. `path`: where in a key that is a JSON
    object, with keys and dots; empty: the key is the identifier itself, as text."""

    field: str
    path: str = ""


class _Document(_Frozen):
    """A file."""

    record: Annotated[str, Field(pattern=_NAME)]
    format: Literal["avro", "json"]
    envelope: Literal["debezium"] | None = None
    avro: Annotated[str, Field(min_length=1)] = "registry"
    framing: Literal["confluent", "single_object", "none"] | None = None
    system: str
    subject_type: str
    purposes: tuple[str, ...]
    legal_basis: dict[str, str]
    origin: str
    operation: str
    retention: tuple[str, ...]
    recipients: tuple[str, ...]
    event_time: EventTime
    message_key: MessageKey | None = None
    erasure: ErasureRule = ErasureRule()
    fields: Annotated[dict[str, ContractField], Field(min_length=1)]


@dataclass(frozen=True, eq=False)
class Contract:
    """What holds for the events of `topic`. `record` is the flat view of it: its fields are named by their paths.

    `format`: json or avro, `debezium`: with the row in an envelope of changes. `framing`: what stands before an Avro
    body. `writer`: the Avro schema, where the contract names a file; None: the registry's. `message_key`: whom the key
    of a message names, which is all that a tombstone says.
    """

    topic: str
    record: RecordSchema
    format: Literal["avro", "json"]
    debezium: bool
    framing: Literal["confluent", "single_object", "none"]
    event_time: EventTime
    types: Mapping[str, str]
    writer: RecordSchema | None = field(default=None, repr=False)
    message_key: MessageKey | None = None

    @cached_property
    def tree(self) -> Node:
        """The places in a message, or in the row inside the envelope, that the contract speaks of."""
        return tree(item.name for item in self.record.fields if not item.name.startswith(ENVELOPE))

    @property
    def framed(self) -> bool:
        """Whether an id of the schema stands before each body."""
        return self.format == "avro" and self.framing != "none"

    def repeats(self, name: str) -> bool:
        """Whether the field may have several values in one event."""
        return not name.startswith(ENVELOPE) and bool({"[]", "*"} & {*steps(name)})


def load_contracts(
    folder: Path, catalogue: Catalogue, records: Collection[str] = (), avro: Path | None = None
) -> Mapping[str, Contract]:
    """Every contract of a folder by its topic; none where there is no folder.

    `records`: names that are taken. `avro`: the folder with the schemas that contracts name, default `avro` beside.
    Errors: CatalogueError with file, key and mend.
    """
    found: dict[str, Contract] = {}
    taken = dict.fromkeys(records, "a record of the company")
    for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
        contract = load_contract(path, catalogue, avro or folder.parent / "avro")
        name = contract.record.name
        if name in taken:
            raise CatalogueError(_shown(path), "record", f"{name} is {taken[name]} too; choose another name")
        taken[name] = f"that of {_shown(path)}"
        found[contract.topic] = contract
    return MappingProxyType(found)


def load_contract(path: Path, catalogue: Catalogue, avro: Path) -> Contract:
    """The contract in a file named after its topic. Errors: CatalogueError."""
    file = _shown(path)
    try:
        content = read_mapping(path)
    except CatalogueError as error:
        raise CatalogueError(file, error.key, error.mend) from None
    try:
        said = _Document.model_validate(content)
    except ValidationError as error:
        _refuse(file, error)
    _check_form(file, said)
    _check_paths(file, said)
    _check_key(file, said)
    record = _record(path.stem, file, said, content)
    for problem in check_record(record, catalogue):
        raise CatalogueError(file, _key(problem, said), f"{problem.what}; {problem.mend}")
    writer = None if said.avro == "registry" else _writer(file, avro / said.avro)
    return Contract(
        path.stem,
        record,
        said.format,
        said.envelope == "debezium",
        said.framing or ("confluent" if said.avro == "registry" else "single_object"),
        said.event_time,
        MappingProxyType({name: item.type for name, item in said.fields.items()}),
        writer,
        said.message_key,
    )


def _shown(path: Path) -> str:
    return f"{FOLDER}/{path.name}"


def _key(problem: Problem, said: _Document) -> str:
    """Where in the file a problem of the record lies."""
    where = problem.where.removeprefix(said.record).lstrip(". ")
    if where in said.fields:
        return f"fields.{where}"
    return where or next((key for noun, key in _KEYS.items() if noun in problem.what), "fields")


def _refuse(file: str, error: ValidationError) -> NoReturn:
    # A misspelt key is also a missing one: name the spelling.
    details = sorted(
        error.errors(include_url=False, include_input=False),
        key=lambda item: item["type"] != "extra_forbidden",
    )
    first = details[0]
    places = [str(part) for part in first["loc"]]
    key = ".".join(places) or "file"
    match first["type"]:
        case "missing":
            raise CatalogueError(file, key, "is missing; add it")
        case "extra_forbidden":
            raise CatalogueError(file, key, f"is not a key; {_instead(places)}")
        case "literal_error":
            raise CatalogueError(file, key, f"is not allowed; write {first['ctx']['expected']}")
    raise CatalogueError(file, key, f"is wrong: {first['msg'][0].lower()}{first['msg'][1:]}")


def _instead(places: list[str]) -> str:
    model: type[BaseModel] = _Document
    match places[:-1]:
        case ["fields", _]:
            model = ContractField
        case ["fields", _, "identifier"]:
            model = Identifier
        case ["event_time"]:
            model = EventTime
        case ["message_key"]:
            model = MessageKey
        case ["erasure"]:
            model = ErasureRule
    close = difflib.get_close_matches(places[-1], list(model.model_fields), n=1)
    listed = f"write one of {', '.join(model.model_fields)}"
    return f"did you mean {close[0]}? {listed.capitalize()}" if close else listed


def _check_form(file: str, said: _Document) -> None:
    if said.format == "json":
        for key in ("avro", "framing"):
            if key in said.model_fields_set:
                raise CatalogueError(file, key, "is of format avro alone; take it out")
    elif said.avro == "registry" and said.framing not in (None, "confluent"):
        raise CatalogueError(file, "framing", "without confluent no registry is asked; name a file in avro")
    elif said.avro != "registry" and said.framing == "confluent":
        raise CatalogueError(
            file, "framing", "its ids are a registry's; write avro: registry, or another framing"
        )
    if said.event_time.envelope and said.envelope is None:
        raise CatalogueError(
            file, "event_time.envelope", "is of Debezium alone; write `envelope: debezium` or a path"
        )


def _check_paths(file: str, said: _Document) -> None:
    places = _places(file, said.fields)
    for path, item in said.fields.items():
        parts = steps(path)
        if (item.identifier or item.free_text or item.port_of or path == said.event_time.path) and places[
            path
        ]:
            mend = f"is read as one value, but {places[path]} lies inside it; name that instead"
            raise CatalogueError(file, f"fields.{path}", mend)
        if item.identifier is not None and item.type not in ("string", "integer"):
            mend = "an identifier is a string or an integer; write its type as the message has it"
            raise CatalogueError(file, f"fields.{path}.type", mend)
        several = bool({"[]", "*"} & {*parts})
        if several and item.identifier is not None and item.identifier.role in said.erasure.stays_for:
            mend = (
                "whoever has a right of their own to a record is one person in it: give those in an array another "
                "role, such as counterparty, or leave the role out of erasure.stays_for"
            )
            raise CatalogueError(file, f"fields.{path}.identifier.role", mend)
        if item.free_text and item.type != "string":
            raise CatalogueError(file, f"fields.{path}.type", "a free text is a string; write type: string")
        if item.port_of and several:
            raise CatalogueError(
                file, f"fields.{path}.port_of", "is of one address, not of several; take it out"
            )
    time = said.event_time.path
    if time and time not in said.fields:
        raise CatalogueError(
            file, "event_time.path", f"{time} is none of fields; name one, or add it there with category none"
        )
    if time and {"[]", "*"} & {*steps(time)}:
        raise CatalogueError(
            file, "event_time.path", "an event happened once; name a field outside of arrays"
        )


def _check_key(file: str, said: _Document) -> None:
    if said.message_key is None:
        return
    name = said.message_key.field
    item = said.fields.get(name)
    if item is None or item.identifier is None or {"[]", "*"} & {*steps(name)}:
        mend = "is no field with an identifier, or one of several; name the one whose value is in the key"
        raise CatalogueError(file, "message_key.field", f"{name} {mend}")


def _places(file: str, paths: Collection[str]) -> dict[str, str]:
    """Of each path one that lies inside it, empty where none does."""
    split = {}
    for path in paths:
        try:
            split[path] = steps(path)
        except ValueError as error:
            raise CatalogueError(file, f"fields.{path}", f"is no path; {error}") from None
    above = {inside[:end]: path for path, inside in split.items() for end in range(1, len(inside))}
    return {path: above.get(own, "") for path, own in split.items()}


def _record(topic: str, file: str, said: _Document, content: Mapping[str, Any]) -> RecordSchema:
    """The flat view: what `read_record` makes of an annotated schema."""
    time = said.event_time.column
    fields = [_field(path, item, path == time) for path, item in said.fields.items()]
    if said.event_time.envelope:
        fields.append(_field(time, ContractField(category="none", type="integer"), True))
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    annotation = RecordAnnotation(
        **{key: getattr(said, key) for key in RecordAnnotation.model_fields if key in _Document.model_fields}
        | {"event_time": time}
    )
    return RecordSchema(
        name=said.record,
        fullname=said.record,
        file=file,
        json={
            "type": "record",
            "name": said.record,
            "fields": [{"name": item.name, "type": item.type} for item in fields],
        },
        text=text,
        # What a contract says has no wire format: any change of it makes another version.
        fingerprint=hashlib.sha256(f"{topic}\0{text}".encode()).digest()[:8],
        annotation=annotation,
        fields=tuple(fields),
        flat=False,
        contract=True,
    )


def _field(name: str, item: ContractField, time: bool) -> FieldAnnotation:
    """`time`: it is decoded as when it happened, whatever it is in the message."""
    said = item.model_dump(exclude={"type", "identifier"})
    return FieldAnnotation(
        name=name,
        type="long" if time else _TYPES[item.type],
        logical_type="timestamp-millis" if time else None,
        nullable=not time,
        tags=None if item.category == "none" else (item.category,),
        identifier=item.identifier,
        **said,
    )


def _writer(file: str, path: Path) -> RecordSchema:
    try:
        return read_record(path.read_text("utf-8"), f"avro/{path.name}")
    except OSError as error:
        mend = f"avro/{path.name} cannot be read ({error.strerror}); put it there, or write registry"
        raise CatalogueError(file, "avro", mend) from None
    except UnicodeDecodeError:
        raise CatalogueError(file, "avro", f"avro/{path.name} is not UTF-8; save it as UTF-8") from None
    except SchemaError as error:
        raise CatalogueError(file, "avro", str(error)) from None

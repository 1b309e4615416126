"""The form of a contract's file: its keys, what each may hold, and what no word of the catalogue is needed to refuse.

`schemas.contracts` makes a `RecordSchema` of what is read here.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, NoReturn
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from schemas.annotations import ClockWord, ErasureRule, FactRule, Identifier
from schemas.errors import CatalogueError
from schemas.paths import steps
from schemas.undecided import refuse_undecided

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
    def kinds(self) -> tuple[str, ...]:
        """The types that the message may give it in, the first where the contract does not say."""
        if self.unit == "seconds":
            return "number", "integer"
        return ("string",) if self.unit == "iso8601" else ("integer",)


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


class ContractRule(_Frozen):
    """What an event says of who an identifier belonged to: `schemas.annotations.IdentityRule`, over paths. `since`: the
    field with the time since when, with its unit."""

    form: str
    tokens: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    since: EventTime | None = None
    mark: str | None = None
    marks: dict[str, str] = {}
    proof: str = ""
    source: str = ""


class ContractClock(_Frozen):
    """What an event says of a retention clock: `schemas.annotations.ClockRule`, over paths. `at`: the field with the
    time at which the clock starts, with its unit."""

    clock: str
    group: str | None = None
    mark: str | None = None
    marks: dict[str, ClockWord] = {}
    says: ClockWord = "starts"
    at: EventTime | None = None
    days_before: int = 0
    above_zero: str | None = None


class MessageKey(_Frozen):
    """Whom the key of a message names: `field` is the field with that identifier. `path`: where in a key that is a JSON
    object, with keys and dots; empty: the key is the identifier itself, as text."""

    field: str
    path: str = ""


Format = Literal["avro", "json"]
Framing = Literal["confluent", "single_object", "none"]


class ContractFile(_Frozen):
    """What a file says, before its words are looked up in the catalogue."""

    record: Annotated[str, Field(pattern=_NAME)]
    format: Format
    envelope: Literal["debezium"] | None = None
    avro: Annotated[str, Field(min_length=1)] = "registry"
    framing: Framing | None = None
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
    identity: tuple[ContractRule, ...] = ()
    clocks: tuple[ContractClock, ...] = ()
    facts: tuple[FactRule, ...] = ()
    erasure: ErasureRule = ErasureRule()
    fields: Annotated[dict[str, ContractField], Field(min_length=1)]


def read_contract_file(file: str, content: Mapping[str, Any]) -> ContractFile:
    """What a file says. `file`: as errors name it. Errors: CatalogueError with file, key and mend."""
    refuse_undecided(file, content)
    try:
        said = ContractFile.model_validate(content)
    except ValidationError as error:
        _refuse(file, error)
    _check_form(file, said)
    _check_paths(file, said)
    _check_key(file, said)
    return said


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
    model: type[BaseModel] = ContractFile
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
        case ["identity", _]:
            model = ContractRule
        case ["clocks", _]:
            model = ContractClock
        case ["facts", _]:
            model = FactRule
        case ["identity", _, "since"] | ["clocks", _, "at"]:
            model = EventTime
    close = difflib.get_close_matches(places[-1], list(model.model_fields), n=1)
    listed = f"write one of {', '.join(model.model_fields)}"
    return f"did you mean {close[0]}? {listed.capitalize()}" if close else listed


def _check_form(file: str, said: ContractFile) -> None:
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


def _check_paths(file: str, said: ContractFile) -> None:
    places = _places(file, said.fields)
    times = {said.event_time.path, *(rule.since.path for rule in said.identity if rule.since)}
    times |= {rule.at.path for rule in said.clocks if rule.at}
    read = times | {rule.mark for rule in said.identity} | {rule.mark for rule in said.clocks}
    read |= {rule.group for rule in said.clocks} | {name for rule in said.facts for name in rule.fields}
    for path, item in said.fields.items():
        parts = steps(path)
        if (item.identifier or item.free_text or item.port_of or path in read) and places[path]:
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
    check_time(file, said, said.event_time)
    if time and {"[]", "*"} & {*steps(time)}:
        raise CatalogueError(
            file, "event_time.path", "an event happened once; name a field outside of arrays"
        )


def check_time(file: str, said: ContractFile, time: EventTime) -> None:
    """That the field has a type in which a time of the unit is given. Errors: CatalogueError."""
    item = said.fields.get(time.path)
    if item is not None and "type" in item.model_fields_set and item.type not in time.kinds:
        mend = f"a time in {time.unit} is {' or '.join(time.kinds)}; write that, or the unit that the message has"
        raise CatalogueError(file, f"fields.{time.path}.type", mend)


def _check_key(file: str, said: ContractFile) -> None:
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

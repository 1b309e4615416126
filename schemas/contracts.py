"""Contracts: what holds for the events of a topic that somebody else owns, read from `contracts/<topic>.yaml`.

A contract says of messages in JSON, Debezium or foreign Avro what the `innsyn` properties say in a schema of one's own:
whose data each field carries, for what and for how long. It becomes the same typed thing, a `RecordSchema` of one flat
field for each path, so that whatever reads annotated records reads contracts too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from schemas.annotations import (
    FieldAnnotation,
    Problem,
    RecordAnnotation,
    RecordSchema,
)
from schemas.catalogue import Catalogue
from schemas.check import check_record
from schemas.contract_clocks import check_clocks, clock_rules, times_at
from schemas.contract_facts import check_facts
from schemas.contract_file import (
    ENVELOPE,
    ContractField,
    ContractFile,
    EventTime,
    Format,
    Framing,
    MessageKey,
    read_contract_file,
)
from schemas.contract_identity import check_identity, identity_rules, times_since
from schemas.errors import CatalogueError, SchemaError
from schemas.files import read_utf8
from schemas.layers import read_mapping
from schemas.paths import Node, steps, tree
from schemas.records import read_record

FOLDER = "contracts"
SOURCE_DELETE = "source_delete"
"""The operation of rows whose event says that the source deleted the record."""
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


@dataclass(frozen=True, eq=False)
class Contract:
    """What holds for the events of `topic`. `record` is the flat view of it: its fields are named by their paths.

    `format`: json or avro, `debezium`: with the row in an envelope of changes. `framing`: what stands before an Avro
    body. `writer`: the Avro schema, where the contract names a file; None: the registry's. `message_key`: whom the key
    of a message names, which is all that a tombstone says. `since`: how fields give the times since when a link holds,
    `clock_times`: those at which a retention clock starts.
    """

    topic: str
    record: RecordSchema
    format: Format
    debezium: bool
    framing: Framing
    event_time: EventTime
    types: Mapping[str, str]
    writer: RecordSchema | None = field(default=None, repr=False)
    message_key: MessageKey | None = None
    since: Mapping[str, EventTime] = field(default_factory=dict)
    clock_times: Mapping[str, EventTime] = field(default_factory=dict)

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
    for path in sorted(folder.glob("*.yml")) if folder.is_dir() else ():
        raise CatalogueError(_shown(path), "file", f"is not read; rename it to {path.stem}.yaml")
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
    said = read_contract_file(file, content)
    check_identity(file, said, catalogue)
    check_clocks(file, said)
    check_facts(file, said)
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
        MappingProxyType(dict(times_since(said))),
        MappingProxyType(dict(times_at(said))),
    )


def _shown(path: Path) -> str:
    return f"{FOLDER}/{path.name}"


def _key(problem: Problem, said: ContractFile) -> str:
    """Where in the file a problem of the record lies."""
    where = problem.where.removeprefix(said.record).lstrip(". ")
    if where in said.fields:
        return f"fields.{where}"
    return where or next((key for noun, key in _KEYS.items() if noun in problem.what), "fields")


def _record(topic: str, file: str, said: ContractFile, content: Mapping[str, Any]) -> RecordSchema:
    """The flat view: what `read_record` makes of an annotated schema."""
    time = said.event_time.column
    fields = [_field(path, item, path == time) for path, item in said.fields.items()]
    if said.event_time.envelope:
        fields.append(_field(time, ContractField(category="none", type="integer"), True))
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    annotation = RecordAnnotation(
        **{
            key: getattr(said, key)
            for key in RecordAnnotation.model_fields
            if key in ContractFile.model_fields
        }
        | {"event_time": time, "identity": identity_rules(said), "clocks": clock_rules(said)}
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
        return read_record(read_utf8(path), f"avro/{path.name}")
    except OSError as error:
        mend = f"avro/{path.name} cannot be read ({error.strerror}); put it there, or write registry"
        raise CatalogueError(file, "avro", mend) from None
    except UnicodeDecodeError:
        raise CatalogueError(file, "avro", f"avro/{path.name} is not UTF-8; save it as UTF-8") from None
    except SchemaError as error:
        raise CatalogueError(file, "avro", str(error)) from None

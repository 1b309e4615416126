"""A company's examples as messages of its topics: which values in them are which field's, and whom they name.

Those of an annotated record lie in a folder named after its schema. Those that somebody else owns lie in
`examples/<topic>/` as JSON, whatever their format, a tombstone as `null`; where they are Avro of a registry, what it
has for the topic stands beside them in `schema.avsc`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from schemas.annotations import RecordSchema
from schemas.company import Company
from schemas.contracts import SOURCE_DELETE, Contract
from schemas.errors import SchemaError
from schemas.files import is_named
from schemas.paths import ANY, ITEM, Node
from schemas.paths import steps as parts
from schemas.records import EXAMPLES, read_json, read_record, read_text
from schemas.topics import Topic

SCHEMA = "schema.avsc"
OPERATIONS = ("c", "r", "u", "d")
"""What Debezium says that was done to a row."""
_IMAGES = ("before", "after")
_BESIDE = ("source", "transaction", "op", "ts_ms", "ts_us", "ts_ns")


Steps = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """A value in a message. `inside`: keys and numbers that lead to it, of a change within the row, to which `before`
    leads; `path`: what the contract calls it, None where it names no such path."""

    inside: Steps
    path: str | None
    value: Any
    before: Steps = ()

    @property
    def steps(self) -> Steps:
        """What leads to it from the whole message."""
        return self.before + self.inside

    @property
    def items(self) -> tuple[int, ...]:
        """Which item of each array it is in."""
        return tuple(step for step in self.inside if isinstance(step, int))

    @property
    def among(self) -> str:
        """Which of several values of its path it is: the numbers of items and the keys of maps that lead to it."""
        fixed = zip(self.inside, parts(self.path or ""), strict=False)
        return ".".join(str(step) for step, said in fixed if said in (ITEM, ANY))


@dataclass(frozen=True)
class Example:
    """One message. `value` None: a tombstone. `contract` None: of an annotated record."""

    topic: Topic
    record: RecordSchema
    contract: Contract | None
    value: Mapping[str, Any] | None

    @property
    def places(self) -> list[Place]:
        """The values in it, each by the name of its field."""
        if self.value is None:
            return []
        if self.contract is not None:
            return list(places(self.contract, self.value))
        return [Place((name,), name, value) for name, value in self.value.items()]

    @property
    def identifiers(self) -> Iterator[tuple[Place, str, str]]:
        """Where in it an identifier stands, with its kind and role."""
        named = {item.field: item for item in self.record.identifiers}
        for place in self.places:
            if place.path in named and place.value is not None:
                yield place, named[place.path].kind, named[place.path].role

    @property
    def operation(self) -> str:
        """What was done, as the index has it."""
        changes = self.contract is not None and self.contract.debezium
        gone = self.value is None or (changes and change_of(self.value).get("op") == "d")
        return SOURCE_DELETE if gone else self.record.annotation.operation


def load_messages(company: Company) -> dict[str, Example]:
    """All examples of the topics that are tagged, as `topic/name` or, of an annotated record, `schema/name`, by the
    names of folder and file. Errors: SchemaError."""
    found: dict[str, Example] = {}
    for topic in company.tagged.values():
        contract = company.contracts.get(topic.name)
        if contract is not None:
            for name, value in load_foreign_examples(contract, company.folder).items():
                found[f"{topic.name}/{name}"] = Example(topic, contract.record, contract, value)
            continue
        record = company.records[topic.record]
        for name, value in company.named_examples(record.name).items():
            found[f"{Path(record.file).stem}/{name}"] = Example(topic, record, None, value)
    return found


def load_foreign_examples(contract: Contract, folder: Path) -> Mapping[str, Any]:
    """Messages by the name of their file, without `.json`; empty where there are none. Errors: SchemaError.

    `folder`: the company's."""
    found: dict[str, Any] = {}
    for path in sorted((folder / EXAMPLES / contract.topic).glob("*.json")):
        where = f"{EXAMPLES}/{contract.topic}/{path.name}"
        value = read_json(path, where)
        if value is not None and not isinstance(value, dict):
            mend = "is not an object; write a message, or null for a tombstone"
            raise SchemaError(where, contract.record.name, mend)
        found[path.stem] = value
    return found


def example_writer(contract: Contract, folder: Path) -> RecordSchema | None:
    """The schema that examples of Avro are written with; None for JSON. Errors: SchemaError."""
    if contract.format == "json":
        return None
    if contract.writer is not None:
        return contract.writer
    path = folder / EXAMPLES / contract.topic / SCHEMA
    where = f"{EXAMPLES}/{contract.topic}/{SCHEMA}"
    if not is_named(path):
        raise SchemaError(where, "file", "is not there; put there what the registry has for the topic")
    return read_record(read_text(path), where)


def places(contract: Contract, message: Mapping[str, Any]) -> Iterator[Place]:
    """Every value of a message, or of the rows in its envelope; of what a path covers as a whole, the whole."""
    if not contract.debezium:
        yield from _places(message, contract.tree, ())
        return
    change, outside = change_of(message), ("payload",) if "payload" in message else ()
    for image in _IMAGES:
        if isinstance(change.get(image), Mapping):
            for place in _places(change[image], contract.tree, ()):
                yield replace(place, before=(*outside, image))
    for key in sorted(change.keys() - {*_IMAGES, *_BESIDE}):
        yield Place((key,), None, change[key], outside)


def change_of(message: Any) -> Any:
    """What Debezium says of a row, wherever in the message it lies."""
    return message.get("payload", message)


def _places(value: Any, node: Node | None, steps: Steps) -> Iterator[Place]:
    if node is not None and not node.below:
        yield Place(steps, node.path, value)
    elif isinstance(value, Mapping) and (value or node is None):
        for key, part in value.items():
            below = None if node is None else node.at(key)
            known = below if below is not None or node is None or node.path is None else Node(node.path)
            yield from _places(part, known, (*steps, key))
    elif isinstance(value, list) and (node is None or node.items is not None):
        below = None if node is None else node.items
        for number, part in enumerate(value):
            yield from _places(part, below, (*steps, number))
    elif value is not None:
        yield Place(steps, None if node is None else node.path, value)

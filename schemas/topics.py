"""The topics, read from a company's `topics.yaml` and held against the records and the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.annotations import RecordSchema
from schemas.catalogue import Catalogue
from schemas.changes import DEFAULT, Compatibility
from schemas.contracts import FOLDER as CONTRACTS
from schemas.contracts import Contract
from schemas.entries import ON_COMMAND
from schemas.errors import CatalogueError
from schemas.layers import read_layers, read_mapping
from schemas.records import AVRO
from schemas.vocabulary import Right

FILE = "topics.yaml"
_NONE: Mapping[str, Contract] = MappingProxyType({})
SYSTEM = "{system}"


class Topic(BaseModel):
    """One Kafka topic. `key` is the field whose value is the message key, None where messages are spread;
    `compatibility` is what a new version of its record has to keep (`schemas.changes`).

    `also`: other records that it carries, each told by its fingerprint in single-object encoding.
    `writers`: teams or programs that write it; empty: its owner alone. `formats`: of log files whose events go to it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")
    record: str
    key: str | None
    owner: str
    system: str
    partitions: int = Field(ge=1)
    retention: timedelta = Field(gt=timedelta(0))
    cleanup_policy: Literal["delete", "compact", "compact,delete"]
    dead_letter: str | None
    personal: bool
    tagged: bool
    compatibility: Compatibility = DEFAULT
    also: tuple[str, ...] = ()
    writers: tuple[Annotated[str, Field(min_length=1, max_length=100)], ...] = ()
    formats: tuple[str, ...] = ()

    @property
    def written_by(self) -> tuple[str, ...]:
        """Who may write it."""
        return self.writers or (self.owner,)

    @property
    def retention_iso(self) -> str:
        """ISO 8601: in whole days or hours if it can be, else in seconds."""
        for name, unit in (("P{}D", timedelta(days=1)), ("PT{}H", timedelta(hours=1))):
            if self.retention % unit == timedelta(0):
                return name.format(self.retention // unit)
        return f"PT{self.retention // timedelta(seconds=1)}S"

    @property
    def retention_ms(self) -> int:
        """`retention.ms` as Kafka wants it: milliseconds."""
        return self.retention // timedelta(milliseconds=1)

    @property
    def subject(self) -> str:
        """Its subject in a schema registry (TopicNameStrategy, values only)."""
        return f"{self.name}-value"


def load_topics(
    *folders: Path,
    catalogue: Catalogue,
    records: Mapping[str, RecordSchema],
    contracts: Mapping[str, Contract] = _NONE,
) -> Mapping[str, Topic]:
    """Every topic by name, `{system}` entries expanded. Errors: CatalogueError with file, key and mend.

    Each folder's topics.yaml lies over the one before it (`schemas.layers`). Those of the last folder come first. A
    topic of `contracts` carries the record that its contract describes, and need not name it.
    """
    raw = read_layers(folders, FILE)
    below = read_mapping(folders[0] / FILE) if len(folders) > 1 else {}
    topics: dict[str, Topic] = {}
    for key in sorted(raw, key=lambda key: key in below):
        for name, values in _expand(key, raw[key], catalogue):
            if name in topics:
                raise CatalogueError(FILE, name, f"is a topic of {key} too; choose another name")
            foreign = contracts.get(name)
            topics[name] = _topic(name, {"record": foreign.record.name, **values} if foreign else values)
    for name, contract in contracts.items():
        if name not in topics:
            raise CatalogueError(contract.record.file, "topic", f"{name} is no topic; add it to {FILE}")
    for topic in topics.values():
        known = records
        if topic.name in contracts and not topic.tagged:
            mend = f"is false, but {contracts[topic.name].record.file} says whose its events are; write true"
            raise CatalogueError(FILE, f"{topic.name}.tagged", mend)
        if foreign := contracts.get(topic.name):
            known = {foreign.record.name: foreign.record}
            if topic.record not in known:
                mend = f"its contract describes {foreign.record.name}; leave record out"
                raise CatalogueError(FILE, f"{topic.name}.record", mend)
        for where, mend in _problems(topic, topics, known, catalogue):
            raise CatalogueError(FILE, f"{topic.name}.{where}", mend)
    _refuse_format_twice(topics)
    return MappingProxyType(topics)


def _refuse_format_twice(topics: Mapping[str, Topic]) -> None:
    taken: dict[str, str] = {}
    for topic in topics.values():
        for name in topic.formats:
            if name in taken:
                mend = (
                    f"{name} goes to {taken[name]} too; name it at one of them, where the other is of what the company"
                    " extends with `change: true` and `formats: []` at that one"
                )
                raise CatalogueError(FILE, f"{topic.name}.formats", mend)
            taken[name] = topic.name


def _expand(key: str, entry: Any, catalogue: Catalogue) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(entry, dict):
        raise CatalogueError(FILE, key, "is not a mapping; write {record: ..., key: ..., ...}")
    each = entry.get("each")
    if each is None:
        yield key, entry
        return
    if each != "system" or SYSTEM not in key:
        raise CatalogueError(
            FILE, f"{key}.each", f"only `each: system` is known, with {SYSTEM} in the topic's name"
        )
    right = entry.get("right", Right.ERASURE)
    if right not in ON_COMMAND:
        mend = f"no system is told of {right}; use one of {', '.join(ON_COMMAND)}"
        raise CatalogueError(FILE, f"{key}.right", mend)
    rest = {name: value for name, value in entry.items() if name not in ("each", "right")}
    for system in catalogue.systems.values():
        if system.commanded(right):
            filled = {n: v.replace(SYSTEM, system.id) if isinstance(v, str) else v for n, v in rest.items()}
            yield key.replace(SYSTEM, system.id), filled


def _topic(name: str, values: Mapping[str, Any]) -> Topic:
    try:
        return Topic.model_validate({**values, "name": name})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join([name, *map(str, first["loc"])])
        if where == f"{name}.record":
            mend_record = (
                f"is missing; name one of {AVRO}/, or say in {CONTRACTS}/{name}.yaml what it carries"
            )
            raise CatalogueError(FILE, where, mend_record) from None
        mend = {
            "missing": "is missing; add it",
            "extra_forbidden": "is not a key; take it out or mend its spelling",
        }
        raise CatalogueError(
            FILE, where, mend.get(first["type"], f"{first['msg']}; mend the value")
        ) from None


def _problems(
    topic: Topic, topics: Mapping[str, Topic], records: Mapping[str, RecordSchema], catalogue: Catalogue
) -> Iterator[tuple[str, str]]:
    record = records.get(topic.record)
    if record is None:
        yield "record", f"unknown record {topic.record}; name one of avro/ or contracts/"
        return
    field = record.find(topic.key) if topic.key else None
    if topic.key and (field is None or (field.nullable and not record.contract)):
        yield "key", f"{topic.key} is no field of {topic.record} that always has a value; name one, or null"
    if topic.system not in catalogue.systems:
        yield "system", f"unknown system {topic.system}; use an id of catalogue/systems.yaml"
    if topic.personal != bool(record.categories):
        yield "personal", f"{topic.record} says otherwise; write {str(bool(record.categories)).lower()}"
    for name in topic.also:
        other = records.get(name)
        if other is None or topic.tagged or other.contract:
            yield "also", f"{name} is no record that an untagged topic can carry; name one of avro/"
        elif topic.key and other.find(topic.key) is None:
            yield "also", f"{name} has no field {topic.key}, the key of the topic; name another record"
    if topic.tagged and not record.identifiers:
        yield "tagged", f"{topic.record} names no person; write false or annotate an identifier"
    if topic.tagged and record.annotation.system != topic.system:
        yield "system", f"{topic.record} is annotated {record.annotation.system}; make the two agree"
    if topic.tagged and topic.dead_letter is None:
        yield "dead_letter", "a tagged topic needs one; name the topic for unreadable messages"
    if topic.dead_letter is not None and topic.dead_letter not in topics:
        yield "dead_letter", f"unknown topic {topic.dead_letter}; name one of this file"

"""The topics, read from `schemas/topics.yaml` and held against the records and the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.annotations import RecordSchema
from schemas.catalogue import Catalogue, load_catalogue
from schemas.changes import DEFAULT, Compatibility
from schemas.errors import CatalogueError
from schemas.records import load_records

FILE = "topics.yaml"
SYSTEM = "{system}"


class Topic(BaseModel):
    """One Kafka topic. `key` is the field whose value is the message key, None where messages are spread;
    `compatibility` is what a new version of its record has to keep (`schemas.changes`)."""

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

    @property
    def retention_ms(self) -> int:
        """`retention.ms` as Kafka wants it: milliseconds."""
        return self.retention // timedelta(milliseconds=1)

    @property
    def subject(self) -> str:
        """Its subject in a schema registry (TopicNameStrategy, values only)."""
        return f"{self.name}-value"


def load_topics(folder: Path | None = None, catalogue: Catalogue | None = None) -> Mapping[str, Topic]:
    """Every topic by name, `{system}` entries expanded. `folder` holds topics.yaml (default: ours, read once).

    Errors: CatalogueError with file, key and mend.
    """
    if folder is None and (catalogue is None or catalogue is load_catalogue()):
        return _default()
    return _load(folder or Path(__file__).parent, catalogue or load_catalogue())


@cache
def _default() -> Mapping[str, Topic]:
    return _load(Path(__file__).parent, load_catalogue())


def _load(folder: Path, catalogue: Catalogue) -> Mapping[str, Topic]:
    raw = _read(folder / FILE)
    topics: dict[str, Topic] = {}
    for key, entry in raw.items():
        for name, values in _expand(key, entry, catalogue):
            topics[name] = _topic(name, values)
    records = load_records()
    for topic in topics.values():
        for where, mend in _problems(topic, topics, records, catalogue):
            raise CatalogueError(FILE, f"{topic.name}.{where}", mend)
    return MappingProxyType(topics)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
        raw = yaml.safe_load(text)
    except OSError as error:
        raise CatalogueError(FILE, "file", f"cannot be read ({error.strerror}); put it there") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "file"
        raise CatalogueError(FILE, where, "is not YAML; mend the syntax") from None
    twice = _twice(text)
    if twice:
        raise CatalogueError(FILE, twice, "is written twice; keep one")
    if not isinstance(raw, dict):
        raise CatalogueError(FILE, "file", "is not a mapping; write `topic: {record: ...}`")
    return raw


def _twice(text: str) -> str | None:
    """A topic that stands twice: YAML would silently keep the last one."""
    root = yaml.compose(text, yaml.SafeLoader)
    names = [key.value for key, _ in root.value] if isinstance(root, yaml.MappingNode) else []
    return next((name for name in names if names.count(name) > 1), None)


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
    rest = {name: value for name, value in entry.items() if name != "each"}
    for system in catalogue.systems.values():
        if system.erasure == "command":
            filled = {n: v.replace(SYSTEM, system.id) if isinstance(v, str) else v for n, v in rest.items()}
            yield key.replace(SYSTEM, system.id), filled


def _topic(name: str, values: Mapping[str, Any]) -> Topic:
    try:
        return Topic.model_validate({**values, "name": name})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join([name, *map(str, first["loc"])])
        raise CatalogueError(FILE, where, f"{first['msg']}; mend the value") from None


def _problems(
    topic: Topic, topics: Mapping[str, Topic], records: Mapping[str, RecordSchema], catalogue: Catalogue
) -> Iterator[tuple[str, str]]:
    record = records.get(topic.record)
    if record is None:
        yield "record", f"unknown record {topic.record}; name one of schemas/avro"
        return
    field = record.find(topic.key) if topic.key else None
    if topic.key and (field is None or field.nullable):
        yield "key", f"{topic.key} is no field of {topic.record} that always has a value; name one, or null"
    if topic.system not in catalogue.systems:
        yield "system", f"unknown system {topic.system}; use an id of catalogue/systems.yaml"
    if topic.personal != bool(record.categories):
        yield "personal", f"{topic.record} says otherwise; write {str(bool(record.categories)).lower()}"
    if topic.tagged and not record.identifiers:
        yield "tagged", f"{topic.record} names no person; write false or annotate an identifier"
    if topic.tagged and record.annotation.system != topic.system:
        yield "system", f"{topic.record} is annotated {record.annotation.system}; make the two agree"
    if topic.tagged and topic.dead_letter is None:
        yield "dead_letter", "a tagged topic needs one; name the topic for unreadable messages"
    if topic.dead_letter is not None and topic.dead_letter not in topics:
        yield "dead_letter", f"unknown topic {topic.dead_letter}; name one of this file"

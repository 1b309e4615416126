"""One topic, message by message: in which format it is, and what its fields show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from schemas.annotations import RecordSchema
from schemas.bounds import largest_body
from schemas.codec import decode_value
from schemas.errors import DecodeError
from schemas.paths import ANY, ITEM
from schemas.resolution import Type, read_type
from streams.discovery.formats import Format, Read, read, row_of
from streams.discovery.names import Words
from streams.discovery.sample import DEEPEST, MOST_PATHS, FieldSeen, Path, Sample
from streams.discovery.values import Recognisers
from streams.discovery.weigh import Event, judge
from streams.tagging.decode.values import json_value

LINE = "line"
"""The one field of a topic of texts."""
_EPOCH = date(1970, 1, 1)
_DAYS = range(-50_000, 100_000)


@dataclass(frozen=True)
class Schema:
    """What wrote a framed message. `kind`: AVRO, JSON or PROTOBUF. `record`: of Avro that can be read."""

    kind: str
    record: RecordSchema | None = None


SchemaOf = Callable[[bytes], Schema | None]
"""The schema that a framing names; None: nobody knows it."""


@dataclass(frozen=True)
class Looked:
    """What a sample showed. `formats`: messages by format, `format` the one that most have. `event`: None where nothing
    could be read. `left_out`: keys of objects that are not told of. `fields`: what was seen of each."""

    format: Format
    formats: Mapping[Format, int]
    event: Event | None = None
    sampled: int = 0
    left_out: int = 0
    fields: Mapping[str, FieldSeen] = field(default_factory=dict, repr=False)


class TopicReader:
    """Takes the messages of one topic; keeps none."""

    def __init__(
        self,
        topic: str,
        words: Words,
        today: date,
        schema_of: SchemaOf,
        recognisers: Recognisers | None = None,
    ) -> None:
        self._topic, self._words, self._today = topic, words, today
        self._schema_of, self._recognisers = schema_of, recognisers
        self._formats: Counter[Format] = Counter()
        self._samples: dict[Format, Sample] = {}
        self._records: dict[Format, str] = {}
        self._named: set[bytes] = set()

    def take(self, message: bytes, key: bytes | None = None) -> None:
        """One more message."""
        found = read(message)
        if found.prefix:
            found = self._framed(found)
        elif found.format is Format.CHANGES and found.value is not None:
            row = row_of(found.value)
            found = Read(Format.CHANGES, row_value(row) if row is not None else None)
        elif found.format is Format.TEXT:
            found = Read(Format.TEXT, {LINE: message.decode()})
        self._formats[found.format] += 1
        if found.value is not None:
            self._sample(found.format).add(found.value, key)

    def know(self, record: RecordSchema) -> None:
        """What a registry says of a topic of which no message was read."""
        whole = read_type(record.json)
        names = {item.name for item in whole.fields}
        changes = names >= {"before", "after", "op"}
        of = Format.AVRO_CHANGES if changes else Format.AVRO
        self._sample(of).name(_paths(_row_type(whole) if changes else whole))
        self._records[of] = record.name

    def looked(self) -> Looked:
        """What all of them show."""
        if not self._formats and not self._samples:
            return Looked(Format.EMPTY, {})
        most = self._formats.most_common(1)[0][0] if self._formats else next(iter(self._samples))
        sample = self._samples.get(most)
        if sample is None:
            return Looked(most, dict(self._formats))
        names = [self._topic, *filter(None, [self._records.get(most, "")])]
        fields = sample.fields()
        event = judge(names, fields, self._words, sample.keyed)
        return Looked(most, dict(self._formats), event, sample.messages, sample.left_out, fields)

    def _sample(self, of: Format) -> Sample:
        if of not in self._samples:
            self._samples[of] = Sample(self._today, self._recognisers)
        return self._samples[of]

    def _framed(self, found: Read) -> Read:
        schema = self._schema_of(found.prefix)
        if schema is None:
            return found
        if schema.kind != "AVRO" or schema.record is None:
            return self._framed_otherwise(found, schema)
        record = schema.record
        if len(found.body) > largest_of(record):
            return Read(Format.TOO_LARGE)
        try:
            value = decode_value(record.text, found.body)
        except DecodeError:
            return Read(Format.UNKNOWN)
        return self._of_record(found, record, value)

    def _framed_otherwise(self, found: Read, schema: Schema) -> Read:
        if schema.kind == "PROTOBUF":
            return Read(Format.PROTOBUF_FRAMED)
        try:
            return Read(Format.JSON_FRAMED, json_value(found.body)) if schema.kind == "JSON" else found
        except DecodeError:
            return Read(Format.UNKNOWN)

    def _of_record(self, found: Read, record: RecordSchema, value: Mapping[str, Any]) -> Read:
        whole = read_type(record.json)
        row = row_of(value)
        of: Format = found.format if found.format is Format.SINGLE_OBJECT else Format.AVRO
        if row is not None:
            of, whole = Format.AVRO_CHANGES, _row_type(whole)
        if record.fingerprint not in self._named:
            self._named.add(record.fingerprint)
            self._records[of] = record.name
            self._sample(of).name(_paths(whole))
        return Read(of, with_dates(row_value(row) if row is not None else value, whole))


def row_value(envelope: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The row that a change is about; None for one that is about none."""
    for image in ("after", "before"):
        if isinstance(envelope.get(image), dict):
            row: Mapping[str, Any] = envelope[image]
            return row
    return None


@lru_cache(100)
def largest_of(record: RecordSchema) -> int:
    """Bytes of a body that is surely read within bounds."""
    return largest_body(record.json)


def _row_type(envelope: Type) -> Type:
    after = next((item.type for item in envelope.fields if item.name == "after"), envelope)
    return next((part for part in after.parts if part.kind == "record"), after)


def _paths(item: Type, above: Path = (), inside: tuple[int, ...] = ()) -> Iterator[Path]:
    """Every place of a value that has no places below it; of a type inside itself, once."""
    if id(item) in inside or len(above) > DEEPEST or len(inside) > MOST_PATHS:
        return
    below = (*inside, id(item))
    if item.kind == "record":
        for each in item.fields:
            yield from _paths(each.type, (*above, each.name), below)
    elif item.kind in ("array", "map"):
        yield from _paths(item.parts[0], (*above, ITEM if item.kind == "array" else ANY), below)
    elif item.kind == "union":
        branches = [part for part in item.parts if part.kind != "null"]
        for part in branches:
            yield from _paths(part, above, below)
    elif above:
        yield above


def with_dates(value: Any, item: Type) -> Any:
    """The value with days since 1970, which its schema calls a date, written as one."""
    if item.kind == "union":
        dated = [part for part in item.parts if part.kind != "null"]
        return with_dates(value, dated[0]) if len(dated) == 1 and value is not None else value
    if item.kind == "record" and isinstance(value, dict):
        types = {each.name: each.type for each in item.fields}
        return {key: with_dates(part, types[key]) if key in types else part for key, part in value.items()}
    if item.kind == "array" and isinstance(value, list):
        return [with_dates(part, item.parts[0]) for part in value]
    if item.logical == "date" and isinstance(value, int) and value in _DAYS:
        return (_EPOCH + timedelta(days=value)).isoformat()
    return value

"""The Avro records, read from a company's `avro/`.

A record is a contract: its Avro schema says how an event is written, the `innsyn` properties in the same file
say whose data it carries, for what and for how long. Reading is strict about form (`parse_record`); what the
catalogue allows is the business of `schemas.check`.
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import avro.errors
import avro.schema
from fastavro.schema import SchemaParseException, UnknownType, fingerprint, to_parsing_canonical_form
from pydantic import ValidationError

from schemas.annotations import (
    FIELD_KEYS,
    OPTIONAL_RECORD_KEYS,
    RECORD_KEYS,
    FieldAnnotation,
    Identifier,
    Problem,
    RecordAnnotation,
    RecordSchema,
    SubjectReference,
)
from schemas.bounds import size_fault, text_fault
from schemas.clocks import clock_problems
from schemas.errors import SchemaError, SchemaTooLarge
from schemas.facts import fact_problems
from schemas.files import read_utf8
from schemas.form import first_fault
from schemas.identity import identity_problems
from schemas.layers import BASE, MODEL
from schemas.resolution import PRIMITIVES

__all__ = [
    "FieldAnnotation",
    "Identifier",
    "Problem",
    "RecordAnnotation",
    "RecordSchema",
    "SubjectReference",
    "form_problems",
    "load_examples",
    "load_records",
    "parse_record",
    "read_record",
    "read_text",
]

AVRO = "avro"
EXAMPLES = "examples"
_ALL_RECORD_KEYS = (*RECORD_KEYS, *OPTIONAL_RECORD_KEYS)
# What the libraries raise on values of another shape than they look for.
_NOT_A_SCHEMA = (AttributeError, IndexError, KeyError, TypeError, ValueError)


def read_record(source: str | Mapping[str, Any], file: str) -> RecordSchema:
    """Read a schema whose annotations may be incomplete.

    Errors: SchemaError if it is not an Avro record or an annotation has the wrong shape.
    """
    text = source if isinstance(source, str) else json.dumps(source, ensure_ascii=False, indent=2) + "\n"
    parsed = _json(text, file)
    if not isinstance(parsed, dict) or parsed.get("type") != "record":
        raise SchemaError(file, "schema", "is not a record; write one Avro record per file")
    if fault := size_fault(parsed):
        raise SchemaTooLarge(file, "schema", fault)
    try:
        # Logical types that the package does not know are valid all the same; it would warn of each.
        known = avro.schema.parse(json.dumps(without_logical_types(parsed)))
        canonical = to_parsing_canonical_form(parsed)
    # Both libraries are asked, since both will read by this schema, and each refuses what the other lets pass.
    except (avro.errors.AvroException, SchemaParseException, UnknownType, *_NOT_A_SCHEMA):
        path, what = first_fault(parsed)
        name = str(parsed.get("name", "record"))
        where = f"{name}.{path}" if path else name
        raise SchemaError(file, where, f"is not valid Avro: it {what}") from None
    assert isinstance(known, avro.schema.RecordSchema)
    return RecordSchema(
        name=known.name,
        fullname=known.fullname,
        file=file,
        json=parsed,
        text=text,
        # fastavro prints the bytes in wire order. The avro package keeps {"type": "long"} around logical
        # types in its canonical form, so its own fingerprint of such a schema is not the one of the standard.
        fingerprint=bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO")),
        annotation=_record_annotation(parsed, file, known.name),
        fields=tuple(_fields(parsed["fields"], file, known.name, "")),
        flat=all(_is_flat(field["type"]) for field in parsed["fields"]),
    )


def _json(text: str, file: str) -> Any:
    """The JSON value of a schema's text. Errors: SchemaError."""
    if fault := text_fault(text):
        raise SchemaTooLarge(file, "schema", fault)
    try:
        parsed = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
        # A half of a surrogate pair is no character: nothing could keep the name or print it.
        json.dumps(parsed, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise SchemaError(
            file, f"line {error.lineno}", f"is not JSON ({error.msg}); mend the syntax"
        ) from None
    except UnicodeEncodeError:
        raise SchemaError(file, "schema", "has half a character (a lone surrogate); take it out") from None
    except ValueError as error:
        raise SchemaError(file, "schema", f"is not JSON ({error}); mend it") from None
    return parsed


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a key that stands twice one reader takes the first and another the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def without_logical_types(schema: Any) -> Any:
    """The same wire format with plain values: timestamps as long milliseconds, dates as int days."""
    if isinstance(schema, list):
        return [without_logical_types(branch) for branch in schema]
    if isinstance(schema, dict):
        return {key: without_logical_types(part) for key, part in schema.items() if key != "logicalType"}
    return schema


def read_text(path: Path) -> str:
    """The text of a schema file. Errors: SchemaError."""
    try:
        return read_utf8(path)
    except OSError as error:
        raise SchemaError(str(path), "file", f"cannot be read ({error.strerror}); mend the path") from None
    except UnicodeDecodeError:
        raise SchemaError(str(path), "file", "is not UTF-8 text; save it as UTF-8") from None


def parse_record(source: str | Mapping[str, Any], file: str) -> RecordSchema:
    """Read a fully annotated schema. Errors: SchemaError for the first annotation missing or unknown."""
    return whole(read_record(source, file))


def whole(record: RecordSchema) -> RecordSchema:
    """The record, if it is fully annotated. Errors: SchemaError for the first annotation missing or unknown."""
    for problem in form_problems(record):
        raise SchemaError(problem.file, problem.where, f"{problem.what}; {problem.mend}")
    return record


def form_problems(record: RecordSchema) -> Iterator[Problem]:
    """What is missing or unknown in the annotations, whatever the catalogue says."""
    said = record.annotation
    if record.bare:
        mend = (
            'add an "innsyn" object to it and to each field, or go on from `innsyn schema show RECORD --avsc`'
        )
        yield Problem(record.file, record.name, "record without annotation", mend)
        return
    if said.absent == RECORD_KEYS:
        yield Problem(record.file, record.name, "record without annotation", 'add an "innsyn" object to it')
    else:
        for key in said.absent:
            yield Problem(
                record.file, record.name, f"annotation lacks {key}", 'add it to the "innsyn" object'
            )
        yield from _unknown_keys(record, record.name, said.unknown, _ALL_RECORD_KEYS)
    for field in record.fields:
        where = f"{record.name}.{field.name}"
        if not field.category:
            mend = 'add "innsyn": {"category": ...} to it, "none" for a technical field'
            yield Problem(record.file, where, "field without annotation", mend)
        yield from _unknown_keys(record, where, field.unknown, FIELD_KEYS)
    yield from identity_problems(record)
    yield from clock_problems(record)
    yield from fact_problems(record)
    if "event_time" in said.absent:
        return
    time = record.find(said.event_time)
    if time is None:
        mend = "name the field that says when it happened"
        yield Problem(record.file, record.name, f"event_time {said.event_time} is not a field", mend)
    elif (time.type, time.logical_type, time.nullable) != (
        "long",
        "timestamp-millis",
        False,
    ) or ("." in time.name and not record.contract):
        mend = "make it a long of logical type timestamp-millis at the top of the record, not null"
        yield Problem(record.file, f"{record.name}.{time.name}", "event time is not a timestamp", mend)


def _unknown_keys(
    record: RecordSchema, where: str, unknown: tuple[str, ...], known: tuple[str, ...]
) -> Iterator[Problem]:
    for key in unknown:
        yield Problem(record.file, where, f"unknown annotation key {key}", f"use one of {', '.join(known)}")


def load_records(*folders: Path) -> Mapping[str, RecordSchema]:
    """Every record of the folders by name. Errors: SchemaError. Without any folder the model company's, read once."""
    return _load_records(folders) if folders else _default()


@functools.cache
def _default() -> Mapping[str, RecordSchema]:
    return _load_records([MODEL / AVRO, BASE / AVRO])


def _load_records(folders: Sequence[Path]) -> Mapping[str, RecordSchema]:
    records: dict[str, RecordSchema] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*.avsc"))):
        record = parse_record(read_text(path), f"{AVRO}/{path.name}")
        if record.name in records:
            mend = f"is a record of {record.file} too; give one another name"
            raise SchemaError(records[record.name].file, record.name, mend)
        records[record.name] = record
    return MappingProxyType(records)


def load_examples(record: RecordSchema, *folders: Path) -> dict[str, dict[str, Any]]:
    """The examples of a record by the names of their files, without `.json`; datetimes (UTC), dates and bytes (base64
    in the file) as Python values. Of one name the last folder's.

    Errors: SchemaError if a file is not a JSON object."""
    stem = Path(record.file).stem
    examples = {}
    for path in (path for folder in folders for path in sorted((folder / stem).glob("*.json"))):
        where = f"{EXAMPLES}/{stem}/{path.name}"
        value = read_json(path, where)
        if not isinstance(value, dict):
            raise SchemaError(where, record.name, "is not an object; write field: value pairs")
        try:
            examples[path.stem] = {key: _from_json(record, key, item) for key, item in value.items()}
        except ValueError:
            raise SchemaError(
                where, record.name, "has a time, date or base64 that is none; mend it"
            ) from None
    return examples


def read_json(path: Path, where: str) -> Any:
    """The JSON value in a file, which an error calls `where`. Errors: SchemaError, also for a key that stands twice."""
    try:
        return json.loads(read_utf8(path), object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise SchemaError(where, f"line {error.lineno}", "is not JSON; mend it") from None
    except OSError as error:
        raise SchemaError(where, "file", f"cannot be read ({error.strerror}); mend the path") from None
    except UnicodeDecodeError:
        raise SchemaError(where, "file", "is not UTF-8 text; save it as UTF-8") from None
    except RecursionError:
        raise SchemaError(where, "file", "is nested too deeply; write it flatter") from None
    except ValueError as error:
        raise SchemaError(where, "file", f"is not JSON ({error}); mend it") from None


def _from_json(record: RecordSchema, key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _from_json(record, f"{key}.{name}", item) for name, item in value.items()}
    if isinstance(value, list):
        return [_from_json(record, key, item) for item in value]
    field = record.find(key)
    if field is None or not isinstance(value, str):
        return value
    if field.logical_type == "timestamp-millis":
        return datetime.fromisoformat(value).astimezone(UTC)
    if field.logical_type == "date":
        return date.fromisoformat(value)
    return base64.b64decode(value) if field.type == "bytes" else value


def _record_annotation(parsed: Mapping[str, Any], file: str, name: str) -> RecordAnnotation:
    raw = _annotation_object(parsed, file, name)
    known = {key: raw[key] for key in _ALL_RECORD_KEYS if key in raw}
    # A reason is as good beside the annotation as in it.
    if "privacy_change" in parsed:
        known.setdefault("privacy_change", parsed["privacy_change"])
    absent = [key for key in RECORD_KEYS if key not in raw]
    try:
        return RecordAnnotation.model_validate(
            known | {"unknown": _unknown(raw, _ALL_RECORD_KEYS), "absent": absent}
        )
    except ValidationError as error:
        raise SchemaError(file, name, _shape(error)) from None


def _fields(fields: list[Any], file: str, record: str, prefix: str) -> Iterator[FieldAnnotation]:
    for raw in fields:
        name = prefix + raw["name"]
        annotation = _annotation_object(raw, file, f"{record}.{name}")
        kind, logical, nullable, nested = _type_of(raw["type"])
        known = {key: annotation[key] for key in FIELD_KEYS if key in annotation}
        form: dict[str, Any] = {"name": name, "type": kind, "logical_type": logical, "nullable": nullable}
        form["aliases"] = raw.get("aliases", ())
        rest = {"tags": raw.get("confluent:tags"), "unknown": _unknown(annotation, FIELD_KEYS)}
        try:
            yield FieldAnnotation.model_validate(known | form | rest)
        except ValidationError as error:
            raise SchemaError(file, f"{record}.{name}", _shape(error)) from None
        yield from _fields(nested, file, record, f"{name}.")


def _annotation_object(holder: Mapping[str, Any], file: str, where: str) -> dict[str, Any]:
    raw = holder.get("innsyn", {})
    if not isinstance(raw, dict):
        raise SchemaError(file, where, 'annotation is not an object; write "innsyn": {...}')
    return raw


def _unknown(raw: Mapping[str, Any], keys: tuple[str, ...]) -> list[str]:
    return [key for key in raw if key not in keys]


def _shape(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = f"annotation {'.'.join(map(str, first['loc']))}"
    match first["type"]:
        case "missing":
            return f"{where} is missing; add it"
        case "extra_forbidden":
            return f"{where} is no key of it; take it out"
    return f"{where}: {first['msg']}; mend its type"


def _type_of(avro_type: Any) -> tuple[str, str | None, bool, list[Any]]:
    """(type without null, logical type, nullable, fields of the record inside)."""
    nullable = False
    if isinstance(avro_type, list):
        nullable = "null" in avro_type
        others = [item for item in avro_type if item != "null"]
        if len(others) != 1:
            return "union", None, nullable, [f for item in others for f in _type_of(item)[3]]
        avro_type = others[0]
    if not isinstance(avro_type, dict):
        return str(avro_type), None, nullable, []
    inner = avro_type.get("type")
    if inner == "record":
        return "record", None, nullable, avro_type["fields"]
    if inner in ("array", "map"):
        return inner, None, nullable, _type_of(avro_type["items" if inner == "array" else "values"])[3]
    if isinstance(inner, dict | list):
        kind, logical, _, nested = _type_of(inner)
        return kind, logical, nullable, nested
    return str(inner), avro_type.get("logicalType"), nullable, []


def _is_flat(avro_type: Any) -> bool:
    if isinstance(avro_type, list):
        return len(avro_type) == 2 and "null" in avro_type and all(_is_flat(item) for item in avro_type)
    if isinstance(avro_type, dict):
        return avro_type.get("type") in PRIMITIVES | {"enum", "fixed"}
    return avro_type in PRIMITIVES

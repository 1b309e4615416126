"""What a correction may say: a value that its field can hold, and an identifier of the field's kind. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from schemas.annotations import FieldAnnotation
from schemas.company import Company
from schemas.errors import InputError, InvalidIdentifier
from schemas.identifiers import canonical
from schemas.moments import from_iso
from schemas.records import RecordSchema

_BITS = {"int": 31, "long": 63}
_SIMPLE = {"string", "int", "long", "float", "double", "boolean", "enum"}
_TRUTH = {"true": True, "false": False}


def fitting(corrections: Mapping[str, Any], company: Company) -> dict[str, Any]:
    """The corrections, by `Record.field`, each as its Avro field holds it: a number that was given as text is one then.

    Days and moments stay as text in ISO 8601. Raises InputError for a value that the field cannot hold: it names the
    field and the form, never the value. `corrections`: of fields that the company has.
    """
    return {path: _fitting(path, value, company) for path, value in corrections.items()}


def _fitting(path: str, value: Any, company: Company) -> Any:
    record, _, name = path.partition(".")
    schema = company.every_record[record]
    field = schema.find(name)
    assert field is not None
    if value is None:
        if not field.nullable:
            raise InputError(f"{path} may not be empty: its schema knows no null; give what it shall say")
        return None
    if field.logical_type is None and field.type not in _SIMPLE:
        raise InputError(
            f"{path} holds several values or bytes, which no correction can give; have it corrected by hand"
        )
    form, read = _form(schema, field)
    try:
        made = read(value)
        if field.identifier is not None and isinstance(made, str):
            canonical(company.kinds.parse(field.identifier.kind), made, field.identifier.form)
    except InvalidIdentifier:
        assert field.identifier is not None
        kind = field.identifier.kind.replace("_", " ")
        raise InputError(
            f"{path} holds an identifier ({kind}), and what was given is none; check it"
        ) from None
    except (ValueError, OverflowError):
        raise InputError(f"{path} holds {form}, and what was given is none; give one") from None
    return made


def _form(schema: RecordSchema, field: FieldAnnotation) -> tuple[str, Callable[[Any], Any]]:
    """What the field holds, in words, and how a value given becomes it (or raises ValueError)."""
    if field.logical_type == "date":
        return "a day in ISO 8601, such as 2026-03-01", _day
    if field.logical_type is not None and field.logical_type.startswith("timestamp"):
        return "a time with zone in ISO 8601, such as 2026-03-01T12:00:00Z", _moment
    symbols = _symbols(schema, field.name)
    match field.type:
        case "int" | "long":
            return "a whole number", lambda value: _whole(value, _BITS[field.type])
        case "float" | "double":
            return "a number", _number
        case "boolean":
            return "true or false", _truth
        case "enum":
            return f"one of {', '.join(symbols)}", lambda value: _symbol(value, symbols)
    return "a text", _text


def _symbols(schema: RecordSchema, name: str) -> list[str]:
    """Of an enum field at the top of a record; empty: not known."""
    for field in schema.json["fields"]:
        if field["name"] == name:
            kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
            return [symbol for kind in kinds if isinstance(kind, dict) for symbol in kind.get("symbols", ())]
    return []


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _day(value: Any) -> str:
    date.fromisoformat(_text(value))
    return str(value)


def _moment(value: Any) -> str:
    if from_iso(_text(value)).tzinfo is None:
        raise ValueError
    return str(value)


def _whole(value: Any, bits: int) -> int:
    if isinstance(value, bool | float) or "_" in str(value):
        raise ValueError
    number = int(value)
    if not -(2**bits) <= number < 2**bits:
        raise ValueError
    return number


def _number(value: Any) -> float:
    if isinstance(value, bool) or "_" in str(value):
        raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in _TRUTH:
        return _TRUTH[value]
    raise ValueError


def _symbol(value: Any, symbols: list[str]) -> str:
    if symbols and value not in symbols:
        raise ValueError
    return _text(value)

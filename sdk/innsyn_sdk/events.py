"""Whether an event is what its Avro schema says, with the path of everything that is not, and its message. Pure.

What is wrong is said by paths and types alone: a value may be somebody's.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_writer
from fastavro.schema import SchemaParseException
from fastavro.validation import validate

from innsyn_sdk.wire import frame_of

_MOST = 20
"""Faults that are told of one event."""


class NotAnEvent(Exception):
    """An event is not what its schema says. `faults`: a sentence each, with the path."""

    def __init__(self, record: str, faults: Sequence[str]) -> None:
        super().__init__(f"no {record}: {'; '.join(faults)}")
        self.faults = tuple(faults)


class Schema:
    """An Avro schema of a record, as a file or as it is parsed from JSON. Raises NotASchema."""

    def __init__(self, schema: Path | str | Mapping[str, Any], registry_id: int | None = None) -> None:
        """`registry_id`: of a registry, for Confluent's framing; None: single object."""
        try:
            text = Path(schema).read_text("utf-8") if isinstance(schema, str | Path) else None
            written: Any = json.loads(text) if text is not None else schema
            self._named: dict[str, Any] = {}
            self._parsed: Any = parse_schema(written, self._named)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SchemaParseException) as error:
            raise NotASchema(f"the schema cannot be read ({type(error).__name__})") from None
        if not isinstance(self._parsed, dict) or self._parsed.get("type") != "record":
            raise NotASchema("the schema is of no record")
        if registry_id is not None and not 0 < registry_id < 2**31:
            raise NotASchema("a registry's id is a whole number above 0")
        self.record = str(self._parsed["name"]).rpartition(".")[2]
        self._frame = frame_of(written) if registry_id is None else b"\0" + registry_id.to_bytes(4, "big")

    def message(self, event: Mapping[str, Any]) -> bytes:
        """The event as it is sent. Raises NotAnEvent."""
        if faults := [
            fault for fault, _ in zip(self._faults(event, self._parsed, ""), range(_MOST), strict=False)
        ]:
            raise NotAnEvent(self.record, faults)
        body = io.BytesIO()
        try:
            schemaless_writer(body, self._parsed, dict(event), strict_allow_default=True)
        except Exception as error:  # noqa: BLE001 - what a value holds is nobody's to read in a log
            raise NotAnEvent(self.record, [f"it cannot be written ({type(error).__name__})"]) from None
        return self._frame + body.getvalue()

    def _faults(self, value: Any, schema: Any, path: str) -> Iterator[str]:
        if isinstance(schema, list):
            yield from self._of_union(value, schema, path)
            return
        if isinstance(schema, str) and schema in self._named:
            schema = self._named[schema]
        kind = schema["type"] if isinstance(schema, dict) else schema
        if kind == "record":
            yield from self._of_record(value, schema, path)
        elif kind == "array":
            if not isinstance(value, list | tuple):
                yield f"{path} is no array"
                return
            for number, item in enumerate(value):
                yield from self._faults(item, schema["items"], f"{path}[{number}]")
        elif kind == "map":
            if not isinstance(value, Mapping):
                yield f"{path} is no map"
                return
            for key, item in value.items():
                # The key may be somebody's.
                where = f"{path}.*"
                yield from (
                    self._faults(item, schema["values"], where)
                    if isinstance(key, str)
                    else [f"{where} has a key that is no text"]
                )
        else:
            yield from self._of_leaf(value, schema, kind, path)

    def _of_union(self, value: Any, schema: list[Any], path: str) -> Iterator[str]:
        if value is None and "null" in schema:
            return
        others = [item for item in schema if item != "null"]
        if len(others) == 1:
            yield from self._faults(value, others[0], path)
        elif not any(next(self._faults(value, item, path), None) is None for item in others):
            yield f"{path} is of none of its types"

    def _of_record(self, value: Any, schema: Any, path: str) -> Iterator[str]:
        if not isinstance(value, Mapping):
            yield f"{path or 'the event'} is no record"
            return
        known = {field["name"]: field for field in schema["fields"]}
        for name, field in known.items():
            where = f"{path}.{name}" if path else name
            if name in value:
                yield from self._faults(value[name], field["type"], where)
            elif "default" not in field:
                yield f"{where} is missing"
        if more := len(value.keys() - known.keys()):
            # A name that the schema lacks may be a value that stands in the wrong place.
            yield f"{path or 'the event'} has {more} fields that its schema lacks; it has {', '.join(known)}"

    def _of_leaf(self, value: Any, schema: Any, kind: str, path: str) -> Iterator[str]:
        if isinstance(value, datetime) and value.tzinfo is None:
            yield f"{path} is a time without its zone"
        elif isinstance(value, bool) and kind != "boolean":
            yield f"{path} is no {kind}"
        elif not validate(value, schema, raise_errors=False):
            logical = schema.get("logicalType") if isinstance(schema, dict) else None
            symbols = f" ({', '.join(schema['symbols'])})" if kind == "enum" else ""
            yield (
                f"{path} is no {logical or kind}{symbols}" if value is not None else f"{path} may not be null"
            )


class NotASchema(Exception):
    """A schema that is none; `str` says why."""

"""Examples as messages written again: with other people, as of another moment, in the format of their topic."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from schemas.annotations import RecordSchema
from schemas.codec import confluent_prefix, encode, encode_body, single_object_prefix
from schemas.company import Company
from schemas.contracts import Contract
from schemas.example_times import without_offset
from schemas.examples import Example, change_of, example_writer, places
from streams.simulate.story.cast import digits_like

Register = Callable[[str, RecordSchema], int]
"""From a subject and its schema to the id that a registry gives it. Raises RegistryUnavailable."""
_TICKS = {"millis": 1_000, "micros": 1_000_000, "nanos": 1_000_000_000}


def filled(example: Example, said: Mapping[tuple[str | int, ...], Any], at: datetime) -> dict[str, Any]:
    """The message with other values at some places, and as of another moment."""
    value: dict[str, Any] = deepcopy(dict(example.value or {}))
    for steps, new in said.items():
        _put(value, steps, new)
    contract = example.contract
    if contract is None:
        value[example.record.event_time] = at
        return value
    time = contract.event_time
    for place in example.places:
        if place.path == time.path and place.before[-1:] != ("before",):
            whole = isinstance(place.value, int) or contract.types.get(time.path) == "integer"
            new = _written(at, time.unit, time.zone, whole)
            # Without an offset as the example has none, so that what nobody could read is seen not to be read.
            bare = time.unit == "iso8601" and time.zone is None and without_offset(place.value)
            _put(value, place.steps, str(new).removesuffix("+00:00") if bare else new)
    if contract.debezium:
        change = change_of(value)
        change["ts_ms"] = change.setdefault("source", {})["ts_ms"] = _written(at, "millis")
    return value


def other_keys(example: Example, rng: random.Random) -> dict[tuple[str | int, ...], str]:
    """Values that name the record in its system and nobody: those of another record."""
    fields = {field.name: field for field in example.record.fields}
    return {
        place.steps: digits_like(place.value, rng)
        for place in example.places
        if isinstance(place.value, str)
        and (field := fields.get(place.path or ""))
        and field.record_key
        and not field.identifier
    }


def flat(example: Example, value: Mapping[str, Any]) -> dict[str, Any]:
    """What a system of record keeps of a message: each field, where there are several by the place of each."""
    if example.contract is None:
        return dict(value)
    columns: dict[str, Any] = {}
    for place in places(example.contract, value):
        if place.path is None:
            continue
        if example.contract.repeats(place.path):
            columns.setdefault(place.path, {})[place.among] = place.value
        else:
            # Of a change the row as it is now, which comes behind the one before.
            columns[place.path] = place.value
    return columns


def key_of(example: Example, value: Mapping[str, Any], named: str | None) -> bytes | None:
    """The message's key. `named`: the identifier that the contract's `message_key` means."""
    contract = example.contract
    if contract is not None and contract.message_key is not None and named is not None:
        said = contract.message_key
        if not said.path:
            return named.encode()
        inside: Any = named
        for part in reversed(said.path.split(".")):
            inside = {part: inside}
        return json.dumps(inside).encode()
    field = example.topic.key
    found = flat(example, value).get(field) if field else None
    return None if found is None else str(found).encode()


class Bodies:
    """Writes messages in the formats of a company's topics. `register` is asked where a registry has the schema."""

    def __init__(self, company: Company, register: Register) -> None:
        self._folder = company.folder
        self._register = register
        self._known: dict[str, tuple[RecordSchema, bytes]] = {}

    def body(self, example: Example, value: Mapping[str, Any]) -> bytes | None:
        """The message as it travels, None for a tombstone. Errors: SchemaError, RegistryUnavailable."""
        if example.value is None:
            return None
        if example.contract is None:
            return encode(example.record, value)
        if example.contract.format == "json":
            return json.dumps(value, ensure_ascii=False).encode()
        schema, prefix = self._writer(example.contract)
        return prefix + encode_body(schema, value)

    def _writer(self, contract: Contract) -> tuple[RecordSchema, bytes]:
        if contract.topic not in self._known:
            schema = example_writer(contract, self._folder)
            assert schema is not None
            if contract.framing == "confluent":
                prefix = confluent_prefix(self._register(f"{contract.topic}-value", schema))
            else:
                prefix = single_object_prefix(schema) if contract.framing == "single_object" else b""
            self._known[contract.topic] = schema, prefix
        return self._known[contract.topic]


def _put(value: Any, steps: tuple[str | int, ...], new: Any) -> None:
    """An identifier that the example holds as a number stays one."""
    for step in steps[:-1]:
        value = value[step]
    was = value[steps[-1]]
    number = isinstance(was, int) and not isinstance(was, bool) and isinstance(new, str) and new.isdecimal()
    value[steps[-1]] = int(new) if number else new


def _written(at: datetime, unit: str, zone: str | None = None, whole: bool = False) -> int | float | str:
    """`whole`: seconds without a fraction, as a field that is an integer has them."""
    if unit == "iso8601":
        return (
            at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) if zone else at.astimezone(UTC)
        ).isoformat()
    if unit == "days":
        return at.toordinal() - date(1970, 1, 1).toordinal()
    if unit == "seconds":
        return int(at.timestamp()) if whole else at.timestamp()
    return round(at.timestamp() * 1_000) * (_TICKS[unit] // 1_000)

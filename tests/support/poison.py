"""Schemas and bodies as nobody should write them, from a random generator: valid, damaged, or without any sense.

Made for `tests.attack.test_poison_fuzz`, a little at a time, and for `python -m bench.fuzz`, for hours.
"""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.bounds import largest_body
from schemas.codec import confluent_prefix
from schemas.errors import DecodeError
from schemas.records import RecordSchema, load_records
from schemas.resolution import Type, read_type
from streams.tagging.decode import isolated
from streams.tagging.decode.apart import FAILED
from streams.tagging.decode.columnar import Bodies, ColumnDecoder, Decoded
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Preparer
from tests.support.company import model
from tests.support.records import varint
from tests.support.registered import GOOD, TAGGER, TOPIC, WRITERS, Registered, prepared

_PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_LOGICAL = (
    {"type": "int", "logicalType": "date"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    {"type": "string", "logicalType": "uuid"},
    {"type": "string", "logicalType": "nobody_knows"},
)
_NUMBERS = (0, 1, -1, 2, 63, 64, -65, 300, 2**31 - 1, 2**31, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63))
_WORDS: tuple[Any, ...] = (
    "",
    "shadow",
    "T99",
    "C-99",
    "C-01",
    "none",
    "ip",
    "owner",
    "P-EVIL",
    "\x1b[2J",
    "x" * 300,
    "Ω",
    None,
    7,
    -1,
    1e300,
    True,
    [],
    {},
    ["T30"],
    {"kind": "ip"},
    {"kind": "horoscope", "role": "owner"},
    {"kind": "email", "role": "emperor", "form": "e164"},
)
_TEXTS = {
    "address": ("203.0.113.4", "2001:db8::1", "::ffff:203.0.113.9"),
    "number": ("700104", "700105"),
    "email": ("kari@example.no", "ola@blåbær.example"),
    "username": ("kari", "kari@example.net"),
    "phone": ("+4722225555", "tel:22 22 55 55"),
    "mac": ("00:00:5e:00:53:01",),
    "text": ("Ring meg på 22 22 55 55, kari@example.no", "Hei"),
    "prefix": ("2001:db8::/56",),
    "fodselsnummer": ("",),
}
# Of one body: records inside themselves would double without end.
_MOST_VALUES = 2_000
_SEEDS = ("WebVisit", "AddressAssignment", "ChatMessage", "Invoice", "Login")


@dataclass
class Made:
    """A schema of the registry and messages under it. `text`: of the schema."""

    record: str
    text: str
    bodies: list[bytes]


@dataclass
class Count:
    """What came of everything so far."""

    schemas: int = 0
    refused: int = 0
    bodies: int = 0
    events: int = 0
    compared: int = 0
    in_child: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


class Maker:
    """Everything follows from the generator given."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._number = 0
        self._left = _MOST_VALUES

    def made(self, most_bodies: int = 30) -> Made:
        """A schema, valid more often than not, and bodies of it."""
        rng = self._rng
        seed = load_records()[rng.choice(_SEEDS)]
        schema = copy.deepcopy(seed.json)
        for _ in range(rng.choice((0, 1, 1, 2, 4))):
            extra = {
                "name": self._name(),
                "type": self._type(rng.randrange(4), []),
                "innsyn": {"category": "none"},
            }
            # At any place: what follows it is read at another one then.
            schema["fields"].insert(rng.randrange(len(schema["fields"]) + 1), extra)
        try:
            shape: Type | None = read_type(schema)
        except Exception:  # noqa: BLE001 - what is no schema has random bodies only
            shape = None
        if rng.random() < 0.25:
            self._spoil(schema)
        text = json.dumps(schema, ensure_ascii=rng.random() < 0.5)
        if rng.random() < 0.1:
            text = self._torn(text)
        bodies = [self._body(shape) for _ in range(rng.randint(1, most_bodies))]
        return Made(seed.name, text, bodies)

    def _name(self) -> str:
        self._number += 1
        return f"N{self._number}"

    def _type(self, depth: int, open_names: Sequence[str]) -> Any:
        rng = self._rng
        if depth <= 0:
            return rng.choice([*_PRIMITIVES, *_LOGICAL, *open_names])
        match rng.randrange(8):
            case 0:
                return {"type": "array", "items": self._type(depth - 1, open_names)}
            case 1:
                return {"type": "map", "values": self._type(depth - 1, open_names)}
            case 2:
                return {"type": "fixed", "name": self._name(), "size": rng.choice((0, 1, 8, 8, 8, 2**20))}
            case 3:
                symbols = [f"S{number}" for number in range(rng.choice((1, 2, 70, 300)))]
                return {"type": "enum", "name": self._name(), "symbols": symbols}
            case 4:
                return ["null", self._type(0, ())]
            case 5:
                branches = [self._type(depth - 1, open_names) for _ in range(rng.randint(1, 3))]
                # Mostly as the specification has it: no kind twice, no union inside.
                kinds = {"null": None} | {str(_kind(branch)): branch for branch in branches}
                kept = [branch for kind, branch in kinds.items() if kind not in ("null", "union")]
                return ["null", *kept] if rng.random() < 0.95 else branches
            case _:
                name = self._name()
                inner = [
                    {"name": f"f{number}", "type": self._type(depth - 1, [*open_names, name])}
                    for number in range(rng.randrange(4))
                ]
                return {
                    "type": "record",
                    "name": name,
                    "fields": [{**item, "innsyn": {"category": "none"}} for item in inner],
                }

    def _spoil(self, schema: dict[str, Any]) -> None:
        """Another word, or none, at one to three places of the annotations and of the schema itself."""
        rng = self._rng
        for _ in range(rng.randint(1, 3)):
            holder = rng.choice([schema, schema["innsyn"], *schema["fields"]])
            if isinstance(holder, dict) and holder is not schema and rng.random() < 0.6:
                holder = holder.get("innsyn", holder)
            if not isinstance(holder, dict) or not holder:
                continue
            key = rng.choice([*holder, "identifier", "port_of", "free_text", "key", "event_time", "identity"])
            if key == "fields" or (key == "innsyn" and holder is schema):
                continue
            if rng.random() < 0.2:
                holder.pop(key, None)
            else:
                holder[key] = rng.choice(_WORDS)

    def _torn(self, text: str) -> str:
        rng = self._rng
        at = rng.randrange(len(text))
        match rng.randrange(5):
            case 0:
                return text[:at]
            case 1:
                return (
                    text[:at]
                    + rng.choice(("[", "{", '"', "\\", "\x00", "\ud800", "9" * 5_000, "NaN"))
                    + text[at:]
                )
            case 2:
                return text[:at] + rng.choice("[{") * rng.choice((70, 3_000)) + text[at:]
            case 3:
                return text[:-1] + ', "x": ' + "[" * 70_000 + "]" * 70_000 + "}"
            case _:
                return text[:at] + text[at + rng.randint(1, 20) :]

    def _body(self, shape: Type | None) -> bytes:
        rng = self._rng
        if shape is None or rng.random() < 0.05:
            return rng.randbytes(rng.choice((0, 1, 20, 300)))
        self._left = _MOST_VALUES
        body = self._value(shape, 0, "")
        while rng.random() < 0.35:
            body = self._damaged(body)
        return body

    def _damaged(self, body: bytes) -> bytes:
        rng = self._rng
        at = rng.randrange(len(body) + 1)
        match rng.randrange(6):
            case 0:
                return body[:at]
            case 1:
                return body + rng.randbytes(rng.randint(1, 12))
            case 2 if body:
                at = at % len(body)
                return body[:at] + bytes([body[at] ^ 1 << rng.randrange(8)]) + body[at + 1 :]
            case 3:
                return body[:at] + varint(rng.choice(_NUMBERS)) + body[at + 1 :]
            case 4:
                return body[:at] + b"\x02" * rng.choice((10, 5_000, 60_000)) + body[at:]
            case _:
                foul = (b"\x80\x00", b"\xff" * 9 + b"\x02", b"\xff" * 11, b"\xed\xa0\x80")
                return body[:at] + rng.choice(foul) + body[at:]

    def _value(self, item: Type, depth: int, name: str) -> bytes:
        rng = self._rng
        self._left -= 1
        if self._left < 0:
            return b""
        match item.kind:
            case "null":
                return b""
            case "boolean":
                return rng.choice((b"\0", b"\1"))
            case "int":
                return varint(rng.choice([number for number in _NUMBERS if abs(number) < 2**31]))
            case "long":
                usual = rng.random() < 0.96
                return varint(1_770_000_000_000 if usual else rng.choice(_NUMBERS))
            case "float":
                return rng.randbytes(4)
            case "double":
                return struct.pack("<d", rng.choice((0.0, -1.5, float("nan"), float("inf"), rng.random())))
            case "bytes":
                return self._sized(rng.randbytes(rng.randrange(12)))
            case "string":
                return self._sized(self._text(name).encode())
            case "fixed":
                return rng.randbytes(min(item.size, 2**16))
            case "enum":
                return varint(rng.randrange(len(item.symbols)))
            case "union":
                # Deep down the first branch, which is null.
                chosen = 0 if depth > 20 else rng.randrange(len(item.parts))
                return varint(chosen) + self._value(item.parts[chosen], depth + 1, name)
            case "record":
                if depth > 30:
                    return b""
                return b"".join(self._value(each.type, depth + 1, each.name) for each in item.fields)
        return self._blocks(item, depth, name)

    def _blocks(self, item: Type, depth: int, name: str) -> bytes:
        rng = self._rng
        blocks = b""
        for _ in range(rng.choice((0, 1, 1, 2)) if depth < 12 else 0):
            # Now and then a count that nothing follows.
            count = rng.choice((2**20, 2**27, 2**40, -(2**63))) if rng.random() < 0.03 else rng.randint(1, 3)
            items = b""
            for _ in range(min(max(count, 0), 3)):
                key = self._sized(rng.choice((b"a", b"", b"key"))) if item.kind == "map" else b""
                items += key + self._value(item.parts[0], depth + 1, name)
            size = varint(len(items)) if count < 0 or rng.random() < 0.2 else b""
            blocks += (varint(-abs(count)) if size else varint(count)) + size + items
        return blocks + b"\0"

    def _text(self, name: str) -> str:
        """Mostly what a field of the name holds."""
        if self._rng.random() < 0.97:
            for part, values in _TEXTS.items():
                if part in name:
                    return self._rng.choice(values)
        return self._rng.choice(
            (*(text for values in _TEXTS.values() for text in values), "", "blåbær", "😀" * 9)
        )

    def _sized(self, content: bytes) -> bytes:
        return varint(len(content)) + content


def _kind(branch: Any) -> Any:
    if isinstance(branch, list):
        return "union"
    if isinstance(branch, dict):
        return branch.get("name", branch["type"])
    return branch


def tried(made: Made, count: Count) -> None:
    """Tag the bodies between messages that are well. AssertionError where one of them is lost, counted twice, or costs
    another one; where something failed that nobody foresaw; or where two roads of the decoder do not agree."""
    schemas = WriterSchemas(WRITERS, model().catalogue, Registered(made.text))
    preparer = Preparer(TAGGER, schemas.resolve, {TOPIC: made.record})
    prefix = confluent_prefix(7)
    good = [GOOD] if made.record == "WebVisit" else []
    messages = [*good, *(prefix + body for body in made.bodies), *good]
    done = prepared(preparer, messages)
    count.schemas += 1
    count.bodies += len(made.bodies)
    dead = {letter.row.offset: letter.row.reason for letter in done.dead}
    (ranges,) = done.batch.ranges
    assert len(dead) == len(done.dead), "a message is a dead letter twice"
    assert ranges.events + ranges.dead == len(messages), "a message is lost, or counted twice"
    for table in (done.batch.rows, done.batch.claims.table, done.batch.retained.table, done.batch.findings):
        assert not dead.keys() & set(table["offset"].to_pylist()), "a dead letter left something in the index"
    if good:
        assert not {0, len(messages) - 1} & dead.keys(), "a good message was set aside"
    assert FAILED not in dead.values(), "something failed that nobody foresaw"
    for reason in dead.values():
        count.reasons[reason] = count.reasons.get(reason, 0) + 1
        count.in_child += reason.startswith("decode_")
    count.events += ranges.events - len(good) * 2
    try:
        record = schemas.resolve(prefix, made.record)
    except DecodeError:
        count.refused += 1
    else:
        _agree(record, made.bodies, count)


def _agree(record: RecordSchema, bodies: Sequence[bytes], count: Count) -> None:
    decoder = ColumnDecoder(record, TAGGER.wanted(record))
    joined = Bodies.of(bodies)
    if decoder.columnar:
        _same(decoder.decode(joined), decoder.decode_one_by_one(joined))
        count.compared += len(bodies)
    # A few of those that need no child, by the child.
    elif largest_body(record.json) and count.schemas % 10 == 0:
        for body in bodies[:3]:
            assert _verdict(lambda body=body: decoder._one(body)) == _verdict(
                lambda body=body: isolated.ISOLATED.values(record.text, decoder._wanted, body)
            ), "this process and the child do not agree"
            count.compared += 1
            count.in_child += 1


def _verdict(read: Any) -> Any:
    try:
        return repr(read())
    except DecodeError as error:
        return error.reason


def _same(one: Decoded, other: Decoded) -> None:
    assert one.rows.tolist() == other.rows.tolist(), "the two roads do not agree on what is an event"
    assert one.bad == other.bad, "the two roads give different reasons"
    for name, column in one.columns.items():
        assert column.type == other.columns[name].type
        assert repr(column.to_pylist()) == repr(other.columns[name].to_pylist()), (
            "the two roads read differently"
        )

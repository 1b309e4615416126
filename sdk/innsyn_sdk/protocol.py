"""The rights protocol of innsyn, as docs/rights-protocol.md has it: commands opened, receipts signed. Pure."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import fingerprint, to_parsing_canonical_form

from innsyn_sdk.keys import Key, Keys

COMMANDS, RECEIPTS = "deletion.", "rights.receipts"
"""Commands of a system are on `COMMANDS` and its name; receipts of all systems are on `RECEIPTS`."""
OLDEST, CLOCKS_APART = timedelta(days=30), timedelta(minutes=5)
_MAGIC, _PREFIX = b"\xc3\x01", 10
_SEALED, _SIGNATURE = "sealed_identifiers", "signature"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class NotReadable(Exception):
    """A message that is no command of a known version. It can be answered to nobody."""


class Refused(Exception):
    """A command that is not carried out. `reason`: a word of the protocol; `value`: what it said."""

    def __init__(self, reason: str, value: Mapping[str, Any]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.value = value


@dataclass(frozen=True)
class Identifier:
    """An identifier in clear. `more`: what else the command says of it, as the protocol has it: when, which port."""

    kind: str
    value: str = field(repr=False)
    more: tuple[Any, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Command:
    """What the system is to erase, and of whom. `orders` as the Avro record has them."""

    command_id: str
    request_id: str
    attempt: int
    issued_at: datetime
    identifiers: tuple[Identifier, ...] = field(repr=False)
    categories: tuple[str, ...]
    fields: tuple[str, ...]
    orders: tuple[Mapping[str, Any], ...]
    value: Mapping[str, Any] = field(repr=False)


def decoded(message: bytes) -> dict[str, Any]:
    """The fields of a command as its writer's schema has them. Raises NotReadable."""
    schema = _commands().get(message[2:_PREFIX]) if message[:2] == _MAGIC else None
    if schema is None:
        raise NotReadable("no single object, or written by a schema that this version does not know")
    body = io.BytesIO(message[_PREFIX:])
    try:
        value = schemaless_reader(body, schema, None)
    except Exception as error:  # noqa: BLE001 - a body may be anything, and its text is not to be shown
        raise NotReadable(f"not a command ({type(error).__name__})") from None
    if body.read(1) or not isinstance(value, dict):
        raise NotReadable("more than a command")
    return value


def opened(message: bytes, keys: Keys, now: datetime) -> Command:
    """The command, if innsyn sent it as it is, to this system and not too long ago. Raises NotReadable, Refused."""
    value = decoded(message)
    if value["system"] != keys.system:
        raise Refused("other_system", value)
    key = keys.find(value["key_id"])
    if key is None:
        raise Refused("key_unknown" if value["key_id"] else "not_authentic", value)
    signed, bound = canonical(value, (_SIGNATURE,)), canonical(value, (_SIGNATURE, _SEALED))
    plain = key.open(value[_SEALED], bound) if key.from_innsyn(value[_SIGNATURE], signed) else None
    if plain is None:
        raise Refused("not_authentic", value)
    if value["issued_at"] > now + CLOCKS_APART:
        raise Refused("clock_off", value)
    if value["issued_at"] < now - OLDEST:
        raise Refused("too_old", value)
    try:
        named = tuple(Identifier(kind, text, tuple(more)) for kind, text, *more in json.loads(plain))
    except (ValueError, TypeError):
        raise Refused("command_not_understood", value) from None
    return Command(
        command_id=value["command_id"],
        request_id=value["request_id"],
        attempt=value["attempt"],
        issued_at=value["issued_at"],
        identifiers=named,
        categories=tuple(value["categories"]),
        fields=tuple(value["fields"]),
        orders=tuple(value["orders"]),
        value=value,
    )


def receipt(command: Mapping[str, Any], said: Mapping[str, Any], key: Key, now: datetime) -> bytes:
    """The signed message that answers a command. `said`: `state`, and of the other fields those that are not empty.

    Raises ValueError for what is no receipt.
    """
    now = _EPOCH + (now - _EPOCH) // _MILLISECOND * _MILLISECOND
    value = {
        "erased": 0,
        "held": 0,
        "outcomes": [],
        "ground": None,
        "citation": None,
        "review_date": None,
        "reason": None,
        "retryable": None,
        "reported_at": now,
        **said,
        **{name: command[name] for name in ("command_id", "request_id", "system", "attempt")},
        "key_id": key.id,
    }
    whole = {**value, _SIGNATURE: key.sign(canonical(value, ()))}
    schema, prefix = newest_receipt()
    body = io.BytesIO()
    schemaless_writer(body, schema, whole, strict=True)
    return prefix + body.getvalue()


def canonical(value: Mapping[str, Any], without: Sequence[str]) -> bytes:
    """Canonical JSON (RFC 8785) of a record without some fields; bytes as hex digits, times and days as integers."""
    plain = {name: _plain(item) for name, item in value.items() if name not in without}
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value - _EPOCH) // _MILLISECOND
    if isinstance(value, date):
        return (value - _EPOCH.date()).days
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


@cache
def newest_command() -> tuple[Any, bytes]:
    """The schema of a command as innsyn writes it now, and what stands before its body."""
    newest = _schemas("erasure_command")[-1]
    return parse_schema(newest), _prefix(newest)


@cache
def newest_receipt() -> tuple[Any, bytes]:
    """The same of a receipt."""
    newest = _schemas("erasure_receipt")[-1]
    return parse_schema(newest), _prefix(newest)


@cache
def _commands() -> Mapping[bytes, Any]:
    """Every version of a command that is signed, by its fingerprint."""
    return {_prefix(schema)[len(_MAGIC) :]: parse_schema(schema) for schema in _schemas("erasure_command")}


def _schemas(record: str) -> list[Any]:
    folder = files("innsyn_sdk") / "avro" / record
    found = sorted(folder.iterdir(), key=lambda item: int(item.name.removesuffix(".avsc")))
    return [json.loads(item.read_text("utf-8")) for item in found]


def _prefix(schema: Any) -> bytes:
    """Magic and CRC-64-AVRO of the schema, little-endian."""
    digits = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
    return _MAGIC + bytes.fromhex(digits)

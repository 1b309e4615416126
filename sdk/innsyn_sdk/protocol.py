"""The rights protocol of innsyn, as docs/rights-protocol.md has it: commands opened, receipts signed. Pure."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from fastavro import schemaless_reader, schemaless_writer

from innsyn_sdk.keys import Key, Keys
from innsyn_sdk.wire import MAGIC as _MAGIC
from innsyn_sdk.wire import canonical, newest, to_the_millisecond, versions

COMMANDS, RECEIPTS, COPIES = "deletion.", "rights.receipts", "rights.copies"
"""Commands to erase are on `COMMANDS` and the name of the system; receipts and parts of copies of all systems on one
topic each."""
ACCESS, RECTIFICATION, RESTRICTION = "access.", "rectification.", "restriction."
"""Before the name of a system, where it is told of other rights."""
TOPICS = {
    "erasure": COMMANDS,
    "retention": COMMANDS,
    "access": ACCESS,
    "rectification": RECTIFICATION,
    "restrict": RESTRICTION,
}
"""By what a command is about, `lift` with `restrict`."""
OLDEST, CLOCKS_APART = timedelta(days=30), timedelta(minutes=5)
ALL_PORTS = (0, 65_535)
"""Of an identifier that has no port of its own; 0 stands for records that know none."""
_PREFIX = 10
_KEY_BYTES = 32
KEPT = "sealed_kept"
"""Of a command about what has run out: whose records stay."""
_SEALED, _CONTENT, _SIGNATURE = "sealed_identifiers", "sealed_content", "signature"
_COMMANDS = ("erasure_command", "retention_command", "rights_command")
_RECEIPTS = ("erasure_receipt", "rights_receipt")


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
    """An identifier in clear, and when it was the person's: see "Identifiers" on the page of the protocol.

    `at`, `port`: in that second and from that port alone. `since`, `until`, `ports`, `proof`: what innsyn found by its
    links. `prefix`: the value is an IPv6 prefix in CIDR form. `record`, `field`: no identifier of a person, but the key
    by which the system knows one of these records, which no identifier names; `kind` is empty then.
    """

    kind: str
    value: str = field(repr=False)
    at: datetime | None = field(default=None, repr=False)
    port: int | None = field(default=None, repr=False)
    since: datetime | None = field(default=None, repr=False)
    until: datetime | None = field(default=None, repr=False)
    ports: tuple[int, int] = field(default=ALL_PORTS, repr=False)
    proof: str | None = None
    prefix: bool = False
    record: str | None = None
    field: str | None = None

    @property
    def limited(self) -> bool:
        """Whether it is the person's at a time, behind a port, as part of a prefix, or as the key of a record alone."""
        limits = (self.at, self.port, self.since, self.until, self.record)
        return any(limit is not None for limit in limits) or self.ports != ALL_PORTS or self.prefix

    def covers(self, at: datetime | None, port: int = 0) -> bool:
        """Whether a record of that time (None: not known) and port (0: none) is the person's by it. The key of a record
        says nothing of others.

        Raises ValueError for a time without its zone: it would be compared as another moment, or not at all.
        """
        if at is not None and at.tzinfo is None:
            raise ValueError("a time without its zone covers nothing; give `at` one, such as datetime.UTC")
        if self.record is not None:
            return False
        if self.at is not None and (
            at is None or at.replace(microsecond=0) != self.at.replace(microsecond=0)
        ):
            return False
        if self.port is not None and port != self.port:
            return False
        if (self.since is not None or self.until is not None) and at is None:
            return False
        inside = at is None or (
            (self.since is None or at >= self.since) and (self.until is None or at < self.until)
        )
        return inside and self.ports[0] <= (port if 0 < port <= ALL_PORTS[1] else 0) <= self.ports[1]


@dataclass(frozen=True)
class Kept:
    """What of a record is to be kept: `fields` as `Record.field`, for these purposes, by that rule, until the end of
    that day (None: not known yet)."""

    record: str
    fields: tuple[str, ...]
    purposes: tuple[str, ...]
    until: date | None
    rule: str
    citation: str


@dataclass(frozen=True)
class Command:
    """What the system is to do, and about whom. `orders` as the Avro record has them: with `before`, only records whose
    time is before it, and none without a readable time.

    `kind`: `erasure`, `access`, `rectification`, `restrict` or `lift`. `content`: of a rectification, what each
    `Record.field` shall say. `purposes`: of a restriction and its end, the purposes that are meant; none: all. Of an
    erasure those that end. `cut_off`: of an erasure, records whose time is at or after it are not meant; None: no
    limit. `kept`: of an erasure, what stays, and why. `expected`: how many records of each kind innsyn's index knows
    there.
    """

    command_id: str
    request_id: str
    attempt: int
    issued_at: datetime
    identifiers: tuple[Identifier, ...] = field(repr=False)
    categories: tuple[str, ...]
    fields: tuple[str, ...]
    orders: tuple[Mapping[str, Any], ...]
    value: Mapping[str, Any] = field(repr=False)
    kind: str = "erasure"
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)
    purposes: tuple[str, ...] = ()
    ground: str | None = None
    deadline: date | None = None
    expected: Mapping[str, int] = field(default_factory=dict)
    cut_off: datetime | None = None
    kept: tuple[Kept, ...] = ()

    def always(self, kind: str) -> list[str]:
        """The values of that kind that are the person's whenever they are met. Those that are so for a time, behind a
        port or as a prefix are in `identifiers` alone: see `Identifier.covers`."""
        return [item.value for item in self.identifiers if item.kind == kind and not item.limited]


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


@dataclass(frozen=True)
class Authentic:
    """A command that innsyn sent as it is, to this system and not too long ago. `plain`: what it seals."""

    value: Mapping[str, Any] = field(repr=False)
    plain: bytes = field(repr=False)
    key: Key = field(repr=False)


def authentic(message: bytes, keys: Keys, now: datetime) -> Authentic:
    """Whatever it asks. Raises NotReadable, Refused."""
    value = decoded(message)
    sealed = KEPT if KEPT in value else _SEALED
    if value["system"] != keys.system:
        raise Refused("other_system", value)
    key = keys.find(value["key_id"])
    if key is None:
        raise Refused("key_unknown" if value["key_id"] else "not_authentic", value)
    try:
        signed_by_innsyn = key.from_innsyn(value[_SIGNATURE], canonical(value, (_SIGNATURE,)))
        bound = canonical(value, (_SIGNATURE, sealed, _CONTENT))
    except ValueError:
        # What has no one form was signed by nobody.
        raise Refused("not_authentic", value) from None
    plain = key.open(value[sealed], bound) if signed_by_innsyn else None
    if plain is None:
        raise Refused("not_authentic", value)
    if value["issued_at"] > now + CLOCKS_APART:
        raise Refused("clock_off", value)
    if value["issued_at"] < now - OLDEST:
        raise Refused("too_old", value)
    return Authentic(value, plain, key)


def opened(message: bytes, keys: Keys, now: datetime) -> Command:
    """The command, if innsyn sent it as it is, to this system and not too long ago. Raises NotReadable, Refused.

    What has run out, whoever it is about, is read by `innsyn_sdk.expiry.received`.
    """
    return command_of(authentic(message, keys, now))


def command_of(found: Authentic) -> Command:
    """What it is to do, and about whom. Raises Refused."""
    value = found.value
    if KEPT in value:
        # Those whose records stay must not be taken for those whose records go.
        raise Refused("command_not_understood", value)
    try:
        named = identifiers_of(found.plain)
        other = _of_right(value, found.key) if "kind" in value else _of_erasure(value)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Refused("command_not_understood", value) from None
    return Command(
        command_id=value["command_id"],
        request_id=value["request_id"],
        attempt=value["attempt"],
        issued_at=value["issued_at"],
        identifiers=named,
        categories=tuple(value["categories"]),
        fields=tuple(value["fields"]),
        orders=tuple(value.get("orders", ())),
        value=value,
        **other,
    )


def identifiers_of(plain: bytes) -> tuple[Identifier, ...]:
    """What a command seals. Raises ValueError, TypeError, KeyError, AttributeError."""
    said = json.loads(plain)
    if not isinstance(said, list):
        raise TypeError("identifiers are a list")
    return tuple(map(_identifier, said))


def _of_erasure(value: Mapping[str, Any]) -> dict[str, Any]:
    """What a command to erase says besides; an older version says none of it. Raises Refused."""
    if any((order.get("before") or value["issued_at"]) > value["issued_at"] for order in value["orders"]):
        raise Refused("clock_off", value)
    kept: list[dict[str, Any]] = [
        {**said, "fields": tuple(said["fields"]), "purposes": tuple(said["purposes"])}
        for said in value.get("kept", ())
    ]
    return {
        "purposes": tuple(value.get("purposes", ())),
        "deadline": value.get("deadline"),
        "expected": {item["record"]: item["count"] for item in value.get("expected", ())},
        "cut_off": value.get("cut_off"),
        "kept": tuple(Kept(**said) for said in kept),
    }


def _of_right(value: Mapping[str, Any], key: Key) -> dict[str, Any]:
    """What a command of another right than erasure says besides. Raises Refused, ValueError, TypeError."""
    content: Any = {}
    if value[_CONTENT] is not None:
        plain = key.open(value[_CONTENT], canonical(value, (_SIGNATURE, _CONTENT)))
        if plain is None:
            raise Refused("not_authentic", value)
        content = json.loads(plain)
    corrects = value["kind"] == "rectification"
    if not isinstance(content, dict) or bool(content) != corrects:
        raise TypeError("a rectification says what is right, and nothing else does")
    if (value["kind"] == "access") != (len(value["copy_key"] or b"") == _KEY_BYTES):
        raise ValueError("a copy is sealed to a key of 32 bytes, and there is none without access")
    return {
        "kind": value["kind"],
        "content": content,
        "purposes": tuple(value["purposes"]),
        "ground": value["ground"],
        "deadline": value["deadline"],
        "expected": {item["record"]: item["count"] for item in value["expected"]},
    }


def _identifier(said: Any) -> Identifier:
    """Raises ValueError, TypeError, KeyError, AttributeError for what is none: a limit that is not understood must not
    be taken for none."""
    if isinstance(said, list):
        kind, value, *more = said
        at, port = more or (None, None)
        found = Identifier(kind, value, _moment(at), port)
    elif "record" in said:
        found = _record_key(said)
    else:
        if said.keys() - {"kind", "value", "prefix", "from", "until", "ports", "proof"}:
            raise ValueError("an identifier says what this version does not know")
        (name,) = said.keys() & {"value", "prefix"}
        low, high = said.get("ports", ALL_PORTS)
        found = Identifier(
            kind=said["kind"],
            value=said[name],
            since=_moment(said.get("from")),
            until=_moment(said.get("until")),
            ports=(low, high),
            proof=said.get("proof"),
            prefix=name == "prefix",
        )
    numbers = (*found.ports, found.port or 0)
    if not all(isinstance(text, str) for text in (found.kind, found.value)) or not all(
        type(number) is int for number in numbers
    ):
        raise TypeError("an identifier is not of its form")
    return found


def _record_key(said: Mapping[str, Any]) -> Identifier:
    """Raises ValueError, TypeError."""
    if said.keys() != {"record", "field", "value"}:
        raise ValueError("a record key says what this version does not know")
    if not all(isinstance(text, str) for text in said.values()):
        raise TypeError("a record key is not of its form")
    return Identifier("", said["value"], record=said["record"], field=said["field"])


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment


def receipt(command: Mapping[str, Any], said: Mapping[str, Any], key: Key, now: datetime) -> bytes:
    """The signed message that answers a command. `said`: `state`, and of the other fields those that are not empty.

    Raises ValueError for what is no receipt.
    """
    counts: dict[str, Any] = {"erased": 0, "held": 0, "outcomes": []}
    if "kind" in command:
        counts = {"records": [], "parts": 0, "copy_digest": None}
    value = {
        **counts,
        "ground": None,
        "citation": None,
        "review_date": None,
        "reason": None,
        "retryable": None,
        "reported_at": to_the_millisecond(now),
        **said,
        **{name: command[name] for name in ("command_id", "request_id", "system", "attempt")},
        "key_id": key.id,
    }
    return signed(_RECEIPTS["kind" in command], value, key)


def signed(record: str, value: Mapping[str, Any], key: Key) -> bytes:
    """A message of the newest version of a record of `avro/`, signed. Raises ValueError for what is none."""
    whole = {**value, _SIGNATURE: key.sign(canonical(value, ()))}
    schema, prefix = newest(record)
    body = io.BytesIO()
    schemaless_writer(body, schema, whole, strict=True)
    return prefix + body.getvalue()


@cache
def _commands() -> Mapping[bytes, Any]:
    """Every version of a command that is signed, by its fingerprint."""
    return {frame[len(_MAGIC) :]: schema for record in _COMMANDS for schema, frame in versions(record)}

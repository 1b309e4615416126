"""What the parts of the rights workflow say to each other: topics, message values, ledger content. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from schemas.codec import SINGLE_OBJECT_MAGIC, SINGLE_OBJECT_PREFIX, decode
from schemas.errors import DecodeError, InputError
from schemas.ids import malformed
from schemas.own import own_versions
from schemas.records import RecordSchema
from schemas.systemkeys import SystemKey
from schemas.times import iso, read
from schemas.tokens import canonical, parse_kind
from streams.answers.erasure_plan import CommandPlan
from streams.answers.orders import Order
from streams.rights.protocol.authentic import command_bytes, receipt_bytes
from streams.rights.protocol.reasons import REASONS, UNLISTED

REQUESTS, RECEIPTS, DELETION = "rights.requests", "rights.receipts", "deletion."


class Named(NamedTuple):
    """An identifier in clear; for an address also when it was used, and from which port."""

    kind: str
    value: str
    at: datetime | None = None
    port: int | None = None

    def __repr__(self) -> str:
        return f"Named(kind={self.kind!r})"


Identifiers = Sequence[tuple[str, str] | Named]
"""Kind and value, in clear, and what more is known of them."""
Send = Callable[[str, bytes, bytes], None]
"""Topic, message, key; returns when the message is stored. Raises BrokerUnavailable."""


def canonical_identifiers(identifiers: Identifiers) -> list[Named]:
    """Each once, in canonical form. Raises InputError for none at all, InvalidIdentifier."""
    if not identifiers:
        raise InputError("a request needs at least one identifier of the person: give --id KIND=VALUE")
    given = {_canonical(Named(*item)) for item in identifiers}
    return sorted(given, key=lambda item: (item.kind, item.value, str(item.at), item.port or 0))


def identifiers_json(identifiers: Iterable[Named]) -> list[list[Any]]:
    """[kind, value], and [kind, value, time, port] where one of these is known."""
    return [
        [item.kind, item.value]
        if item.at is None and item.port is None
        else [item.kind, item.value, iso(item.at) if item.at else None, item.port]
        for item in identifiers
    ]


def identifiers_from_json(stored: Iterable[Sequence[Any]]) -> list[Named]:
    """What `identifiers_json` wrote."""
    return [
        Named(kind, value, read(more[0]) if more else None, more[1] if more else None)
        for kind, value, *more in stored
    ]


def _canonical(item: Named) -> Named:
    kind = parse_kind(item.kind)
    at = item.at.astimezone(UTC) if item.at else None
    return Named(str(kind), canonical(kind, item.value), at, item.port)


def request_message(
    request_id: str, type: str, sealed: bytes, channel: str, received_at: datetime
) -> dict[str, Any]:
    """Value of a RightsRequest. The reason is free text: it travels sealed with the identifiers."""
    return {
        "request_id": request_id,
        "type": type,
        "sealed_identifiers": sealed,
        "channel": channel,
        "reason": None,
        "received_at": received_at,
    }


def command_message(
    request_id: str,
    told: CommandPlan,
    identifiers: Identifiers,
    key: SystemKey,
    attempt: int,
    issued_at: datetime,
) -> dict[str, Any]:
    """Value of an ErasureCommand. Its id is the same for every attempt.

    The identifiers are sealed under the system's key together with all else that it says.
    """
    said = {
        "command_id": command_id(request_id, told.system),
        "request_id": request_id,
        "system": told.system,
        "key_id": key.id,
        # Without a field they would mean all fields of the categories.
        "categories": list(told.categories) if told.fields else [],
        "fields": list(told.fields),
        "orders": _ORDERS.dump_python(told.orders, mode="json"),
        "reason": "request",
        "attempt": attempt,
        "issued_at": issued_at,
    }
    named = json.dumps(identifiers_json(Named(*item) for item in identifiers)).encode()
    return {**said, "sealed_identifiers": key.seal(named, command_bytes(said))}


def opened(command: Mapping[str, Any], key: SystemKey) -> list[Named]:
    """The identifiers of a decoded ErasureCommand, if nothing of it was altered. Raises KeyUnavailable."""
    return identifiers_from_json(json.loads(key.open(command["sealed_identifiers"], command_bytes(command))))


def receipt_message(said: Mapping[str, Any], key: SystemKey) -> dict[str, Any]:
    """Value of an ErasureReceipt: all that is `said`, under the authenticator of the system's key."""
    whole = {**said, "key_id": key.id}
    return {**whole, "authenticator": key.authenticator(receipt_bytes(whole))}


def decoded(record: RecordSchema, message: bytes) -> dict[str, Any]:
    """A message of the workflow, read with the version of the record that wrote it: not everybody upgrades at once.

    Raises DecodeError, also for an id that has not its form.
    """
    single = message[:2] == SINGLE_OBJECT_MAGIC
    writer = own_versions(record.name).get(message[2:SINGLE_OBJECT_PREFIX], record) if single else record
    value = decode(writer, message)
    if (name := malformed(value)) is not None:
        raise DecodeError("malformed_id", name)
    return value


def orders_of(command: Mapping[str, Any]) -> list[Order]:
    """The orders of a decoded ErasureCommand; none in one from before there were any."""
    return list(_ORDERS.validate_python(command.get("orders", ())))


_ORDERS = TypeAdapter(tuple[Order, ...])


def command_id(request_id: str, system: str) -> str:
    """One command per request and system."""
    return f"{request_id}/{system}"


def receipt_content(value: Mapping[str, Any]) -> dict[str, Any]:
    """What the ledger keeps of a decoded ErasureReceipt."""
    review_date, reason = value["review_date"], value["reason"]
    return {
        **{name: value[name] for name in ("command_id", "state", "erased", "held", "ground")},
        "review_date": review_date.isoformat() if review_date else None,
        "reason": (reason if reason in REASONS else UNLISTED) if reason else None,
        "attempt": value.get("attempt", 0),
        "reported_at": iso(value["reported_at"]),
        "outcomes": [dict(item) for item in value.get("outcomes", ())],
    }

"""What the parts of the rights workflow say to each other: topics, message values, ledger content. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from schemas.errors import InputError
from schemas.tokens import canonical, parse_kind
from sinks.clickhouse.requests import RequestEvent
from streams.rights.answer import iso
from streams.rights.plan import CommandPlan

REQUESTS, RECEIPTS, DELETION = "rights.requests", "rights.receipts", "deletion."
_LONGEST_REASON = 300

Identifiers = Sequence[tuple[str, str]]
"""Kind and value, in clear."""
Send = Callable[[str, bytes, bytes], None]
"""Topic, message, key; returns when the message is stored. Raises BrokerUnavailable."""


class Ledger(Protocol):
    """Append-only events of requests; `append` of a sequence number that is taken changes nothing."""

    def append(
        self, request_id: str, sequence: int, kind: str, occurred_at: datetime, content: Mapping[str, Any]
    ) -> bool: ...

    def events(self, request_id: str) -> list[RequestEvent]: ...

    def requests(self) -> dict[str, list[RequestEvent]]: ...


def canonical_identifiers(identifiers: Identifiers) -> list[tuple[str, str]]:
    """Each once, in canonical form. Raises InputError for none at all, InvalidIdentifier."""
    if not identifiers:
        raise InputError("a request needs at least one identifier of the person: give --id KIND=VALUE")
    given = ((parse_kind(kind), value) for kind, value in identifiers)
    return sorted({(str(kind), canonical(kind, value)) for kind, value in given})


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
    request_id: str, told: CommandPlan, sealed: bytes, attempt: int, issued_at: datetime
) -> dict[str, Any]:
    """Value of an ErasureCommand. Its id is the same for every attempt."""
    return {
        "command_id": command_id(request_id, told.system),
        "request_id": request_id,
        "system": told.system,
        "sealed_identifiers": sealed,
        "categories": list(told.categories),
        "fields": list(told.fields),
        "reason": "request",
        "attempt": attempt,
        "issued_at": issued_at,
    }


def command_id(request_id: str, system: str) -> str:
    """One command per request and system."""
    return f"{request_id}/{system}"


def receipt_content(value: Mapping[str, Any]) -> dict[str, Any]:
    """What the ledger keeps of a decoded ErasureReceipt."""
    review_date, reason = value["review_date"], value["reason"]
    return {
        **{name: value[name] for name in ("command_id", "state", "erased", "held", "ground")},
        "review_date": review_date.isoformat() if review_date else None,
        "reason": reason[:_LONGEST_REASON] if reason else None,
        "reported_at": iso(value["reported_at"]),
    }

"""What a system is told of rights other than erasure, sealed and signed as an erasure command is. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from schemas.errors import KeyUnavailable
from schemas.jobkeys import JobKey
from schemas.messages import RecordCount, RightsCommand, value_of
from schemas.systemkeys import SystemKey
from schemas.vocabulary import CommandKind
from streams.identity.values import RecordKey
from streams.rights.protocol.authentic import CONTENT, SEALED, SIGNATURE, bound_bytes, signed_bytes
from streams.rights.protocol.messages import Named, Told, told_from_json, told_json

TOPICS: Mapping[CommandKind, str] = MappingProxyType(
    {
        CommandKind.ACCESS: "access.",
        CommandKind.RECTIFICATION: "rectification.",
        CommandKind.RESTRICT: "restriction.",
        CommandKind.LIFT: "restriction.",
    }
)
"""Where each kind is sent: this, then the system."""

KEYED = "keyed"
"""Of what a plan says of a system: the tag sets of records of which some are told by their own key. Nobody is shown
them."""


@dataclass(frozen=True)
class Asked:
    """What one system is asked for; see RightsCommand. `content`: what its fields shall say, in clear."""

    command_id: str
    request_id: str
    system: str
    kind: CommandKind
    categories: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    ground: str | None = None
    copy_key: bytes | None = field(default=None, repr=False)
    deadline: date | None = None
    expected: Mapping[str, int] = field(default_factory=dict)
    content: Mapping[str, Any] | None = field(default=None, repr=False)


def rights_command(
    asked: Asked, identifiers: Told, key: SystemKey, attempt: int, issued_at: datetime
) -> RightsCommand:
    """The message. Whom it names and content are sealed to the system's key with all that it says; innsyn signs."""
    said = RightsCommand(
        command_id=asked.command_id,
        request_id=asked.request_id,
        system=asked.system,
        kind=asked.kind,
        sealed_identifiers=b"",
        sealed_content=None,
        categories=asked.categories,
        fields=asked.fields,
        purposes=asked.purposes,
        ground=asked.ground,
        copy_key=asked.copy_key,
        attempt=attempt,
        deadline=asked.deadline,
        expected=tuple(RecordCount(name, count) for name, count in sorted(asked.expected.items())),
        issued_at=issued_at,
        key_id=key.id,
    )
    named = json.dumps(told_json(identifiers)).encode()
    said = replace(said, sealed_identifiers=key.seal(named, bound_bytes(value_of(said))))
    if asked.content is not None:
        content = json.dumps(dict(asked.content), ensure_ascii=False).encode()
        said = replace(said, sealed_content=key.seal(content, bound_bytes(value_of(said), CONTENT)))
    return replace(said, signature=key.sign(signed_bytes(value_of(said))))


def opened_command(
    command: Mapping[str, Any], key: JobKey
) -> tuple[list[Named | RecordKey], Mapping[str, Any]]:
    """What a decoded RightsCommand names, and its content, if innsyn sent it as it is. Raises KeyUnavailable.

    `command`: with the fields that its writer's schema has, since those are what signature and seals cover.
    """
    if not key.from_innsyn(command.get(SIGNATURE, b""), signed_bytes(command)):
        raise KeyUnavailable(f"a command is not signed by innsyn under key {key.id}: altered, or another's")
    named = told_from_json(json.loads(key.open(command[SEALED], bound_bytes(command))))
    sealed = command[CONTENT]
    content = json.loads(key.open(sealed, bound_bytes(command, CONTENT))) if sealed is not None else {}
    return named, content

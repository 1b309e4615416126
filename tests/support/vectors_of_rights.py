"""Test vectors of rights other than erasure: a command and a receipt of each, and a part of a copy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from schemas.copykeys import CopyKey, sealed_to
from schemas.messages import CopyPart, RecordCount, RightsCommand, RightsReceipt, encoded, value_of
from schemas.vocabulary import CommandKind, ReceiptState
from streams.rights.protocol.authentic import CONTENT, PART, SIGNATURE, bound_bytes, signed_bytes
from tests.support.pairs import JOB_KEY, KEY_ID, SYSTEM_KEY

PERSON = bytes(range(96, 128))
"""The private half of the key that copies are sealed to."""
COPY_KEY = CopyKey(PERSON)
IDENTIFIERS = [
    ["customer_number", "k-100200"],
    {"kind": "case_number", "value": "S-2026-00417"},
    {"record": "WebVisit", "field": "visit_id", "value": "V-1001"},
]
CONTENT_SAID = {
    "CustomerDetails.name": "Kåre «Ås»",
    "CustomerDetails.floor": 4,
    "CustomerDetails.line_id": None,
}
RECORDS = [
    {"record": "WebVisit", "values": {"page": "/å", "status": 200, "occurred_at": "2026-03-01T12:00:00Z"}}
]
_AT = datetime(2026, 3, 9, 7, 6, 0, 0, UTC)


@dataclass(frozen=True)
class Sealed:
    """What was sealed once, as HPKE takes a fresh key each time: identifiers and content by kind, and the part."""

    commands: Mapping[str, tuple[bytes, bytes | None]]
    part: bytes

    @staticmethod
    def anew() -> Sealed:
        commands = {}
        for kind in CommandKind:
            bare = _command(kind)
            named = json.dumps(IDENTIFIERS, ensure_ascii=False).encode()
            whole = replace(bare, sealed_identifiers=SYSTEM_KEY.seal(named, bound_bytes(value_of(bare))))
            content = None
            if kind is CommandKind.RECTIFICATION:
                said = json.dumps(CONTENT_SAID, ensure_ascii=False).encode()
                content = SYSTEM_KEY.seal(said, bound_bytes(value_of(whole), CONTENT))
            commands[kind.value] = (whole.sealed_identifiers, content)
        plain = json.dumps(RECORDS, ensure_ascii=False).encode()
        return Sealed(commands, sealed_to(COPY_KEY.public, plain, bound_bytes(value_of(_part(b"")), PART)))

    @staticmethod
    def of(vectors: Mapping[str, Any]) -> Sealed:
        """As the file has it."""
        commands = {
            kind: (
                bytes.fromhex(item["command"]["sealed_identifiers"]),
                bytes.fromhex(text) if (text := item["command"].get("sealed_content")) else None,
            )
            for kind, item in vectors["rights"].items()
        }
        return Sealed(commands, bytes.fromhex(vectors["copy"]["part"]["sealed"]))


def vectors_of_rights(sealed: Sealed) -> dict[str, Any]:
    """Two parts of the file: `rights` by kind, and `copy`."""
    return {
        "rights": {kind.value: _of_kind(kind, sealed) for kind in CommandKind},
        "copy": {
            "key": {"private": PERSON.hex(), "public": COPY_KEY.public.hex()},
            "part": _signed_part(sealed.part),
            "copy_digest": hashlib.sha256(sealed.part).hexdigest(),
        },
    }


def refused_of_rights(sealed: Sealed) -> dict[str, str]:
    """Messages that no job carries out, each by why."""
    whole = _whole(CommandKind.RECTIFICATION, sealed)
    other = _signed(replace(whole, sealed_content=sealed.commands["access"][0]))
    return {
        "a restriction of other purposes than was signed": encoded(
            replace(_whole(CommandKind.RESTRICT, sealed), purposes=())
        ).hex(),
        "a rectification with a content that was not sealed with it": encoded(other).hex(),
        "an access request that is not signed": encoded(
            replace(_whole(CommandKind.ACCESS, sealed), signature=b"")
        ).hex(),
    }


def _of_kind(kind: CommandKind, sealed: Sealed) -> dict[str, Any]:
    command, receipt = _whole(kind, sealed), _receipt(kind, sealed)
    value = value_of(command)
    said: dict[str, Any] = {
        "message": encoded(command).hex(),
        "bound": bound_bytes(value).decode(),
        "sealed_identifiers": command.sealed_identifiers.hex(),
        "identifiers": IDENTIFIERS,
        **_shown(value),
    }
    if command.sealed_content is not None:
        said |= {
            "bound_content": bound_bytes(value, CONTENT).decode(),
            "sealed_content": command.sealed_content.hex(),
            "content": CONTENT_SAID,
        }
    return {"command": said, "receipt": {"message": encoded(receipt).hex(), **_shown(value_of(receipt))}}


def _signed_part(sealed: bytes) -> dict[str, Any]:
    part = _part(sealed)
    part = replace(part, signature=JOB_KEY.sign(signed_bytes(value_of(part))))
    value = value_of(part)
    return {
        "message": encoded(part).hex(),
        "bound": bound_bytes(value, PART).decode(),
        "sealed": sealed.hex(),
        "records": RECORDS,
        **_shown(value),
    }


def _whole(kind: CommandKind, sealed: Sealed) -> RightsCommand:
    identifiers, content = sealed.commands[kind.value]
    return _signed(replace(_command(kind), sealed_identifiers=identifiers, sealed_content=content))


def _signed(command: RightsCommand) -> RightsCommand:
    bare = replace(command, signature=b"")
    return replace(bare, signature=SYSTEM_KEY.sign(signed_bytes(value_of(bare))))


def _command(kind: CommandKind) -> RightsCommand:
    command_id = "R-2026-0003/web" + ("/lift" if kind is CommandKind.LIFT else "")
    access, restricts = kind is CommandKind.ACCESS, kind in (CommandKind.RESTRICT, CommandKind.LIFT)
    grounds = {CommandKind.ACCESS: "GDPR Art. 15(3)", CommandKind.RECTIFICATION: "GDPR Art. 16"}
    return RightsCommand(
        command_id=command_id,
        request_id="R-2026-0003",
        system="web",
        kind=kind,
        sealed_identifiers=b"",
        sealed_content=None,
        categories=("C-21",),
        fields=("WebVisit.page",) if access else (),
        purposes=("P-MARKETING", "P-ANALYTICS") if restricts else (),
        ground=grounds.get(kind, "GDPR Art. 18(1)"),
        copy_key=COPY_KEY.public if access else None,
        attempt=1,
        deadline=date(2026, 4, 9),
        expected=() if kind is CommandKind.LIFT else (RecordCount("WebVisit", 1),),
        issued_at=_AT,
        key_id=KEY_ID,
    )


def _receipt(kind: CommandKind, sealed: Sealed) -> RightsReceipt:
    command, access = _command(kind), kind is CommandKind.ACCESS
    receipt = RightsReceipt(
        command_id=command.command_id,
        request_id=command.request_id,
        system=command.system,
        state=ReceiptState.DONE,
        records=(RecordCount("WebVisit", 1),),
        parts=int(access),
        copy_digest=hashlib.sha256(sealed.part).digest() if access else None,
        ground=None,
        citation=None,
        review_date=None,
        reason=None,
        retryable=None,
        attempt=1,
        reported_at=_AT,
        key_id=KEY_ID,
    )
    return replace(receipt, signature=JOB_KEY.sign(signed_bytes(value_of(receipt))))


def _part(sealed: bytes) -> CopyPart:
    return CopyPart(
        command_id="R-2026-0003/web",
        request_id="R-2026-0003",
        system="web",
        attempt=1,
        part=1,
        parts=1,
        sealed=sealed,
        sent_at=_AT,
        key_id=KEY_ID,
    )


def _shown(message: Mapping[str, Any]) -> dict[str, str]:
    return {"signed": signed_bytes(message).decode(), "signature": message[SIGNATURE].hex()}

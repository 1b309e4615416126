"""The messages of innsyn's own topics, as it reads and writes them: one frozen class for each record. Pure.

`tests/rules/test_messages.py` holds each class against its Avro schema: fields, types, and which may be null. A field
with a default is one that older versions of the record lack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter

from schemas.codec import encode
from schemas.own import own_record
from schemas.vocabulary import CommandKind, ErasureAction, ErasureReason, ReceiptState, Right


@dataclass(frozen=True)
class RightsRequest:
    """Somebody exercises a right. What the person gave and wrote is sealed under the request's own key."""

    request_id: str
    type: Right
    sealed_identifiers: bytes = field(repr=False)
    channel: str
    reason: str | None = field(repr=False)
    received_at: datetime


@dataclass(frozen=True)
class Selector:
    """Some events of a record: those whose `field` has one of `values`, and with `or_empty` those where it is empty."""

    field: str
    values: tuple[str, ...]
    or_empty: bool = False


@dataclass(frozen=True)
class Redaction:
    """The fields (`Record.field`) that go of the person in `role` where the record stays."""

    role: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """One record of one system: erase `categories`, that is `fields` (`Record.field`), of the events `where` selects.

    `before`: only of records whose time is before it, and of none without a readable time; None: whatever the time.
    A record is deleted if the person has one of the roles `parties` in it and all its personal fields go. But one that
    names somebody else in a role of `stays_for` stays, without the fields of `redactions`; so does every record where
    the action is `redact` and no role is named in `stays_for`.
    """

    record: str
    categories: tuple[str, ...]
    fields: tuple[str, ...]
    where: Selector | None = None
    action: ErasureAction = ErasureAction.DELETE
    parties: tuple[str, ...] = ("owner",)
    stays_for: tuple[str, ...] = ()
    redactions: tuple[Redaction, ...] = ()
    before: datetime | None = None


@dataclass(frozen=True)
class Kept:
    """What of one record is to be kept, for which purposes, until the end of which day (None: not known yet)."""

    record: str
    fields: tuple[str, ...]
    purposes: tuple[str, ...]
    until: date | None
    rule: str
    citation: str


@dataclass(frozen=True)
class RecordCount:
    """So many records of one kind."""

    record: str
    count: int


@dataclass(frozen=True)
class ErasureCommand:
    """What one system is to erase. `command_id` is the same for every attempt; `signature`: Ed25519, of innsyn.

    `cut_off`: records whose time is at or after it are not meant, those without a readable time are. `purposes` end
    with the erasure; `kept`: what stays by a rule. `deadline`: a day of the company's calendar. `expected`: records
    that the index knows there, of those that may be counted aloud.
    """

    command_id: str
    request_id: str
    system: str
    sealed_identifiers: bytes = field(repr=False)
    categories: tuple[str, ...]
    fields: tuple[str, ...]
    reason: ErasureReason
    attempt: int
    issued_at: datetime
    orders: tuple[Order, ...] = ()
    cut_off: datetime | None = None
    purposes: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()
    deadline: date | None = None
    expected: tuple[RecordCount, ...] = ()
    key_id: str = ""
    signature: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class RunOut:
    """What of one record has run out: `fields` (`Record.field`) of records whose time is before `before`.

    A record goes if these are all its personal fields, else they are blanked. One without a readable time is not
    meant. `expected`: how many the index knows there.
    """

    record: str
    categories: tuple[str, ...]
    fields: tuple[str, ...]
    where: Selector | None
    before: datetime
    rule: str
    citation: str
    expected: int


@dataclass(frozen=True)
class RetentionCommand:
    """What has run out by its retention rule at one system, whoever it is about; answered by an ErasureReceipt.

    `sealed_kept`: identifiers of those whose records stay: a record that names one of them is not meant.
    """

    command_id: str
    request_id: str
    system: str
    sealed_kept: bytes = field(repr=False)
    records: tuple[RunOut, ...]
    attempt: int
    deadline: date | None
    issued_at: datetime
    key_id: str
    signature: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Outcome:
    """What a system did to records of one kind: so many are gone, so many stay without the person's fields.

    `stayed_for`: roles of others for whom records stayed; one that names nobody else in them was deleted.
    """

    record: str
    deleted: int = 0
    redacted: int = 0
    stayed_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class ErasureReceipt:
    """What a system answers to a command: how many records are erased and how many held, by which ground until when.

    `citation`: what the ground rests on. `retryable`: of `failed`, whether another attempt may do better; None: not
    said. `signature`: Ed25519, of the system's key over all other fields.
    """

    command_id: str
    request_id: str
    system: str
    state: ReceiptState
    erased: int
    held: int
    ground: str | None
    review_date: date | None
    reason: str | None
    reported_at: datetime
    outcomes: tuple[Outcome, ...] = ()
    attempt: int = 0
    key_id: str = ""
    citation: str | None = None
    retryable: bool | None = None
    signature: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class RightsCommand:
    """What a right other than erasure asks of one system. `command_id` is the same for every attempt.

    `sealed_content`: of a rectification, what the fields shall say. `purposes`: of a restriction and its end; empty:
    all. `copy_key`: of access, the X25519 public key that the copy is sealed to. `deadline`: a day of the company's
    calendar. `signature`: Ed25519, of innsyn.
    """

    command_id: str
    request_id: str
    system: str
    kind: CommandKind
    sealed_identifiers: bytes = field(repr=False)
    sealed_content: bytes | None = field(repr=False)
    categories: tuple[str, ...]
    fields: tuple[str, ...]
    purposes: tuple[str, ...]
    ground: str | None
    copy_key: bytes | None = field(repr=False)
    attempt: int
    deadline: date | None
    expected: tuple[RecordCount, ...]
    issued_at: datetime
    key_id: str
    signature: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class RightsReceipt:
    """What a system answers to a RightsCommand: how many records it copied, corrected, restricted or freed.

    `parts`, `copy_digest`: of access, how many CopyParts it sent and SHA-256 over what they seal, in their order.
    `signature`: Ed25519, of the system's key over all other fields.
    """

    command_id: str
    request_id: str
    system: str
    state: ReceiptState
    records: tuple[RecordCount, ...]
    parts: int
    copy_digest: bytes | None = field(repr=False)
    ground: str | None
    citation: str | None
    review_date: date | None
    reason: str | None
    retryable: bool | None
    attempt: int
    reported_at: datetime
    key_id: str
    signature: bytes = field(default=b"", repr=False)


LARGEST_PART = 900_000
"""Bytes of a CopyPart's `sealed` at most, so that Kafka takes the message."""


@dataclass(frozen=True)
class CopyPart:
    """A part of a person's copy, from 1 to `parts`, sealed to the `copy_key` of its command."""

    command_id: str
    request_id: str
    system: str
    attempt: int
    part: int
    parts: int
    sealed: bytes = field(repr=False)
    sent_at: datetime
    key_id: str
    signature: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class DeadLetter:
    """A message that is no event, with the reason. `feed` and `line`: where it was read, for what was no message."""

    topic: str
    partition: int
    offset: int
    reason: str
    schema_key: str | None
    sealed_payload: bytes = field(repr=False)
    first_seen_at: datetime
    feed: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class TreeHead:
    """A signed head of the transparency log: number, size and root of the tree, and the head before it."""

    sequence: int
    size: int
    root: bytes = field(repr=False)
    previous: bytes = field(repr=False)
    sealed_at: datetime
    key_id: str
    signature: bytes = field(repr=False)


@dataclass(frozen=True)
class FindingPlace:
    """Where an event lies that shows a finding. `history`: how often its topic was made anew before."""

    topic: str
    partition: int
    offset: int
    history: int = 0


@dataclass(frozen=True)
class DutyFinding:
    """Something happened to a finding against a duty of the company: `change` is opened, seen, mended, reopened,
    explained or accepted; `state`, how it stands since, open, explained, accepted or mended."""

    finding: str
    sequence: int
    check: str
    key: str
    change: str
    state: str
    says: str
    since: datetime
    at: datetime
    evidence: tuple[FindingPlace, ...]
    reason: str | None
    until: date | None


MESSAGES = (
    RightsRequest,
    ErasureCommand,
    ErasureReceipt,
    RetentionCommand,
    RightsCommand,
    RightsReceipt,
    CopyPart,
    DeadLetter,
    TreeHead,
    DutyFinding,
)
"""Each has the name of its record."""
Message = (
    RightsRequest
    | ErasureCommand
    | ErasureReceipt
    | RetentionCommand
    | RightsCommand
    | RightsReceipt
    | CopyPart
    | DeadLetter
    | TreeHead
    | DutyFinding
)
_Message = TypeVar("_Message", bound=Message)


def message_of(kind: type[_Message], value: Mapping[str, Any]) -> _Message:
    """A decoded value as its class, whichever version of the record wrote it."""
    found: _Message = _ADAPTERS[kind].validate_python(value)
    return found


def value_of(message: Message) -> dict[str, Any]:
    """As the Avro record has it, in the newest version."""
    return _fields(message)


def _fields(item: Any) -> dict[str, Any]:
    # Not `asdict`, which copies what cannot change, for the most part of the time that it takes.
    return {name: _plain(getattr(item, name)) for name in item.__dataclass_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return _fields(value) if hasattr(value, "__dataclass_fields__") else value


def encoded(message: Message) -> bytes:
    """The message as it goes to Kafka: Avro single-object encoding, by the newest version of its record."""
    return encode(own_record(type(message).__name__), value_of(message))


_ADAPTERS: Mapping[type[Any], TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in MESSAGES}

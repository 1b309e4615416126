"""What the parts of the rights workflow say to each other: topics, message values, ledger content. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from schemas.codec import SINGLE_OBJECT_MAGIC, SINGLE_OBJECT_PREFIX, decode
from schemas.errors import DecodeError, InputError, KeyUnavailable
from schemas.ids import malformed
from schemas.jobkeys import JobKey
from schemas.messages import (
    ErasureCommand,
    ErasureReceipt,
    Kept,
    RecordCount,
    RetentionCommand,
    RightsReceipt,
    RunOut,
    message_of,
    value_of,
)
from schemas.own import own_versions
from schemas.records import RecordSchema
from schemas.systemkeys import SystemKey
from schemas.times import iso, iso_or_none, read
from schemas.tokens import IdentifierKinds, canonical
from schemas.vocabulary import ErasureReason
from sinks.ports.identity import ALL_PORTS
from streams.answers.plan import CommandPlan
from streams.identity.values import RecordKey
from streams.rights.protocol.authentic import KEPT, SEALED, SIGNATURE, bound_bytes, signed_bytes

REQUESTS, RECEIPTS, DELETION = "rights.requests", "rights.receipts", "deletion."
COPIES = "rights.copies"


class Named(NamedTuple):
    """An identifier in clear; for an address also when it was used, and from which port.

    One that innsyn found by its links has a `proof`, and is the person's in [since, until) alone (None: no bound),
    behind these `ports`, both included: 0 is the port of records that know none. `prefix`: the value is an IPv6 prefix
    in CIDR form, and means every address in it.
    """

    kind: str
    value: str
    at: datetime | None = None
    port: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    ports: tuple[int, int] = ALL_PORTS
    proof: str | None = None
    prefix: bool = False

    @property
    def bounded(self) -> bool:
        """Whether it says more than kind, value, time and port."""
        return self[4:] != (None, None, ALL_PORTS, None, False)

    def __repr__(self) -> str:
        return f"Named(kind={self.kind!r})"


Identifiers = Sequence[tuple[str, str] | Named]
"""Kind and value, in clear, and what more is known of them."""
Told = Sequence[tuple[str, str] | Named | RecordKey]
"""What a command names: identifiers, and records that none of these names by their own key."""
_BESIDE = {"ErasureReceipt": ("RightsReceipt",), "ErasureCommand": ("RetentionCommand",)}
"""Records that come on the topic of another one."""
Send = Callable[[str, bytes, bytes], None]
"""Topic, message, key; returns when the message is stored. Raises BrokerUnavailable."""


def canonical_identifiers(identifiers: Identifiers, kinds: IdentifierKinds) -> list[Named]:
    """Each once, in canonical form. Raises InputError for none at all, InvalidIdentifier."""
    if not identifiers:
        raise InputError("a request needs at least one identifier of the person: give --id KIND=VALUE")
    given = {_canonical(Named(*item), kinds) for item in identifiers}
    return sorted(given, key=lambda item: (item.kind, item.value, str(item.at), item.port or 0))


def identifiers_json(identifiers: Iterable[Named]) -> list[list[Any] | dict[str, Any]]:
    """[kind, value], and [kind, value, time, port] where one of these is known; an object of what links found.

    Of an object: `kind`, `value` or `prefix`, `from`, `until`, `ports`, `proof`; what sets no limit is left out. Who
    knows lists alone can read none of it, and so takes no interval for all time.
    """
    return [_object(item) if item.bounded else _list(item) for item in identifiers]


def _list(item: Named) -> list[Any]:
    if item.at is None and item.port is None:
        return [item.kind, item.value]
    return [item.kind, item.value, iso(item.at) if item.at else None, item.port]


def _object(item: Named) -> dict[str, Any]:
    said = {
        "kind": item.kind,
        "prefix" if item.prefix else "value": item.value,
        "from": iso_or_none(item.since),
        "until": iso_or_none(item.until),
        "ports": None if item.ports == ALL_PORTS else list(item.ports),
        "proof": item.proof,
    }
    return {name: value for name, value in said.items() if value is not None}


def identifiers_from_json(stored: Iterable[Sequence[Any] | Mapping[str, Any]]) -> list[Named]:
    """What `identifiers_json` wrote. Raises ValueError for an object that says anything else."""
    return [_read_object(item) if isinstance(item, Mapping) else _read_list(*item) for item in stored]


def told_json(told: Told) -> list[list[Any] | dict[str, Any]]:
    """As `identifiers_json`; of a record key `record`, `field` and `value`.

    Who does not know record keys can read no such command: else it would erase too little.
    """
    keys = [asdict(item) for item in told if isinstance(item, RecordKey)]
    return [*identifiers_json(Named(*item) for item in told if not isinstance(item, RecordKey)), *keys]


def told_from_json(stored: Iterable[Sequence[Any] | Mapping[str, Any]]) -> list[Named | RecordKey]:
    """What `told_json` wrote. Raises ValueError and TypeError for anything else."""
    return [
        _read_key(item)
        if isinstance(item, Mapping) and "record" in item
        else identifiers_from_json([item])[0]
        for item in stored
    ]


def _read_key(said: Mapping[str, Any]) -> RecordKey:
    known = said.keys() == {"record", "field", "value"}
    if not known or not all(isinstance(text, str) for text in said.values()):
        raise ValueError("a record key of the command says what this job does not know")
    return RecordKey(**said)


def _read_list(kind: str, value: str, *more: Any) -> Named:
    return Named(kind, value, read(more[0]) if more else None, more[1] if more else None)


def _read_object(said: Mapping[str, Any]) -> Named:
    unknown = said.keys() - {"kind", "value", "prefix", "from", "until", "ports", "proof"}
    if unknown or "kind" not in said or ("value" in said) == ("prefix" in said):
        # A limit that is not understood must not be taken for none.
        raise ValueError("an identifier of the command says what this job does not know")
    low, high = said.get("ports", ALL_PORTS)
    return Named(
        kind=said["kind"],
        value=said["prefix"] if "prefix" in said else said["value"],
        since=read(said.get("from")),
        until=read(said.get("until")),
        ports=(int(low), int(high)),
        proof=said.get("proof"),
        prefix="prefix" in said,
    )


def _canonical(item: Named, kinds: IdentifierKinds) -> Named:
    kind = kinds.parse(item.kind)
    at = item.at.astimezone(UTC) if item.at else None
    return Named(kind.name, canonical(kind, item.value), at, item.port)


@dataclass(frozen=True)
class Beside:
    """What an erasure command says beside what goes; see ErasureCommand."""

    reason: ErasureReason = ErasureReason.REQUEST
    cut_off: datetime | None = None
    purposes: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()
    deadline: date | None = None
    expected: tuple[RecordCount, ...] = ()


NOTHING_BESIDE = Beside()


def command_message(
    request_id: str,
    told: CommandPlan,
    identifiers: Told,
    key: SystemKey,
    attempt: int,
    issued_at: datetime,
    beside: Beside = NOTHING_BESIDE,
) -> ErasureCommand:
    """What a system is told. The id is the same for every attempt.

    The identifiers are sealed to the system's key together with all else that it says, and innsyn signs the whole.
    """
    said = ErasureCommand(
        command_id=command_id(request_id, told.system),
        request_id=request_id,
        system=told.system,
        sealed_identifiers=b"",
        # Without a field they would mean all fields of the categories.
        categories=told.categories if told.fields else (),
        fields=told.fields,
        attempt=attempt,
        issued_at=issued_at,
        orders=told.orders,
        key_id=key.id,
        reason=beside.reason,
        cut_off=beside.cut_off,
        purposes=beside.purposes,
        kept=beside.kept,
        deadline=beside.deadline,
        expected=beside.expected,
    )
    sealed = replace(said, sealed_identifiers=key.seal(_plain(identifiers), bound_bytes(value_of(said))))
    return replace(sealed, signature=key.sign(signed_bytes(value_of(sealed))))


def retention_message(
    run_id: str,
    system: str,
    records: Sequence[RunOut],
    kept: Identifiers,
    key: SystemKey,
    attempt: int,
    issued_at: datetime,
    deadline: date | None = None,
) -> RetentionCommand:
    """What a system is told of what has run out there. `kept`: whose records stay; sealed and signed as in a command.

    Raises InputError where nothing has run out, or by a moment that is still to come.
    """
    if not records:
        raise InputError(f"nothing that {system} holds has run out; it need not be told")
    if early := sorted({item.record for item in records if item.before > issued_at}):
        raise InputError(
            f"records of {early[0]} run out later than this is sent; plan the retention run anew"
        )
    said = RetentionCommand(
        command_id=command_id(run_id, system),
        request_id=run_id,
        system=system,
        sealed_kept=b"",
        records=tuple(records),
        attempt=attempt,
        deadline=deadline,
        issued_at=issued_at,
        key_id=key.id,
    )
    sealed = replace(said, sealed_kept=key.seal(_plain(kept), bound_bytes(value_of(said), KEPT)))
    return replace(sealed, signature=key.sign(signed_bytes(value_of(sealed))))


def _plain(told: Told) -> bytes:
    """As it is sealed."""
    return json.dumps(told_json(told)).encode()


def kept_of(command: Mapping[str, Any], key: JobKey) -> list[Named]:
    """Whose records stay, by a decoded RetentionCommand, if innsyn sent it as it is. Raises KeyUnavailable."""
    return identifiers_from_json(_unsealed(command, key, KEPT))


def opened(command: Mapping[str, Any], key: JobKey) -> list[Named | RecordKey]:
    """What a decoded ErasureCommand names, if innsyn sent it as it is. Raises KeyUnavailable.

    `command`: with the fields that its writer's schema has, since those are what signature and seal cover.
    """
    return told_from_json(_unsealed(command, key, SEALED))


def _unsealed(command: Mapping[str, Any], key: JobKey, sealed: str) -> list[Any]:
    if not key.from_innsyn(command.get(SIGNATURE, b""), signed_bytes(command)):
        raise KeyUnavailable(f"a command is not signed by innsyn under key {key.id}: altered, or another's")
    found: list[Any] = json.loads(key.open(command[sealed], bound_bytes(command, sealed)))
    return found


def receipt_message(said: Mapping[str, Any], key: JobKey) -> dict[str, Any]:
    """Value of an ErasureReceipt: all that is `said`, signed with the key of the system's job."""
    whole = {**said, "key_id": key.id}
    return {**whole, SIGNATURE: key.sign(signed_bytes(whole))}


def decoded(record: RecordSchema, message: bytes) -> dict[str, Any]:
    """A message of the workflow, read with the version of the record that wrote it: not everybody upgrades at once.

    On the topic of the receipts of erasures, `receipt_of` says which of the two a value is.

    Raises DecodeError, also for an id that has not its form.
    """
    single = message[:2] == SINGLE_OBJECT_MAGIC
    known = {
        mark: item
        for name in (*_BESIDE.get(record.name, ()), record.name)
        for mark, item in own_versions(name).items()
    }
    writer = known.get(message[2:SINGLE_OBJECT_PREFIX], record) if single else record
    value = decode(writer, message)
    if (name := malformed(value)) is not None:
        raise DecodeError("malformed_id", name)
    return value


def receipt_of(value: Mapping[str, Any]) -> ErasureReceipt | RightsReceipt:
    """A decoded receipt as its class: those of erasures count what was erased."""
    return message_of(ErasureReceipt, value) if "erased" in value else message_of(RightsReceipt, value)


def command_id(request_id: str, system: str) -> str:
    """One command per request and system."""
    return f"{request_id}/{system}"

"""Which rows of a record name a person: conditions on its columns, as a system of record keeps them. Pure."""

from __future__ import annotations

import ipaddress
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from schemas.annotations import SubjectReference
from schemas.errors import InputError
from schemas.messages import Selector
from schemas.moments import EARLIEST, LATEST
from schemas.records import RecordSchema
from schemas.tokens import IdentifierKind, IdentifierKinds, canonical, former
from schemas.vocabulary import Role
from sinks.ports.identity import ALL_PORTS
from streams.identity.values import RecordKey
from streams.rights.protocol.messages import Named, Told
from streams.rights.reference_job.several import repeats, within

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Condition:
    """SQL text with a mark for each of `values`. `role`: of the person in such rows; `fields`: what names them.

    `customers`: fields of the same array that name customers in the role, and which of them are the person.
    """

    where: str
    values: tuple[str, ...]
    role: str
    fields: frozenset[str]
    customers: Mapping[str, frozenset[str]] = field(default_factory=dict)


def quoted(name: str) -> str:
    """A column or table name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def conditions(
    schema: RecordSchema,
    told: Told,
    kinds: IdentifierKinds,
    *,
    whosever: bool = False,
) -> Iterator[Condition]:
    """A condition for every field of the record that may name the person, and one for records told by their own key.

    Raises InvalidIdentifier, and InputError for a key that the record has not.

    Nothing in which another customer is named in the same role: whatever of the person stands beside them. Of a device
    or an address that links found, only records in which nobody else is named in the same role. An address with a time
    matches the events of that second alone, behind that port if one is given: at another time it was somebody else's.
    What links found matches in its interval and behind its ports alone. `whosever`: wherever they stand, also beside
    another customer. The text calls what `add_functions` brings.
    """
    named = [_canonical(Named(*item), kinds) for item in told if not isinstance(item, RecordKey)]
    keys = [item for item in told if isinstance(item, RecordKey) and item.record == schema.name]
    yield from _by_key(schema, keys, named, kinds)
    for reference in schema.identifiers:
        fields = frozenset(filter(None, [reference.field, reference.port_field]))
        texts: list[str] = []
        values: list[str] = []
        beside = {} if whosever else _customers(schema, reference, named, kinds)
        array = {name: own for name, own in beside.items() if _in_one_array(name, reference.field)}
        for item in named:
            if item.kind == reference.kind:
                text, more = _of(
                    item,
                    kinds[item.kind],
                    reference.field,
                    reference.port_field,
                    schema.annotation.event_time,
                    _no_other_customer(array, in_item=True),
                )
                if item.proof is not None and kinds[item.kind].names != "person":
                    # A guest who is named at the person's address, or on their device, is not the person.
                    alone, theirs = _nobody_else(schema, reference.role, named, kinds)
                    text, more = f"({text}{alone})", [*more, *theirs]
                texts.append(text)
                values += more
        if texts:
            text, more = _no_other_customer(
                {name: own for name, own in beside.items() if name not in array}, in_item=False
            )
            where = f"({' OR '.join(texts)}){text}"
            yield Condition(where, (*values, *more), reference.role, fields, array)


Limits = tuple[str, tuple[str, ...]]
"""Which rows are meant, as SQL text with a mark for each of the values."""
ALL_ROWS: Limits = ("1", ())


def selected(
    schema: RecordSchema,
    where: Selector | None,
    before: datetime | None = None,
    *,
    cut_off: datetime | None = None,
    undated: bool = False,
) -> Limits:
    """The rows that a selector means, None: all of them, by the time of the event.

    `before`: of an earlier time alone, and of none that cannot be read. `cut_off`: not of that time or a later one.
    `undated`: those alone whose time cannot be read, whatever the moments. The text calls what `add_functions` brings.
    """
    texts, values = ["1"], list[str]()
    if where is not None:
        text = f"{quoted(where.field)} IN ({', '.join('?' * len(where.values))})"
        texts.append(f"({text} OR {quoted(where.field)} IS NULL)" if where.or_empty else text)
        values += where.values
    time = f"innsyn_millis({quoted(schema.annotation.event_time)})"
    if undated:
        return " AND ".join([*texts, f"{time} IS NULL"]), tuple(values)
    if before is not None:
        texts.append(f"{time} < CAST(? AS INTEGER)")
        values.append(_milliseconds(before))
    if cut_off is not None:
        texts.append(f"coalesce({time} < CAST(? AS INTEGER), 1)")
        values.append(_milliseconds(cut_off))
    return " AND ".join(texts), tuple(values)


def _milliseconds(moment: datetime) -> str:
    return str((moment - _EPOCH) // timedelta(milliseconds=1))


def _of(
    item: Named,
    kind: IdentifierKind,
    field: str,
    port_field: str | None,
    event_time: str,
    alone: tuple[str, list[str]],
) -> tuple[str, list[str]]:
    """`alone`: what holds of an item besides, where the field repeats."""
    # What was stored before a canonical form changed stands there in the former one.
    values = [item.value, *(() if item.prefix else former(kind, item.value))]
    compared = "innsyn_within({}, ?)" if item.prefix else "{} = ?"
    one = compared.format(quoted(field))
    if repeats(field):
        each = compared.format("item.value")
        one = f"EXISTS (SELECT 1 FROM json_each({quoted(field)}) AS item WHERE {each}{alone[0]})"
        values = [text for value in values for text in (value, *alone[1])]
        text = " OR ".join([one] * (len(values) // (1 + len(alone[1]))))
    else:
        text = " OR ".join([one] * len(values))
    if item.bounded:
        return _bounded(item, text, values, port_field, event_time)
    if not kind.is_place:
        return text, values
    if item.at is not None:
        # Times are kept in ISO 8601; the first 19 characters are the second.
        text += f" AND substr({quoted(event_time)}, 1, 19) = ?"
        values.append(item.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    if item.port is not None and port_field is not None:
        text += f" AND {quoted(port_field)} = ?"
        values.append(str(item.port))
    return f"({text})", values


def _customers(
    schema: RecordSchema, reference: SubjectReference, named: Sequence[Named], kinds: IdentifierKinds
) -> dict[str, frozenset[str]]:
    """The fields that name a customer in the role of this one, and which of them the person is.

    None beside a field that names a customer itself.
    """
    if kinds[reference.kind].stands_for_customer:
        return {}
    return {
        other.field: frozenset(
            text
            for item in named
            if item.kind == other.kind
            for text in (item.value, *former(kinds[item.kind], item.value))
        )
        for other in schema.identifiers
        if other.role == reference.role and kinds[other.kind].stands_for_customer
    }


def _no_other_customer(customers: Mapping[str, frozenset[str]], *, in_item: bool) -> tuple[str, list[str]]:
    """That none of these fields names a customer, or one of them the person. `in_item`: in one item of an array."""
    mine, nobody, values = list[str](), list[str](), list[str]()
    for other, own in sorted(customers.items()):
        marks = ", ".join("?" * len(own))
        if repeats(other):
            place = "other.key = item.key AND " if in_item else ""
            each = f"EXISTS (SELECT 1 FROM json_each({quoted(other)}) AS other WHERE {place}other.value"
            mine.append(f"{each} IN ({marks}))")
            nobody.append(f"NOT {each} != '')")
        else:
            mine.append(f"coalesce({quoted(other)}, '') IN ({marks})")
            nobody.append(f"coalesce({quoted(other)}, '') = ''")
        values += sorted(own)
    if not mine:
        return "", []
    return f" AND ({' OR '.join([*mine, '(' + ' AND '.join(nobody) + ')'])})", values


def _in_one_array(one: str, other: str) -> bool:
    return repeats(one) and repeats(other) and within(one) == within(other)


def _by_key(
    schema: RecordSchema, keys: Sequence[RecordKey], named: Sequence[Named], kinds: IdentifierKinds
) -> Iterator[Condition]:
    """The records with these keys, in which no field of the owner names a person by what is not told: those are
    somebody else's by now."""
    owners = [item for item in schema.identifiers if item.role == Role.OWNER]
    fields = frozenset(name for item in owners for name in (item.field, item.port_field) if name)
    for name in sorted({item.field for item in keys}):
        if schema.find(name) is None:
            raise InputError(f"a record of {schema.name} is told by a field that it has not: {name}")
        values = [item.value for item in keys if item.field == name]
        alone, theirs = _nobody_else(schema, Role.OWNER, named, kinds)
        where = f"({quoted(name)} IN ({', '.join('?' * len(values))}){alone})"
        yield Condition(where, (*values, *theirs), Role.OWNER, fields)


def _nobody_else(
    schema: RecordSchema, role: str, named: Sequence[Named], kinds: IdentifierKinds
) -> tuple[str, list[str]]:
    """That no field of the role names a person by what is not among the identifiers of this one."""
    text, values = "", list[str]()
    for other in schema.identifiers:
        if other.role != role or kinds[other.kind].names != "person":
            continue
        own = [item.value for item in named if item.kind == other.kind]
        marks = ", ".join("?" * len(own))
        if repeats(other.field):
            text += f" AND NOT EXISTS (SELECT 1 FROM json_each({quoted(other.field)}) WHERE value NOT IN ({marks}))"
        else:
            text += f" AND ({quoted(other.field)} IS NULL OR {quoted(other.field)} IN ({marks}))"
        values += own
    return text, values


def _bounded(
    item: Named, text: str, values: list[str], port_field: str | None, event_time: str
) -> tuple[str, list[str]]:
    """With the limits of an identifier that links found. A record that knows no time is in no interval."""
    limits = [f"({text})"]
    for bound, sign in ((item.since, ">="), (item.until, "<")):
        if bound is not None:
            limits.append(f"innsyn_millis({quoted(event_time)}) {sign} CAST(? AS INTEGER)")
            values = [*values, _milliseconds(bound)]
    low, high = item.ports
    if item.ports != ALL_PORTS:
        port = f"CAST({quoted(port_field)} AS INTEGER)" if port_field else "0"
        known = f"CASE WHEN {port} BETWEEN 1 AND {ALL_PORTS[1]} THEN {port} ELSE 0 END"
        limits.append(f"{known} BETWEEN {int(low)} AND {int(high)}")
    return f"({' AND '.join(limits)})", values


def add_functions(connection: sqlite3.Connection) -> None:
    """What conditions call: a time in ISO 8601 as milliseconds since 1970, and whether an address lies in a prefix."""
    connection.create_function("innsyn_millis", 1, _millis, deterministic=True)
    connection.create_function("innsyn_within", 2, _lies_within, deterministic=True)


def _millis(text: object) -> int | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    found = (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) // timedelta(milliseconds=1)
    # The index takes no other: it stands for a time that nobody knows.
    return found if EARLIEST <= found < LATEST else None


def _lies_within(address: object, prefix: str) -> bool:
    try:
        return ipaddress.ip_address(str(address)) in ipaddress.ip_network(prefix)
    except ValueError:
        return False


def _canonical(item: Named, kinds: IdentifierKinds) -> Named:
    if item.prefix:
        network = ipaddress.IPv6Network(item.value)
        return item._replace(kind=kinds.parse(item.kind).name, value=str(network))
    return item._replace(value=canonical(kinds.parse(item.kind), item.value))

"""Which rows of a record name a person: conditions on its columns, as a system of record keeps them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC

from schemas.messages import Selector
from schemas.records import RecordSchema
from schemas.tokens import IdentifierKind, IdentifierKinds, canonical, former
from streams.rights.protocol.messages import Identifiers, Named
from streams.rights.reference_job.several import repeats


@dataclass(frozen=True)
class Condition:
    """SQL text with a mark for each of `values`. `role`: of the person in such rows; `fields`: what names them."""

    where: str
    values: tuple[str, ...]
    role: str
    fields: frozenset[str]


def quoted(name: str) -> str:
    """A column or table name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def conditions(schema: RecordSchema, identifiers: Identifiers, kinds: IdentifierKinds) -> Iterator[Condition]:
    """A condition for every field of the record that may name the person. Raises InvalidIdentifier.

    An address with a time matches the events of that second alone, behind that port if one is given: at another time
    it was somebody else's.
    """
    named = [_canonical(Named(*item), kinds) for item in identifiers]
    for reference in schema.identifiers:
        fields = frozenset(filter(None, [reference.field, reference.port_field]))
        texts: list[str] = []
        values: list[str] = []
        for item in named:
            if item.kind == reference.kind:
                text, more = _of(
                    item,
                    kinds[item.kind],
                    reference.field,
                    reference.port_field,
                    schema.annotation.event_time,
                )
                texts.append(text)
                values += more
        if texts:
            yield Condition(" OR ".join(texts), tuple(values), reference.role, fields)


def selected(where: Selector | None) -> tuple[str, tuple[str, ...]]:
    """The events that a selector means, as SQL text with a mark for each of the values; None: all of them."""
    if where is None:
        return "1", ()
    text = f"{quoted(where.field)} IN ({', '.join('?' * len(where.values))})"
    return (f"({text} OR {quoted(where.field)} IS NULL)" if where.or_empty else text), where.values


def _of(
    item: Named, kind: IdentifierKind, field: str, port_field: str | None, event_time: str
) -> tuple[str, list[str]]:
    # What was stored before a canonical form changed stands there in the former one.
    values = [item.value, *former(kind, item.value)]
    one = f"{quoted(field)} = ?"
    if repeats(field):
        one = f"EXISTS (SELECT 1 FROM json_each({quoted(field)}) WHERE value = ?)"
    text = " OR ".join([one] * len(values))
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


def _canonical(item: Named, kinds: IdentifierKinds) -> Named:
    return item._replace(value=canonical(kinds.parse(item.kind), item.value))

"""Several people in one role of an event: the consignees of a parcel, whom a changed row named and names now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.identifiers import IdentifierKind
from schemas.paths import ANY, ITEM, steps
from schemas.records import RecordSchema
from schemas.tokens import TOKEN_BYTES
from schemas.vocabulary import Role
from streams.columns.arrays import Flags, Ints
from streams.columns.tokens import TokenColumn, TokenTable


@dataclass(frozen=True)
class Several:
    """Identifiers of one kind and role of which an event may have any number: row `rows[i]` names the token in row i
    of `tokens`. `field`: where they stand; empty for what a text names."""

    rows: Ints
    tokens: TokenColumn
    kind: IdentifierKind
    role: Role
    field: str = ""


def crowded(
    record: RecordSchema, tokens: Mapping[str, TokenColumn], several: Sequence[Several], count: int
) -> dict[str, Flags]:
    """Of each role in which several may stand, the events in which several do.

    Items of an array are different people where one kind of identifier differs among them. A row that was changed names
    two people only where every kind of identifier did: of an address that changed the number stays. Kinds are compared
    by the first field of each object, since a person may have two numbers there.
    """
    listed = {item.field: item for item in several if item.field}
    if not record.contract or not listed:
        return {}
    found: dict[str, Flags] = {}
    for role in {item.role for item in listed.values()}:
        firsts: dict[tuple[str, tuple[str, ...]], str] = {}
        for item in record.identifiers:
            if item.role == role:
                firsts.setdefault((item.kind, steps(item.field)[:-1]), item.field)
        by_kind: defaultdict[str, list[tuple[Ints, TokenTable]]] = defaultdict(list)
        for (kind, _), name in firsts.items():
            by_kind[kind].append(_named(name, tokens, listed))
        counts = [_distinct(parts, count) for parts in by_kind.values()]
        arrays = any({ITEM, ANY} & {*steps(name)} for name in firsts.values())
        many, one = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        for number in counts:
            many |= number > 1
            one |= number == 1
        found[role] = many if arrays else many & ~one
    return found


def parted(rows: Ints, flags: Flags | None) -> Iterator[tuple[Ints, bool]]:
    """The rows that have the flag apart from those that have not; those that there are."""
    if flags is None:
        yield rows, False
        return
    for flag in (False, True):
        if len(part := rows[flags[rows] == flag]):
            yield part, flag


def _named(
    name: str, tokens: Mapping[str, TokenColumn], listed: Mapping[str, Several]
) -> tuple[Ints, TokenTable]:
    if name in listed:
        return listed[name].rows, listed[name].tokens.at(np.arange(len(listed[name].rows)))
    rows = np.flatnonzero(tokens[name].present)
    return rows, tokens[name].at(rows)


def _distinct(parts: Sequence[tuple[Ints, TokenTable]], count: int) -> Ints:
    """How many different tokens each event has."""
    rows = np.concatenate([rows for rows, _ in parts])
    table = np.concatenate([table for _, table in parts])
    pairs = np.zeros((len(rows), 8 + TOKEN_BYTES), np.uint8)
    pairs[:, :8] = rows.astype(">i8").view(np.uint8).reshape(-1, 8)
    pairs[:, 8:] = table
    once = np.unique(pairs.view(f"V{pairs.shape[1]}").ravel())
    of = once.view(np.uint8).reshape(-1, pairs.shape[1])[:, :8].copy().view(">i8").ravel()
    return np.bincount(of.astype(np.int64), minlength=count)

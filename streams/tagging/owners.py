"""Under what the owners of events were seen, and from which ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from schemas.records import RecordSchema, SubjectReference
from schemas.tokens import IdentifierKind, IdentifierKinds
from schemas.vocabulary import Role
from streams.columns.arrays import Flags, Ints
from streams.columns.observed import Observed
from streams.columns.tokens import Coordinates, TokenColumn, TokenTable, first_present
from streams.tagging.decode.columnar import Decoded
from streams.tagging.several import Several


def observed(
    owners: Sequence[tuple[SubjectReference, IdentifierKind]],
    decoded: Decoded,
    tokens: Mapping[str, TokenColumn],
    times: Ints,
    good: Flags,
    where: Coordinates,
) -> Observed:
    """Under what the owners of events were seen that do not give their customer number; `where` these lie."""
    unnamed = good.copy()
    for item, kind in owners:
        if kind.stands_for_customer:
            unnamed &= ~tokens[item.field].present
    parts = []
    for item, kind in owners:
        if kind.stands_for_customer:
            continue
        rows = np.flatnonzero(unnamed & tokens[item.field].present)
        ports = ports_of(decoded, item)
        port = np.zeros(len(rows), np.int64) if ports is None else ports[rows]
        partition = where.partition[rows].astype(np.int64)
        parts.append(Observed(tokens[item.field].at(rows), times[rows], port, partition, where.offset[rows]))
    return Observed.joined(parts)


def ports_of(decoded: Decoded, reference: SubjectReference) -> Ints | None:
    """Source ports, 0 where unknown or impossible."""
    if reference.port_field is None:
        return None
    ports: Ints = decoded.columns[reference.port_field].fill_null(0).to_numpy(zero_copy_only=False)
    return np.where((ports > 0) & (ports < 65_536), ports, 0)


def customers_of(
    record: RecordSchema, kinds: IdentifierKinds, tokens: Mapping[str, TokenColumn]
) -> dict[Role, TokenTable]:
    """By role the customer whom each event names in it, where something else may name somebody too; NOTHING where it
    names none, or two that differ.

    Customers in arrays are each of an item alone: of an event with such nobody can say.
    """
    columns: dict[Role, list[TokenColumn]] = {}
    beside = {item.role for item in record.identifiers if not kinds[item.kind].stands_for_customer}
    for item in record.identifiers:
        if item.role in beside and item.field in tokens and kinds[item.kind].stands_for_customer:
            columns.setdefault(Role(item.role), []).append(tokens[item.field])
    return {role: _one_of(found) for role, found in columns.items()}


def _one_of(columns: Sequence[TokenColumn]) -> TokenTable:
    """For each event the token in the columns, NOTHING where there is none, or another one beside it."""
    every = np.arange(len(columns[0].index))
    found, _ = first_present(columns, every)
    for column in columns[1:]:
        found[column.present & (column.at(every) != found).any(axis=1)] = 0
    return found


def named_owners(
    record: RecordSchema,
    kinds: IdentifierKinds,
    tokens: Mapping[str, TokenColumn],
    several: Sequence[Several],
) -> list[tuple[bool, Ints, TokenTable]]:
    """For each identifier of owners whether it stands for the customer alone, the events that have it, in order, and
    its token in each. Of a change that names who owned it before too, whoever owns it now: the first."""
    mine = [item for item in record.identifiers if item.role == Role.OWNER and item.field in tokens]
    found = [(kinds[item.kind].stands_for_customer, *_each(tokens[item.field])) for item in mine]
    return found + [
        (item.kind.stands_for_customer, *_first(item)) for item in several if item.role == Role.OWNER
    ]


def _each(column: TokenColumn) -> tuple[Ints, TokenTable]:
    rows = np.flatnonzero(column.present)
    return rows, column.at(rows)


def _first(item: Several) -> tuple[Ints, TokenTable]:
    present = np.flatnonzero(item.tokens.present)
    events, places = np.unique(item.rows[present], return_index=True)
    return events, item.tokens.at(present[places])

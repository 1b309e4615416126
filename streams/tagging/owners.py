"""Under what the owners of events were seen, and from which ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from schemas.records import SubjectReference
from schemas.tokens import IdentifierKind
from streams.columns.arrays import Flags, Ints
from streams.columns.observed import Observed
from streams.columns.tokens import TokenColumn
from streams.tagging.decode.columnar import Decoded


def observed(
    owners: Sequence[tuple[SubjectReference, IdentifierKind]],
    decoded: Decoded,
    tokens: Mapping[str, TokenColumn],
    times: Ints,
    good: Flags,
) -> Observed:
    """Under what the owners of events were seen that do not give their customer number."""
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
        parts.append(Observed(tokens[item.field].at(rows), times[rows], port))
    return Observed.joined(parts)


def ports_of(decoded: Decoded, reference: SubjectReference) -> Ints | None:
    """Source ports, 0 where unknown or impossible."""
    if reference.port_field is None:
        return None
    ports: Ints = decoded.columns[reference.port_field].fill_null(0).to_numpy(zero_copy_only=False)
    return np.where((ports > 0) & (ports < 65_536), ports, 0)

"""Rows of the index while a batch is tagged: columns that grow, their tag sets, and who is named how often."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.tags import TagSet
from schemas.tokens import Prefixes
from schemas.vocabulary import Role
from sinks.ports.identity import PREFIX_SCHEMA
from sinks.ports.lineage import ROW_SCHEMA
from streams.columns.arrays import Ints
from streams.columns.tokens import (
    Coordinates,
    TokenTable,
    binary_array,
    token_table,
)
from streams.tagging.record_keys import RecordKeys


class Rows:
    """Collects columns of rows, a chunk for each subject reference. `counts`: rows of each decoded event; `keys`: which
    record it tells of, None where nobody can tell."""

    def __init__(
        self,
        times: Ints,
        at: Coordinates,
        keys: RecordKeys | None = None,
        customers: Mapping[Role, TokenTable] = MappingProxyType({}),
    ) -> None:
        """`customers`: whom the events name as their customer, by the role in which they do."""
        self._customers = customers
        self._times = times
        self._at = at
        self.keys = keys
        self.counts = np.zeros(len(times), np.int64)
        self.tag_sets: list[TagSet] = []
        self.columns: dict[str, list[Any]] = {name: [] for name in ROW_SCHEMA.names if name != "topic"}

    def counted(self, positions: Ints, count: int) -> Ints:
        """Rows of each of `count` bodies, of which the decoded events stand at `positions`."""
        subjects = np.zeros(count, np.int64)
        np.add.at(subjects, positions, self.counts)
        return subjects

    def add(self, rows: Ints, tokens: TokenTable, tags: TagSet, role: Role, ports: Ints | None) -> None:
        """A row for each of these events, an event may come twice. `ports` of all events."""
        count = len(rows)
        if not count:
            return
        if tags not in self.tag_sets:
            self.tag_sets.append(tags)
        np.add.at(self.counts, rows, 1)
        self.columns["token"].append(tokens)
        self.columns["partition"].append(self._at.partition[rows])
        self.columns["offset"].append(self._at.offset[rows])
        self.columns["role"].append(np.full(count, role.code, np.int8))
        self.columns["tag_set"].append(np.full(count, tags.id, np.uint64))
        self.columns["event_time"].append(self._times[rows])
        self.columns["port"].append(
            np.zeros(count, np.uint16) if ports is None else ports[rows].astype(np.uint16)
        )
        self.columns["customer"].append(self._customer(rows, tokens, role))
        self.columns["record"].append(np.zeros(count, np.uint64) if self.keys is None else self.keys[rows])

    def _customer(self, rows: Ints, tokens: TokenTable, role: Role) -> TokenTable:
        """Whose customers' the rows are, nobody's where they are the customer's own."""
        known = self._customers.get(role)
        if known is None:
            return np.zeros(tokens.shape, np.uint8)
        named = known[rows]
        named[(named == tokens).all(axis=1)] = 0
        return named


def prefix_table(prefixes: Mapping[bytes, Prefixes]) -> pa.Table:
    """`sinks.ports.identity.PREFIX_SCHEMA`."""
    above = [item for found in prefixes.values() for item in found]
    if not above:
        return PREFIX_SCHEMA.empty_table()
    tokens = [token for token, found in prefixes.items() for _ in found]
    lengths = pa.array([length for _, length in above], pa.uint8())
    columns = [token_table([token for token, _ in above]), token_table(tokens)]
    prefix, address = map(binary_array, columns)
    return pa.Table.from_arrays([prefix, lengths, address], schema=PREFIX_SCHEMA)

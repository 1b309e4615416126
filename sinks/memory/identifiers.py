"""Sealed identifiers, in plain Python."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sinks.memory.state import MemoryState
from sinks.ports.identifiers import IDENTIFIER_SCHEMA


class MemoryIdentifiers(MemoryState):
    """An `IdentifierReader`."""

    def sealed(self, tokens: Sequence[bytes]) -> pa.Table:
        with self.lock:
            found = [self.identifiers[token] for token in set(tokens) if token in self.identifiers]
        return pa.Table.from_pylist(found, IDENTIFIER_SCHEMA)

    def sealing_keys(self) -> set[str]:
        with self.lock:
            return {row["key"] for row in self.identifiers.values()}

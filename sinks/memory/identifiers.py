"""Sealed identifiers, in plain Python."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa

from sinks.memory.forgotten import mentioned
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


def unseal(index: MemoryState, tokens: Collection[bytes], kept: Collection[bytes]) -> None:
    """Take away the sealed identifiers of the tokens that no claim mentions, but for those kept; of every key."""
    same = index.same_tokens()
    gone = same.every(tokens) - same.every([*kept, *mentioned(index.claims_known)])
    index.identifiers = {token: row for token, row in index.identifiers.items() if token not in gone}

"""What was said of who identifiers belonged to, in plain Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from schemas.vocabulary import Mark
from sinks.memory.state import MemoryState, naive
from sinks.ports.identity import KNOWN_CLAIM_SCHEMA, NOTHING, PREFIX_SCHEMA, ClaimKey


class MemoryClaims(MemoryState):
    """A `ClaimReader`."""

    def claims(
        self,
        keys: Sequence[bytes],
        known_at: datetime | None = None,
        *,
        of: ClaimKey,
        without: Sequence[bytes] = (),
    ) -> pa.Table:
        wanted, known = set(keys) - {NOTHING}, set(without)
        with self.lock:
            found = [
                row
                for row in self._said().values()
                if row[of] in wanted
                and row["token"] not in known
                and (of != "server" or row["mark"] in (Mark.OFF.code, Mark.ON.code))
                and (known_at is None or row["learnt_at"] <= naive(known_at))
            ]
        return pa.Table.from_pylist(found, KNOWN_CLAIM_SCHEMA)

    def _said(self) -> Mapping[tuple[Any, ...], dict[str, Any]]:
        return self.claims_known

    def prefixes(self, tokens: Sequence[bytes]) -> pa.Table:
        return self._prefix_table(2, set(tokens))

    def addresses(self, prefixes: Sequence[bytes]) -> pa.Table:
        return self._prefix_table(0, set(prefixes))

    def _prefix_table(self, place: int, wanted: set[bytes]) -> pa.Table:
        with self.lock:
            found = [item for item in self.prefixes_known if item[place] in wanted]
        return pa.Table.from_pylist(
            [dict(zip(PREFIX_SCHEMA.names, item, strict=True)) for item in found], PREFIX_SCHEMA
        )


class RetainedMemoryClaims(MemoryClaims):
    """The same of what is kept for the police alone."""

    def __init__(self, index: MemoryState) -> None:
        self.__dict__ = index.__dict__

    def _said(self) -> Mapping[tuple[Any, ...], dict[str, Any]]:
        return self.retained

"""What events say of duties, in plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from sinks.memory.state import MemoryState
from sinks.ports.facts import FACT_SCHEMA


class MemoryFacts(MemoryState):
    """A `FactReader`."""

    def facts(
        self, tokens: Sequence[bytes], facts: Sequence[str] = (), known_at: datetime | None = None
    ) -> pa.Table:
        wanted = set(tokens)
        with self.lock:
            positions = self.positions_at(known_at)
            found = [
                {name: row[name] for name in FACT_SCHEMA.names}
                for key, row in self.said.items()
                if key[0] in wanted
                and (not facts or row["fact"] in facts)
                and self.was_known(key[1:4], positions, known_at)
            ]
        return pa.Table.from_pylist(found, FACT_SCHEMA)

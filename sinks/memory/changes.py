"""Whether anything has changed, in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sinks.memory.state import MemoryState
from sinks.ports.changes import MarkKey
from sinks.ports.identity import CLAIM_KEYS


class MemoryChanges(MemoryState):
    """An `IndexMarks`."""

    def marks(self, keys: Mapping[str, Sequence[bytes]]) -> Mapping[MarkKey, int]:
        """Contract: `sinks.ports.changes.IndexMarks`."""
        under: defaultdict[MarkKey, set[object]] = defaultdict(set)
        with self.lock:
            for place, claim in self.claims_known.items():
                for name in CLAIM_KEYS:
                    under["claim", claim[name]].add((place, claim["learnt_at"]))
            for key, row in self.rows.items():
                under["row", key[0]].add((key, row))
            for item in self.prefixes_known:
                under["prefix", item[0]].add(item)
                under["address", item[2]].add(item)
        wanted = {(kind, key) for kind, some in keys.items() for key in some}
        return {key: hash(frozenset(found)) for key, found in under.items() if key in wanted}

    def learnt(self) -> object:
        with self.lock:
            return len(self.written), len(self.done)

"""Token keys and pairs of tokens, in plain Python."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sinks.memory.state import MemoryState
from sinks.ports.keys import PAIR_SCHEMA, KeyEntry


class MemoryKeys(MemoryState):
    """A `KeyRegister` and `PairStore`."""

    def entries(self) -> Sequence[KeyEntry]:
        with self.lock:
            return list(self.register)

    def append(self, entry: KeyEntry) -> bool:
        with self.lock:
            if any(item.sequence == entry.sequence for item in self.register):
                return False
            self.register.append(entry)
            return True

    def used(self) -> set[str]:
        with self.lock:
            return {tags.key_id for tags in self.tag_sets.values()}

    def empty(self) -> bool:
        with self.lock:
            return not (self.tag_sets or self.claims_known or self.retained or self.ranges or self.dead)

    def pairs(self, tokens: Sequence[bytes]) -> pa.Table:
        wanted = set(tokens)
        with self.lock:
            found = [item for item in self.pairs_known if wanted.intersection(item[:2])]
        return pa.Table.from_pylist(
            [dict(zip(PAIR_SCHEMA.names, item, strict=True)) for item in found], PAIR_SCHEMA
        )

    def of_any_shape(self) -> tuple[Sequence[KeyEntry], set[str]]:
        return self.entries(), self.used()

    def retire(self, key_id: str, kept: Sequence[bytes]) -> None:
        wanted = set(kept)
        with self.lock:
            old = [item for item in self.pairs_known if item[2] == key_id]
            for older, newer, _ in old:
                new_key_id = self.pairs_known.pop((older, newer, key_id))
                if wanted & {older, newer}:
                    self.pairs_known[older, newer, ""] = new_key_id

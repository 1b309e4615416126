"""The claims of an index, read once under each key: for a test that asks about hundreds of people one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from schemas.tokens import TOKEN_BYTES
from sinks.ports.identity import ClaimKey, ClaimReader


class ReadOnce:
    """Contract: `sinks.ports.identity.ClaimReader`. Whatever is asked is read from the index; asked again, it is there.

    Asked about everybody first (`streams.identity.gather`), it reads in a dozen questions what would be ten a person.
    """

    def __init__(self, index: ClaimReader) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._read: dict[object, set[bytes]] = {}
        self._kept: dict[object, pa.Table] = {}

    def claims(
        self,
        keys: Sequence[bytes],
        known_at: datetime | None = None,
        *,
        of: ClaimKey,
        without: Sequence[bytes] = (),
    ) -> pa.Table:
        found = self._of(of, known_at, keys, lambda missing: self._index.claims(missing, known_at, of=of))
        return found.filter(pc.invert(_among(found["token"], without)))

    def prefixes(self, tokens: Sequence[bytes]) -> pa.Table:
        return self._of("token", "prefixes", tokens, self._index.prefixes)

    def addresses(self, prefixes: Sequence[bytes]) -> pa.Table:
        return self._of("prefix", "addresses", prefixes, self._index.addresses)

    def _of(
        self, column: str, asked: object, keys: Sequence[bytes], read: Callable[[list[bytes]], pa.Table]
    ) -> pa.Table:
        with self._lock:
            before = self._read.setdefault((column, asked), set())
            missing = sorted(set(keys) - before)
            kept = self._kept.get((column, asked))
            if missing or kept is None:
                fresh = read(missing)
                both = fresh if kept is None else pa.concat_tables([kept, fresh])
                kept = self._kept[column, asked] = both.unify_dictionaries().combine_chunks()
                before.update(missing)
        return kept.filter(_among(kept[column], keys))


def _among(column: pa.ChunkedArray, keys: Sequence[bytes]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(list(keys), pa.binary(TOKEN_BYTES)))

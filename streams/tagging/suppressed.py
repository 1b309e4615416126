"""Events of a batch that an erasure had taken away: known again by the suppression ledger, and told with their origin.

What is known is kept as sorted columns. Nearly every row of a batch is nobody's who was erased, so the rows are first
looked up in a table of bits by a part of their token, which takes a millisecond; the few that are left are compared in
full. The ledger is read again when it changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.tokens import TOKEN_BYTES
from sinks.ports.lineage import LineageBatch
from sinks.ports.resurrected import Arrival, Resurrected
from sinks.ports.suppression import STANDING_SCHEMA, SuppressionLedger
from streams.columns.arrays import Flags, Ints

_Words = npt.NDArray[np.uint64]
# Bits of the table: 64 times as many as there are tokens, so that one row in 64 passes it in vain.
_SPARSE, _LEAST_BITS, _MOST_BITS = 64, 10, 24


class SameTokens(Protocol):
    """The tokens of an identifier under all keys, as `streams.identity.rekeyed.Same` tells."""

    def every(self, tokens: Iterable[bytes]) -> Mapping[bytes, frozenset[bytes]]: ...


@dataclass(frozen=True)
class Known:
    """What is looked for, as columns in the order of their tokens: row i is one span.

    `first`, `second`: the halves of the token. `request`: whose it is, a place in `requests` and in `stays`, which are
    the tag sets whose events stayed as they were.
    """

    first: _Words
    second: _Words
    since: Ints
    before: Ints
    port_from: npt.NDArray[np.uint16]
    port_to: npt.NDArray[np.uint16]
    request: npt.NDArray[np.int32]
    requests: Sequence[str]
    stays: Sequence[frozenset[int]]
    bits: Flags = field(repr=False)

    @staticmethod
    def of(standing: pa.Table) -> Known:
        """From `STANDING_SCHEMA`."""
        table = standing.combine_chunks()
        first, second = halves(table["token"])
        order = np.lexsort((second, first))
        size = min(max((len(order) * _SPARSE).bit_length(), _LEAST_BITS), _MOST_BITS)
        bits = np.zeros(1 << size, np.bool_)
        bits[first & np.uint64(len(bits) - 1)] = True
        since, before, low, high = (
            table[name].to_numpy()[order] for name in ("since", "before", "port_from", "port_to")
        )
        named = table["request_id"].combine_chunks().dictionary_encode()
        numbers = named.indices.to_numpy()
        # The tag sets are of the request, so those of any of its spans.
        _, anywhere = np.unique(numbers, return_index=True)
        stays = [frozenset(item) for item in table["stays"].take(pa.array(anywhere)).to_pylist()]
        return Known(
            *(first[order], second[order], since, before, low, high),
            *(numbers[order], named.dictionary.to_pylist(), stays, bits),
        )

    def rows(self, tokens: pa.ChunkedArray) -> Ints:
        """Which of the rows have a token that is looked for, by its first half."""
        if not len(self.first):
            return np.zeros(0, np.int64)
        first, _ = halves(tokens)
        near = np.flatnonzero(self.bits[first & np.uint64(len(self.bits) - 1)])
        place = np.minimum(np.searchsorted(self.first, first[near]), len(self.first) - 1)
        found: Ints = near[self.first[place] == first[near]]
        return found

    def matches(self, rows: pa.Table) -> Iterable[tuple[str, int]]:
        """By request the places among the rows that lie in one of its spans. Few rows, so one after the other."""
        if not rows.num_rows:
            return
        first, second = halves(rows["token"])
        times = rows["event_time"].cast(pa.int64()).to_numpy()
        ports = rows["port"].to_numpy()
        tag_sets = rows["tag_set"].to_numpy()
        begins = np.searchsorted(self.first, first, "left")
        ends = np.searchsorted(self.first, first, "right")
        for row in np.flatnonzero(begins < ends):
            for at in range(begins[row], ends[row]):
                if (
                    self.second[at] == second[row]
                    and self.since[at] <= times[row] < self.before[at]
                    and self.port_from[at] <= ports[row] <= self.port_to[at]
                    and int(tag_sets[row]) not in self.stays[self.request[at]]
                ):
                    yield self.requests[self.request[at]], int(row)


class Suppression:
    """What one tagger knows of the ledger. One thread at a time. May raise IndexUnavailable."""

    def __init__(self, ledger: SuppressionLedger, arrival: Arrival, same: SameTokens | None = None) -> None:
        """`arrival`: by which way its events come. `same`: of an index whose token key was rotated."""
        self._ledger = ledger
        self._arrival = arrival
        self._same = same
        self._mark: object = None
        self._standing = STANDING_SCHEMA.empty_table()
        self._newer: dict[bytes, bytes] = {}
        self._known = Known.of(self._standing)

    def caught(self, batch: LineageBatch, now: datetime) -> list[Resurrected]:
        """Which of the batch's events an erasure had taken away: those with a row that lies where it forgot."""
        self._read(batch.pairs, now, self._ledger.mark())
        return self._found(batch, now)

    def _found(self, batch: LineageBatch, now: datetime) -> list[Resurrected]:
        """By what was read of the ledger last."""
        rows = self._known.rows(batch.rows["token"])
        if not len(rows):
            return []
        some = batch.rows.take(rows)
        places = zip(*(some[name].to_pylist() for name in ("topic", "partition", "offset")), strict=True)
        where = list(places)
        found: dict[tuple[str, str, int], set[int]] = {}
        for request_id, row in self._known.matches(some):
            topic, partition, offset = where[row]
            found.setdefault((request_id, topic, partition), set()).add(offset)
        return [
            Resurrected(*place, min(offsets), max(offsets), len(offsets), self._arrival, now)
            for place, offsets in sorted(found.items())
        ]

    def watched(self, batch: LineageBatch, now: datetime) -> LineageBatch:
        """The batch with what of it an erasure had taken away, also one that begins while it is written: its entry
        stands before it forgets, so either the rows are there by then and go, or the entry is found here.

        Whether the ledger has changed is asked then, and not before as well: what began since the last batch is found
        with what begins while this one is written."""
        self._read(batch.pairs, now, self._ledger.mark() if self._mark is None else self._mark)
        before = self._found(batch, now)

        def meanwhile() -> list[Resurrected]:
            mark = self._ledger.mark()
            if mark == self._mark:
                return []
            known = {(item.request_id, item.topic, item.partition) for item in before}
            self._read(batch.pairs, now, mark)
            found = self._found(batch, now)
            return [item for item in found if (item.request_id, item.topic, item.partition) not in known]

        return replace(batch, resurrected=before, meanwhile=meanwhile)

    def _read(self, pairs: pa.Table, now: datetime, mark: object) -> None:
        """Again where the ledger changed, or where the batch says what a token is called under a newer key.

        `mark`: what the ledger says of itself."""
        changed = mark != self._mark
        if changed:
            self._standing, self._mark = self._ledger.standing(now), mark
        learnt = self._learn(pairs, changed=changed)
        if changed or learnt:
            self._known = Known.of(_renamed(self._standing, self._newer))

    def _learn(self, pairs: pa.Table, *, changed: bool) -> bool:
        """What tokens of the ledger are called under newer keys; whether anything is new."""
        before = len(self._newer)
        if pairs.num_rows or (changed and self._same is not None):
            tokens = {*self._standing["token"].to_pylist()}
            if changed and self._same is not None:
                every = self._same.every(tokens)
                self._newer |= {other: token for token in tokens for other in every[token] if other != token}
            for older, newer in zip(pairs["older"].to_pylist(), pairs["newer"].to_pylist(), strict=True):
                older = self._newer.get(older, older)
                if older in tokens and newer != older:
                    self._newer[newer] = older
        return len(self._newer) != before


def _renamed(standing: pa.Table, newer: Mapping[bytes, bytes]) -> pa.Table:
    """With each span also under the other tokens of its identifier; `newer`: by such a token the one in the ledger."""
    if not newer:
        return standing
    others: dict[bytes, list[bytes]] = {}
    for token, known in newer.items():
        others.setdefault(known, []).append(token)
    rows: list[dict[str, Any]] = [
        {**row, "token": token}
        for row in standing.to_pylist()
        for token in (row["token"], *others.get(row["token"], ()))
    ]
    return pa.Table.from_pylist(rows, STANDING_SCHEMA)


def halves(tokens: pa.ChunkedArray) -> tuple[_Words, _Words]:
    """The first and the second half of each token, as numbers."""
    parts = [chunk for chunk in tokens.chunks if len(chunk)]
    if not parts:
        return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    words = [
        np.frombuffer(chunk.buffers()[1], np.uint64, len(chunk) * 2, chunk.offset * TOKEN_BYTES).reshape(
            -1, 2
        )
        for chunk in parts
    ]
    whole = words[0] if len(words) == 1 else np.concatenate(words)
    return whole[:, 0], whole[:, 1]

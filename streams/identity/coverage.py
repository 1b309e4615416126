"""Whose events these are, asked while they are tagged: by the same rules that answer a question later.

Nothing of it is stored: a row keeps what was observed, and a report that comes tomorrow changes the answer. It is
counted, so that an identity feed that fell silent shows at once: as events that are nobody's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.tokens import TOKEN_BYTES
from schemas.vocabulary import Resolution
from sinks.ports.identity import OpenClaims
from sinks.ports.views import FOUND_SCHEMA, FoundWord
from streams.columns.arrays import Flags
from streams.columns.observed import Observed
from streams.columns.tokens import TokenTable, binary_array
from streams.identity.identities import Identities
from streams.identity.links.table import Ints, Links
from streams.identity.resolve import resolve_tokens

# Other taggers learn too: what was looked up is believed for so long.
_SECONDS = 30.0
_TOKENS, _BLOCKS = 1_000_000, 32
_NOBODY = -1

Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Counted:
    """`totals`: (topic, unique | ambiguous | none) to how many identifiers led to so many people. `events`:
    `sinks.ports.views.FOUND_SCHEMA`, a row for each identifier."""

    totals: Mapping[tuple[str, str], int]
    events: pa.Table


class Coverage:
    """Counts resolutions, and remembers for half a minute what it looked up. One thread at a time.

    A claim of the batch makes its own token asked anew at once; what it changes further along a chain, or by ending a
    session without naming the address, shows after that half minute.

    Tokens are told apart by their first eight bytes here: they are keyed hashes, and only a figure depends on it.
    """

    def __init__(self, identities: Identities, clock: Callable[[], float] = time.monotonic) -> None:
        self._identities = identities
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """What was looked up holds no longer."""
        self._since = self._clock()
        # Tokens looked up, sorted, and in step the block that holds the chains of each: _NOBODY if it has none.
        self._keys = np.zeros(0, np.uint64)
        self._places = np.zeros(0, np.int64)
        self._blocks: list[Links] = []

    def count(self, observed: Mapping[str, Observed], claims: OpenClaims, prefixes: pa.Table) -> Counted:
        """How many identifiers were seen that lead to one person, to several or to nobody, and by which events.

        `claims`: what else the batch says, already in the index. `prefixes`: `sinks.ports.identity.PREFIX_SCHEMA`, for
        the IPv6 addresses among the observed. Raises IndexUnavailable.
        """
        self._forget(claims.table)
        topics = [topic for topic, seen in observed.items() if len(seen)]
        if not topics:
            return Counted({}, FOUND_SCHEMA.empty_table())
        every = Observed.joined([observed[topic] for topic in topics])
        keys, first, which = np.unique(_keys(every.token), return_index=True, return_inverse=True)
        tokens = every.token[first]
        self._look_up(keys, tokens, prefixes)
        place = self._places[np.searchsorted(self._keys, keys)]
        resolution = self._resolved(tokens, place, prefixes, which, every)
        of_topic = np.repeat(np.arange(len(topics)), [len(observed[topic]) for topic in topics])
        pairs, counts = np.unique(of_topic * len(Resolution) + resolution, return_counts=True)
        totals: dict[tuple[str, str], int] = {
            (topics[pair // len(Resolution)], Resolution.of(pair % len(Resolution))): count
            for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True)
        }
        return Counted(totals, _found(topics, of_topic, every, resolution, place[which] == _NOBODY))

    def _forget(self, claims: pa.Table) -> None:
        old = self._clock() - self._since > _SECONDS
        if old or len(self._keys) > _TOKENS or len(self._blocks) >= _BLOCKS:
            self.forget()
        elif claims.num_rows and len(self._keys):
            said = np.frombuffer(b"".join(claims["token"].to_pylist()), np.uint8).reshape(-1, TOKEN_BYTES)
            keep = ~np.isin(self._keys, _keys(said))
            self._keys, self._places = self._keys[keep], self._places[keep]

    def _look_up(self, keys: Keys, tokens: TokenTable, prefixes: pa.Table) -> None:
        new = ~np.isin(keys, self._keys, assume_unique=True)
        if not new.any():
            return
        asked: list[bytes] = binary_array(tokens[new]).to_pylist()
        ends = self._identities.ends({*asked, *prefixes["prefix"].to_pylist()})
        known = ends.codes
        under = zip(prefixes["token"].to_pylist(), prefixes["prefix"].to_pylist(), strict=True)
        found = {token for token, prefix in under if prefix in known}.union(known)
        places = np.array([len(self._blocks) if token in found else _NOBODY for token in asked], np.int64)
        self._blocks.append(ends)
        joined = np.concatenate([self._keys, keys[new]])
        order = np.argsort(joined)
        self._keys, self._places = joined[order], np.concatenate([self._places, places])[order]

    def _resolved(
        self, tokens: TokenTable, place: Ints, prefixes: pa.Table, which: Ints, seen: Observed
    ) -> Ints:
        """The resolution of each, from the block that knows its token: `place` of each token."""
        resolution = np.full(len(seen), Resolution.NONE.code)
        for number in np.unique(place[place >= 0]).tolist():
            mine = np.flatnonzero(place == number)
            of = np.full(len(place), -1)
            of[mine] = np.arange(len(mine))
            rows = np.flatnonzero(of[which] >= 0)
            asked = resolve_tokens(
                self._blocks[number],
                binary_array(tokens[mine]),
                prefixes,
                of[which[rows]],
                seen.at[rows],
                seen.port[rows],
            )
            resolution[rows] = asked.resolution
        return resolution


def _found(
    topics: Sequence[str], of_topic: Ints, seen: Observed, resolution: Ints, unknown: Flags
) -> pa.Table:
    words = [*FoundWord]
    code = np.select(
        [resolution == Resolution.UNIQUE.code, resolution == Resolution.AMBIGUOUS.code, unknown],
        [words.index(FoundWord.ONE), words.index(FoundWord.SEVERAL), words.index(FoundWord.UNKNOWN)],
        words.index(FoundWord.ANOTHER_TIME),
    )
    columns = [
        pa.DictionaryArray.from_arrays(pa.array(of_topic.astype(np.int32)), list(topics)),
        pa.array(seen.partition.astype(np.int32)),
        pa.array(seen.offset),
        pa.array(seen.at.astype("datetime64[ms]")),
        pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int32)), words),
    ]
    return pa.Table.from_arrays(columns, schema=FOUND_SCHEMA)


def _keys(tokens: TokenTable) -> Keys:
    return np.ascontiguousarray(tokens[:, :8]).view(np.uint64).ravel()

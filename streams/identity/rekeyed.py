"""An index whose rows were made under several token keys, read as if all were of one.

Nobody can turn a token back, so a tagger notes, for each identifier it sees under the key in force, the token that the
identifier has under the older ones. What is asked, and everything that answers say of tokens, is in tokens of the
oldest key there is: every identifier that was ever seen under a newer one has its pair, and what has no pair was never
seen under another key. So nothing is missed and nothing joined that is not the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from schemas.tags import TagSet
from schemas.tokens import TOKEN_BYTES
from sinks.ports.clocks import ClockReader
from sinks.ports.erasure import NOTHING_GONE, Forgotten, IndexEraser, RecordsGone
from sinks.ports.expiry import DayCount, Expired, ExpiryReader, IndexExpirer, OldRecords, RunOut
from sinks.ports.exposed import Exposed, ExposedReader, Reach
from sinks.ports.facts import FactReader
from sinks.ports.identity import CLAIM_KEYS, NOTHING, ClaimKey, ClaimReader
from sinks.ports.keys import PairReader
from sinks.ports.lineage import (
    NO_LIMITS,
    BesideReader,
    Counts,
    CountsQuestion,
    Filter,
    Found,
    IndexReader,
    Others,
    Span,
)
from sinks.ports.record_keys import RecordKeyReader, UnnamedRecords
from sinks.ports.same import pairs_around

_MOST_KEPT = 500_000
Rotated = Callable[[], int]
"""How often the keys of the index changed since the first one: if never, no pairs are asked for."""


class Same:
    """The tokens of each identifier under all keys; `newest`: named by that of the newest key, not of the oldest."""

    def __init__(
        self, pairs: PairReader, rotated: Rotated, *, newest: bool = False, kept_seconds: float = 1.0
    ) -> None:
        """`kept_seconds`: one question asks for the same tokens many times, so what was read is kept that long."""
        self._pairs = pairs
        self._rotated = rotated
        self._newest = newest
        self._kept = kept_seconds
        self._until = 0.0
        self._changes = 0
        self._groups: dict[bytes, tuple[bytes, frozenset[bytes]]] = {}
        self._lock = threading.Lock()

    def names(self, tokens: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """For each token the one that names its identifier; empty while the index has had one key only.

        Raises IndexUnavailable.
        """
        if not self._rotated():
            return {}
        groups = self._read(set(tokens))
        return {token: groups[token][0] for token in tokens}

    def every(self, tokens: Iterable[bytes]) -> Mapping[bytes, frozenset[bytes]]:
        """For each of the tokens all of the same identifier, itself among them."""
        if not self._rotated():
            return {token: frozenset([token]) for token in tokens}
        groups = self._read(set(tokens))
        return {token: groups[token][1] for token in tokens}

    def _read(self, tokens: set[bytes]) -> Mapping[bytes, tuple[bytes, frozenset[bytes]]]:
        """The name and the tokens of the identifier of each token."""
        with self._lock:
            changes = self._rotated()
            if time.monotonic() > self._until or changes != self._changes or len(self._groups) > _MOST_KEPT:
                # By which token an identifier goes is another matter once a key was retired.
                self._groups, self._changes = {}, changes
                self._until = time.monotonic() + self._kept
            groups = self._groups
        missing = tokens - groups.keys()
        if missing:
            fresh = {token: (token, frozenset([token])) for token in missing}
            fresh |= self._grouped(missing)
            # Another thread may have begun a new one meanwhile: this answer goes on with its own.
            groups |= fresh
        return groups

    def _grouped(self, tokens: set[bytes]) -> Mapping[bytes, tuple[bytes, frozenset[bytes]]]:
        above: dict[bytes, set[bytes]] = {}
        last: set[bytes] = set()
        for older, newer, key_id in pairs_around(self._pairs, tokens):
            # The oldest has nothing above it; one of a retired key names nobody any more.
            low, high = (newer, older) if not self._newest else (older, newer)
            above.setdefault(low, set()).add(high)
            above.setdefault(high, set())
            if not key_id:
                last.add(older)
        return _named(above, last)

    def spans(self, spans: Sequence[Span]) -> list[Span]:
        """The spans under each token of their identifiers."""
        if not self._rotated():
            return list(spans)
        every = self.every({span.token for span in spans})
        return [
            replace(span, token=token) if token != span.token else span
            for span in spans
            for token in sorted(every[span.token])
        ]


def _named(
    above: Mapping[bytes, set[bytes]], last: set[bytes]
) -> dict[bytes, tuple[bytes, frozenset[bytes]]]:
    """Groups of tokens that pairs join, each by the one at its top: of several the first that is not in `last`."""
    groups: dict[bytes, set[bytes]] = {}
    for token, others in above.items():
        joined = {token, *others}.union(*(groups.get(member, set()) for member in (token, *others)))
        groups |= dict.fromkeys(joined, joined)
    named: dict[bytes, tuple[bytes, frozenset[bytes]]] = {}
    for token, group in groups.items():
        if token not in named:
            alive = group - last or group
            tops = [item for item in alive if not above.get(item, set()) & alive]
            named |= dict.fromkeys(group, (min(tops or alive), frozenset(group)))
    return named


def renamed(said: pa.Table, columns: Sequence[str], same: Same) -> pa.Table:
    """The table with every token in the columns by the one that names its identifier. Raises IndexUnavailable."""
    texts = {name: said[name].to_pylist() for name in columns}
    names = same.names(set().union(*texts.values()) - {NOTHING}) if said.num_rows else {}
    if all(token == name for token, name in names.items()):
        return said
    for name, tokens in texts.items():
        renamed = pa.array([names.get(token, token) for token in tokens], pa.binary(TOKEN_BYTES))
        said = said.set_column(said.schema.get_field_index(name), name, renamed)
    return said


class RekeyedClaims:
    """A `ClaimReader` that names every identifier by one token."""

    def __init__(self, reader: ClaimReader, same: Same) -> None:
        self._reader = reader
        self._same = same

    def claims(
        self,
        keys: Sequence[bytes],
        known_at: datetime | None = None,
        *,
        of: ClaimKey,
        without: Sequence[bytes] = (),
    ) -> pa.Table:
        keys, without = self._every(keys), self._every(without)
        return self._named(self._reader.claims(keys, known_at, of=of, without=without), CLAIM_KEYS)

    def prefixes(self, tokens: Sequence[bytes]) -> pa.Table:
        return self._named(self._reader.prefixes(self._every(tokens)), ("prefix", "token"))

    def addresses(self, prefixes: Sequence[bytes]) -> pa.Table:
        return self._named(self._reader.addresses(self._every(prefixes)), ("prefix", "token"))

    def _every(self, tokens: Sequence[bytes]) -> list[bytes]:
        return sorted(set().union(*self._same.every(tokens).values()))

    def _named(self, said: pa.Table, columns: Sequence[str]) -> pa.Table:
        return renamed(said, columns, self._same)


class RekeyedReader:
    """An `IndexReader` that looks under the tokens of all keys."""

    def __init__(self, reader: IndexReader, same: Same) -> None:
        self._reader = reader
        self._same = same

    def find(
        self, spans: Sequence[Span], limits: Filter = NO_LIMITS, known_at: datetime | None = None
    ) -> Found:
        return self._reader.find(self._same.spans(spans), limits, known_at)

    def counts(
        self, spans: Sequence[Span], tag_sets: Sequence[int], known_at: datetime | None = None
    ) -> Counts:
        return self._reader.counts(self._same.spans(spans), tag_sets, known_at)

    def counts_each(self, questions: Sequence[CountsQuestion]) -> list[Counts]:
        # Those about the same spans are asked about the same spans.
        every = {id(item.spans): self._same.spans(item.spans) for item in questions}
        return self._reader.counts_each([replace(item, spans=every[id(item.spans)]) for item in questions])

    def others(self, spans: Sequence[Span]) -> Sequence[Others]:
        return self._reader.others(self._same.spans(spans))


class RekeyedBeside:
    """A `BesideReader` that looks under the tokens of all keys and names every identifier by one."""

    def __init__(self, reader: BesideReader, same: Same) -> None:
        self._reader = reader
        self._same = same

    def beside(self, spans: Sequence[Span], known_at: datetime | None = None) -> pa.Table:
        found = self._reader.beside(self._same.spans(spans), known_at)
        texts = {name: found[name].to_pylist() for name in ("token", "other")}
        names = self._same.names(set().union(*texts.values()))
        for name, tokens in texts.items():
            renamed = pa.array([names.get(token, token) for token in tokens], pa.binary(TOKEN_BYTES))
            found = found.set_column(found.schema.get_field_index(name), name, renamed)
        return found.filter(pc.not_equal(found["token"], found["other"]))


class RekeyedClocks:
    """A `ClockReader` that looks under the tokens of all keys and names every owner and thing by one."""

    def __init__(self, reader: ClockReader, same: Same) -> None:
        self._reader = reader
        self._same = same

    def clock_events(self, tokens: Sequence[bytes], known_at: datetime | None = None) -> pa.Table:
        every = sorted(set().union(*self._same.every(tokens).values()))
        return renamed(self._reader.clock_events(every, known_at), ("token", "thing"), self._same)


class RekeyedFacts:
    """A `FactReader` that looks under the tokens of all keys and names every owner by one."""

    def __init__(self, reader: FactReader, same: Same) -> None:
        self._reader = reader
        self._same = same

    def facts(
        self, tokens: Sequence[bytes], facts: Sequence[str] = (), known_at: datetime | None = None
    ) -> pa.Table:
        every = sorted(set().union(*self._same.every(tokens).values()))
        return renamed(self._reader.facts(every, facts, known_at), ("token",), self._same)


class RekeyedRecordKeys:
    """A `RecordKeyReader` that looks under the tokens of all keys."""

    def __init__(self, reader: RecordKeyReader, same: Same) -> None:
        self._reader = reader
        self._same = same

    def unnamed(self, question: UnnamedRecords) -> pa.Table:
        spans, named = self._same.spans(question.spans), self._same.spans(question.named)
        return self._reader.unnamed(replace(question, spans=spans, named=named))


class RekeyedExpiry:
    """An `ExpiryReader` that knows whose data are kept under the tokens of all keys."""

    def __init__(self, reader: ExpiryReader, same: Same) -> None:
        self._reader = reader
        self._same = same

    def by_day(
        self, zone: ZoneInfo, kept: Sequence[Span] = (), known_at: datetime | None = None
    ) -> Sequence[DayCount]:
        return self._reader.by_day(zone, self._same.spans(kept), known_at)

    def records(self, questions: Sequence[OldRecords], kept: Sequence[Span] = ()) -> Sequence[int]:
        return self._reader.records(questions, self._same.spans(kept))

    def clocks_told(self) -> frozenset[str]:
        return self._reader.clocks_told()


class RekeyedExpirer:
    """An `IndexExpirer` that keeps data under the tokens of all keys."""

    def __init__(self, expirer: IndexExpirer, same: Same) -> None:
        self._expirer = expirer
        self._same = same

    def expire(
        self, run_out: Sequence[RunOut], kept: Sequence[Span] = (), known_at: datetime | None = None
    ) -> Expired:
        return self._expirer.expire(run_out, self._same.spans(kept), known_at)


class RekeyedExposed:
    """An `ExposedReader` that names everybody by one token."""

    def __init__(self, reader: ExposedReader, same: Same) -> None:
        self._reader = reader
        self._same = same

    def exposed_events(self, reach: Reach) -> Exposed:
        return self._reader.exposed_events(reach)

    def exposed(self, reach: Reach, page: int = 20_000) -> Iterator[pa.Table]:
        for table in self._reader.exposed(reach, page):
            yield renamed(table, ("token", "customer"), self._same)


class RekeyedEraser:
    """An `IndexEraser` that forgets under the tokens of all keys."""

    def __init__(self, eraser: IndexEraser, same: Same) -> None:
        self._eraser = eraser
        self._same = same

    def going(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
        known_at: datetime | None = None,
    ) -> Forgotten:
        return self._eraser.going(self._same.spans(spans), kept, gone, known_at)

    def forget(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
        known_at: datetime | None = None,
    ) -> Forgotten:
        return self._eraser.forget(self._same.spans(spans), kept, gone, known_at)

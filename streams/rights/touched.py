"""Which answers may be others by now: those that rest on something in the index that has changed since.

While an answer is looked at, everything that is read for it is noted: keys of claims, prefixes and addresses, tokens of
rows. As long as the index says of each of these what it said before, the same look would find the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from sinks.ports.changes import IndexMarks, MarkKey
from sinks.ports.identity import ClaimKey, ClaimReader
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
from streams.rights.protocol.request import RequestState

_NOTED: ContextVar[set[MarkKey] | None] = ContextVar("noted", default=None)


@contextmanager
def noting() -> Iterator[set[MarkKey]]:
    """What the readers below read within, in this thread."""
    noted: set[MarkKey] = set()
    token = _NOTED.set(noted)
    try:
        yield noted
    finally:
        _NOTED.reset(token)


def _note(kind: str, keys: Iterable[bytes]) -> None:
    if (noted := _NOTED.get()) is not None:
        noted.update((kind, key) for key in keys)


class NotingClaims:
    """A `ClaimReader` whose readings are noted."""

    def __init__(self, reader: ClaimReader) -> None:
        self._reader = reader

    def claims(
        self,
        keys: Sequence[bytes],
        known_at: datetime | None = None,
        *,
        of: ClaimKey,
        without: Sequence[bytes] = (),
    ) -> pa.Table:
        _note("claim", keys)
        return self._reader.claims(keys, known_at, of=of, without=without)

    def prefixes(self, tokens: Sequence[bytes]) -> pa.Table:
        _note("address", tokens)
        return self._reader.prefixes(tokens)

    def addresses(self, prefixes: Sequence[bytes]) -> pa.Table:
        _note("prefix", prefixes)
        return self._reader.addresses(prefixes)


class NotingBeside:
    """A `BesideReader` whose readings are noted."""

    def __init__(self, reader: BesideReader) -> None:
        self._reader = reader

    def beside(self, spans: Sequence[Span], known_at: datetime | None = None) -> pa.Table:
        _note("row", (span.token for span in spans))
        return self._reader.beside(spans, known_at)


class NotingReader:
    """An `IndexReader` whose readings are noted."""

    def __init__(self, reader: IndexReader) -> None:
        self._reader = reader

    def find(
        self, spans: Sequence[Span], limits: Filter = NO_LIMITS, known_at: datetime | None = None
    ) -> Found:
        _note("row", (span.token for span in spans))
        return self._reader.find(spans, limits, known_at)

    def counts(
        self, spans: Sequence[Span], tag_sets: Sequence[int], known_at: datetime | None = None
    ) -> Counts:
        return self._reader.counts(spans, tag_sets, known_at)

    def counts_each(self, questions: Sequence[CountsQuestion]) -> list[Counts]:
        return self._reader.counts_each(questions)

    def others(self, spans: Sequence[Span]) -> Sequence[Others]:
        return self._reader.others(spans)


@dataclass(frozen=True)
class _Look:
    """What an answer rested on when it was looked at; `marks` None: not known from before it was."""

    length: int
    keys: frozenset[MarkKey]
    marks: Mapping[MarkKey, int] | None


class Touched:
    """Remembers what each answer rests on. One thread at a time. Lost with the process: then all are looked at."""

    def __init__(self, index: IndexMarks) -> None:
        self._index = index
        self._key_id = ""
        self._looks: dict[str, _Look] = {}
        self._marks: Mapping[MarkKey, int] = {}
        self._asked: frozenset[MarkKey] = frozenset()

    def of(self, requests: Sequence[RequestState], key_id: str) -> list[RequestState]:
        """Those of the requests that are to be looked at. `key_id`: of the key that makes the tokens that are asked
        for; under another one all are. Raises IndexUnavailable."""
        if key_id != self._key_id:
            self._key_id, self._looks = key_id, {}
        names = {request.request_id for request in requests}
        self._looks = {name: look for name, look in self._looks.items() if name in names}
        # Before any of them is looked at: what changes meanwhile shows the next time.
        self._asked = frozenset[MarkKey]().union(*(look.keys for look in self._looks.values()))
        self._marks = self._index.marks(_by_kind(self._asked))
        return [request for request in requests if self._changed(request)]

    def looked(self, request: RequestState, noted: set[MarkKey]) -> None:
        """The request, as it was read, was looked at; this was read for it."""
        keys = frozenset(noted)
        marks = {key: self._marks.get(key, 0) for key in keys} if keys <= self._asked else None
        self._looks[request.request_id] = _Look(request.length, keys, marks)

    def forget(self, requests: Iterable[str]) -> None:
        """Something else than the index changed for these requests."""
        for name in requests:
            self._looks.pop(name, None)

    def _changed(self, request: RequestState) -> bool:
        look = self._looks.get(request.request_id)
        if look is None or look.marks is None or look.length != request.length:
            return True
        return any(self._marks.get(key, 0) != mark for key, mark in look.marks.items())


def _by_kind(keys: Iterable[MarkKey]) -> dict[str, list[bytes]]:
    found: defaultdict[str, list[bytes]] = defaultdict(list)
    for kind, key in keys:
        found[kind].append(key)
    return found

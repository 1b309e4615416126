"""Refuses questions while the index is known not to hold all rows that it was told to."""

from __future__ import annotations

from schemas.errors import IndexUnavailable
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.parts import lost, sentences, undone
from sinks.clickhouse.space import ANEW, UNDONE, Space

_LOOK_SECONDS = 5.0


class _Looked:
    """When it was looked for rows that are lost, and what was found."""

    def __init__(self, index: ClickHouse, space: Space) -> None:
        self._index = index
        self._space = space
        self._known: tuple[float, int, list[str]] | None = None

    def __call__(self) -> None:
        if self._space.anew:
            raise IndexUnavailable(ANEW)
        if self._known is None or self._space.undone:
            # At the first look too: a start may have taken up what was there before an erasure.
            found = undone(self._index)
            self._space.undone = found if self._known is None else self._space.undone & found
            if self._space.undone:
                raise IndexUnavailable(UNDONE)
        now, times = self._space.now(), self._space.times
        if self._known is None or self._known[1] != times or now - self._known[0] > _LOOK_SECONDS:
            self._known = now, times, sentences(lost(self._index))
        if lines := self._known[2]:
            raise IndexUnavailable(lines[0])


def whole(index: ClickHouse) -> ClickHouse:
    """The same index; reading it raises IndexUnavailable while rows of an embedded one are lost.

    For what is said about a person, or done: an answer without those rows would look like any other.
    """
    return index if index.space is None else index.asking_first(_Looked(index, index.space))

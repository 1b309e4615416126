"""Several things that an event says in one place: the items of an array, a row as it was and as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from streams.columns.arrays import Flags, Ints


@dataclass(frozen=True)
class Lines:
    """Line i is of event `rows[i]` and has the values in row i of every column; those of an event in their order.

    `gone`: what was said before and is said no longer; None: none of it. `times`: since when, in milliseconds; None: as
    the events.
    """

    rows: Ints
    columns: Mapping[str, pa.Array]
    gone: Flags | None = None
    times: Ints | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ordinals(self) -> Ints:
        """Of each line its number within its event. The rows have to be in order."""
        first = np.searchsorted(self.rows, self.rows, "left")
        return np.arange(len(self.rows)) - first

    def where(self, chosen: Ints) -> Lines:
        """Some of the lines, in that order."""
        places = pa.array(chosen)
        columns = {name: column.take(places) for name, column in self.columns.items()}
        gone = None if self.gone is None else self.gone[chosen]
        times = None if self.times is None else self.times[chosen]
        return Lines(self.rows[chosen], columns, gone, times)

    def said(self) -> Lines:
        """Without those in which nothing stands."""
        there = np.zeros(len(self), np.bool_)
        for column in self.columns.values():
            there |= column.is_valid().to_numpy(zero_copy_only=False)
        return self if there.all() else self.where(np.flatnonzero(there))

    def of(self, events: Ints, count: int) -> Lines:
        """Those of some of `count` events, numbered as these are: events[i] becomes i."""
        numbers = np.full(count, -1)
        numbers[events] = np.arange(len(events))
        rows = numbers[self.rows]
        kept = np.flatnonzero(rows >= 0)
        kept = kept[np.argsort(rows[kept], kind="stable")]
        return replace(self.where(kept), rows=rows[kept])


def stacked_lines(parts: Sequence[Lines]) -> Lines:
    """Lines of the same events and fields together, by event; of one event those of the first part come first."""
    rows = np.concatenate([part.rows for part in parts])
    gone = [np.zeros(len(part), np.bool_) if part.gone is None else part.gone for part in parts]
    columns = {name: pa.concat_arrays([part.columns[name] for part in parts]) for name in parts[0].columns}
    return Lines(rows, columns, np.concatenate(gone)).where(np.argsort(rows, kind="stable"))


def appended_lines(parts: Sequence[Lines], counts: Sequence[int]) -> Lines:
    """Lines of different events together: `counts` says how many events each part is of."""
    before = np.cumsum([0, *counts])
    rows = np.concatenate([part.rows + by for part, by in zip(parts, before, strict=False)])
    columns = {name: pa.concat_arrays([part.columns[name] for part in parts]) for name in parts[0].columns}
    return Lines(rows, columns)

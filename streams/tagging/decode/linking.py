"""What the identity rules of a contract read of its messages: items of arrays, and rows as they are and were.

A rule outside of arrays reads the columns of the events. Of Debezium it needs more: whom a row named before it was
changed, and all of a row that was deleted, is said no longer. So there each row has a line as it is, and another one,
which is `gone`, where it named somebody else before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.contracts import Contract
from schemas.paths import item
from streams.columns.arrays import Flags, Ints
from streams.columns.lines import Lines, stacked_lines
from streams.tagging.decode.json_columns import Messages
from streams.tagging.decode.moments import stated
from streams.tagging.decode.values import Together

_OUTSIDE = ""
"""The place of what lies in no array."""


class Changes(Protocol):
    """Debezium's changes, as they were read."""

    @property
    def deleted(self) -> Flags: ...

    def moments(self, times: Ints) -> Ints:
        """When each row came to be as it is: events that are dated by their rows may be dated as before a change."""

    def images(self, name: str) -> tuple[pa.Array, pa.Array]:
        """A field of the rows as they are and as they were."""


@dataclass(frozen=True)
class Read:
    """What rules read: `columns` of the events with times in milliseconds, lines by place, and the events of which a
    time cannot be."""

    columns: Mapping[str, pa.Array]
    lines: Mapping[str, Lines]
    wrong: Flags


class Linking:
    """What is read of the messages of one contract that has rules."""

    def __init__(self, contract: Contract, as_tagged: Callable[[str, pa.Array], pa.Array]) -> None:
        """`as_tagged`: the column of a field as identifiers and marks are read."""
        self._time = contract.record.event_time
        self._since = contract.since
        self._as_tagged = as_tagged
        self._places: dict[str, dict[str, None]] = {}
        self._keys: dict[str, None] = {}
        for rule in contract.record.annotation.identity:
            place = item(rule.tokens[0])
            fields = (*rule.tokens, *rule.subject, *(name for name in (rule.since, rule.mark) if name))
            self._places.setdefault(place, {}).update(dict.fromkeys(fields))
            if place == _OUTSIDE:
                self._keys |= dict.fromkeys((*rule.subject, rule.tokens[0]))

    def together(self, images: Iterable[str]) -> Together:
        """The paths that are read item by item. `images`: what stands before them in messages."""
        return {
            f"{image}{place}": [f"{image}{name}" for name in self._inside(place)]
            for image in images
            for place in self._places
            if place != _OUTSIDE
        }

    def read(
        self, read: Messages, columns: Mapping[str, pa.Array], changes: Changes | None, images: Sequence[str]
    ) -> Read:
        """`columns`: of the events. `images`: what stands before the row as it is, and before it as it was."""
        timed, wrong = dict(columns), np.zeros(len(read.rows), np.bool_)
        for name in self._since:
            if item(name) == _OUTSIDE:
                timed[name], strange = stated(columns[name], self._since[name])
                wrong |= strange
        lines: dict[str, Lines] = {}
        for place, names in self._places.items():
            if place == _OUTSIDE and changes is not None:
                lines[place] = self._rows(names, timed, changes)
            elif place != _OUTSIDE:
                lines[place], events = self._items(place, read, timed, changes, images)
                wrong[events] = True
        if changes is not None:
            moments = changes.moments(columns[self._time].to_numpy())
            lines = {place: replace(some, times=moments[some.rows]) for place, some in lines.items()}
        return Read(timed, lines, wrong)

    def _inside(self, place: str) -> list[str]:
        return [name for name in self._places[place] if item(name) == place]

    def _rows(self, names: Iterable[str], columns: Mapping[str, pa.Array], changes: Changes) -> Lines:
        """The rows as they are, and as they were where that named somebody else."""
        count = len(changes.deleted)
        deleted = pa.array(changes.deleted)
        now: dict[str, pa.Array] = {}
        before: dict[str, pa.Array] = {}
        differs = np.zeros(count, np.bool_)
        for name in names:
            if name in self._since:
                now[name] = before[name] = columns[name]
                continue
            after, former = (self._as_tagged(name, image) for image in changes.images(name))
            now[name], before[name] = pc.if_else(deleted, former, after), former
            if name in self._keys:
                now[name] = _by_key(now[name], columns[name], changes.deleted)
                differs |= _true(former.is_valid()) & ~_true(pc.equal(former, now[name]))
        events = np.arange(count)
        was = events[differs & ~changes.deleted]
        parts = [
            Lines(events, now, changes.deleted),
            Lines(events, before, np.ones(count, np.bool_)).where(was),
        ]
        return stacked_lines(parts) if len(was) else parts[0]

    def _items(
        self,
        place: str,
        read: Messages,
        columns: Mapping[str, pa.Array],
        changes: Changes | None,
        images: Sequence[str],
    ) -> tuple[Lines, Ints]:
        """The items of an array, and the events of which one has a time that cannot be."""
        parts = []
        for number, image in enumerate(images):
            found = read.lines[f"{image}{place}"]
            inside = {name: found.columns[f"{image}{name}"] for name in self._inside(place)}
            # The images as rows are come first, behind them as many as they were.
            gone = number >= len(images) // 2 and changes is not None
            part = Lines(found.rows, inside, np.full(len(found), gone))
            if changes is not None and not gone:
                part = part.where(np.flatnonzero(~changes.deleted[part.rows]))
            parts.append(part)
        lines = stacked_lines(parts)
        made: dict[str, pa.Array] = {}
        wrong = np.zeros(len(lines), np.bool_)
        for name in self._places[place]:
            if name not in lines.columns:
                made[name] = columns[name].take(pa.array(lines.rows))
            elif name in self._since:
                made[name], strange = stated(lines.columns[name], self._since[name])
                wrong |= strange
            else:
                made[name] = self._as_tagged(name, lines.columns[name])
        return Lines(lines.rows, made, lines.gone), lines.rows[wrong]


def _by_key(row: pa.Array, tagged: pa.Array, deleted: Flags) -> pa.Array:
    """The field of a row, of one that was deleted and says nothing whom its key named: `tagged` has it."""
    bare = deleted & _true(row.is_null())
    if not bare.any():
        return row
    if pa.types.is_list(tagged.type):
        first = tagged.offsets.to_numpy()[:-1] - tagged.offsets[0].as_py()
        none = ~_true(pc.greater(pc.list_value_length(tagged), 0))
        tagged = tagged.flatten().take(pa.array(first, mask=none))
    return pc.if_else(pa.array(bare), tagged, row)


def _true(flags: pa.Array) -> Flags:
    found: Flags = flags.fill_null(False).to_numpy(zero_copy_only=False)
    return found

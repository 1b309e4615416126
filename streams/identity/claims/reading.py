"""What identity rules need of decoded events, for each place in an event where a rule is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from schemas.contract_identity import MOST_CLAIMS
from schemas.paths import item
from schemas.records import RecordSchema
from streams.columns.arrays import Flags, Ints
from streams.columns.lines import Lines
from streams.columns.tokens import LATEST, TokenColumn, numbers

TOO_MANY_LINKS = "too_many_links"
"""Reason of an event that makes more claims than the index tells apart."""


@dataclass(frozen=True)
class IdentityColumns:
    """Row i is one statement: of event i, or of `events[i]` where an event may make several, its `ordinals[i]`-th.

    `faults`: reason and the events that cannot be, first reason first. `retained`: events kept for the police alone,
    None if the record has no such events. `gone`: what was said before and is said no longer. `places`: the same for
    what lies in other places than the event's own columns, by place; `schemas.paths.item` gives that of a rule.
    """

    record: RecordSchema
    columns: Mapping[str, pa.Array]
    tokens: Mapping[str, TokenColumn]
    times: Ints
    faults: tuple[tuple[str, Flags], ...] = ()
    retained: Flags | None = None
    events: Ints | None = None
    ordinals: Ints | None = None
    gone: Flags | None = None
    places: Mapping[str, IdentityColumns] = field(default_factory=dict)

    def of(self, name: str) -> IdentityColumns | None:
        """Where a rule over the field is read; None: nothing of it was said."""
        place = item(name) if self.record.contract else ""
        return self.places.get(place, None if place else self)

    def of_events(self, flags: Flags) -> Flags:
        """What holds of the events, of each statement."""
        return flags if self.events is None else flags[self.events]

    def event(self, rows: Ints) -> Ints:
        """The events that the statements are of."""
        return rows if self.events is None else self.events[rows]


def place_of(
    record: RecordSchema,
    lines: Lines,
    times: Ints,
    tokens: Callable[[str, pa.Array], TokenColumn],
) -> IdentityColumns:
    """What lies in one place. `times`: of the events. `tokens`: those of a field with an identifier."""
    named = {
        name: tokens(name, column)
        for name, column in lines.columns.items()
        if (field := record.find(name)) is not None and field.identifier is not None
    }
    return IdentityColumns(
        record,
        lines.columns,
        named,
        times[lines.rows] if lines.times is None else lines.times,
        events=lines.rows,
        ordinals=lines.ordinals,
        gone=lines.gone if lines.gone is not None and lines.gone.any() else None,
    )


def beyond(reading: IdentityColumns, count: int) -> list[tuple[str, Flags]]:
    """Reason and events, of `count`, in whose items a link begins after any time, or that make too many claims."""
    late, many = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    rules = reading.record.annotation.identity
    most = MOST_CLAIMS // max(1, sum(len(rule.tokens) for rule in rules))
    for some in reading.places.values():
        assert some.events is not None
        assert some.ordinals is not None
        many[some.events[some.ordinals >= most]] = True
        for rule in rules:
            if rule.since and rule.since in some.columns:
                late[some.events[numbers(some.columns[rule.since], 0) >= LATEST]] = True
    return [("time_out_of_range", late), (TOO_MANY_LINKS, many)]

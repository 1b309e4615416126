"""What an erasure in the toy system of record came to, counted by record over all attempts at one errand."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from schemas.messages import Outcome

CLEAR = (
    "INSERT INTO _cleared VALUES (?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET done = excluded.done WHERE excluded.done = 'deleted'"
)
# What had nothing left to lose stays without it, as what was redacted does.
_COUNT_CLEARED = (
    "SELECT record, iif(done = 'deleted', 'deleted', 'redacted'), count(*) FROM _cleared WHERE errand = ?"
    " GROUP BY 1, 2 ORDER BY 1, 2"
)


@dataclass(frozen=True)
class Erased:
    """What one erasure did. `erased` rows are gone or lost the fields named.

    `held` rows were asked for but are held back here, by the retention rule `ground`, looked at on `review_date`.
    `at`: when, if the caller said so. `outcomes`: what became of the erased ones, by record. `undated`: rows that go
    when their time has come, and whose time cannot be read; they stay.
    """

    erased: int = 0
    held: int = 0
    ground: str | None = None
    review_date: date | None = None
    at: datetime | None = None
    outcomes: tuple[Outcome, ...] = field(default=(), compare=False)
    undated: int = 0


def counted(
    connection: sqlite3.Connection,
    errand: str | None,
    outcomes: dict[str, Outcome],
    held: Sequence[tuple[str, str | None]],
    undated: int,
    stays: Mapping[str, tuple[str, ...]],
) -> Erased:
    """What it came to. Of an errand every record counts that it cleared, in all its attempts."""
    if errand is not None:
        for record, done, rows in connection.execute(_COUNT_CLEARED, (errand,)).fetchall():
            count(outcomes, record, done, rows)
    erased = Erased(
        sum(item.deleted + item.redacted for item in outcomes.values()),
        outcomes=tuple(replace(item, stayed_for=stays.get(item.record, ())) for item in outcomes.values()),
        undated=undated,
    )
    if not held:
        return erased
    ground, day = max(held, key=lambda hold: (hold[1] or "9999-12-31", hold[0]))
    review = date.fromisoformat(day) if day else None
    return replace(erased, held=len(held), ground=ground, review_date=review)


def count(outcomes: dict[str, Outcome], record: str, done: str, rows: int) -> None:
    before = outcomes.get(record, Outcome(record))
    outcomes[record] = replace(before, **{done: getattr(before, done) + rows})


def holds_of(connection: sqlite3.Connection, record: str) -> dict[int, tuple[str, str | None]]:
    rows = connection.execute("SELECT row, ground, review_date FROM _holds WHERE record = ?", (record,))
    return {row: (ground, day) for row, ground, day in rows}

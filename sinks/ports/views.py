"""What the views of the index read beside rows: what is in force, and what is counted now and then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

import pyarrow as pa

from schemas.in_force import InForce


class FoundWord(StrEnum):
    """Whom an identifier led to as its event was tagged. `another_time`: somebody had it, but not then; `unknown`: no
    link speaks of it."""

    ONE = "one"
    SEVERAL = "several"
    ANOTHER_TIME = "another_time"
    UNKNOWN = "unknown"


FOUND_SCHEMA = pa.schema(
    [
        ("topic", pa.dictionary(pa.int32(), pa.string())),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("event_time", pa.timestamp("ms")),
        ("found", pa.dictionary(pa.int32(), pa.string())),
    ]
)
"""Events that name nobody by a customer number, and a `FoundWord` for each identifier of theirs."""


@dataclass(frozen=True)
class RequestRow:
    """A rights request as it stands after `length` events of its ledger; nothing of whom it is about. `running`: its
    deadline `due` runs; None where nobody asked for it, as of a retention run. `answered_at`: when there was an answer,
    or all was carried out; `ended_at`: also where it was cancelled or closed."""

    request_id: str
    length: int
    type: str
    channel: str
    state: str
    received_at: datetime
    due: date | None
    running: bool
    answered_at: datetime | None
    ended_at: datetime | None
    extended_months: int
    problems: int


class ViewTables(Protocol):
    """Written by one process at a time; what two write at once is told apart. All raise IndexUnavailable."""

    def put_in_force(self, said: InForce, now: datetime) -> bool:
        """From now on the views go by this. Safe to repeat. Whether anything changed."""

    def count_held(self, zone: str, now: datetime) -> None:
        """Count what is held of each day, as it is now. Costs a scan of the index; views show the count before until
        this one is whole."""

    def note_requests(self, rows: Sequence[RequestRow]) -> None:
        """How these requests stand. Of several rows of a request the longest counts."""

    def note_found(self, rows: pa.Table) -> None:
        """`FOUND_SCHEMA`: for how many events nobody can be found. Of several words of an event the first one of
        `FoundWord` counts, however often and in whichever order they come."""

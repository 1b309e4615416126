"""What checks of duties read of the index: everybody's facts, and events that need one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa

from schemas.tokens import TOKEN_BYTES
from sinks.ports.held import HeldRow

OWNED_SCHEMA = pa.schema(
    [
        ("who", pa.binary(TOKEN_BYTES)),
        ("tag_set", pa.uint64()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("event_time", pa.timestamp("ms")),
    ]
)
"""An event of somebody's. who: the token of the customer where the event names one for its owner, else of the owner."""

MOST_ROWS = 50_000
"""Of one page."""
Row = Mapping[str, Any]
"""A row of one of the two schemas."""

UNCONSENTED_SCHEMA = OWNED_SCHEMA.append(pa.field("purpose", pa.string()))
"""The same, and for which purpose nobody with that token had consented."""


@dataclass(frozen=True)
class FactGroup:
    """Events of one topic that say one thing: how many, the first and the last, and the first few."""

    topic: str
    says: str
    events: int
    first: datetime
    last: datetime
    rows: Sequence[HeldRow]


class DutyReader(Protocol):
    """Safe from several threads. All raise IndexUnavailable. What is erased is in no answer."""

    def facts_of_all(self, fact: str, about: Sequence[str] = ()) -> pa.Table:
        """`sinks.ports.facts.FACT_SCHEMA`: every fact of this kind, of one of `about` where any are named; in no order.

        Takes memory for each.
        """

    def fact_groups(self, fact: str, rows: int = 3) -> Sequence[FactGroup]:
        """By topic and word, in that order; `rows`: at most so many of the oldest events of each."""

    def first_of_days(self, tag_sets: Sequence[int]) -> pa.Table:
        """`OWNED_SCHEMA`: of each owner of events of these tag sets, tag set and day (UTC) the oldest event; in no
        order."""

    def owned(
        self,
        tokens: Sequence[bytes],
        tag_sets: Sequence[int],
        after: Row | None = None,
        limit: int = MOST_ROWS,
    ) -> pa.Table:
        """`OWNED_SCHEMA`: events of these tag sets whose `who` is one of the tokens, oldest first, at most `limit` of
        those behind `after`, the last row of the page before."""

    def unconsented(
        self, purposes: Mapping[int, Sequence[str]], after: Row | None = None, limit: int = MOST_ROWS
    ) -> pa.Table:
        """`UNCONSENTED_SCHEMA`: events of these tag sets at whose time the newest decision of their owner, by the same
        token, was not to consent to one of the purposes of the tag set, or there was none. Order and pages: as `owned`.

        A refusal or withdrawal of no purpose, or of one that no list knows, is of every purpose. What an owner decided
        by another identifier is not looked at, neither a consent nor a withdrawal: who asks does.
        """

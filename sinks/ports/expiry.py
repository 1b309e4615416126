"""What of the index has an age: how many events there are of each day, for whoever counts what has run out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from zoneinfo import ZoneInfo

from schemas.tags import TagSet
from sinks.ports.lineage import Span


@dataclass(frozen=True)
class DayCount:
    """Events of one day with these tags, each once, however many rows it has; `kept`: of them those with a row under
    the spans that were asked for."""

    tags: TagSet
    day: date
    events: int
    kept: int = 0


class ExpiryReader(Protocol):
    """Counts by age. Safe from several threads. All raise IndexUnavailable."""

    def by_day(self, zone: ZoneInfo, kept: Sequence[Span] = ()) -> Sequence[DayCount]:
        """What is held, for each tag set and each day on which events were, in that zone; in no order.

        Tag sets that are the same but for the key that made the tokens are one. Erased rows are not counted. Costs a
        scan of the index.
        """

    def clocks_told(self) -> frozenset[str]:
        """The retention clocks of which any event says anything (`schemas.policy.RetentionAnchors`)."""

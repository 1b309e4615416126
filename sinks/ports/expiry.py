"""The age of what the index holds: how many events are of each day, and how it forgets those that have run out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from schemas.tags import TagSet
from sinks.ports.lineage import Span


@dataclass(frozen=True)
class DayCount:
    """Events of one day with these tags, each once, however many rows it has; `kept`: of them those with a row, of
    whatever tags, under the spans that were asked for."""

    tags: TagSet
    day: date
    events: int
    kept: int = 0


@dataclass(frozen=True)
class OldRecords:
    """Records of which an event has one of `tag_sets`, and the newest event was in [`since`, `before`).

    `every`: all tag sets of their kind of record, by which it is judged what the newest event is; those of two kinds
    have none in common. `since` None: no bound.
    """

    tag_sets: Sequence[int]
    every: Sequence[int]
    before: datetime
    since: datetime | None = None


class ExpiryReader(Protocol):
    """Counts by age. Safe from several threads. All raise IndexUnavailable, and cost a scan of the index."""

    def by_day(
        self, zone: ZoneInfo, kept: Sequence[Span] = (), known_at: datetime | None = None
    ) -> Sequence[DayCount]:
        """What is held, for each tag set and each day on which events were, in that zone; in no order.

        Tag sets that are the same but for the key that made the tokens are one. Erased rows are not counted.
        `known_at`: what was in the index at that moment, of what it holds now.
        """

    def records(self, questions: Sequence[OldRecords], kept: Sequence[Span] = ()) -> Sequence[int]:
        """How many records of their systems each is, as `sinks.ports.lineage.Counts` tells them apart; without those
        of which any event has a row under the spans of `kept`. Tag sets as of `by_day`."""

    def clocks_told(self) -> frozenset[str]:
        """The retention clocks of which any event says anything (`schemas.policy.RetentionAnchors`)."""


@dataclass(frozen=True)
class RunOut:
    """Rows of a tag set whose event was before a moment have run out: they go, or take the tag set `narrowed`, which
    says what of them is kept longer."""

    tag_set: int
    before: datetime
    narrowed: TagSet | None = None


@dataclass(frozen=True)
class Expired:
    """How many rows the index removed, and how many it narrowed."""

    rows_removed: int = 0
    rows_narrowed: int = 0


class IndexExpirer(Protocol):
    """Has the index forget what has run out, of everybody at once."""

    def expire(
        self, run_out: Sequence[RunOut], kept: Sequence[Span] = (), known_at: datetime | None = None
    ) -> Expired:
        """Remove or narrow all rows that have run out, but not those of events with a row under the spans of `kept`,
        whoever else these name: their records stay as a whole.

        Also of tag sets that are the same but for the key that made the tokens. A row that has run out in several ways
        goes, or takes the tag set of the earliest moment. With the last row of an event go its claims, what it says of
        clocks, and what was found in its text; with the last row under a token the prefixes of that address, and its
        sealed identifier if no claim mentions it. How many rows go is bounded by the moments: move these on from the
        oldest rows. What systems hold of it has to be deleted before, since answers say nothing of it then.
        `known_at`: what came into the index later stays, as nobody was told to delete it; None: what a tagger writes
        meanwhile of an event that has run out goes too, but for what hangs on it. Returns when no answer shows them
        any more. Safe to repeat; an interrupted call is taken up by the next one. Raises IndexUnavailable.
        """

"""How the index forgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from schemas.tags import TagSet
from schemas.vocabulary import Role
from sinks.ports.lineage import Span


@dataclass(frozen=True)
class RecordsGone:
    """A system deleted the records of events in which the person has one of `roles`.

    But not those in which somebody else has one of `stayed_for`.
    """

    roles: frozenset[Role]
    stayed_for: frozenset[Role] = frozenset()


NOTHING_GONE: Mapping[int, RecordsGone] = {}


@dataclass(frozen=True)
class ToForget:
    """One question of `IndexEraser.going` or `forget`."""

    spans: Sequence[Span]
    kept: Mapping[int, TagSet | None]
    gone: Mapping[int, RecordsGone] = field(default_factory=dict)
    known_at: datetime | None = None


@dataclass(frozen=True)
class Forgotten:
    """How many rows the index removed, how many it narrowed to what is still held, and how many of others ended.

    `rows_ended`: of other people, whose record is gone.
    """

    rows_removed: int = 0
    rows_narrowed: int = 0
    rows_ended: int = 0

    def without(self, other: Forgotten) -> Forgotten:
        """Less what the other counts, and nothing below zero."""
        return Forgotten(
            max(self.rows_removed - other.rows_removed, 0),
            max(self.rows_narrowed - other.rows_narrowed, 0),
            max(self.rows_ended - other.rows_ended, 0),
        )


class IndexEraser(Protocol):
    """Makes the index forget."""

    def going(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
        known_at: datetime | None = None,
    ) -> Forgotten:
        """What `forget` would do now; `known_at`: of that, what was in the index at that moment, by the ledger.

        Changes nothing. Raises IndexUnavailable.
        """

    def forget(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
        known_at: datetime | None = None,
    ) -> Forgotten:
        """For the rows under the spans: remove those whose tag set maps to None, give the others the tag set named
        (what is still held), leave tag sets alone that are not in `kept`. Returns when no answer shows them any more.

        `gone`: of rows that are removed, by their tag set, the events whose record the system deleted: everybody else's
        rows of these go too, whatever their tag set; not those in the person's own role of somebody to whom claims
        lead: another customer, whose record it is, and on which something of the person stands. Of an event whose
        record stays somebody else's rows stay, and so of one whose `customer` is of none of the spans. A row
        under another token of the spans, outside its span, goes with a row of the same event, role and fate.
        Findings in the text of events that are gone go with them, and so do claims and record keys whose event is gone
        from the index under every token of the spans, and prefixes of addresses without rows. With these claims go the
        sealed identifiers that no claim mentions then, under any key of theirs, but for those of whose tokens a row
        under the spans stays.
        `known_at`: of all that, events that came into the index later stay as they are, by the ledger.
        Safe to repeat. Raises IndexUnavailable; some may be done then.
        """


class IndexEraserOfMany(IndexEraser, Protocol):
    """Forgets many people at once, at each place what it would be of one. Raises IndexUnavailable."""

    def going_each(self, questions: Sequence[ToForget]) -> list[Forgotten]:
        """As `going`, of each by itself."""

    def forget_each(self, questions: Sequence[ToForget]) -> list[Forgotten]:
        """As `forget`, of one after the other. Safe to repeat; where it raises, some may be done of any of them."""

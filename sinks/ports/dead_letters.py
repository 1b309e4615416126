"""Messages that could not be read, with what was done about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from schemas.vocabulary import LetterState


@dataclass(frozen=True)
class DeadRow:
    """Where an unreadable message lies and why it is one. Its payload is sealed in the dead-letter topic."""

    topic: str
    partition: int
    offset: int
    reason: str
    schema_key: str
    payload_bytes: int
    seen_at: datetime


Coordinates = tuple[str, int, int]
"""Topic, partition and offset; the label of a feed, 0 and the line for what never was a message."""
TAGGED = LetterState.TAGGED
"""Outcome of a retry after which the message is in the index; any other is the reason why it still is no event."""
WRITTEN_LATER = timedelta(minutes=15)
"""A letter is seen when its batch is read; the ledger has it when that is written, which may wait for the index."""


@dataclass(frozen=True)
class Chosen:
    """Which letters; None: whatever. `since` and `until` bound when it was seen, half-open."""

    topic: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    state: LetterState | None = None
    at: Sequence[Coordinates] = ()


EVERY = Chosen()


@dataclass(frozen=True)
class Flooded:
    """A topic of whose newest messages too many are unreadable. `first`: a letter of those, nothing done about it."""

    topic: str
    read: int
    bad: int
    first: Coordinates
    reason: str


@dataclass(frozen=True)
class OpenLetters:
    """How many open letters a topic (or feed) has for one reason.

    `places`: a number that stands for which they are, by their places alone.
    """

    topic: str
    reason: str
    letters: int
    places: int = 0


@dataclass(frozen=True)
class Done:
    """One thing done about one letter."""

    where: Coordinates
    kind: Literal["retry", "drop"]
    outcome: str
    by: str
    why: str = ""


class DeadLetterList(Protocol):
    """The letters and what was done about them. Safe from several threads. All raise IndexUnavailable."""

    def find(
        self,
        after: Coordinates,
        limit: int,
        chosen: Chosen = EVERY,
    ) -> list[dict[str, Any]]:
        """Letters behind the coordinates, in that order: the fields of `DeadRow` with `state`, `retries`, `history`.

        The last thing done decides the state; a retry that failed leaves the letter open, a first one that tagged it
        stands. `history`: what was done, oldest first, as `at`, `kind`, `outcome`, `by`, `why`.
        """

    def open(self) -> list[OpenLetters]:
        """How many letters are open, by topic and reason, in that order. They are counted, not read."""

    def flooded(self, since: datetime, *, newest: int, floor: int, ratio: float) -> list[Flooded]:
        """Topics of whose `newest` messages, as far as they were taken in after `since`, more than `floor` and more
        than that share are dead letters, unless something was done about every one of them."""

    def note(self, done: Sequence[Done], now: datetime) -> None:
        """Keep what was done. Not to be repeated: each call is a thing done."""

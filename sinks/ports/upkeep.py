"""What an index needs besides being written and asked: its shape, its size, its health."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.tags import TagSet


@dataclass(frozen=True)
class MadeAnew:
    """A topic that was deleted and made anew: how often, and when that was last noted."""

    topic: str
    times: int
    noted_at: datetime


class Mending(Protocol):
    """Looks after the disk under the index, on a thread of its own."""

    def run(self, stop: threading.Event) -> None:
        """Until it is told to stop."""

    def problems(self) -> Sequence[str]:
        """What is not in the index as it should be, one sentence each. Never waits; safe from any thread."""


class Upkeep(Protocol):
    """Looks after the index as a whole. All raise IndexUnavailable."""

    def pending(self) -> Sequence[str]:
        """Names of what `migrate` would apply now. Raises InputError if what was applied has another text now."""

    def migrate(self, now: datetime) -> Sequence[str]:
        """Bring the index to its current shape; names of what was applied. Safe to repeat, also after a crash."""

    def newest(self) -> datetime:
        """The newest moment that anything was recorded by; the beginning of 1970 if nothing was."""

    def lost(self) -> Sequence[str]:
        """Rows that an embedded index was told to keep and has not, one sentence each. Of any shape."""

    def made_anew(self) -> Sequence[MadeAnew]:
        """Topics that were deleted and made anew since the index knows them."""

    def rows_by_tag_set(self) -> Sequence[tuple[TagSet, int]]:
        """Every tag set that rows have, with their number."""

    def size(self) -> int:
        """Bytes on disk."""

    def mending(self) -> Mending | None:
        """What mends an embedded index, a new one; None for a server, which its own people look after."""

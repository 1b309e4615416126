"""What is held, without anybody's name: which tag sets have rows, and a few events of each that one can follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from schemas.tags import TagSet


@dataclass(frozen=True)
class HeldTags:
    """A tag set that rows have: how many rows, and when the first and the last event was."""

    tags: TagSet
    rows: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class HeldRow:
    """Where a row comes from, and under which token it stands. `partition`: as the index numbers it."""

    topic: str
    partition: int
    offset: int
    token: bytes = field(repr=False)
    at: datetime


class HeldReader(Protocol):
    """Safe from several threads. All raise IndexUnavailable and cost a scan of the index. Erased rows are in none."""

    def held(self) -> Sequence[HeldTags]:
        """Every tag set with rows, by topic, record and id; those of different token keys apart."""

    def first_rows(
        self,
        tag_sets: Sequence[int],
        limit: int = 3,
        before: datetime | None = None,
        since: datetime | None = None,
    ) -> Mapping[int, Sequence[HeldRow]]:
        """Of each of these tag sets the rows of the oldest events, at most `limit`; `since`: of
        events from then on; `before`: of events before then.

        Oldest first, those of one moment by topic, partition, offset and token. One without such rows is left out.
        """

    def oldest_of(
        self, tokens: Sequence[bytes], tag_sets: Sequence[int], since: datetime | None = None
    ) -> Sequence[tuple[int, HeldRow]]:
        """The row of the oldest event of each of these tokens and tag sets, `since` then if it is given, with its tag
        set; by token and tag set. Reads the rows of the tokens alone."""

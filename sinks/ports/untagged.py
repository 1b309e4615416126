"""Fields that came in messages and stand in no contract: which, on which topic, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class UntaggedField:
    """A path as it is shown, which holds no value of anybody's."""

    topic: str
    path: str
    first_seen: datetime
    last_seen: datetime


class UntaggedFields(Protocol):
    """Keeps such fields. Safe from several threads. All raise IndexUnavailable."""

    def note(self, paths: Mapping[str, Sequence[str]], now: datetime) -> None:
        """These paths of these topics were seen. Safe to repeat: only the time of the last sight changes."""

    def forget(self, topic: str, paths: Sequence[str]) -> None:
        """Paths that turned out to be what nobody may see."""

    def seen(self) -> Sequence[UntaggedField]:
        """All of them, by topic and path."""

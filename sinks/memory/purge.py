"""Nothing is left of what plain Python forgot. Contract: `sinks.ports.purge.IndexPurge`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime


class MemoryPurge:
    """An `IndexPurge`. `waits`: what it says is left, for whoever wants to see that waited for."""

    def __init__(self) -> None:
        self.waits: list[str] = []

    def left(self, forgotten_at: datetime) -> Sequence[str]:
        return list(self.waits)

"""Whether what the index forgot is gone from its disk too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol


class IndexPurge(Protocol):
    """Has the engine take away for good what answers show no more. Raises IndexUnavailable."""

    def left(self, forgotten_at: datetime) -> Sequence[str]:
        """What may still hold bytes of what the index forgot until then, one sentence each; empty: nothing does.

        Sets going what does not go by itself; ask again later. Who has been told that nothing is left of a moment need
        not ask about an earlier one.
        """

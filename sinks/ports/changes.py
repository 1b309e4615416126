"""Whether anything in the index has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

MarkKey = tuple[str, bytes]
"""Kind and key: `claim`, a key of claims; `row`, the token of rows; `prefix` or `address`, of address prefixes."""


class IndexMarks(Protocol):
    """Tells whether anything changed. Safe from several threads."""

    def marks(self, keys: Mapping[str, Sequence[bytes]]) -> Mapping[MarkKey, int]:
        """For each key of each kind a number that is another one after anything under it came, went or changed.

        Absent: 0, nothing is under it. Raises IndexUnavailable.
        """

    def learnt(self) -> object:
        """Something that stays equal as long as the index has learnt nothing. Raises IndexUnavailable."""

"""Identifiers as they were observed in events, before anybody asked whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from schemas.tokens import TOKEN_BYTES
from streams.columns.arrays import Ints
from streams.columns.tokens import TokenTable


@dataclass(frozen=True)
class Observed:
    """Identifiers that lead to somebody only by links, each with its time (ms) and port (0 unknown), and the partition
    and offset of its event; in step."""

    token: TokenTable
    at: Ints
    port: Ints
    partition: Ints
    offset: Ints

    def __len__(self) -> int:
        return len(self.at)

    @classmethod
    def joined(cls, parts: Sequence[Observed]) -> Observed:
        """All of them, one after the other."""
        none = np.zeros(0, np.int64)
        whole = [cls(np.zeros((0, TOKEN_BYTES), np.uint8), none, none, none, none), *parts]
        return cls(*(np.concatenate([getattr(part, item.name) for part in whole]) for item in fields(cls)))

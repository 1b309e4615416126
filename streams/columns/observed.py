"""Identifiers as they were observed in events, before anybody asked whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.tokens import TOKEN_BYTES
from streams.columns.arrays import Ints
from streams.columns.tokens import TokenTable


@dataclass(frozen=True)
class Observed:
    """Identifiers that lead to somebody only by links, each with its time (ms) and port (0 unknown); in step."""

    token: TokenTable
    at: Ints
    port: Ints

    def __len__(self) -> int:
        return len(self.at)

    @classmethod
    def joined(cls, parts: Sequence[Observed]) -> Observed:
        """All of them, one after the other."""
        empty = cls(np.zeros((0, TOKEN_BYTES), np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64))
        whole = [empty, *parts]
        return cls(
            *(np.concatenate([getattr(part, name) for part in whole]) for name in ("token", "at", "port"))
        )

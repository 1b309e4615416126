"""Which token keys made what is in the index, and which tokens of two keys are the same identifier's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from schemas.tokens import TOKEN_BYTES


@dataclass(frozen=True)
class KeyEntry:
    """What happened to a token key: `in_force` (from then on new rows are made with it), `retired`, or `kept`
    (not retired after all).

    `check`: `schemas.keys.check_value` of the key.
    """

    sequence: int
    kind: str
    key_id: str
    check: str
    at: datetime


class KeyRegister(Protocol):
    """Which token keys made what is in the index. Kept in the index itself. All raise IndexUnavailable."""

    def entries(self) -> Sequence[KeyEntry]:
        """What happened, in order."""

    def append(self, entry: KeyEntry) -> bool:
        """Store it. False, and nothing changes, when another has that sequence number: the first one stands."""

    def used(self) -> set[str]:
        """Ids of the keys under which there ever were rows."""

    def empty(self) -> bool:
        """Whether nothing was ever written to the index but this register."""


PAIR_SCHEMA = pa.schema(
    [("older", pa.binary(TOKEN_BYTES)), ("newer", pa.binary(TOKEN_BYTES)), ("key_id", pa.string())]
)
"""Tokens under two keys that are the same identifier's; `key_id`: of the older one, empty once it is retired."""


class PairReader(Protocol):
    """Which tokens of several keys are the same identifier's. Safe from several threads."""

    def pairs(self, tokens: Sequence[bytes]) -> pa.Table:
        """`PAIR_SCHEMA`: the pairs that one of the tokens is in. Raises IndexUnavailable."""

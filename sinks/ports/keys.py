"""Which token keys made what is in the index, and which tokens of two keys are the same identifier's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from schemas.errors import KeyUnavailable
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

    def of_any_shape(self) -> tuple[Sequence[KeyEntry], set[str]]:
        """`entries` and `used` of an index that need not be in its current shape; nothing where it keeps none yet."""


def retired(key_id: str) -> KeyUnavailable:
    """What a tagger is told that still writes with a key that was retired."""
    return KeyUnavailable(
        f"token key {key_id}, with which this tagger began, was retired; start it again to use the one in force"
    )


PAIR_SCHEMA = pa.schema(
    [("older", pa.binary(TOKEN_BYTES)), ("newer", pa.binary(TOKEN_BYTES)), ("key_id", pa.string())]
)
"""Tokens under two keys that are the same identifier's; `key_id`: of the older one, empty once it is retired."""


@dataclass(frozen=True)
class Resting:
    """What lies under a token key: rows, claims under each of their keys, prefixes, sealed identifiers, events of
    clocks, facts of duties; `newest`: its last event's time."""

    rows: int
    claims: int
    retained: int
    prefixes: int
    newest: datetime | None = None
    identifiers: int = 0
    clocks: int = 0
    facts: int = 0

    @property
    def nothing(self) -> bool:
        return not any(count for count, _ in self.counts)

    @property
    def counts(self) -> tuple[tuple[int, str], ...]:
        """How many of what: every kind of thing that keeps the key, as its word is in the singular."""
        return (
            (self.rows, "row"),
            (self.claims + self.retained, "claim"),
            (self.prefixes, "prefix"),
            (self.identifiers, "sealed identifier"),
            (self.clocks, "clock event"),
            (self.facts, "fact"),
        )


Reseal = Callable[[bytes, bytes, str, str, bytes], bytes]
"""What was sealed for a token sealed for another: older token, newer one, kind, name of the sealing key, and what was
sealed. What does not open stays as it is: it never opens again."""


class Rekeying(Protocol):
    """Moves what was made with an older token key to the key in force. All raise IndexUnavailable."""

    def resting(self) -> Resting:
        """What still lies under the older key."""

    def move(self, stop: threading.Event) -> int:
        """Move all that has its pair, until `stop`; how many rows, claims and what else there is. Safe
        to repeat.

        A row that is moved stays what it is: erased or narrowed, learnt when it was, counted once.
        """


class NewRekeying(Protocol):
    """From the older key to the newer one. `first`: the older is the index's first key, of rows that name none."""

    def __call__(self, older: str, newer: str, *, first: bool, reseal: Reseal) -> Rekeying: ...


class PairReader(Protocol):
    """Which tokens of several keys are the same identifier's. Safe from several threads."""

    def pairs(self, tokens: Sequence[bytes]) -> pa.Table:
        """`PAIR_SCHEMA`: the pairs that one of the tokens is in. Raises IndexUnavailable."""


class PairStore(PairReader, Protocol):
    """Keeps the pairs that were written with batches."""

    def retire(self, key_id: str, kept: Sequence[bytes]) -> None:
        """Forget the pairs of an older key; those of the tokens given stay, as of no key. Safe to repeat.

        Raises IndexUnavailable.
        """

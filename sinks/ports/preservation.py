"""Preservation orders (straffeprosessloven § 215 a): what happened to each, in order; nothing of it is ever changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class PreservationEntry:
    """One thing that happened to an order: `kind` is ordered, extended or lifted. `content` is JSON-able; whom the
    order is about and its reference are sealed in it."""

    order_id: str
    sequence: int
    kind: str
    at: datetime
    content: Mapping[str, Any] = field(hash=False, repr=False)


class PreservationLog(Protocol):
    """What happened to preservation orders, append-only. Any number of processes; safe from any thread."""

    def append(self, entry: PreservationEntry) -> bool:
        """Store it; on disk when this returns. False, and nothing changes, when another has that number of the order.

        Raises IndexUnavailable; the entry may be stored then, so look before it is repeated.
        """

    def entries(self) -> Sequence[PreservationEntry]:
        """Of every order, in order; the oldest order first. Raises IndexUnavailable."""

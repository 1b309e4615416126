"""A transparency log in memory, with what it is about."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from schemas.signingkeys import PublicKey, SigningKeyring
from sinks.memory.audit import MemoryAudit
from sinks.memory.evidence import MemoryEvidence
from sinks.memory.requests import MemoryRequests
from sinks.ports.audit import AuditEntry
from sinks.ports.evidence import Entry, Leaf, Place, Seal
from streams.evidence.sealing import Sealer

_Item = TypeVar("_Item", Leaf, Entry)
NOON = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)


class Counted(MemoryEvidence):
    """Makes every leaf and entry that it gives anew, and knows how many of them somebody holds: `most` at any time."""

    def __init__(self, requests: MemoryRequests, audit: MemoryAudit) -> None:
        super().__init__(requests, audit)
        self.held = self.most = 0

    def seals(self, first: int, leaves: int) -> Sequence[Seal]:
        found = super().seals(first, leaves)
        return [replace(seal, leaves=tuple(map(self._made, seal.leaves))) for seal in found]

    def entries(self, places: Sequence[Place]) -> Sequence[Entry]:
        return [self._made(entry) for entry in super().entries(places)]

    def waiting(self, limit: int, sealed: int = -1) -> Sequence[Entry]:
        return [self._made(entry) for entry in super().waiting(limit, sealed)]

    def _made(self, item: _Item) -> _Item:
        made = replace(item)
        weakref.finalize(made, self._gone)
        self.held += 1
        self.most = max(self.most, self.held)
        return made

    def _gone(self) -> None:
        self.held -= 1


@dataclass
class Log:
    """`at`: what time it is; every entry is of the minute after the one before."""

    keys: SigningKeyring
    requests: MemoryRequests = field(default_factory=MemoryRequests)
    audit: MemoryAudit = field(default_factory=MemoryAudit)
    at: datetime = NOON

    def __post_init__(self) -> None:
        self.evidence = MemoryEvidence(self.requests, self.audit)
        self.sealer = Sealer(self.evidence, self.keys.key, lambda: self.at, most=3)

    @property
    def public(self) -> list[PublicKey]:
        return list(self.keys.key().every)

    def record(self, count: int = 1, name: str = "a") -> None:
        """So many questions, and as many events of a request."""
        for _ in range(count):
            self.at += timedelta(minutes=1)
            number = len(self.requests.events("r-1"))
            self.audit.write([AuditEntry(self.at, "POST /v1/access", entry=f"{name}{number:04}")])
            self.requests.append("r-1", number, "planned", self.at, {"number": number})

    def sealed(self, count: int = 1) -> Log:
        """The same with so many recorded and sealed."""
        self.record(count)
        self.sealer.seal()
        return self


def log_in(folder: Path, also: Callable[[Log], object] = lambda _: None) -> Log:
    """A new one, with its key in the folder."""
    made = Log(SigningKeyring(folder))
    also(made)
    return made

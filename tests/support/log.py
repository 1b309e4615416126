"""A transparency log in memory, with what it is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.signingkeys import PublicKey, SigningKeyring
from sinks.memory.audit import MemoryAudit
from sinks.memory.evidence import MemoryEvidence
from sinks.memory.requests import MemoryRequests
from sinks.ports.audit import AuditEntry
from streams.evidence.sealing import Sealer

NOON = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)


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
        return [self.keys.key().public]

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

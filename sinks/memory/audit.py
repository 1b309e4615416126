"""Who asked what about whom, in plain Python. Contract: `sinks.ports.audit.AuditLog`."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sinks.ports.audit import AuditEntry, Looked, Position


class MemoryAudit:
    """An `AuditLog` that is lost with the process."""

    def __init__(self) -> None:
        self._entries: dict[str, AuditEntry] = {}
        self._lock = threading.Lock()

    def write(self, entries: Sequence[AuditEntry]) -> None:
        with self._lock:
            self._entries |= {item.entry: item for item in entries}

    def find(self, looked: Looked, limit: int, before: Position | None = None) -> Sequence[AuditEntry]:
        with self._lock:
            every = sorted(self._entries.values(), key=lambda item: (item.at, item.entry), reverse=True)
        return [
            item
            for item in every
            if (before is None or (item.at, item.entry) < before)
            and (looked.since is None or item.at >= looked.since)
            and (looked.until is None or item.at < looked.until)
            and (looked.action is None or item.action == looked.action)
            and (looked.request_id is None or item.request_id == looked.request_id)
            and (looked.subject is None or any(token.startswith(looked.subject) for token in item.subjects))
        ][:limit]

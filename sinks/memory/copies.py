"""Sealed parts of copies, in plain Python. Contract: `sinks.ports.copies.CopyStore`."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from schemas.times import whole_milliseconds
from sinks.ports.copies import StoredPart


class MemoryCopies:
    """A `CopyStore` that is lost with the process. `kept`: what there is, for whoever looks past the contract."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int, int], StoredPart] = {}
        self._lock = threading.Lock()

    def keep(self, part: StoredPart) -> None:
        with self._lock:
            kept = replace(part, received_at=whole_milliseconds(part.received_at))
            self.kept[part.command_id, part.attempt, part.part] = kept

    def count(self, command_id: str, attempt: int) -> int:
        return len(self._of(command_id, attempt))

    def parts(self, command_id: str, attempt: int) -> Iterator[StoredPart]:
        yield from self._of(command_id, attempt)

    def requests(self) -> Mapping[str, datetime]:
        found: dict[str, datetime] = {}
        with self._lock:
            for item in self.kept.values():
                found[item.request_id] = max(item.received_at, found.get(item.request_id, item.received_at))
        return found

    def delete(self, request_ids: Collection[str]) -> None:
        gone = set(request_ids)
        with self._lock:
            self.kept = {key: item for key, item in self.kept.items() if item.request_id not in gone}

    def _of(self, command_id: str, attempt: int) -> list[StoredPart]:
        with self._lock:
            return [item for key, item in sorted(self.kept.items()) if key[:2] == (command_id, attempt)]

"""Preservation orders, in plain Python. Contract: `sinks.ports.preservation.PreservationLog`."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace

from sinks.ports.preservation import PreservationEntry


class MemoryPreservation:
    """A `PreservationLog` that is lost with the process."""

    def __init__(self) -> None:
        self._stored: list[PreservationEntry] = []
        self._lock = threading.Lock()

    def append(self, entry: PreservationEntry) -> bool:
        # As it is kept elsewhere: what JSON makes of it, in whole milliseconds.
        at = entry.at.replace(microsecond=entry.at.microsecond // 1000 * 1000)
        kept = replace(entry, at=at, content=json.loads(json.dumps(entry.content)))
        with self._lock:
            if any((item.order_id, item.sequence) == (kept.order_id, kept.sequence) for item in self._stored):
                return False
            self._stored.append(kept)
            return True

    def entries(self) -> Sequence[PreservationEntry]:
        with self._lock:
            stored = list(self._stored)
        begun = {item.order_id: item.at for item in stored if item.sequence == 0}
        return sorted(
            stored, key=lambda item: (begun.get(item.order_id, item.at), item.order_id, item.sequence)
        )

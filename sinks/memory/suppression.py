"""What was erased and what came back, in plain Python. Contract: `sinks.ports.suppression.SuppressionLedger`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter

import pyarrow as pa

from sinks.memory.state import MemoryState
from sinks.ports.suppression import (
    STANDING_SCHEMA,
    Ending,
    Origin,
    Suppressed,
    SuppressionEntry,
    bounds,
)


class MemorySuppression:
    """A `SuppressionLedger` that is lost with the process. `index`: what batches are written to."""

    def __init__(self, index: MemoryState) -> None:
        self._index = index
        self._entered: list[Suppressed] = []
        self._ended: list[tuple[str, Ending, datetime]] = []

    def enter(self, entry: Suppressed) -> None:
        if not entry.spans:
            return
        with self._index.lock:
            self._entered.append(entry)

    def end(self, request_id: str, ending: Ending, at: datetime) -> None:
        with self._index.lock:
            self._ended.append((request_id, ending, at))

    def mark(self) -> object:
        with self._index.lock:
            return len(self._entered), len(self._ended)

    def standing(self, now: datetime) -> pa.Table:
        rows = []
        for entry, listed in self._last():
            if not listed.stands(now):
                continue
            for span in dict.fromkeys(entry.spans):
                since, before = bounds(span)
                ports = {"port_from": span.port_from, "port_to": span.port_to}
                row = {"request_id": entry.request_id, "token": span.token, "since": since, "before": before}
                rows.append({**row, **ports, "stays": list(entry.stays)})
        return pa.Table.from_pylist(rows, STANDING_SCHEMA)

    def entries(self) -> Sequence[SuppressionEntry]:
        return [listed for _, listed in self._last()]

    def origins(self) -> Sequence[Origin]:
        key = attrgetter("request_id", "topic", "partition", "arrival")
        with self._index.lock:
            ordered = sorted(self._index.resurrected, key=key)
        found = []
        for (request_id, topic, partition, arrival), group in itertools.groupby(ordered, key):
            items = list(group)
            seen = [item.seen_at for item in items]
            offsets = min(item.first_offset for item in items), max(item.last_offset for item in items)
            counts = sum(item.events for item in items), len(items)
            found.append(
                Origin(request_id, topic, partition, arrival, *offsets, *counts, min(seen), max(seen))
            )
        return found

    def _last(self) -> list[tuple[Suppressed, SuppressionEntry]]:
        with self._index.lock:
            entered, ended = list(self._entered), list(self._ended)
        last: dict[str, Suppressed] = {}
        for entry in entered:
            known = last.get(entry.request_id)
            if known is None or entry.entered_at >= known.entered_at:
                last[entry.request_id] = entry
        found = []
        for entry in sorted(last.values(), key=lambda item: item.request_id):
            ends = [
                (at, ending)
                for name, ending, at in ended
                if name == entry.request_id and at >= entry.entered_at
            ]
            at, ending = min(ends, default=(None, None))
            listed = SuppressionEntry(
                entry.request_id, len({*entry.spans}), entry.entered_at, entry.until, at, ending
            )
            found.append((entry, listed))
        return found

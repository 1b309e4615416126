"""Findings and runs of checks, in plain Python. Contract: `sinks.ports.findings`."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sinks.ports.findings import ControlRun, ControlStands, FindingEntry, in_order


class MemoryFindings:
    """A `FindingLog` that is lost with the process."""

    def __init__(self) -> None:
        self._stored: dict[tuple[str, int], FindingEntry] = {}
        self._told: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    def append(self, entry: FindingEntry) -> bool:
        # As it is kept elsewhere: what JSON makes of it.
        kept = replace(entry, content=json.loads(json.dumps(entry.content)))
        with self._lock:
            if (kept.finding, kept.sequence) in self._stored:
                return False
            self._stored[kept.finding, kept.sequence] = kept
            return True

    def entries(self, check: str | None = None) -> Sequence[FindingEntry]:
        with self._lock:
            stored = [item for item in self._stored.values() if check in (None, item.check)]
        return in_order(stored)

    def untold(self, limit: int = 1_000) -> Sequence[FindingEntry]:
        with self._lock:
            told = set(self._told)
        return [item for item in self.entries() if (item.finding, item.sequence) not in told][:limit]

    def tell(self, entries: Sequence[FindingEntry]) -> None:
        with self._lock:
            self._told |= {(item.finding, item.sequence) for item in entries}


class MemoryControls:
    """A `ControlLog` that is lost with the process."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, object], ControlRun] = {}
        self._lock = threading.Lock()

    def store(self, run: ControlRun) -> None:
        with self._lock:
            self._runs[run.check, run.begun] = run

    def stands(self, now: datetime) -> Sequence[ControlStands]:
        of_check = defaultdict[str, list[ControlRun]](list)
        for run in self.runs(limit=len(self._runs)):
            of_check[run.check].append(run)
        by_now = {name: [run for run in runs if run.begun <= now] for name, runs in of_check.items()}
        return [_stands(by_now[name] or of_check[name]) for name in sorted(of_check)]

    def runs(self, check: str | None = None, limit: int = 100) -> Sequence[ControlRun]:
        with self._lock:
            stored = [run for run in self._runs.values() if check in (None, run.check)]
        return sorted(stored, key=lambda run: (run.begun, run.check), reverse=True)[:limit]


def _stands(newest_first: Sequence[ControlRun]) -> ControlStands:
    last = newest_first[0]
    other = next((place for place, run in enumerate(newest_first) if run.verdict != last.verdict), None)
    since = newest_first[-1 if other is None else other - 1].begun
    return ControlStands(last, since, next((run for run in newest_first if run.verdict != "failed"), None))

"""Fields that stand in no contract, in plain Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sinks.ports.untagged import UntaggedField


class MemoryUntaggedFields:
    """An `UntaggedFields`."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], UntaggedField] = {}

    def note(self, paths: Mapping[str, Sequence[str]], now: datetime) -> None:
        for topic, named in paths.items():
            for path in named:
                before = self._seen.get((topic, path), UntaggedField(topic, path, now, now))
                first, last = min(before.first_seen, now), max(before.last_seen, now)
                self._seen[topic, path] = replace(before, first_seen=first, last_seen=last)

    def forget(self, topic: str, paths: Sequence[str]) -> None:
        for path in paths:
            self._seen.pop((topic, path), None)

    def seen(self) -> Sequence[UntaggedField]:
        return [item for _, item in sorted(self._seen.items())]

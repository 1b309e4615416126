"""What happened to rights requests, in plain Python. Contract: `sinks.ports.requests.RequestLogOfMany`."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from schemas.together import asked
from sinks.ports.requests import RequestEvent, Seen


class MemoryRequests:
    """A `RequestLogOfMany`, lost with the process. `stored`: what there is, for whoever looks past the contract."""

    def __init__(self) -> None:
        self.stored: dict[str, list[RequestEvent]] = {}
        self._lock = threading.Lock()

    def append(
        self, request_id: str, sequence: int, kind: str, occurred_at: datetime, content: Mapping[str, Any]
    ) -> bool:
        return asked(self.append_each, RequestEvent(request_id, sequence, kind, occurred_at, content))

    def append_each(self, events: Sequence[RequestEvent]) -> list[bool]:
        return [self.store(event) for event in events]

    def store(self, given: RequestEvent) -> bool:
        """One event; see `append`."""
        # As it is kept elsewhere: what JSON makes of it, in whole milliseconds.
        at = given.occurred_at.replace(microsecond=given.occurred_at.microsecond // 1000 * 1000)
        event = replace(given, occurred_at=at, content=json.loads(json.dumps(given.content)))
        with self._lock:
            events = self.stored.setdefault(given.request_id, [])
            if any(item.sequence == given.sequence for item in events):
                return False
            events.append(event)
            events.sort(key=lambda item: item.sequence)
            return True

    def events(self, request_id: str) -> list[RequestEvent]:
        return asked(self.events_each, request_id)

    def events_each(self, request_ids: Sequence[str]) -> list[list[RequestEvent]]:
        with self._lock:
            return [list(self.stored.get(request_id, ())) for request_id in request_ids]

    def requests(self) -> dict[str, list[RequestEvent]]:
        with self._lock:
            found = {name: list(events) for name, events in self.stored.items()}
        return dict(sorted(found.items(), key=lambda item: item[1][0].occurred_at))

    def since(self, seen: Seen) -> tuple[Seen, dict[str, list[RequestEvent]]]:
        with self._lock:
            each = {name: tuple(events) for name, events in self.stored.items()}
        changed = {name: list(events) for name, events in each.items() if seen.each.get(name) != events}
        return Seen(None, each, {name: number for number, name in enumerate(each)}), changed

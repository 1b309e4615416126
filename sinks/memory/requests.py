"""What happened to rights requests, in plain Python. Contract: `sinks.ports.requests.RequestLog`."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sinks.ports.requests import RequestEvent, Seen


class MemoryRequests:
    """A `RequestLog` that is lost with the process. `stored`: what there is, for whoever looks past the contract."""

    def __init__(self) -> None:
        self.stored: dict[str, list[RequestEvent]] = {}
        self._lock = threading.Lock()

    def append(
        self, request_id: str, sequence: int, kind: str, occurred_at: datetime, content: Mapping[str, Any]
    ) -> bool:
        # As it is kept elsewhere: what JSON makes of it, in whole milliseconds.
        at = occurred_at.replace(microsecond=occurred_at.microsecond // 1000 * 1000)
        event = RequestEvent(request_id, sequence, kind, at, json.loads(json.dumps(content)))
        with self._lock:
            events = self.stored.setdefault(request_id, [])
            if any(item.sequence == sequence for item in events):
                return False
            events.append(event)
            events.sort(key=lambda item: item.sequence)
            return True

    def events(self, request_id: str) -> list[RequestEvent]:
        with self._lock:
            return list(self.stored.get(request_id, ()))

    def requests(self) -> dict[str, list[RequestEvent]]:
        with self._lock:
            found = {name: list(events) for name, events in self.stored.items()}
        return dict(sorted(found.items(), key=lambda item: item[1][0].occurred_at))

    def since(self, seen: Seen) -> tuple[Seen, dict[str, list[RequestEvent]]]:
        with self._lock:
            each = {name: tuple(events) for name, events in self.stored.items()}
        changed = {name: list(events) for name, events in each.items() if seen.each.get(name) != events}
        return Seen(None, each, {name: number for number, name in enumerate(each)}), changed

"""The transparency log, in plain Python. Contract: `sinks.ports.evidence.EvidenceLog`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sinks.memory.audit import MemoryAudit
from sinks.memory.requests import MemoryRequests
from sinks.ports.audit import AuditEntry, Looked
from sinks.ports.evidence import (
    MOST_HEADS,
    Entry,
    Place,
    Seal,
    Source,
    Statement,
    as_many,
    entry_content,
)

_ALL = 10**9


class MemoryEvidence:
    """An `EvidenceLog` that is lost with the process, over a ledger and an audit record of the same kind.

    `sealed` and `stated`: what there is, for whoever looks past the contract.
    """

    def __init__(self, requests: MemoryRequests, audit: MemoryAudit) -> None:
        self._requests = requests
        self._audit = audit
        self._published = -1
        self._lock = threading.Lock()
        self.sealed: dict[int, Seal] = {}
        self.stated: dict[tuple[str, str], Statement] = {}

    def waiting(self, limit: int, sealed: int = -1) -> Sequence[Entry]:
        with self._lock:
            if sealed >= 0 and sealed not in self.sealed:
                return []
            known = {leaf.place for seal in self.sealed.values() for leaf in seal.leaves}
        found = [item for item in self._recorded() if item.place not in known]
        return sorted(found, key=lambda item: (item.at, item.place.source, item.place.key))[:limit]

    def entries(self, places: Sequence[Place]) -> Sequence[Entry]:
        wanted = set(places)
        return [item for item in self._recorded() if item.place in wanted]

    def recorded(self) -> object:
        return sum(1 for _ in self._recorded())

    def append(self, seal: Seal) -> bool:
        with self._lock:
            return self.sealed.setdefault(seal.sequence, seal) is seal

    def newest(self) -> Seal | None:
        return next(iter(self.heads(1)), None)

    def unsealed(self) -> int:
        return len(self.waiting(_ALL))

    def seals(self, first: int, leaves: int) -> Sequence[Seal]:
        with self._lock:
            following = [self.sealed[number] for number in sorted(self.sealed) if number >= first]
        counts = [len(seal.leaves) for seal in following[:MOST_HEADS]]
        return following[: as_many(counts, leaves)]

    def heads_from(self, first: int, limit: int) -> Sequence[Seal]:
        with self._lock:
            following = [number for number in sorted(self.sealed) if number >= first][:limit]
            return [replace(self.sealed[number], leaves=()) for number in following]

    def repeated(self, limit: int) -> Sequence[Place]:
        with self._lock:
            places = [leaf.place for _, seal in sorted(self.sealed.items()) for leaf in seal.leaves]
        seen: set[Place] = set()
        again: dict[Place, None] = {}
        for place in places:
            if place in seen:
                again[place] = None
            seen.add(place)
        return list(again)[:limit]

    def heads(self, limit: int) -> Sequence[Seal]:
        with self._lock:
            newest = sorted(self.sealed, reverse=True)[:limit]
            return [replace(self.sealed[number], leaves=()) for number in newest]

    def published(self) -> int:
        return self._published

    def note_published(self, sequence: int, at: datetime) -> None:
        self._published = max(self._published, sequence)

    def state(self, statement: Statement) -> bool:
        with self._lock:
            key = (statement.request_id, statement.kind)
            return self.stated.setdefault(key, statement) is statement

    def state_each(self, statements: Sequence[Statement]) -> list[bool]:
        return [self.state(item) for item in statements]

    def statements(self, request_id: str | None = None) -> Sequence[Statement]:
        with self._lock:
            return [
                item
                for key, item in sorted(self.stated.items())
                if request_id is None or item.request_id == request_id
            ]

    def _recorded(self) -> Iterator[Entry]:
        for events in self._requests.requests().values():
            for event in events:
                content = {
                    "request_id": event.request_id,
                    "sequence": event.sequence,
                    "kind": event.kind,
                    # As it is kept elsewhere.
                    "content": json.dumps(
                        event.content, sort_keys=True, ensure_ascii=False, separators=(",", ":")
                    ),
                }
                place = Place(Source.REQUEST, f"{event.request_id}/{event.sequence}")
                yield Entry(place, event.occurred_at, content)
        for item in self._audit.find(Looked(), _ALL):
            yield Entry(Place(Source.AUDIT, item.entry), item.at, _audited(item))
        for statement in self.statements():
            key = f"{statement.request_id}/{statement.kind}"
            content = {
                "request_id": statement.request_id,
                "kind": statement.kind,
                "content": statement.content,
            }
            yield Entry(Place(Source.STATEMENT, key), statement.at, content)


def _audited(entry: AuditEntry) -> Mapping[str, Any]:
    said = {name: value for name, value in vars(entry).items() if name not in ("at", "entry")}
    listed = {"kinds": list(entry.kinds), "views": list(entry.views)}
    return entry_content({**said, **listed, "subjects": [token.hex() for token in entry.subjects]})

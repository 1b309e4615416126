"""Sessions that are kept for the police alone, forgotten, in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.vocabulary import Mark
from sinks.memory.state import Event, MemoryState, naive
from sinks.ports.identity import NOTHING

Claim = Mapping[str, Any]
_TOKENS = ("token", "subject", "line")


class MemoryRetained:
    """A `RetainedSessions`."""

    def __init__(self, index: MemoryState) -> None:
        self._index = index

    def expire(self, before: datetime, kept: Collection[bytes] = (), limit: int = 100_000) -> int:
        moment = naive(before)
        with self._index.lock:
            # While the token key is changed, reports of a session, and what keeps it, may be of several keys.
            same = self._index.same_tokens()
            kept = same.every(kept)
            groups = defaultdict[bytes, list[tuple[Event, Claim]]](list)
            for key, claim in self._index.retained.items():
                groups[same.name(claim["group"])].append((key[:3], claim))
            servers = groups.pop(NOTHING, [])
            gone = {
                event
                for of_group in groups.values()
                if not any(claim[name] in kept for _, claim in of_group for name in _TOKENS)
                for event, claim in of_group
                if _ended(claim, [item for _, item in of_group], moment)
            }
            gone = set(sorted(gone)[:limit])
            self._remove(gone)
            marks = {
                event
                for event, claim in servers
                if claim["at"] < moment and not self._older(claim["server"], claim["at"])
            }
            marks = set(sorted(marks)[: limit - len(gone)])
            self._remove(marks)
        return len(gone) + len(marks)

    def _older(self, server: bytes, at: datetime) -> bool:
        return any(
            claim["server"] == server and claim["group"] != NOTHING and claim["at"] <= at
            for claim in self._index.retained.values()
        )

    def _remove(self, events: Collection[Event]) -> None:
        left = {key: claim for key, claim in self._index.retained.items() if key[:3] not in events}
        self._index.retained = left


def _ended(claim: Claim, of_group: Sequence[Claim], before: datetime) -> bool:
    """Whether the session that a claim is of ended before the moment; `of_group`: all that came under its key."""
    at = claim["at"]
    if at >= before:
        return False
    if all(item["at"] < before for item in of_group):
        return True
    earlier = [item for item in of_group if item["at"] < before]
    closed = max((item["at"] for item in earlier if item["mark"] == Mark.CLOSE.code), default=None)
    opened = max((item["at"] for item in earlier if item["mark"] == Mark.OPEN.code), default=None)
    if opened is not None and at < opened:
        return True
    return closed is not None and (at < closed or (at == closed and claim["mark"] != Mark.OPEN.code))

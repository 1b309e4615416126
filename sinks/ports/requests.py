"""What happened to each rights request, in order; nothing of it is ever changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

UNREADABLE = "unreadable"
"""Kind of an event whose content is no JSON object; its own kind is `kind` in the content then."""


@dataclass(frozen=True)
class RequestEvent:
    """One thing that happened. `content` is JSON-able and holds no personal value in clear."""

    request_id: str
    sequence: int
    kind: str
    occurred_at: datetime
    content: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Seen:
    """How far a reader has read a ledger; only the ledger that gave it knows what it says.

    `ties`: of requests that began at one moment the one with the lower number is older; without one, that with the
    lower name.
    """

    whole: object = None
    each: Mapping[str, object] = field(default_factory=dict)
    ties: Mapping[str, int] = field(default_factory=dict)


class RequestLog(Protocol):
    """Events of requests, append-only. Any number of processes may append; reading is safe from any thread."""

    def append(
        self, request_id: str, sequence: int, kind: str, occurred_at: datetime, content: Mapping[str, Any]
    ) -> bool:
        """Store the event; on disk when this returns. `occurred_at` is aware, kept to the millisecond.

        False, and nothing changes, when another event has that sequence number of the request: read again, and decide
        again on what is there. Raises IndexUnavailable; the event may be stored then, so look before it is repeated.
        """

    def events(self, request_id: str) -> list[RequestEvent]:
        """All events of one request, in order; empty for an unknown one. Raises IndexUnavailable."""

    def requests(self) -> dict[str, list[RequestEvent]]:
        """The events of every request, in order; oldest request first. Raises IndexUnavailable."""

    def since(self, seen: Seen) -> tuple[Seen, dict[str, list[RequestEvent]]]:
        """The requests that have other events than when `seen` was given, each with all it has, in no order; all of
        them for `Seen()`. Costs little while nothing is new. Raises IndexUnavailable."""


class RequestLogOfMany(RequestLog, Protocol):
    """Writes and reads for many requests at once, each as it would be alone, at its place. Raises IndexUnavailable."""

    def append_each(self, events: Sequence[RequestEvent]) -> list[bool]:
        """As `append`, of each in turn; where it raises, any of them may be stored."""

    def events_each(self, request_ids: Sequence[str]) -> list[list[RequestEvent]]:
        """As `events`, of each."""

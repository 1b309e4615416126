"""What the reports of an access server contradict: a second holder of an address, or the end of their own session.

Nothing is decided here. A report of a session that goes on says that it holds an address from the first report that
names it, not as long as the session lasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from streams.feeds.lines.holders import Holders
from streams.feeds.lines.reader import Event
from streams.feeds.lines.reasons import AFTER_STOP, TWO_HOLDERS

_T = TypeVar("_T")
_SESSIONS_KEPT = 200_000
_ROUNDING_MS = 5_000


class SessionHolders:
    """The sessions that one feed has shown."""

    def __init__(self) -> None:
        # A lost Stop is normal (RFC 2866 knows no other end): only what is reported later shows a second holder.
        self._holders = Holders(kept=8, gapless=True)
        self._seen: dict[str, None] = {}
        self._over: dict[str, int] = {}

    def report(self, events: Sequence[Event]) -> str | None:
        """What is odd about the events of one report: TWO_HOLDERS, AFTER_STOP or nothing."""
        event = events[0]
        session, at = f"{event['nas']}\0{event['session_id']}", event["occurred_at"]
        since = at - 1000 * (event["session_seconds"] or 0)
        if event["kind"] == "start":
            self._over.pop(session, None)
        elif (
            (end := self._over.get(session)) is not None and at > end and not end + _ROUNDING_MS < since < at
        ):
            return AFTER_STOP
        if session in self._seen:
            since = at
        _keep(self._seen, session, None)
        conflicts = [self._conflict(event, session, since) for event in events]
        if event["kind"] == "stop":
            _keep(self._over, session, min(at, self._over.get(session, at)))
            self._seen.pop(session, None)
        return TWO_HOLDERS if any(conflicts) else None

    def _conflict(self, event: Event, session: str, since: int) -> bool:
        holder = event["username"] or event["mac"]
        found = False
        for key in (event["address"], event["delegated_prefix"]):
            if key is None:
                continue
            if holder is not None:
                found |= self._holders.seen(key, holder, session, since, event["occurred_at"])
            if event["kind"] == "stop":
                self._holders.ended(key, session, event["occurred_at"])
        return found


def _keep(known: dict[str, _T], session: str, value: _T) -> None:
    known[session] = value
    if len(known) > _SESSIONS_KEPT:
        del known[next(iter(known))]

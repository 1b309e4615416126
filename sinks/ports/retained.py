"""How the store of what is kept for the police alone (ekomloven § 3-13) forgets sessions that ended long enough ago."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol


class RetainedSessions(Protocol):
    """The claims of that store, session by session."""

    def expire(self, before: datetime, kept: Collection[bytes] = (), limit: int = 100_000) -> int:
        """Remove the claims of sessions that ended before the moment; how many reports went, `limit` at most.

        A session has ended with its Stop, before the next Start under its key, and with its last report where nothing
        came since. One that goes on keeps all that says when it began, however old. Nothing of a session in which
        a token of `kept` stands. What a server said of all its sessions goes once no older report of one is there.
        Safe to repeat; the rest goes with the next call. Raises IndexUnavailable.
        """

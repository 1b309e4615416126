"""Whether every tagged topic is read: what nobody reads is missing from every answer, without a word."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from schemas.errors import Unavailable

_KEPT_SECONDS = 10.0
_MOST_NAMED = 3


def read_by_nobody(topics: Sequence[str], group: str) -> str:
    """The sentence for tagged topics that no member of the group has."""
    named = ", ".join(topics[:_MOST_NAMED])
    more = f" and {len(topics) - _MOST_NAMED} more" if len(topics) > _MOST_NAMED else ""
    return (
        f"nobody reads {named}{more} (group {group}), so answers lack what comes there; start `innsyn tag`, or look "
        "into the log of the one that runs"
    )


class Unread:
    """The problem of topics that nobody reads, asked at most every ten seconds. Safe from several threads.

    `ask()` gives the topics, None where it cannot be said; raises Unavailable.
    """

    def __init__(self, ask: Callable[[], Sequence[str] | None], group: str) -> None:
        self._ask = ask
        self._group = group
        self._until = 0.0
        self._known: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def problems(self) -> Sequence[str]:
        """One line, or none."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._known = self._look()
                # What is wrong may be mended any moment.
                self._until = time.monotonic() + (1.0 if self._known else _KEPT_SECONDS)
            return self._known

    def _look(self) -> tuple[str, ...]:
        try:
            left = self._ask()
        except Unavailable as error:
            return (str(error),)
        return (read_by_nobody(left, self._group),) if left else ()

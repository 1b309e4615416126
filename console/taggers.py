"""Whether every tagged topic is read: what nobody reads is missing from every answer, without a word."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from schemas.errors import BrokerUnavailable

_MOST_NAMED = 3


def read_by_nobody(topics: Sequence[str], group: str) -> str:
    """The sentence for tagged topics that no member of the group has."""
    named = ", ".join(topics[:_MOST_NAMED])
    more = f" and {len(topics) - _MOST_NAMED} more" if len(topics) > _MOST_NAMED else ""
    return (
        f"nobody reads {named}{more} (group {group}), so answers lack what comes there; start `innsyn tag`, or look "
        "into the log of the one that runs"
    )


def unread_problems(ask: Callable[[], Sequence[str] | None], group: str) -> Sequence[str]:
    """One sentence if topics have no reader. `ask()` gives those, None where it cannot be said; raises Unavailable."""
    try:
        left = ask()
    except BrokerUnavailable:
        # The broker is a part of its own.
        return ()
    return (read_by_nobody(left, group),) if left else ()

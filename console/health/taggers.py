"""Whether every tagged topic is read: what nobody reads is missing from every answer, without a word."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from schemas.errors import BrokerUnavailable, Unavailable
from streams.kafka.batches import Partition
from streams.metrics import UnreadMetrics
from streams.tagging.behind import Stuck, Waiting

_MOST_NAMED = 3
_SETTLE_SECONDS = 3.0


def read_by_nobody(topics: Sequence[str], group: str) -> str:
    """The sentence for tagged topics that no member of the group has."""
    named = ", ".join(topics[:_MOST_NAMED])
    more = f" and {len(topics) - _MOST_NAMED} more" if len(topics) > _MOST_NAMED else ""
    return (
        f"nobody reads {named}{more} (group {group}), so answers lack what comes there; start `innsyn tag`, or look "
        "into the log of the one that runs"
    )


def unread_problems(
    ask: Callable[[], Sequence[str] | None], group: str, wait: Callable[[float], object] = time.sleep
) -> Sequence[str]:
    """One sentence if topics have no reader. `ask()` gives those, None where it cannot be said; raises Unavailable.

    It is asked twice: while members of the group come and go, some topics have none for a moment.
    """
    try:
        left = ask()
        if left:
            wait(_SETTLE_SECONDS)
            still = ask() or ()
            left = [topic for topic in left if topic in still]
    except BrokerUnavailable:
        # The broker is a part of its own.
        return ()
    return (read_by_nobody(left, group),) if left else ()


class UnreadMessages:
    """What waits in the topics, whoever reads them or does not; which `metrics` show. Not for several threads.

    `behind()`: see `streams.tagging.behind.Behind`; `stuck` judges what it gives.
    """

    def __init__(
        self, behind: Callable[[], Mapping[Partition, Waiting]], stuck: Stuck, metrics: UnreadMetrics
    ) -> None:
        self._behind = behind
        self._metrics = metrics
        self._stuck = stuck
        self._notices: Sequence[str] = ()
        self._waiting: Mapping[str, int] | None = None

    def problems(self) -> Sequence[str]:
        """What waits and no tagger gets on with."""
        self._notices, self._waiting = (), None
        try:
            waiting = self._behind()
            self._waiting = by_topic(waiting)
            self._metrics.show({where: item.messages for where, item in waiting.items()})
            standing = self._stuck.look(waiting)
        except Unavailable:
            # Broker and index are parts of their own.
            return ()
        self._notices = standing.notices
        return standing.problems

    def waiting(self) -> Mapping[str, int] | None:
        """By topic, how many messages were not read as of the last `problems`; None: nobody knows. From any thread."""
        return self._waiting

    def notices(self) -> Sequence[str]:
        """What waits behind other messages, as of the last `problems`. From any thread."""
        return self._notices


def by_topic(waiting: Mapping[Partition, Waiting]) -> dict[str, int]:
    """How many messages wait in each topic that has some."""
    found: Counter[str] = Counter()
    for (topic, _), item in waiting.items():
        found[topic] += item.messages
    return {topic: count for topic, count in sorted(found.items()) if count}

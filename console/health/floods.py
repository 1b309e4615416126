"""Topics that bad messages pour into: each is told by itself, and nothing stops for the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from prometheus_client import CollectorRegistry, Gauge

from console.health.health import Health
from schemas.counted import are, counted
from schemas.errors import Unavailable
from schemas.settings import Settings
from sinks.ports.dead_letters import DeadLetterList, Flooded

NEWEST = 10_000
# What came longer ago is for the list of dead letters.
_TOLD_FOR = timedelta(days=1)
# A look at a flooded topic reads its letters: a second or two where there are a million.
_EVERY_SECONDS = 30.0
_log = structlog.get_logger(__name__)


class Floods:
    """Looks at the ledger, so it knows whoever tags. Not for several threads.

    `metrics`: where `innsyn_topic_flooded` is set for each topic that was flooded since the start.
    """

    def __init__(
        self,
        letters: DeadLetterList,
        clock: Callable[[], datetime],
        metrics: CollectorRegistry,
        *,
        ratio: float,
        floor: int,
    ) -> None:
        self._letters = letters
        self._clock = clock
        self._ratio = ratio
        self._floor = floor
        self._told: frozenset[str] = frozenset()
        self._gauge = Gauge(
            "innsyn_topic_flooded",
            "1: more of its newest messages are unreadable than INNSYN_DEAD_LETTER_RATIO, 0: no more.",
            ["topic"],
            registry=metrics,
        )

    def lines(self) -> Sequence[str]:
        """A sentence for each topic that is flooded now. Logs and counts those that turned."""
        try:
            found = flooded(self._letters, self._clock(), self._ratio, self._floor)
        except Unavailable:
            # The index is a part of its own.
            return ()
        now = {item.topic: sentence(item) for item in found}
        for topic in sorted(now.keys() - self._told):
            self._gauge.labels(topic).set(1)
            _log.error("topic.flooded", topic=topic, meaning=now[topic])
        for topic in sorted(self._told - now.keys()):
            self._gauge.labels(topic).set(0)
            _log.info("topic.good_again", topic=topic)
        self._told = frozenset(now)
        return list(now.values())


def watch_floods(
    health: Health, settings: Settings, letters: DeadLetterList, metrics: CollectorRegistry
) -> None:
    """Tell of flooded topics beside the parts: whoever may write to one topic turns nobody away."""
    floods = Floods(
        letters,
        health.clock,
        metrics,
        ratio=settings.dead_letter_ratio,
        floor=settings.dead_letter_floor,
    )
    health.watch("dead letters", floods.lines, every=_EVERY_SECONDS, notice=True)


def flooded(letters: DeadLetterList, now: datetime, ratio: float, floor: int) -> Sequence[Flooded]:
    """Flooded topics. Raises IndexUnavailable."""
    return letters.flooded(now - _TOLD_FOR, newest=NEWEST, floor=floor, ratio=ratio)


def sentence(item: Flooded) -> str:
    """What is wrong with a topic, where, and what to do."""
    first = "/".join(map(str, item.first))
    return (
        f"{item.bad:,} of the last {counted(item.read, 'message')} on {item.topic} {are(item.bad)} unreadable and set"
        f" aside, so answers lack them (first {first}: {item.reason}): mend whoever writes them or their schema, then"
        f" run `innsyn deadletters retry --topic {item.topic}`, or drop them"
    )

"""Schemas whose messages were set aside, kept for whoever looks for what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

_MOST = 20
HURRIED = (
    "schema ids that the registry does not know came one after the other, so that none is waited for just now: "
    "find who writes them (`innsyn deadletters list --reason unknown_schema`); what is registered by then is tagged by "
    "`innsyn deadletters retry --reason unknown_schema`"
)


class Refusals:
    """Of all taggers of this process, also over their restarts. Safe from several threads: the mapping is replaced."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds that only grow."""
        self._rules: dict[tuple[str, str], str] = {}
        self._clock = clock
        self._hurried_until = clock()

    def note(self, topic: str, schema: str, rule: str) -> bool:
        """The rule that a schema (framing prefix, hex) breaks; whether that is news. The newest are kept."""
        if (topic, schema) in self._rules:
            return False
        kept = list(self._rules.items())[1 - _MOST :]
        self._rules = dict([*kept, ((topic, schema), rule)])
        return True

    def hurry(self, seconds: float) -> str:
        """For so long it is told that unknown schemas are not waited for: this sentence."""
        self._hurried_until = self._clock() + seconds
        return HURRIED

    def lines(self) -> Sequence[str]:
        """A sentence for each schema: topic, schema and rule; and one while unknown schemas are not waited for."""
        hurried = [HURRIED] if self._clock() < self._hurried_until else []
        refused = [set_aside(topic, rule) for (topic, _), rule in self._rules.items()]
        return [*hurried, *refused]


def set_aside(topic: str, rule: str) -> str:
    return f"messages on {topic} are set aside as dead letters: {rule}"

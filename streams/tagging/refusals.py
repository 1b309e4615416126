"""Schemas whose messages were set aside, kept for whoever looks for what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

_MOST = 20


class Refusals:
    """Of all taggers of this process, also over their restarts. Safe from several threads: the mapping is replaced."""

    def __init__(self) -> None:
        self._rules: dict[tuple[str, str], str] = {}

    def note(self, topic: str, schema: str, rule: str) -> bool:
        """The rule that a schema (framing prefix, hex) breaks; whether that is news. The newest are kept."""
        if (topic, schema) in self._rules:
            return False
        kept = list(self._rules.items())[1 - _MOST :]
        self._rules = dict([*kept, ((topic, schema), rule)])
        return True

    def lines(self) -> Sequence[str]:
        """A sentence for each schema: topic, schema and rule."""
        return [set_aside(topic, rule) for (topic, _), rule in self._rules.items()]


def set_aside(topic: str, rule: str) -> str:
    return f"messages on {topic} are set aside as dead letters: {rule}"

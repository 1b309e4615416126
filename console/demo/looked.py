"""What the demo says to be so, each looked at before it is said; what is not so decides its exit status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from console.operations.dead_reasons import meaning
from schemas.counted import counted
from schemas.topics import Topic
from sinks.ports.dead_letters import OpenLetters


@dataclass
class Looked:
    """`wrong`: what was found not to be so, a line each, in the order in which it was met."""

    wrong: list[str] = field(default_factory=list)

    def at(self, well: bool, otherwise: str) -> bool:
        """Whether it is so, as it was given; `otherwise`: what is wrong where it is not."""
        if not well:
            self.wrong.append(otherwise)
        return well


def unread_lines(
    letters: Iterable[OpenLetters], sent: Mapping[str, int], topics: Mapping[str, Topic]
) -> list[str]:
    """How many events of which record could not be read, and why; a line for each topic and reason.

    `sent`: how many there are of each topic.
    """
    return [
        f"{item.letters:,} of {counted(sent.get(item.topic, 0), 'event')} of {_record(item.topic, topics)} could not be"
        f" read: {item.reason}: {meaning(item.reason, item.topic)}"
        for item in letters
    ]


def _record(topic: str, topics: Mapping[str, Topic]) -> str:
    return f"{topics[topic].record} ({topic})" if topic in topics else topic

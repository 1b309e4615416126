"""Fields that come in messages but stand in no contract: counted and told of by path, never by value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from schemas.paths import ANY, ITEM

MORE = "(more)"
"""In place of a path, where a topic has more unknown ones than are kept apart."""
_MOST = 50
# A key that is no word may be somebody's: an address, a number, a name.
_WORD = re.compile(r"(?!.*\d{4})[A-Za-z_][A-Za-z0-9_-]{0,49}", re.ASCII)


def shown(path: str) -> str:
    """The path with `*` in place of each key that may be a value."""
    parts = []
    for part in path.split("."):
        key = part.rstrip(ITEM)
        parts.append((key if _WORD.fullmatch(key) else ANY) + part[len(key) :])
    return ".".join(parts)


class Untagged:
    """Of all taggers of this process, also over their restarts. Safe from several threads: mappings are replaced."""

    def __init__(self) -> None:
        self._seen: Mapping[str, Mapping[str, int]] = {}

    def add(self, topic: str, paths: Mapping[str, int]) -> dict[str, int]:
        """What came of a topic, by the paths as they are shown."""
        before = self._seen.get(topic, {})
        added: dict[str, int] = {}
        for path, count in paths.items():
            name = shown(path)
            if name not in before and name not in added and len(before) + len(added) >= _MOST:
                name = MORE
            added[name] = added.get(name, 0) + count
        total = {**before, **{name: before.get(name, 0) + count for name, count in added.items()}}
        self._seen = {**self._seen, topic: total}
        return added

    def lines(self) -> Sequence[str]:
        """A sentence for each path."""
        return [
            f"field {path} on {topic} is in no contract, so that nobody's data in it are tagged ({count:,} values so "
            f"far): name it in contracts/{topic}.yaml, with category none if it is about nobody"
            for topic, paths in self._seen.items()
            for path, count in paths.items()
        ]

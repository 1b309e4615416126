"""Fields that come in messages but stand in no contract: counted and told of by path, never by value.

The keys of a map may be values themselves: numbers, addresses, names. A key is shown only if it is written as the names
of fields are and the scanner finds nothing in it; and where very many stand side by side they are no names of fields,
so none of them is shown, nor kept any longer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

import structlog

from schemas.contracts import Contract
from schemas.errors import Unavailable
from schemas.paths import ANY, ITEM, steps, written
from sinks.ports.untagged import UntaggedFields
from streams.metrics import TagMetrics
from streams.tagging.scan import CATEGORIES, scan

log = structlog.get_logger()

MORE = "(more)"
"""In place of a path or a key, where there are more unknown ones than are kept apart."""
_MOST = 50
_MOST_BESIDE = 20
# What is seen all the time is noted this often.
_AGAIN = timedelta(seconds=30)
SPECIAL = CATEGORIES["special.health"]
_WORD = re.compile(r"(?!.*\d{4})[A-Za-z_][A-Za-z0-9_-]{0,49}", re.ASCII)
_NAME = re.compile(r"[A-Z][a-z]+([-_][A-Z][a-z]+)*")


def shown(path: str, capitals: bool = False) -> str:
    """The path with `*` in place of each key that may be a value. `capitals`: whether names of fields have such."""
    return written(step if step == ITEM or _is_field(step, capitals) else ANY for step in _steps(path))


def _steps(path: str) -> tuple[str, ...]:
    try:
        return steps(path)
    except ValueError:
        return (ANY,)


def _is_field(key: str, capitals: bool) -> bool:
    if not _WORD.fullmatch(key) or (_NAME.fullmatch(key) and not capitals):
        return False
    # The words of special categories are what a field is about, and the first that somebody has to see.
    found = (*scan(key), *scan(re.sub(r"[-_]", " ", key)))
    return all(item.category == SPECIAL for item in found)


class Untagged:
    """Of one tagger; used by one thread. `ledger`: where its fields are kept for whoever asks; None: nowhere."""

    def __init__(
        self,
        contracts: Mapping[str, Contract],
        metrics: TagMetrics,
        ledger: UntaggedFields | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._capitals = {
            topic: any(key[:1].isupper() for item in said.record.fields for key in _steps(item.name))
            for topic, said in contracts.items()
        }
        self._metrics = metrics
        self._ledger = ledger
        self._clock = clock
        self._names: dict[tuple[str, str], str] = {}
        # By topic and path as it is shown: when it was noted last.
        self._noted: dict[str, dict[str, datetime | None]] = {}

    def add(self, untagged: Mapping[str, Mapping[str, int]]) -> None:
        """What came of each topic, by the paths in the messages. Raises nothing: it is noted with the next ones."""
        if not untagged:
            return
        try:
            self._note({topic: self._count(topic, paths) for topic, paths in untagged.items()})
        except Unavailable as error:
            log.warning("untagged.not_noted", error=str(error))

    def _count(self, topic: str, paths: Mapping[str, int]) -> Collection[str]:
        """The paths as they are shown, which are counted."""
        noted = self._noted.get(topic)
        if noted is None:
            # What others noted counts, or every start would show some dozens of keys more.
            before = self._ledger.seen() if self._ledger else ()
            noted = self._noted[topic] = {item.path: None for item in before if item.topic == topic}
        counts = Counter[str]()
        for path, count in paths.items():
            counts[self._shown(topic, path)] += count
        for name in counts:
            self._place(topic, name, noted)
        placed = Counter[str]()
        for name, count in counts.items():
            placed[_kept(name, noted)] += count
        for name, count in placed.items():
            self._metrics.untagged.labels(topic, name).inc(count)
        return placed

    def _shown(self, topic: str, path: str) -> str:
        known = self._names.get((topic, path))
        if known is None:
            while len(self._names) >= 1_000:
                del self._names[next(iter(self._names))]
            known = self._names[topic, path] = shown(path, self._capitals.get(topic, False))
        return known

    def _place(self, topic: str, name: str, noted: dict[str, datetime | None]) -> None:
        """Keep the name; where it has too many beside it for names of fields, all of them as one instead."""
        together = _together(name)
        if name in noted or together in noted:
            return
        beside = [path for path in noted if path != MORE and _together(path) == together]
        if len(beside) < _MOST_BESIDE:
            noted.setdefault(name if len(noted) < _MOST else MORE, None)
            return
        log.warning("untagged.is_map", topic=topic, path=together)
        if self._ledger:
            self._ledger.forget(topic, beside)
        for path in beside:
            del noted[path]
            self._metrics.untagged.remove(topic, path)
        noted[together] = None

    def _note(self, names: Mapping[str, Collection[str]]) -> None:
        if self._ledger is None:
            return
        now = self._clock()
        due = {
            topic: [name for name in mine if _is_due(self._noted[topic].get(name), now)]
            for topic, mine in names.items()
        }
        if any(due.values()):
            self._ledger.note(due, now)
            for topic, mine in due.items():
                self._noted[topic] |= dict.fromkeys(mine, now)


def _together(name: str) -> str:
    """What stands for all the keys beside it."""
    return written([*_steps(name)[:-1], MORE])


def _kept(name: str, noted: Mapping[str, datetime | None]) -> str:
    """What a name is kept as; of one that is not kept, what it would be."""
    together = _together(name)
    return name if name in noted else together if together in noted else MORE


def _is_due(noted: datetime | None, now: datetime) -> bool:
    return noted is None or now - noted >= _AGAIN

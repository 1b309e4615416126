"""What a sample of a topic's messages shows, field by field: counts alone, so that no value outlives its message.

Keys of an object may be values themselves, such as `{"anna@example.no": 3}`. One that is no word, or stands in few of
the messages that have the object, is not told of; where many of an object are such it is a map, and each is `*`. Keys
that a schema names stay.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Any

from schemas.errors import DecodeError
from schemas.paths import ANY, ITEM, written
from streams.discovery.values import Recognisers, kinds_of
from streams.tagging.decode.values import json_value

Path = tuple[str, ...]
MOST_PATHS = 1_000
DEEPEST = 16
MOST_ITEMS = 20
"""Items of an array, or keys of one object, that are looked at in a message."""
MOST_VALUES = 1_000
"""Values of a message that are looked at: each takes a detector or two."""
_MOST_KEYS = 500
_DISTINCT = 2_000
_LONGEST_KEY = 1_000
# Letters of any language, no number of four digits in it, which may be a year of birth or a part of a phone.
_WORD = re.compile(r"(?!.*\d{4})[^\W\d][\w-]{0,59}")
# In one message alone a key that is written as a name of somebody is taken for one.
_GIVEN_NAME = re.compile(r"[A-ZÆØÅ][a-zæøå]+")
_SELDOM, _MAP = 0.02, 0.3
_TYPES: Mapping[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


@dataclass
class FieldSeen:
    """What is at one place. `messages`: that have it; `values`: scalars there. `scores`, `counts`: of each kind the sum
    of how sure each value is of it, and how many values are. `as_key`: messages
    whose key is the value, as text ("") or at a place in a key that is a JSON object."""

    messages: int = 0
    values: int = 0
    types: Counter[str] = field(default_factory=Counter)
    scores: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    counts: Counter[str] = field(default_factory=Counter)
    as_key: Counter[str] = field(default_factory=Counter)
    # Of this process and run: what a text hashes to says nothing once it ends.
    _hashes: set[int] = field(default_factory=set, repr=False)

    @property
    def distinct(self) -> int:
        """Different values, as far as they are counted."""
        return len(self._hashes)

    def share(self, kind: str) -> float:
        """Of the values, those that may be of the kind."""
        return self.counts[kind] / self.values if self.values else 0.0

    def certainty(self, kind: str) -> float:
        """How sure all values together are of the kind: 1 if every one surely is."""
        return self.scores[kind] / self.values if self.values else 0.0

    def add(self, value: Any, today: date, recognisers: Recognisers, keys: Mapping[str, str]) -> None:
        """One more value."""
        self.values += 1
        self.types[_TYPES.get(type(value), "string")] += 1
        for kind, score in kinds_of(value, today, recognisers).items():
            self.scores[kind] += score
            self.counts[kind] += 1
        if len(self._hashes) < _DISTINCT:
            self._hashes.add(hash(value))
        self.as_key.update(place for place, key in keys.items() if key == str(value))

    def merge(self, other: FieldSeen) -> None:
        """Those of a place that is the same."""
        self.messages += other.messages
        self.values += other.values
        self.as_key += other.as_key
        self.types += other.types
        for kind, score in other.scores.items():
            self.scores[kind] += score
        self.counts += other.counts
        self._hashes |= other._hashes


class Sample:
    """The fields of one topic's messages."""

    def __init__(self, today: date, recognisers: Recognisers | None = None) -> None:
        self._today = today
        self._recognisers = recognisers or {}
        self._named: set[Path] = set()
        self._leaves: dict[Path, None] = {}
        self._seen: dict[Path, FieldSeen] = {}
        self._objects: Counter[Path] = Counter()
        self._keys: Counter[Path] = Counter()
        self.messages = 0
        self.keyed = 0
        self.left_out = 0

    def name(self, paths: Iterable[Path]) -> None:
        """Paths that a schema names, whether or not a message has something there."""
        for path in paths:
            self._leaves[path] = None
            self._named |= {path[:end] for end in range(1, len(path) + 1)}

    def add(self, value: Mapping[str, Any], key: bytes | None = None) -> None:
        """One more message: an object, and the key that it has on the topic."""
        self.messages += 1
        self.keyed += key is not None
        here: set[Path] = set()
        keys = _keys_of(key) if key is not None else {}
        for path, item in islice(self._leaves_of(value, ()), MOST_VALUES):
            seen = self._at(path)
            seen.messages += path not in here
            here.add(path)
            if item is not None:
                seen.add(item, self._today, self._recognisers, keys)

    def fields(self) -> dict[str, FieldSeen]:
        """What was seen, by the path that a contract names it by, in the order in which it came. `left_out` is then how
        many keys are not among them."""
        found: dict[str, FieldSeen] = {written(path): FieldSeen() for path in self._leaves if _may_name(path)}
        keys = self._names()
        left_out = set()
        for path, seen in self._seen.items():
            folded = self._folded(path, keys)
            if folded is None:
                left_out.add(path)
            else:
                found.setdefault(written(folded), FieldSeen()).merge(seen)
        self.left_out = len(left_out)
        # Where an object is null in one message and filled in another, its fields say it all.
        above = {name[: at.start()] for name in found for at in re.finditer(r"\.|\[\]", name)}
        return {name: seen for name, seen in found.items() if name not in above or seen.values}

    def _at(self, path: Path) -> FieldSeen:
        if path not in self._seen and len(self._seen) >= MOST_PATHS:
            path = (*path[:-1], ANY)
        return self._seen.setdefault(path, FieldSeen())

    def _leaves_of(self, value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
        """Every scalar, and null, with its path."""
        if len(path) > DEEPEST:
            return
        if isinstance(value, Mapping):
            self._objects[path] += 1
            for key, item in list(value.items())[:_MOST_KEYS]:
                below = (*path, str(key))
                if below in self._keys or len(self._keys) < MOST_PATHS:
                    self._keys[below] += 1
                yield from self._leaves_of(item, below)
        elif isinstance(value, list | tuple):
            for item in value[:MOST_ITEMS]:
                yield from self._leaves_of(item, (*path, ITEM))
        elif isinstance(value, bytes):
            yield path, value.hex()
        elif path:
            yield path, value

    def _names(self) -> Mapping[Path, frozenset[str] | None]:
        """Of each object the keys that are names of fields; None for a map."""
        keys: dict[Path, list[str]] = {}
        for path in self._keys:
            keys.setdefault(path[:-1], []).append(path[-1])
        found: dict[Path, frozenset[str] | None] = {}
        for path, below in keys.items():
            words = {key for key in below if (*path, key) in self._named or self._is_word(path, key)}
            a_map = (*path, ANY) in self._named or len(below) - len(words) > _MAP * len(below)
            found[path] = None if a_map else frozenset(words)
        return found

    def _folded(self, path: Path, names: Mapping[Path, frozenset[str] | None]) -> Path | None:
        """The path with `*` for any key of a map; None where a key is one that is not told."""
        made: list[str] = []
        for at, step in enumerate(path):
            known = names.get(path[:at], frozenset([ANY]))
            if step != ITEM and known is None:
                step = ANY
            elif step != ITEM and step not in (known or ()):
                return None
            made.append(step)
        return tuple(made)

    def _is_word(self, above: Path, key: str) -> bool:
        if _WORD.fullmatch(key) is None:
            return False
        often = self._objects[above]
        if often == 1:
            return _GIVEN_NAME.fullmatch(key) is None
        return self._keys[(*above, key)] > max(1, _SELDOM * often)


def _keys_of(key: bytes) -> dict[str, str]:
    """What the key of a message may be compared with, by the place in it: itself, or the scalars of a JSON object."""
    if len(key) > _LONGEST_KEY:
        return {}
    try:
        value = json_value(key)
    except DecodeError:
        return {"": key.decode("utf-8", "replace")}
    inside = value.get("payload")
    above, row = ("payload.", inside) if isinstance(inside, dict) else ("", value)
    return {
        f"{above}{name}": str(item)
        for name, item in row.items()
        if isinstance(item, str | int) and _WORD.fullmatch(name)
    }


def _may_name(path: Path) -> bool:
    return all(step == ITEM or not re.search(r"[.\[\]*\s]", step) for step in path)

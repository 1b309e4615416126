"""Words and what they point at: cues for numbers, and special categories. The lists are data, read once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml

from schemas.errors import CatalogueError
from streams.tagging.scan.finding import CATEGORIES, Hypothesis

T = TypeVar("T")

# Letters of the languages of the lists, in lower case: half the time of a class that knows every script. A hyphen
# joins, as in e-post and d-nummer; one at the end does not count.
_LETTER = r"a-zß-öø-ÿ\u0100-\u017f"
WORD = re.compile(rf"[{_LETTER}][{_LETTER}\-]*")
_REMEMBERED = 65_536
_STEM = 3
_BEFORE, _BEHIND = 3, 2


class Lexicon(Generic[T]):
    """Looks words up. `entries`: a word in lower case, or a stem and `*` for any ending, with what it means."""

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        self._whole: dict[str, list[T]] = defaultdict(list)
        self._stems: dict[str, list[tuple[str, T]]] = defaultdict(list)
        for word, meaning in entries:
            if word.endswith("*"):
                self._stems[word[:_STEM]].append((word[:-1], meaning))
            else:
                self._whole[word].append(meaning)
        # Most words come again and again: what is remembered is answered in a tenth of the time.
        self.find = lru_cache(_REMEMBERED)(self._find)

    def _find(self, word: str) -> tuple[T, ...]:
        """Everything the word may mean, whole words first; a joined word that is not listed means what its parts do."""
        word = word.rstrip("-")
        stems = [meaning for stem, meaning in self._stems.get(word[:_STEM], ()) if word.startswith(stem)]
        found = (*self._whole.get(word, ()), *stems)
        if found or "-" not in word:
            return found
        first, _, last = word.partition("-")
        return *self.find(first), *self.find(last.rpartition("-")[2])


@dataclass(frozen=True)
class _Rule:
    """One rule of special.yaml."""

    kind: str
    score: float
    after: Lexicon[bool] | None
    before: Lexicon[bool] | None
    unless: Lexicon[bool] | None

    def holds(self, words: list[str], at: int) -> bool:
        ahead = words[max(0, at - _BEFORE) : at]
        behind = words[at + 1 : at + 1 + _BEHIND]
        if self.after and not any(map(self.after.find, ahead)):
            return False
        if self.before and not any(map(self.before.find, behind)):
            return False
        return not (self.unless and any(map(self.unless.find, ahead[-2:] + behind)))


@cache
def cue_words() -> Lexicon[str]:
    """What a word says of the number near it: a label of cues.yaml."""
    return Lexicon((word, label) for label, words in _read("cues.yaml").items() for word in words)


@cache
def _special_words() -> Lexicon[_Rule]:
    rules = _read("special.yaml")
    if unknown := set(rules) - set(CATEGORIES):
        raise CatalogueError("special.yaml", min(unknown), "name a kind of finding")
    return Lexicon(
        (word, _Rule(kind, item["score"], _near(item, "after"), _near(item, "before"), _near(item, "unless")))
        for kind, items in rules.items()
        for item in items
        for word in item["words"]
    )


def _near(item: Mapping[str, Any], name: str) -> Lexicon[bool] | None:
    return Lexicon((word, True) for word in item[name]) if name in item else None


def special(lowered: str) -> list[Hypothesis]:
    """Words of a text in lower case that point at special categories."""
    words = WORD.findall(lowered)
    find = _special_words().find
    if not any(map(find, words)):
        return []
    hits = [at for at, word in enumerate(words) if find(word)]
    spans = [match.span() for match in WORD.finditer(lowered)]
    found: list[Hypothesis] = []
    for at in hits:
        best: dict[str, float] = {}
        for rule in find(words[at]):
            if rule.holds(words, at):
                best[rule.kind] = max(rule.score, best.get(rule.kind, 0.0))
        found += [Hypothesis(score, kind, *spans[at]) for kind, score in best.items()]
    return found


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(Path(__file__).with_name(name).read_text("utf-8"))
    return content

"""Words and what they point at: cues for numbers, and special categories. The lists are data, read once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from schemas.errors import CatalogueError
from streams.tagging.scan.finding import CATEGORIES, Hypothesis
from streams.tagging.scan.lexicon import Lexicon, read
from streams.tagging.scan.people import Sentence, is_of_person, is_state, sentence

# Letters of the languages of the lists, in lower case: half the time of a class that knows every script. A hyphen
# joins, as in e-post and d-nummer; one at the end does not count.
_LETTER = r"a-zß-öø-ÿ\u0100-\u017f"
WORD = re.compile(rf"[{_LETTER}][{_LETTER}\-]*")
_BEFORE, _BEHIND = 3, 2
_STATE, _THING = "state", "thing"


@dataclass(frozen=True)
class _Rule:
    """One rule of special.yaml."""

    kind: str
    score: float
    about: str
    alone: bool
    noun: bool
    link: Lexicon[bool]
    by: Lexicon[bool] | None
    after: Lexicon[bool] | None
    before: Lexicon[bool] | None
    unless: Lexicon[bool] | None

    def holds(self, said: Sentence) -> bool:
        ahead, behind = said.ahead[:_BEFORE], said.behind[:_BEHIND]
        if self.after and not any(map(self.after.find, ahead)):
            return False
        if self.before and not any(map(self.before.find, behind)):
            return False
        if self.unless and any(map(self.unless.find, (*ahead, *behind))):
            return False
        if self.by and not any(map(self.by.find, ahead[:2])):
            return False
        if self.noun and said.name:
            return False
        if self.about == _STATE:
            return is_state(said, self.alone, self.noun)
        return self.about != _THING or is_of_person(said, self.link, self.alone)


@cache
def cue_words() -> Lexicon[str]:
    """What a word says of the number near it: a label of cues.yaml."""
    return Lexicon((word, label) for label, words in read("cues.yaml").items() for word in words)


@cache
def _special_words() -> Lexicon[_Rule]:
    rules = read("special.yaml")
    if unknown := set(rules) - set(CATEGORIES):
        raise CatalogueError("special.yaml", min(unknown), "name a kind of finding")
    return Lexicon(
        (word, _rule(kind, item)) for kind, items in rules.items() for item in items for word in item["words"]
    )


def _rule(kind: str, item: Mapping[str, Any]) -> _Rule:
    return _Rule(
        kind,
        item["score"],
        item.get("about", ""),
        item.get("alone", False),
        item.get("noun", False),
        _near(item, "link") or Lexicon(()),
        _near(item, "by"),
        _near(item, "after"),
        _near(item, "before"),
        _near(item, "unless"),
    )


def _near(item: Mapping[str, Any], name: str) -> Lexicon[bool] | None:
    return Lexicon((word, True) for word in item[name]) if name in item else None


def special(text: str, lowered: str) -> list[Hypothesis]:
    """Words of a text, as it was written and in lower case, that reveal something of a special category of somebody."""
    find = _special_words().find
    words = WORD.findall(lowered)
    if not any(map(find, words)):
        return []
    found: list[Hypothesis] = []
    end = 0
    for word in words:
        start = lowered.index(word, end)
        end = start + len(word)
        rules = find(word)
        if not rules:
            continue
        said = sentence(text, lowered, WORD, start, end)
        best: dict[str, float] = {}
        for rule in rules:
            if rule.holds(said):
                best[rule.kind] = max(rule.score, best.get(rule.kind, 0.0))
        found += [Hypothesis(score, kind, start, end) for kind, score in best.items()]
    return found

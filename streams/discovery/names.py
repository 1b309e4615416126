"""What the name of a field says: the phrases of `words.yaml` in it, and the words of the company's catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from schemas.catalogue import Catalogue
from schemas.paths import ANY, ITEM, steps

WHOLE, ENDING, INSIDE = 0.5, 0.4, 0.3
"""Weights of a phrase: it is the whole name, or ends the path; it ends the name; it stands in it elsewhere."""
OWN_NAME, EXAMPLE = 1.5, 0.5
"""Weights of a word beside those that are shipped, of weight 1: in the name of a category of the company's own; in any
other name of a category, or in an example."""
FOLDED = str.maketrans({"æ": "ae", "ø": "o", "å": "a", "ä": "a", "ö": "o", "é": "e", "ü": "u"})
_WORD = re.compile(r"[A-ZÆØÅÄÖÉÜ]+(?![a-zæøåäöéü])|[A-ZÆØÅÄÖÉÜ]?[a-zæøåäöéü]+")
_SHORTEST = 4


@dataclass(frozen=True)
class Meaning:
    """What a field may be. `holds`: kinds of values that it then has (`streams.discovery.values`). `category`: its own;
    "" for that of the whole event. `identifier`: the kind that it names a person by, "" for none. `nobody`, `weak`,
    `indirect`: see `words.yaml`."""

    name: str
    category: str = ""
    identifier: str = ""
    holds: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    free_text: bool = False
    moment: bool = False
    port: bool = False
    nobody: bool = False
    weak: bool = False
    indirect: bool = False


@dataclass(frozen=True)
class Said:
    """What a name says: `weight` for `meaning`, by the words `phrase`."""

    meaning: Meaning
    weight: float
    phrase: str


@dataclass(frozen=True)
class Words:
    """The phrases that are known. `events`: of each category the words by which a whole event is of it; `roles`: of
    each role the phrases that name its person; `things`: words of what is no person and has a name, too; `examples`:
    words of a field of which the company itself says, in a category of its own, that it is of that."""

    meanings: tuple[Meaning, ...]
    events: Mapping[str, Mapping[str, float]]
    roles: Mapping[str, tuple[str, ...]]
    things: tuple[str, ...]
    examples: tuple[tuple[frozenset[str], str], ...] = ()

    def said(self, path: str) -> list[Said]:
        """What the name at the end of a path says, the weightiest first, one for each meaning."""
        above, own = _words_of(path)
        found: dict[str, Said] = {}
        for meaning in self.meanings:
            for phrase in meaning.phrases:
                weight = _weight(phrase, above, own)
                # Of a text the name ends with its word: a message_id is none.
                if meaning.free_text and weight < ENDING:
                    continue
                weight /= 1 + meaning.weak
                before = found.get(meaning.name)
                if weight and (before is None or _better(weight, phrase, before)):
                    found[meaning.name] = Said(meaning, weight, phrase.lstrip("*"))
        # Of two phrases one of which holds the other the longer one is meant: «server name», not «name».
        said = [item for item in found.values() if not any(_inside(item, other) for other in found.values())]
        return sorted(said, key=lambda item: (-item.weight, -len(item.phrase), item.meaning.name))

    @cached_property
    def first_for(self) -> Mapping[str, str]:
        """Of each kind of values the name of the first meaning that holds it."""
        return {kind: meaning.name for meaning in reversed(self.meanings) for kind in meaning.holds}

    def role(self, path: str) -> str:
        """Whom the path speaks of, by its words; "" where they do not say."""
        return next((role for role, phrases in self.roles.items() if _speaks_of(path, phrases)), "")

    def example_of(self, path: str) -> str:
        """The category of the company's own that names such a field as an example, "" for none."""
        above, own = _words_of(path)
        words = {*above, *own}
        # What the field itself is called is among them: «parcel number» is no example for `parcel.status`.
        return next((name for said, name in self.examples if said <= words and said & {*own}), "")

    def thing(self, path: str, topic: str) -> bool:
        """Whether the path speaks of what is no person; of a field that lies in nothing, the topic."""
        above, own = _words_of(path)
        of = [*above, *own] if above else [*own, *split(topic)[-1:]]
        return any(_begins(thing, word) for thing in self.things for word in of)

    def event(self, names: Iterable[str], fields: Iterable[str]) -> dict[str, float]:
        """How much speaks for each category of the whole event. `names`: of its topic and record; `fields`: paths."""
        heard: dict[str, float] = {}
        # What an event is about stands last: customer orders are orders, billing.payments are payments.
        own = [word for name in names for word in split(name)[-1:]]
        ahead = [word for name in names for word in split(name)[:-1]]
        below = [word for path in fields for word in _words_of(path)[1]]
        for category, words in self.events.items():
            for word, weight in words.items():
                counts = 3.0 * _any(word, own) + 1.5 * _any(word, ahead) + 0.5 * _any(word, below)
                if counts:
                    heard[category] = heard.get(category, 0.0) + weight * counts
        return heard


def words_for(catalogue: Catalogue) -> Words:
    """The shipped words, and what a company's catalogue calls its categories and its kinds of identifiers."""
    shipped = _shipped()
    meanings = [_meaning(name, said) for name, said in shipped["meanings"].items()]
    # Where a company gives a kind a pattern, a value of that form is one.
    meanings = [
        replace(item, holds=(*item.holds, f"kind:{item.identifier}")) if item.identifier else item
        for item in meanings
    ]
    known = {meaning.identifier for meaning in meanings}
    for kind, term in catalogue.identifier_kinds.items():
        phrases = tuple(dict.fromkeys(" ".join(split(text)) for text in (kind, term.name.nb, term.name.en)))
        if kind not in known:
            meanings.append(Meaning(kind, identifier=kind, holds=(f"kind:{kind}", "code"), phrases=phrases))
    meanings = [meaning for meaning in meanings if meaning.category in ("", *catalogue.categories)]
    events: dict[str, dict[str, float]] = {}
    for name, category in catalogue.categories.items():
        said = events.setdefault(name, dict.fromkeys(shipped["events"].get(name, ()), 1.0))
        # What the company calls a category of its own says more than our words, which are anybody's.
        own = OWN_NAME if name not in shipped["events"] else EXAMPLE
        for weight, texts in ((own, (category.name.nb, category.name.en)), (EXAMPLE, category.examples)):
            for word in (word for text in texts for word in split(text)):
                if len(word) >= _SHORTEST and word not in shipped["says_nothing"]:
                    said.setdefault(word, weight)
    roles = {role: tuple(phrases) for role, phrases in shipped["roles"].items()}
    return Words(tuple(meanings), events, roles, tuple(shipped["things"]), tuple(_examples(catalogue)))


def _examples(catalogue: Catalogue) -> Iterator[tuple[frozenset[str], str]]:
    """Those of several words in categories that are the company's own: one word alone may mean anything."""
    shipped = _shipped()
    for name, category in catalogue.categories.items():
        for text in category.examples if name not in shipped["events"] else ():
            words = frozenset(split(text)) - {*shipped["small_words"]}
            if len(words) > 1:
                yield words, name


def _meaning(name: str, said: Mapping[str, Any]) -> Meaning:
    lists = {key: tuple(item) for key, item in said.items() if isinstance(item, list)}
    return Meaning(**{**said, **lists, "name": name})


def label(kind: str) -> str:
    """A kind of values in words."""
    said: str = _shipped()["labels"].get(kind, kind.removeprefix("kind:").replace("_", " "))
    return said


@cache
def numbering() -> frozenset[str]:
    """Words that the name of a record's number ends with."""
    return frozenset(_shipped()["numbering"])


@cache
def given_names() -> frozenset[str]:
    """Given names that many have, folded as words are."""
    return frozenset(_shipped()["given_names"])


@cache
def _shipped() -> Mapping[str, Any]:
    content: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("words.yaml").read_text("utf-8"))
    return content


def split(name: str) -> list[str]:
    """The words of a name in lower case, without numbers: `customerNo_2` is customer and no."""
    return [word.lower().translate(FOLDED) for word in _WORD.findall(name)]


def _words_of(path: str) -> tuple[list[str], list[str]]:
    """The words of what a field lies in, and those of its own name."""
    names = [step for step in _steps(path) if step not in (ANY, ITEM)]
    above = [word for name in names[:-1] for word in split(name)]
    return above, split(names[-1]) if names else []


def _steps(path: str) -> Sequence[str]:
    try:
        return steps(path)
    except ValueError:
        return path.split(".")


def _weight(phrase: str, above: Sequence[str], own: Sequence[str]) -> float:
    joined = phrase.startswith("*")
    words = phrase.lstrip("*").split()
    if not own:
        return 0.0
    # customernumber, e-post and kundeNr are written in every way: as one word, too.
    if list(own) == words or "".join(own) == "".join(words):
        return WHOLE
    if list(own[-len(words) :]) == words or (joined and own[-1].endswith(words[-1])):
        return ENDING
    if _holds(own, words):
        return INSIDE
    both = [*above, *own]
    ends = len(words) > 1 and both[-len(words) :] == words
    return WHOLE if ends else 0.0


def _holds(words: Sequence[str], phrase: Sequence[str]) -> bool:
    size = len(phrase)
    return any(list(words[at : at + size]) == list(phrase) for at in range(len(words) - size + 1))


def _speaks_of(path: str, phrases: Iterable[str]) -> bool:
    text = f" {' '.join(word for words in _words_of(path) for word in words)} "
    return any(f" {phrase} " in text for phrase in phrases)


def _inside(item: Said, other: Said) -> bool:
    return other.weight >= item.weight and item.phrase in other.phrase and item.phrase != other.phrase


def _better(weight: float, phrase: str, before: Said) -> bool:
    # As long, the one that is written as one word: «email», not «e mail».
    return (weight, len(phrase.replace(" ", ""))) > (before.weight, len(before.phrase.replace(" ", "")))


def _any(word: str, items: Sequence[str]) -> bool:
    return any(_begins(word, item) for item in items)


def _begins(word: str, item: str) -> bool:
    return item == word or (len(word) >= _SHORTEST and item.startswith(word))

"""Whether a word that points at a special category says something about a person, or is what a sentence is about.

«Kunden er sykmeldt», «har fått kreft», «Sykmeldt siden mars» speak of a person; «Kreft er en sykdom», «sykehuset åpner»
and «partiet vedtok» do not. No parser: a person in the sentence, a word that binds the person to what is said, and how
far they stand apart. GDPR Article 9 protects what is said of a person, not the words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from typing import NamedTuple

from streams.tagging.scan.lexicon import Lexicon, read

# How many words apart person, binding word and what is said of the person may stand.
_PERSON_AHEAD, _PERSON_BEHIND = 12, 4
_COPULA_AHEAD, _LINK_AHEAD, _POSSESSIVE_BESIDE = 3, 5, 2
_OPENING = 2
_LONGEST_SENTENCE = 400
# These patterns begin with the character that they are about and look back at what stands ahead of it, so that the
# search leaps from one such character to the next. A full stop behind a digit counts: 3. klasse.
_STOP = re.compile(r"[.!?…\n;•|](?:(?<=[\n;•|])|(?<![0-9].)[.!?…]*(?=\s|\Z))")
_CLAUSE = re.compile(
    r"[,:(–\somab](?:(?<=[,:(–])|(?<=\s)-\s|(?<!\w.)(?:(?<=o)g|(?<=m)en|(?<=a)nd|(?<=b)ut)(?!\w))"
)
# The English pronoun is a Norwegian preposition too.
_I = re.compile(
    r"[Iiİı](?<!\w.)(?i:['\u2019]?(?:m|ve)"
    r"| (?:am|was|have|had|got|use|voted|suffer|need|take|cannot|can|feel|live|work|do|go|became))\b"
)
_NAME = re.compile(r"[A-ZÆØÅ](?<!\w.)[a-zæøåé]+(?:[ -][A-ZÆØÅ][a-zæøåé]+)+")


@dataclass(frozen=True)
class _People:
    """The lists of people.yaml."""

    person: Lexicon[bool]
    copula: Lexicon[bool]
    opening: Lexicon[bool]
    article: Lexicon[bool]
    possessive: Lexicon[bool]
    reflexive: Lexicon[bool]
    group: Lexicon[bool]
    finite: Lexicon[bool]
    closing: Lexicon[bool]


@cache
def _people() -> _People:
    lists = read("people.yaml")
    return _People(**{name: Lexicon((word, True) for word in words) for name, words in lists.items()})


class Sentence(NamedTuple):
    """A word of a text and what stands around it in its sentence.

    `ahead`: the words before it, the nearest first, in lower case. `opening`: how many of them its clause has.
    `behind`: the words after. `closed`: whether its clause ends with it. `before`: the sentence up to the word as
    it was written, `text`: all of it. `name`: whether the word is written as a name is.
    """

    ahead: list[str]
    behind: list[str]
    opening: int
    closed: bool
    before: str
    text: str
    name: bool


def sentence(text: str, lowered: str, words: re.Pattern[str], start: int, end: int) -> Sentence:
    """The sentence of the word at [start, end), up to 400 characters of it on either side."""
    begin = max(0, start - _LONGEST_SENTENCE)
    for stop in _STOP.finditer(lowered, begin, start):
        begin = stop.end()
    stop_behind = _STOP.search(lowered, end, end + _LONGEST_SENTENCE)
    finish = stop_behind.start() if stop_behind else min(len(lowered), end + _LONGEST_SENTENCE)
    clause = begin
    for mark in _CLAUSE.finditer(lowered, begin, start):
        clause = mark.end()
    ahead = words.findall(lowered, begin, start)[::-1]
    return Sentence(
        ahead,
        words.findall(lowered, end, finish),
        len(words.findall(lowered, clause, start)),
        not lowered[end:finish].strip() or lowered[end] in ",.!?:;)»\"'",
        text[begin:start],
        text[begin:finish],
        text[start].isupper() and text[start + 1 : end].islower() and bool(ahead),
    )


def is_state(said: Sentence, alone: bool, closed: bool) -> bool:
    """Whether the word is what somebody is. `alone`: it says so by itself, first in a note. `closed`: a noun only."""
    people = _people()
    if closed and not (said.closed or _any(people.closing, said.behind[:1])):
        return False
    bound = _distance(people.copula, said.ahead[:_COPULA_AHEAD])
    if bound is not None:
        return not _any(people.group, said.ahead[: bound + 3]) and (_has_person(said) or _opens(said))
    if _possessed(said) or (_any(people.article, said.ahead[:1]) and _any(people.person, said.behind[:1])):
        return True
    return alone and said.opening < _OPENING and not _any(people.finite, said.behind[:1])


def is_of_person(said: Sentence, links: Lexicon[bool], alone: bool) -> bool:
    """Whether a word of `links` ties the thing to a person of the sentence, or it is somebody's."""
    if _possessed(said):
        return True
    bound = _distance(links, said.ahead[:_LINK_AHEAD])
    if bound is not None and not _any(_people().group, said.ahead[: bound + 3]):
        return _has_person(said) or _opens(said)
    return alone and not said.opening and not _any(_people().finite, said.behind[:2])


def _possessed(said: Sentence) -> bool:
    """«medisinen min», «min kroniske sykdom»; not «arbeidet sitt med samisk musikk», nor «Venstre si gruppe»."""
    people = _people()
    ahead = said.ahead[:1] if _any(people.closing, said.ahead[:1]) else said.ahead[:_POSSESSIVE_BESIDE]
    return _any(people.possessive, ahead) or (
        _any(people.possessive, said.behind[:1]) and not _any(people.reflexive, said.behind[:1])
    )


def _has_person(said: Sentence) -> bool:
    person = _people().person
    near = (*said.ahead[:_PERSON_AHEAD], *said.behind[:_PERSON_BEHIND])
    return _any(person, near) or bool(_NAME.search(said.before) or _I.search(said.text))


def _opens(said: Sentence) -> bool:
    """Whether the clause begins without its subject, as notes of a case do: «Har diabetes»."""
    return 0 < said.opening <= _LINK_AHEAD and _any(
        _people().opening, said.ahead[said.opening - 1 : said.opening]
    )


def _distance(lexicon: Lexicon[bool], words: Iterable[str]) -> int | None:
    """How many words stand before the first one that is listed."""
    listed = list(words)
    before = sum(1 for _ in takewhile(lambda word: not lexicon.find(word), listed))
    return before if before < len(listed) else None


def _any(lexicon: Lexicon[bool], words: Iterable[str]) -> bool:
    return any(map(lexicon.find, words))

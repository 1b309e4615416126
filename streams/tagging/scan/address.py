"""Norwegian postal addresses: street and number, or a post box, and the postcode with its place."""

from __future__ import annotations

import re

from streams.tagging.scan.finding import Hypothesis

_COMPLETE, _UNKNOWN_STREET, _WITHOUT_PLACE = 0.96, 0.75, 0.5
_ENDINGS = """
    gata gaten gate gt veien vegen veg vei plassen plass alléen allé alleen bakken bakkane stien stigen lia svingen
    tunet løkka haugen åsen kroken ringen torget torg brygga bryggen kaia kaien terrasse vollen jordet smauet smuget
    grenda toppen moen faret brinken berget
"""
_SIDES = "nedre øvre søndre søre nordre vestre østre austre store lille litle gamle nye sankt st st."
_UNITS = "kr kroner nok og and til er for kwh mbit mb gb ganger times as i på var fra from"
_ENDING = tuple(_ENDINGS.split())
_ENDING_DOTTED = (*_ENDING, "gt.", "v.", "vn.", "pl.")
_LAST_LETTERS = frozenset(ending[-2:] for ending in _ENDING_DOTTED)
_ALONE = frozenset(_ENDING)
_DIRECTIONS = frozenset(_SIDES.split())
# What follows a four-digit number and is no place.
_NO_PLACE = frozenset(_UNITS.split())
_TOKEN = re.compile(r"\S+")
# Everyday words with such an ending that are no street: «arbeidsplass 3», «underveis».
_NO_STREET = re.compile(
    r"(?:arbeids|lagrings|disk|side|opp|ned|inn|ut|av|under|sitje|sitte|for|første|sted|stads|på)(?:plass|vei|veg)\w*"
)
_BOX = frozenset(("postboks", "boks", "pb", "pb.", "box", "pobox"))
_WORDS_OF_NAME = 3
_WINDOW = 80
_HOUSE = re.compile(r"[0-9]{1,4}(?: ?[A-Za-zÆØÅæøå](?!\w))?")
_PLACE = re.compile(
    r"(?:,? ?[HULKhulk][0-9]{4}(?!\w))?(?:[ ][A-ZÆØÅ]\w{1,30})?(?:[ ]?,[ ]?|[ ]|,?\r?\n)"
    r"(?:(?:NO|N|no|n)-)?(?P<code>[0-9]{4})[ ]"
    r"(?P<place>[^\W\d_]{2,30}(?:[ -](?:(?:i|på)[ ])?[A-ZÆØÅ][^\W\d_]{1,30})?)"
)


def postal_address(text: str, lowered: str, start: int) -> Hypothesis | None:
    """The address whose house or box number begins at `start`. Bounded work, however long the text."""
    begin = max(0, start - _WINDOW)
    at = 1 + max(lowered.rfind(" ", begin, start - 1), lowered.rfind("\n", begin, start - 1), begin - 1)
    word = lowered[at : start - 1]
    if word[-2:] not in _LAST_LETTERS and word not in _BOX and not text[at].isupper():
        return None
    last = text[at : start - 1]
    house = _HOUSE.match(text, start)
    if house is None:
        return None
    place = _PLACE.match(text, house.end())
    if place and place["place"].lower() in _NO_PLACE:
        place = None
    known = word.rstrip(".").endswith(_ENDING) and word[:1].isalpha() and not _NO_STREET.fullmatch(word)
    if not (place or known):
        return None
    words = list(_TOKEN.finditer(text, begin, start))
    if not words:
        return None
    if word.rstrip(".") in _BOX:
        return _found(_COMPLETE, words[-1].start(), place.end()) if place else None
    named = _name_begins(words)
    if known and not (word.rstrip(".") in _ALONE and named == len(words) - 1):
        return _found(_COMPLETE if place else _WITHOUT_PLACE, words[named].start(), (place or house).end())
    if place and last[:1].isupper() and last.isalpha() and place["place"][0].isupper():
        return _found(_UNKNOWN_STREET, words[-1].start(), place.end())
    return None


def _name_begins(words: list[re.Match[str]]) -> int:
    """Which word a street's name begins with: «Øvre Slottsgate», «Karl Johans gate», but not «Bor i Storgata»."""
    at = len(words) - 1
    if words[at][0].lower().rstrip(".") in _ALONE:
        while at > 0 and len(words) - at <= _WORDS_OF_NAME and words[at - 1][0][:1].isupper():
            at -= 1
            if not words[at][0].isalpha():
                return at + 1
    elif at > 0 and words[at - 1][0].lower() in _DIRECTIONS:
        at -= 1
    return at


def _found(score: float, start: int, end: int) -> Hypothesis:
    return Hypothesis(score, "postal_address", start, end)

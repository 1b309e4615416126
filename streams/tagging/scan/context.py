"""What stands around a number: the words that say what it is, and whether it is part of something longer."""

from __future__ import annotations

import re
from typing import NamedTuple

from streams.tagging.scan.words import WORD, cue_words

_AHEAD, _BEHIND = 64, 32
_WORDS_AHEAD, _WORDS_BEHIND = 8, 4
# Words that end in a full stop in the middle of a sentence: nr., tlf., kto.
_ABBREVIATION = 4
_DIGITS = re.compile(r"[0-9]")
_STOP = re.compile(r"[.!?]\s")
_LAST_WORD = re.compile(r"\w+\Z")
# What comes behind «and» is said of the next number.
_BEFORE_STOP = re.compile(r"(?:[^ .!?;,\n0-9]+|[ ](?!(?:og|and|eller|or|men|but) ))*")
_NUMBER_AHEAD = re.compile(r"[0-9](?:[ .\-\u00a0]?[0-9]){3,}")
# Between two numbers of a list: what the first one is, the second one is likely to be too.
_GLUE = re.compile(r"\s*(?:[,;/&+]|og|and|eller|or)?\s*")
# An amount, unless the currency belongs to a number before it.
_CURRENCY_AHEAD = re.compile(r"(?<!\w)(?<![0-9] )(?:kr|nok|sek|dkk|eur|usd|gbp)\.?[ ]\Z")
_LONGEST_CURRENCY = 8
_CURRENCY_ENDS = frozenset("rkdp.")
_COPULA = frozenset(("er", "is", "var", "was", "e"))
# Labels that are said of one number only, and not of others near it.
_OF_ONE = ("other", "version", "section")
# Two whole numbers with a stroke between them are a list, not a case of a year.
_LISTED = 20
_LISTED_AHEAD = re.compile(r"[0-9](?:[ .\-]?[0-9]){7}/\Z")
_LISTED_BEHIND = re.compile(r"/\+?[0-9](?:[ .\-]?[0-9]){7}")
_MASKS = "*•●"
_EMPHASIS = "_*"
# What divides a number from what stands beside it, on both sides of nearly all.
_APART = frozenset(("", " ", "\n"))
# One to three digits and a comma are the whole part of an amount, and with a colon the minutes of a clock.
_FEW_DIGITS_AHEAD = re.compile(r"(?<![0-9,:])[0-9]{1,3},\Z|(?<![0-9])[0-9]{2}:\Z|:[0-9]{2},\Z")
# What follows makes it an amount, a share, a file.
_NO_END = re.compile(
    r",[0-9]{1,2}(?![0-9])|[%‰€$£°]|:[0-9]"
    r"|\.(?:pdf|jpe?g|png|gif|docx?|xlsx?|csv|txt|zip|gz|xml|json|log|html?|eml|msg)(?!\w)"
)
_SIGNS = frozenset("%‰€$£°")
_ENDS = _SIGNS | frozenset(",:.")
# What a word behind a hyphen says is said of the number: 41234567-abonnementet, 555-0143-Office.
_COMPOUND = re.compile(r"-[^\W\d_]{3,}(?![\w\-])")
_BRACKETS = re.compile(r"\(([0-9+][0-9 ]*)\)[ .\-]?\Z")


class Cues(NamedTuple):
    """Labels of cues.yaml around a number. `nearest` decides, `present` are all, `inherited` those of the number
    before it in a list; empty where nothing is said."""

    nearest: str
    present: frozenset[str]
    inherited: frozenset[str]


NO_CUES = Cues("", frozenset(), frozenset())


def cues(lowered: str, start: int, end: int) -> Cues:
    """Cues of the number at [start, end). Bounded work, however long the text."""
    window = lowered[max(0, start - _AHEAD) : start]
    inherited: frozenset[str] = NO_CUES.inherited
    if _DIGITS.search(window):
        inherited, window = _after_number(window, lowered[start:end])
    labels = _labels_ahead(window)
    behind, decisive = _labels_behind(lowered[end : end + _BEHIND])
    if window[-2:-1] in _CURRENCY_ENDS and _CURRENCY_AHEAD.search(
        window, max(0, len(window) - _LONGEST_CURRENCY)
    ):
        labels.insert(0, "other")
    if not (labels or behind or decisive or inherited):
        return NO_CUES
    # A payment goes to an account, and may also be talked of beside any other number.
    # No phone and no account has the number of a section, so its word takes no part in what another number is.
    naming = [label for label in (decisive, *labels, *behind) if label not in ("", "payment", "section")]
    return Cues(naming[0] if naming else "", frozenset((*labels, *behind, *naming[:1])), inherited)


def _after_number(window: str, number: str) -> tuple[frozenset[str], str]:
    """What a number inherits from the one before it, and what is left of the window behind that one."""
    numbers = list(_NUMBER_AHEAD.finditer(window))
    if not numbers:
        return NO_CUES.inherited, window
    previous = numbers[-1]
    inherited = NO_CUES.inherited
    if _GLUE.fullmatch(window, previous.end()):
        same = len(_digits(previous[0])) == len(_digits(number)) or window[previous.end() :] == "/"
        labels = _labels_ahead(window[: previous.start()])
        inherited = frozenset(label for label in labels if same or label not in _OF_ONE)
    return inherited, window[previous.end() :]


def _labels_ahead(window: str) -> list[str]:
    """Labels of the words before a number, the nearest first, back to the beginning of the sentence."""
    if _STOP.search(window):
        for stop in reversed(list(_STOP.finditer(window))):
            word = _LAST_WORD.search(window, max(0, stop.start() - _ABBREVIATION - 1), stop.start())
            if not word or (len(word[0]) > _ABBREVIATION and stop.end() < len(window)):
                window = window[stop.end() :]
                break
    find = cue_words().find
    words = WORD.findall(window)[-_WORDS_AHEAD:]
    words.reverse()
    return [label for found in map(find, words) if found for label in found if label != "unit"]


def _labels_behind(window: str) -> tuple[list[str], str]:
    """Labels of the words behind a number, and the one that decides: a unit, or what it «is»."""
    words = WORD.findall(window, 0, stop.end() if (stop := _BEFORE_STOP.match(window)) else 0)[:_WORDS_BEHIND]
    if not words:
        return [], ""
    find = cue_words().find
    found = [label for word in words for label in find(word)]
    if not found:
        return [], ""
    if "unit" in find(words[0]):
        return [], "other"
    labels = [label for label in found if label != "unit"]
    if words[0] in _COPULA:
        return labels, labels[0] if labels else ""
    # «41234567 for the invoice» says nothing of the number, «41234567 (mobile)» does.
    return [label for label in labels if label not in _OF_ONE], ""


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def joined(lowered: str, start: int, end: int) -> bool:
    """Whether the number is part of something longer: AB-123, 2024/123, a path, an amount, a masked number."""
    before, after = lowered[start - 1 : start], lowered[end : end + 1]
    if before in _APART and after in _APART:
        return after == " " and lowered[end + 1 : end + 2] in _SIGNS
    if before and before in _EMPHASIS and before == after:
        # Set off on both sides, as _123_ and *123* are.
        return False
    if (before and before in _MASKS) or (after and after in _MASKS):
        return True
    if before == "/":
        return not _LISTED_AHEAD.search(lowered, max(0, start - _LISTED), start)
    if before and (before in "\\_#@$€£" or (before == "-" and _tied(lowered, start - 2))):
        return True
    if before in (",", ":") and _FEW_DIGITS_AHEAD.search(lowered, max(0, start - _LISTED), start):
        return True
    if after == "/" and _LISTED_BEHIND.match(lowered, end):
        return False
    if not after:
        return False
    if after == "-" and _COMPOUND.match(lowered, end):
        return False
    if after in "-/_@" and _tied(lowered, end + 1):
        return True
    if after == " ":
        return lowered[end + 1 : end + 2] in _SIGNS
    return after in _ENDS and _NO_END.match(lowered, end) is not None


def tied_to_digits(lowered: str, start: int, end: int) -> bool:
    """Whether more digits follow at once behind a sign on either side: 2024/123, 123-01."""
    return lowered[max(0, start - 2) : start - 1].isdigit() or (
        lowered[end : end + 1] in ("-", "/", "_", ".") and lowered[end + 1 : end + 2].isdigit()
    )


def in_brackets_ahead(lowered: str, start: int) -> str:
    """Digits in brackets right before a number, as in (71) 4233-6306; empty if there are none."""
    ahead = _BRACKETS.search(lowered, max(0, start - _LISTED), start)
    return ahead[1] if ahead else ""


def _tied(lowered: str, at: int) -> bool:
    return 0 <= at < len(lowered) and lowered[at].isalnum()

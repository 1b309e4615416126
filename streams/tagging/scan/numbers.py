"""Digit groups become hypotheses: what a number may be by its form, its check digits and the words around it.

A run of groups ("412 34 567", "010190 12345") is cut wherever a known form fits. A number that is called something
else keeps a share of its score.
"""

from __future__ import annotations

import re

import phonenumbers

from schemas.norwegian import is_kid, is_machine_phone
from schemas.tokens import IdentifierKind
from streams.tagging.scan.context import NO_CUES, Cues, cues, joined
from streams.tagging.scan.finding import Hypothesis
from streams.tagging.scan.forms import FORMS, ODD, PHONE, PLAIN, SCORES, TYPICAL, Form, Reader

SEPARATOR = r"(?:[ \u00a0\u2009\u202f.\-\u2013]|\r?\n| [-\u2013] | ?\(0\) ?)"
# Not the zero in brackets of +46 (0)70, which is dialled at home only.
_GROUP = re.compile(r"[0-9]+(?<!\(0)")
_LONGEST_KID = 25
_SHORTEST_KID = 4
_KID_ALONE = 6
_AS_OTHER = {"national": 0.5}
_AS_OTHER_ELSE = 0.4
_ABSENT = 0.0
_GLUED = 0.6
_PAIRS, _SHORT = 4, 2
_VALID, _POSSIBLE = Form(0.95, 0.99), Form(0.70, 0.90)
_SHORTEST_PHONE, _LONGEST_PHONE = 8, 15
_WITHOUT_PLUS = 0.8
_KID = Form(_ABSENT, 0.95)
_BEGINNINGS = {form[:length] for form in FORMS for length in range(1, len(form) + 1)}
_FIRST = frozenset(form[0] for form in FORMS)
_ALONE = frozenset(form[0] for form in FORMS if len(form) == 1)
_LONGEST_FORM = max(map(len, FORMS))


def numbers(lowered: str, start: int, end: int, in_url: bool) -> list[Hypothesis]:
    """Hypotheses of a run of digit groups at [start, end). `in_url`: only what is called by its name counts."""
    if end - start not in _ALONE and lowered[start:end].isdigit() and not lowered.startswith("00", start):
        return []
    groups = [(match.start(), match.end()) for match in _GROUP.finditer(lowered, start, end)]
    # Letters that follow belong to the last group; what it is then is no number. MVA follows an organisasjonsnummer.
    if lowered[end : end + 1].isalpha() and not lowered.startswith("mva", end):
        groups = groups[:-1]
    if not groups:
        return []
    found: list[Hypothesis] = []
    first = 0
    if lowered[start] == "+" or lowered.startswith("00", start):
        taken, hypothesis = _international(lowered, start, groups)
        if hypothesis:
            found.append(hypothesis)
            # Two zeros also begin other numbers; a plus begins nothing else.
            first = taken if lowered[start] == "+" else 0
    lengths = [group[1] - group[0] for group in groups]
    for at in range(first, len(groups)):
        if lengths[at] not in _FIRST:
            continue
        for last in range(at + 1, min(at + _LONGEST_FORM, len(groups)) + 1):
            form = tuple(lengths[at:last])
            readers = FORMS.get(form)
            if readers:
                found += _read(lowered, groups, at, last, readers, in_url)
            elif form not in _BEGINNINGS:
                break
    return found


def _read(
    lowered: str,
    groups: list[tuple[int, int]],
    at: int,
    last: int,
    readers: tuple[tuple[Reader, str], ...],
    in_url: bool,
) -> list[Hypothesis]:
    start, end = groups[at][0], groups[last - 1][1]
    digits = lowered[start:end] if last == at + 1 else "".join([lowered[a:b] for a, b in groups[at:last]])
    readings = [(reading, form) for reader, form in readers if (reading := reader(digits))]
    if not readings:
        return []
    around = cues(lowered, start, end)
    longer = _part_of_longer(lowered, groups, at, last)
    found: list[Hypothesis] = []
    for (row, kind, label, identifier), form in readings:
        if in_url and label not in around.present:
            continue
        if form == TYPICAL and label in ("phone", "orgnr") and last > at + 1:
            form = _actual(label, lowered, groups, at, last)
        score = _score(label, SCORES.get((row, form)) or SCORES[row, PLAIN], around)
        if longer:
            # Check digits and a day and month still say more than the letters glued to them.
            score *= _GLUED if label == "national" and form != ODD else _ABSENT
        if score:
            found.append(Hypothesis(score, kind, start, end, identifier, True))
    return found


def _score(label: str, form: Form, around: Cues) -> float:
    alone, called = form
    if around is NO_CUES:
        return alone
    if around.nearest == label:
        # «Fødselsnummer og konto: A, B»: what fits as both is the first one.
        return called - 0.1 if label == "kontonummer" and "national" in around.present else called
    if label in around.present and (label == "national" or around.nearest not in ("other", "version")):
        return called - 0.05
    if around.nearest:
        return alone * _AS_OTHER.get(label, _AS_OTHER_ELSE)
    if label in around.inherited or (label == "kontonummer" and "payment" in around.present):
        return called - 0.05
    return alone * _AS_OTHER_ELSE if "other" in around.inherited else alone


def _actual(label: str, lowered: str, groups: list[tuple[int, int]], at: int, last: int) -> str:
    """Less than typical: mixed separators, a line break inside, dots as in an amount, more pairs around the pairs."""
    separators = {lowered[groups[n][1] : groups[n + 1][0]] for n in range(at, last - 1)}
    odd = len(separators) > 1 or "\n" in separators or (label == "orgnr" and "." in separators)
    if last - at == _PAIRS:
        around = [groups[n] for n in (at - 1, last) if 0 <= n < len(groups)]
        odd = odd or any(end - start <= _SHORT for start, end in around)
    return ODD if odd else TYPICAL


def _part_of_longer(lowered: str, groups: list[tuple[int, int]], at: int, last: int) -> bool:
    start, end = groups[at][0], groups[last - 1][1]
    if at > 0 and lowered[groups[at - 1][1] : start] in "-.":
        return True
    if last < len(groups) and lowered[end : groups[last][0]] in "-.":
        return True
    return joined(lowered, start, end)


def _international(lowered: str, start: int, groups: list[tuple[int, int]]) -> tuple[int, Hypothesis | None]:
    """The longest number behind + or 00 that exists, else that may exist, and how many groups it takes."""
    plus = lowered[start] == "+"
    prefixes = []
    for taken in range(len(groups), 0, -1):
        digits = "".join([lowered[a:b] for a, b in groups[:taken]])
        digits = digits if plus else digits[2:]
        if _SHORTEST_PHONE <= len(digits) <= _LONGEST_PHONE:
            prefixes.append((taken, digits))
    for form, exists in ((_VALID, _is_valid), (_POSSIBLE, _is_possible)):
        for taken, digits in prefixes:
            end = groups[taken - 1][1]
            if exists(digits) and not joined(lowered, start, end):
                around = cues(lowered, start, end)
                score = form.called if around.nearest == "phone" else form.alone
                if not plus and around.nearest != "phone":
                    score *= _AS_OTHER_ELSE if around.nearest else _WITHOUT_PLUS
                return taken, Hypothesis(
                    score, "phone", start, end, (IdentifierKind.PHONE, f"+{digits}"), True
                )
    return 0, None


def _is_valid(digits: str) -> bool:
    """Whether there is such a number. The library's list of what is given out lags behind, and leaves machines out."""
    if digits.startswith("47"):
        return PHONE.fullmatch(digits[2:]) is not None or is_machine_phone(digits[2:])
    number = _parsed(digits)
    return number is not None and phonenumbers.is_valid_number(number)


def _is_possible(digits: str) -> bool:
    """Whether the country has numbers of that length."""
    number = None if digits.startswith("47") else _parsed(digits)
    return number is not None and phonenumbers.is_possible_number(number)


def _parsed(digits: str) -> phonenumbers.PhoneNumber | None:
    try:
        return None if digits[0] == "0" else phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return None


def kid(lowered: str, start: int, end: int) -> Hypothesis | None:
    """The KID of a run of digit groups that is called one: as much of the run as fits."""
    groups = [match.span() for match in _GROUP.finditer(lowered, start, end)]
    if not groups:
        return None
    around = cues(lowered, *groups[0])
    if around.nearest != "kid" or joined(lowered, groups[0][0], groups[0][1]):
        return None
    # In groups of four it goes as far as it fits; a first group that is long enough is all of it.
    longest_first = groups[0][1] - groups[0][0] < _KID_ALONE
    for taken in range(len(groups), 0, -1) if longest_first else range(1, len(groups) + 1):
        last = groups[taken - 1][1]
        digits = "".join([lowered[a:b] for a, b in groups[:taken]])
        if _SHORTEST_KID <= len(digits) <= _LONGEST_KID and is_kid(digits):
            return Hypothesis(_KID.called, "kid", groups[0][0], last, None, True)
    return None

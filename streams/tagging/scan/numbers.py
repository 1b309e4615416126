"""Digit groups become hypotheses: what a number may be by its form, its check digits and the words around it.

A run of groups ("412 34 567", "010190 12345") is cut wherever a known form fits. A number that is called something
else keeps a share of its score.
"""

from __future__ import annotations

import re
from datetime import date

import phonenumbers

from schemas.norwegian import is_kid, is_machine_phone
from streams.tagging.scan.context import NO_CUES, Cues, cues, in_brackets_ahead, joined, tied_to_digits
from streams.tagging.scan.finding import Hypothesis
from streams.tagging.scan.forms import (
    FORMS,
    LONGEST_FORM,
    ODD,
    PHONE,
    PLAIN,
    SCORES,
    TYPICAL,
    Form,
    Reader,
    readable,
)

SEPARATOR = (
    r"(?:[ \u00a0\u2000-\u200a\u202f.\-\u2010-\u2015\u2212]|\r?\n| [-\u2013] | ?\(0\) ?"
    # A stroke divides the date of a fødselsnummer from the rest.
    r"|(?<=(?<![0-9])[0-9]{6})/(?=[0-9]{5}(?![0-9])))"
)
# Behind a plus or two zeros brackets and strokes divide too: +1 (202) 555-0143, +49 30/123456.
_DIALLED = re.compile(
    r"(?:\+[ ]?)?\(?[0-9]+(?:(?:[ ]?\(0\)[ ]?|[ \u00a0\u202f.\-\u2010-\u2015/()]{1,3})[0-9]+){0,15}"
)
# Not the zero in brackets of +46 (0)70, which is dialled at home only.
_GROUP = re.compile(r"[0-9]+(?<!\(0)")
_LONGEST_KID = 25
_SHORTEST_KID = 4
_KID_ALONE = 6
_AS_OTHER = 0.4
_ABSENT = 0.0
_GLUED, _GLUED_TO_DIGITS = 0.8, 0.6
_PAIRS, _SHORT = 4, 2
_VALID, _POSSIBLE = Form(0.95, 0.99), Form(0.70, 0.90)
# With the country's code. What may exist is guessed at within ITU-T E.164; what does exist may go beyond it.
_SHORTEST_PHONE, _LONGEST_PHONE = 7, 17
_SHORTEST_POSSIBLE, _LONGEST_POSSIBLE = 8, 15
_WITHOUT_PLUS = 0.8
_OWN = frozenset(("47", "+47", "0047", "00 47", "+ 47"))
_SHORTEST_NATIONAL, _LONGEST_TRUNK, _AREA = 5, 5, 3
# 05262 is a number of five digits, or what goes ahead of one: (05262) 12959, 05262/12959.
_AREA_CODE = re.compile(r"[ ]?[)/ \u00a0.\-][ ]?[0-9]")
_SAME_NUMBER = (" ", "-", "/", "\u00a0")
# What has no check digits, or a single one, has to be the whole of what stands there.
_WHOLE = ("phone", "payment_card")
# «ring kl 16 412 34 567»: the hour is no part of the number.
_CLOCK = re.compile(r"(?<!\w)(?:kl\.?|klokk[ae]n?|etter|før) \Z")
_LONGEST_CLOCK = 9
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_NO_LETTERS = re.compile(r"mva|(?:x|ext\.?)[ ]?[0-9]{1,6}(?!\w)")
_KID = Form(_ABSENT, 0.95)
_ALONE = frozenset(form[0] for form in FORMS if len(form) == 1)


def numbers(lowered: str, start: int, end: int, in_url: bool, today: date | None = None) -> list[Hypothesis]:
    """Hypotheses of a run of digit groups at [start, end). `in_url`: only what is called by its name counts. `today`:
    nobody is born after it."""
    if lowered[start:end].isdigit():
        if end - start not in _ALONE and not lowered.startswith("00", start):
            return []
        groups = [(start, end)]
    else:
        groups = [match.span() for match in _GROUP.finditer(lowered, start, end)]
    # Letters that follow belong to the last group; what it is then is no number. MVA follows an organisasjonsnummer, an
    # extension a phone.
    if lowered[end : end + 1].isalpha() and not _NO_LETTERS.match(lowered, end):
        groups = groups[:-1]
    if not groups:
        return []
    found: list[Hypothesis] = []
    first = 0
    plus = lowered[start] == "+"
    if plus or lowered.startswith("00", start):
        hypothesis = _international(lowered, start)
        if hypothesis:
            found.append(hypothesis)
        if plus:
            # A plus begins nothing else; two zeros also begin other numbers.
            behind = hypothesis.end if hypothesis else end
            first = sum([group[0] < behind for group in groups])
    for at, last, readers in readable(tuple([b - a for a, b in groups])):
        if at >= first:
            found += _read(lowered, groups, at, last, readers, in_url, today)
    return found


def _read(
    lowered: str,
    groups: list[tuple[int, int]],
    at: int,
    last: int,
    readers: tuple[tuple[Reader, str], ...],
    in_url: bool,
    today: date | None,
) -> list[Hypothesis]:
    start, end = groups[at][0], groups[last - 1][1]
    digits = lowered[start:end] if last == at + 1 else "".join([lowered[a:b] for a, b in groups[at:last]])
    readings = [(reading, form) for reader, form in readers if (reading := reader(digits, today))]
    if not readings:
        return []
    # What stands alone is no piece of anything, but for five digits and what follows brackets.
    if len(groups) > 1 or end - start == _SHORTEST_NATIONAL or ")" in lowered[max(0, start - 2) : start]:
        others = [item for item in readings if item[0].label not in _WHOLE]
        if len(others) < len(readings) and _torn(lowered, groups, at, last):
            readings = others
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
            # Check digits and a day and month still say more than what is glued to them.
            score *= longer if label == "national" and form != ODD else _ABSENT
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
    # Two check digits and a date outweigh a word of another kind.
    if label in around.present and (label == "national" or around.nearest not in ("other", "version")):
        return called - 0.05
    if label == "national":
        return alone
    if around.nearest:
        return alone * _AS_OTHER
    if label in around.inherited or (label == "kontonummer" and "payment" in around.present):
        return called - 0.05
    return alone * _AS_OTHER if "other" in around.inherited else alone


def _actual(label: str, lowered: str, groups: list[tuple[int, int]], at: int, last: int) -> str:
    """Less than typical: mixed separators, a line break inside, dots as in an amount, more pairs around the pairs."""
    separators = {lowered[groups[n][1] : groups[n + 1][0]] for n in range(at, last - 1)}
    odd = len(separators) > 1 or "\n" in separators or (label == "orgnr" and "." in separators)
    if last - at == _PAIRS:
        around = [groups[n] for n in (at - 1, last) if 0 <= n < len(groups)]
        odd = odd or any(end - start <= _SHORT for start, end in around)
    return ODD if odd else TYPICAL


def _part_of_longer(lowered: str, groups: list[tuple[int, int]], at: int, last: int) -> float:
    """What is left of a fødselsnummer's score by what is glued to it; 0 if nothing is."""
    start, end = groups[at][0], groups[last - 1][1]
    if at > 0 and lowered[groups[at - 1][1] : start] in "-.":
        return _GLUED_TO_DIGITS
    if last < len(groups) and lowered[end : groups[last][0]] in "-.":
        return _GLUED_TO_DIGITS
    if not joined(lowered, start, end):
        return 0
    return _GLUED_TO_DIGITS if tied_to_digits(lowered, start, end) else _GLUED


def _torn(lowered: str, groups: list[tuple[int, int]], at: int, last: int) -> bool:
    """Whether a national phone number is a piece of another country's: (71) 4233-6306, 0171 23456789."""
    start, behind = groups[at][0], groups[last - 1][1]
    if behind - start == _SHORTEST_NATIONAL and _AREA_CODE.match(lowered, behind):
        return True
    if lowered[max(0, start - 2) : start].rstrip(" .-").endswith(")") and in_brackets_ahead(
        lowered, start
    ) not in (
        "",
        *_OWN,
    ):
        return True
    if at == 1 and lowered[groups[0][1] : start] in _SAME_NUMBER:
        first, end = groups[at - 1]
        if lowered[first] == "0" and end - first <= _LONGEST_TRUNK and lowered[first:end] not in _OWN:
            return True
        if (
            end - first <= _AREA
            and (groups[at][1] - start, last - at) == (4, 2)
            and lowered[first:end] != "47"
        ):
            return True
    if last == at + 1 and groups[at][1] - start != _SHORTEST_NATIONAL:
        return False
    inside = {lowered[groups[n][1] : groups[n + 1][0]] for n in range(at, last - 1)} or {" "}
    return _goes_on(lowered, groups, at - 1, -1, inside) or _goes_on(lowered, groups, last, 1, inside)


def _goes_on(lowered: str, groups: list[tuple[int, int]], at: int, step: int, inside: set[str]) -> bool:
    """Whether the group at `at` continues the number beside it: the same separator, and no number of its own."""
    if not 0 <= at < len(groups) or _gap(lowered, groups, at if step < 0 else at - 1) not in inside:
        return False
    first, end = groups[at]
    if step > 0 and end - first <= _SHORT and inside == {" "}:
        # «412 34 567 2 ganger»: what is counted follows in words.
        return not lowered[end : end + 2].strip(" ").isalpha()
    if step < 0 and (
        _YEAR.fullmatch(lowered, first, end) or _gap(lowered, groups, at - 1) not in ("", *inside)
    ):
        return False
    if step < 0 and end - first <= _SHORT and _CLOCK.search(lowered, max(0, first - _LONGEST_CLOCK), first):
        return False
    for length in range(1, LONGEST_FORM + 1):
        beside = groups[at : at + length] if step > 0 else groups[max(0, at - length + 1) : at + 1]
        form = tuple(group[1] - group[0] for group in beside)
        if form in FORMS and form != (_SHORTEST_NATIONAL,):
            return False
    return True


def _gap(lowered: str, groups: list[tuple[int, int]], at: int) -> str:
    """What stands between a group and the next one."""
    return lowered[groups[at][1] : groups[at + 1][0]] if 0 <= at < len(groups) - 1 else ""


def _international(lowered: str, start: int) -> Hypothesis | None:
    """The longest number behind + or 00 that exists, else that may exist."""
    plus = lowered[start] == "+"
    dialled = _DIALLED.match(lowered, start)
    groups = [match.span() for match in _GROUP.finditer(lowered, start, dialled.end())] if dialled else []
    bracket = bool(groups) and lowered[start - 1 : start] == "(" and lowered.startswith(")", groups[0][1])
    if bracket and lowered[slice(*groups[0])] in _OWN:
        # (+47) and a number: a national one, and found as that.
        return None
    prefixes = []
    whole = "".join([lowered[a:b] for a, b in groups])
    whole = whole if plus else whole[2:]
    length = len(whole)
    for first, end in reversed(groups):
        if _SHORTEST_PHONE <= length <= _LONGEST_PHONE:
            prefixes.append((end, whole[:length]))
        length -= end - first
    for form, exists in ((_VALID, _is_valid), (_POSSIBLE, _is_possible)):
        for end, digits in prefixes:
            if not joined(lowered, start - bracket, end) and exists(digits):
                around = cues(lowered, start, end)
                score = form.called if around.nearest == "phone" else form.alone
                if not plus and around.nearest != "phone":
                    score *= _AS_OTHER if around.nearest else _WITHOUT_PLUS
                return Hypothesis(score, "phone", start - bracket, end, ("phone", f"+{digits}"), True)
    return None


def _is_valid(digits: str) -> bool:
    """Whether there is such a number. The library's list of what is given out lags behind, and leaves machines out."""
    if digits.startswith("47") and (PHONE.fullmatch(digits, 2) or is_machine_phone(digits[2:])):
        return True
    number = _parsed(digits)
    return number is not None and phonenumbers.is_valid_number(number)


def _is_possible(digits: str) -> bool:
    """Whether the country has numbers of that length."""
    likely = _SHORTEST_POSSIBLE <= len(digits) <= _LONGEST_POSSIBLE and not digits.startswith("47")
    number = _parsed(digits) if likely else None
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

"""Texts of a company outside Norway: national numbers of its country, and phones as they are dialled there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from types import ModuleType

from phonenumbers import PhoneNumberMatcher

from schemas.errors import InvalidIdentifier
from schemas.identifiers import IdentifierKinds, canonical
from streams.tagging.scan.finding import CATEGORIES, Finding

# Modules of python-stdnum for the numbers that people have; of the others of a country it says itself which it is.
_PERSONAL = {
    "BE": "be.nn", "BG": "bg.egn", "CH": "ch.ssn", "CZ": "cz.rc", "DE": "de.idnr", "DK": "dk.cpr", "EE": "ee.ik",
    "ES": "es.dni", "FI": "fi.hetu", "FR": "fr.nir", "HR": "hr.oib", "IE": "ie.pps", "IS": "is_.kennitala",
    "IT": "it.codicefiscale", "LT": "lt.asmens", "NL": "nl.bsn", "PL": "pl.pesel", "RO": "ro.cnp",
    "SE": "se.personnummer", "SK": "sk.rc",
}  # fmt: skip
# A date and no more proves too little: one number of ten digits in three is a Danish one.
_WEAK = frozenset(("DK",))
_SCORE, _WEAK_SCORE, _PHONE_SCORE = 0.85, 0.5, 0.7
_CANDIDATE = re.compile(r"(?<![\w+])[0-9A-Z][0-9A-Z+\-/.]{5,18}(?![\w])", re.ASCII)
_FEWEST_DIGITS = 6
_DIGITS = re.compile(r"[0-9](?:[\s\-().]?[0-9]){4}")
_MOST_TRIES = 1_000
_NORWEGIAN = frozenset(("fodselsnummer", "d_number", "h_number", "synthetic", "kid", "orgnr"))


def abroad(text: str, findings: Iterable[Finding], kinds: IdentifierKinds) -> list[Finding]:
    """The findings of a text of a company in the country of the kinds, which is not Norway.

    Numbers that only Norway has are left out. A national number has an identifier where a kind says that it is one
    (`found_as: national_number`) and takes it.
    """
    kept = [item for item in findings if not _is_norwegian(item, text)]
    for item in (*_national(text, kinds), *_phones(text, kinds)):
        if not any(item.start < other.end and other.start < item.end for other in kept):
            kept.append(item)
    return kept


def _is_norwegian(item: Finding, text: str) -> bool:
    if item.kind == "kontonummer":
        # An IBAN is one of any country.
        return not text[item.start : item.start + 2].isalpha()
    if item.kind == "phone":
        return not text[item.start : item.end].lstrip("( ").startswith(("+", "00"))
    return item.kind in _NORWEGIAN


@cache
def _module(country: str) -> ModuleType | None:
    return import_module(f"stdnum.{_PERSONAL[country]}") if country in _PERSONAL else None


def _national(text: str, kinds: IdentifierKinds) -> Iterator[Finding]:
    module = _module(kinds.country)
    if module is None:
        return
    score = _WEAK_SCORE if kinds.country in _WEAK else _SCORE
    for match in _CANDIDATE.finditer(text):
        written = match[0].rstrip("+-/.")
        if sum(sign.isdigit() for sign in written) >= _FEWEST_DIGITS and module.is_valid(written):
            end = match.start() + len(written)
            yield _finding("national_number", score, match.start(), end, written, kinds)


def _phones(text: str, kinds: IdentifierKinds) -> Iterator[Finding]:
    if not _DIGITS.search(text):
        return
    for match in PhoneNumberMatcher(text, kinds.country, max_tries=_MOST_TRIES):
        if not match.raw_string.startswith(("+", "00")):
            yield _finding("phone", _PHONE_SCORE, match.start, match.end, match.raw_string, kinds)


def _finding(
    found_as: str, score: float, start: int, end: int, written: str, kinds: IdentifierKinds
) -> Finding:
    kind = kinds.found.get(found_as)
    try:
        identifier = (found_as, canonical(kind, written)) if kind else None
    except InvalidIdentifier:
        identifier = None
    proven = identifier is not None and score > _WEAK_SCORE
    return Finding(found_as, CATEGORIES[found_as], score, start, end, identifier, proven)

"""Bank accounts in their international form (IBAN, ISO 13616), of every country of the register."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import product
from string import ascii_lowercase

from stdnum import iban, numdb

from schemas.norwegian import is_account_number
from streams.tagging.scan.finding import Hypothesis

_IBAN = 0.99
_SEPARATOR = r"[ \u00a0\-]?"
_PART = re.compile(r"([0-9]+)!")
_NOT_DIGITS_OR_LETTERS = re.compile(r"[^0-9a-z]")


def iban_pattern() -> str:
    """The second check digit and what follows, in lower case: as long as the accounts of the country ahead, written as
    one or in groups of four. Norwegian ones come in any groups."""
    countries: defaultdict[int, list[str]] = defaultdict(list)
    register = numdb.get("iban")
    for country in map("".join, product(ascii_lowercase, repeat=2)):
        structure = register.info(country.upper())[0][1].get("bban")
        if structure and country != "no":
            countries[sum(map(int, _PART.findall(structure)))].append(country)
    lengths = [
        rf"(?<=(?:{'|'.join(names)})[0-9][0-9])(?:{_SEPARATOR}[0-9a-z]{{4}}){{{length // 4}}}"
        + (rf"{_SEPARATOR}[0-9a-z]{{{length % 4}}}" if length % 4 else "")
        for length, names in sorted(countries.items())
    ]
    return (
        rf"[0-9](?:(?:(?<=no[0-9][0-9])|(?<=no [0-9][0-9]))(?:[ \u00a0.\-]?[0-9]){{11}}|{'|'.join(lengths)})"
    )


def account(lowered: str, start: int, end: int) -> Hypothesis | None:
    """The account that begins at `start` and is an IBAN; only a Norwegian one has an identifier, its kontonummer."""
    number = _NOT_DIGITS_OR_LETTERS.sub("", lowered[start:end])
    # A country's own check digits are left to its banks.
    if not iban.is_valid(number, check_country=False):
        return None
    if number[:2] != "no":
        return Hypothesis(_IBAN, "kontonummer", start, end, None, True)
    if not is_account_number(number[4:]):
        return None
    return Hypothesis(_IBAN, "kontonummer", start, end, ("account_number", number[4:]), True)

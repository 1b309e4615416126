"""What one value is, by the detectors of the scanner and by its shape: kinds and how sure each is, never the value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from schemas.errors import InvalidIdentifier
from schemas.identifiers import IdentifierKind, IdentifierKinds, canonical
from schemas.moments import from_iso
from streams.discovery.names import FOLDED, given_names
from streams.tagging.scan import Limits, scan

Recognisers = Mapping[str, Callable[[str], bool]]
"""Kinds of a company's own identifiers, each with what says whether a text has its form."""
LONGEST = 2_000
"""Characters of a text that are looked at."""
_NATIONAL = ("fodselsnummer", "d_number", "h_number", "synthetic")
# Kinds of the scanner by the names they have here.
_SCANNED = {
    **dict.fromkeys(_NATIONAL, "national_id"),
    "kontonummer": "bank_account",
    **{
        kind: kind
        for kind in (
            "payment_card",
            "phone",
            "email",
            "postal_address",
            "mac",
            "imei",
            "imsi",
            "iccid",
            "ip",
            "orgnr",
        )
    },
}
# A shape proves little: how sure each is.
_NAME, _OLD_DATE, _TEXT, _HANDLE, _COORDINATE, _UUID, _CODE, _WORD, _KIND = (
    0.4,
    0.5,
    0.5,
    0.6,
    0.5,
    0.3,
    0.25,
    0.2,
    0.6,
)
_WORDS_OF_TEXT, _WORDS_OF_NAME, _LONGEST_CODE, _OLD_YEARS = 5, 4, 40, 12
_UUIDS = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_NAMES = re.compile(r"[A-ZÆØÅÄÖÉÜ][^\W\d_]+(?:[ '-][A-ZÆØÅÄÖÉÜ]?[^\W\d_]+\.?){1,3}")
_CODES = re.compile(r"(?=[^\d]*\d)[\w./+|:-]{3,40}")
_SINGLE = re.compile(r"[^\W_][\w.\-' ]{0,38}")
_HANDLES = re.compile(r"@[\w.]{2,39}")
_DATES = re.compile(r"(\d{4})-(\d{2})-(\d{2})|(\d{2})[./](\d{2})[./](\d{4})")
_MOMENTS = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")
_DECIMAL = re.compile(r"-?\d{1,3}[.,]\d{3,}")
_URL = re.compile(r"[a-z][a-z0-9+]{1,9}://\S+", re.IGNORECASE)
_POSTCODE = re.compile(r"\d{4,5}")
# What an integer is as a moment from 2000 to 2100, in units since 1970.
_UNITS = {
    "seconds": (946_684_800, 4_102_444_800),
    "millis": (946_684_800_000, 4_102_444_800_000),
    "micros": (946_684_800_000_000, 4_102_444_800_000_000),
    "nanos": (946_684_800_000_000_000, 4_102_444_800_000_000_000),
}


_DAYS = 40_000


def recognisers_of(kinds: IdentifierKinds) -> Recognisers:
    """Those of the company's kinds that have a pattern; the others are found by the scanner, or have no form."""
    return {name: _fits(kind) for name, kind in kinds.items() if kind.pattern is not None}


def _fits(kind: IdentifierKind) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            return bool(canonical(kind, text))
        except InvalidIdentifier:
            return False

    return fits


def kinds_of(value: Any, today: date, recognisers: Recognisers | None = None) -> dict[str, float]:
    """Kinds that a scalar of a message may be, each with how sure that is, 0 to 1.

    Of texts with several words also `in:<kind>` for what the scanner finds inside. `moment:<unit>`: of times.
    """
    if isinstance(value, bool):
        return {"flag": 1.0}
    if isinstance(value, float):
        return {"number": 1.0, **({"coordinate": _COORDINATE} if _is_coordinate(value) else {})}
    if isinstance(value, int):
        return _of_integer(value, today, recognisers or {})
    return _of_text(str(value)[:LONGEST].strip(), today, recognisers or {})


def _of_integer(value: int, today: date, recognisers: Recognisers) -> dict[str, float]:
    found = {"number": 1.0}
    # Days since 1970, as Debezium and Avro write a date, or a year.
    if -_DAYS < value < _DAYS:
        found["days"] = _CODE
    for unit, (first, last) in _UNITS.items():
        if first <= value < last:
            found |= {"moment": 0.9, f"moment:{unit}": 0.9}
    text = str(value) if abs(value) < 10**18 else ""
    found |= {kind: score for kind, score in _of_text(text, today, recognisers).items() if kind in _OF_DIGITS}
    return found | _own(text, recognisers)


_OF_DIGITS = frozenset(
    (
        "national_id",
        "bank_account",
        "payment_card",
        "phone",
        "imei",
        "imsi",
        "iccid",
        "orgnr",
        "code",
        "postcode",
    )
)


def _of_text(text: str, today: date, recognisers: Recognisers) -> dict[str, float]:
    if not text:
        return {}
    found = _own(text, recognisers)
    for item in scan(text, Limits(LONGEST), today):
        kind = _SCANNED.get(item.kind, "special" if item.kind.startswith("special.") else "")
        if not kind:
            continue
        whole = item.end - item.start >= 0.9 * len(text)
        name = kind if whole and kind != "special" else f"in:{kind}"
        found[name] = max(found.get(name, 0.0), item.score)
    return found | _shape(text, today)


def _own(text: str, recognisers: Recognisers) -> dict[str, float]:
    return {f"kind:{kind}": _KIND for kind, fits in recognisers.items() if fits(text)}


def _shape(text: str, today: date) -> dict[str, float]:
    """By how it is written alone."""
    if _MOMENTS.match(text) and (moment := _moment(text)) is not None:
        unit = "iso8601" if moment.tzinfo else "local"
        return {"moment": 0.95, f"moment:{unit}": 0.95}
    if match := _DATES.fullmatch(text):
        return _date([part for part in match.groups() if part], today)
    found: dict[str, float] = {}
    if _UUIDS.fullmatch(text):
        return {"uuid": _UUID, "code": _CODE}
    if _URL.fullmatch(text):
        return {"url": 0.9}
    if _HANDLES.fullmatch(text):
        return {"handle": _HANDLE}
    if _DECIMAL.fullmatch(text):
        found["coordinate"] = _COORDINATE
    if _POSTCODE.fullmatch(text):
        found["postcode"] = 0.3
    if _CODES.fullmatch(text):
        found["code"] = _CODE
    words = text.split()
    if len(words) >= _WORDS_OF_TEXT:
        return {"text": _TEXT}
    if 1 < len(words) <= _WORDS_OF_NAME and _NAMES.fullmatch(text):
        found["name"] = _NAME
        if words[0].lower().translate(FOLDED) in given_names():
            found["given_name"] = 1.0
    if len(words) == 1 and _SINGLE.fullmatch(text):
        found["word"] = _WORD
    elif len(words) > 1:
        found["words"] = _WORD
    return found


def _date(parts: list[str], today: date) -> dict[str, float]:
    year, month, day = (int(part) for part in (parts if len(parts[0]) == 4 else parts[::-1]))
    try:
        then = date(year, month, day)
    except ValueError:
        return {"code": _CODE}
    old = 1900 <= year <= today.year - _OLD_YEARS
    return {"date": 0.9, **({"old_date": _OLD_DATE} if old and then < today else {})}


def _moment(text: str) -> datetime | None:
    try:
        return from_iso(text)
    except (ValueError, OverflowError):
        return None


def _is_coordinate(value: float) -> bool:
    return -180 <= value <= 180 and value != round(value, 2)

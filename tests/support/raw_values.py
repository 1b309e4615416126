"""Raw values that were fed in, and a search for them in whatever came of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from schemas.records import RecordSchema

# Shorter texts are words of the trade ("fiber", "chat"); identifiers are searched whatever their length.
SHORTEST_TEXT = 8
_SHORTEST_IDENTIFIER = 5
_WORD = 8


class Needles:
    """Values to look for, as UTF-8 bytes and as their hex."""

    def __init__(self) -> None:
        self.values: set[bytes] = set()

    def add(self, *values: str) -> None:
        """Identifiers and names: whatever their form, also in lower case."""
        for value in values:
            if len(value) >= _SHORTEST_IDENTIFIER:
                self.values |= {value.encode(), value.casefold().encode()}

    def add_event(self, record: RecordSchema, value: Mapping[str, Any]) -> None:
        """Identifiers and record keys of an event, and every text of it that is no symbol of an enum."""
        for path, found in _texts("", value):
            field = record.find(path)
            if field is None or field.type == "enum":
                continue
            if field.identifier or field.record_key:
                self.add(found)
            elif field.personal and len(found) >= SHORTEST_TEXT:
                self.values.add(found.encode())

    def found_in(self, places: Mapping[str, bytes]) -> dict[str, set[bytes]]:
        """Which of the values occur where, as they are or as hex; places without any are left out."""
        wanted = self.values | {value.hex().encode() for value in self.values}
        short = {value for value in wanted if len(value) < _WORD}
        by_word: dict[bytes, list[bytes]] = {}
        for value in wanted - short:
            by_word.setdefault(value[:_WORD], []).append(value)
        found = {}
        for place, hay in places.items():
            inside = {value for value in short if value in hay}
            for at in _candidates(hay, by_word):
                inside |= {
                    value for value in by_word.get(hay[at : at + _WORD], ()) if hay.startswith(value, at)
                }
            if alone := {value for value in inside if _stands_alone(value, hay)}:
                found[place] = alone
        return found


def _candidates(hay: bytes, words: Iterable[bytes]) -> list[int]:
    """Where eight bytes begin each pair of which stands at its place in some of the words: few, and all that count."""
    known = np.frombuffer(b"".join(words), "<u2").reshape(-1, _WORD // 2)
    bytes_ = np.frombuffer(hay, np.uint8).astype(np.uint16)
    at = np.arange(max(len(hay) - _WORD + 1, 0))
    for place in range(_WORD // 2):
        table = np.zeros(65_536, np.bool_)
        table[known[:, place]] = True
        first = at + 2 * place
        at = at[table[bytes_[first] | bytes_[first + 1] << 8]]
    return [int(position) for position in at]


def _stands_alone(value: bytes, hay: bytes) -> bool:
    """Digits count only where no digit or point is beside them: a piece of a longer number is chance."""
    if not value.isdigit():
        return True
    return re.search(rb"(?<![0-9.a-f])" + value + rb"(?![0-9.a-f])", hay) is not None


def _texts(path: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield path, str(value)
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _texts(f"{path}.{name}" if path else name, part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(path, part)

"""Ids of the catalogue that are no company's own: those of what innsyn ships, and the numbers left for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from schemas.annotations import Problem
from schemas.files import is_named
from schemas.layers import BASE, CHANGE, MODEL, read_mapping

FOLDER = "catalogue"
_LEFT = re.compile(r"(T|C-)(?!00)[0-4]\d")
"""T01 to T49 and C-01 to C-49: a later version may ship them."""
_TELLS = ("name", "authority", "fideslang")
"""By which an entry is the shipped one, copied and changed: one of these is as it was."""
_FILES = ("categories.yaml", "purposes.yaml", "retention.yaml")


def reserved_ids(folder: Path) -> Iterator[Problem]:
    """Own entries under an id that means something else in what ships, or may do so one day.

    What the company extends refuses such an entry when it is loaded (`schemas.layers`); the others would be another's
    once it extends more, or once they are read beside each other. `folder`: the company's. Errors: CatalogueError.
    """
    for file in _FILES:
        path = folder / FOLDER / file
        for key, entry in (read_mapping(path) if is_named(path) else {}).items():
            if isinstance(entry, dict) and CHANGE not in entry and (what := _taken(file, key, entry)):
                yield Problem(f"{FOLDER}/{file}", key, what, _mend(key))


def _taken(file: str, key: str, entry: Mapping[str, Any]) -> str | None:
    shipped = _shipped(file).get(key)
    if shipped is None:
        return "is kept for what innsyn ships" if _LEFT.fullmatch(key) else None
    if any(shipped[field] == entry.get(field) for field in _TELLS if field in shipped):
        return None
    return f"is {shipped['name']['en']} in what innsyn ships"


def _mend(key: str) -> str:
    number = re.match(r"T|C-", key)
    return f"number your own from {number[0]}50 on" if number else "choose another id"


@cache
def _shipped(file: str) -> Mapping[str, Mapping[str, Any]]:
    return {**read_mapping(MODEL / FOLDER / file), **read_mapping(BASE / FOLDER / file)}

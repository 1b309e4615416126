"""What a person still has to decide in a contract: a draft says `decide` there, and is refused until nothing does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.errors import CatalogueError

DECIDE = "decide"
"""The word: as a value, or as a key beside what is only likely, with the reason."""
_PATHS = "fields"
_SHOWN = 3


def refuse_undecided(file: str, content: Any) -> None:
    """Raises CatalogueError where anything is to be decided: it names the first places and how many there are."""
    places = list(undecided(content))
    if not places:
        return
    first, *others = places
    more = f", as {', '.join(others[:_SHOWN])}" if others else ""
    more += f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    mend = f"is to be decided{more}: write what holds, and take `{DECIDE}` out"
    raise CatalogueError(file, first, mend)


def undecided(content: Any, where: str = "") -> Iterator[str]:
    """The keys under which something is to be decided, in the order of the file."""
    if content == DECIDE:
        yield where or DECIDE
    elif isinstance(content, list):
        for item in content:
            yield from undecided(item, where)
    elif isinstance(content, dict):
        # Below `fields` stand paths: a message may have a field of that name.
        marked = where != _PATHS and DECIDE in content
        if marked:
            yield where or DECIDE
        for key, item in content.items():
            if key != DECIDE or not marked:
                yield from undecided(item, f"{where}.{key}" if where else str(key))

"""Lists in pages, and the cursors that lead from one to the next."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, TypeVar

from schemas.errors import InputError

_T = TypeVar("_T")


def page(items: Sequence[_T], limit: int, cursor: str | None) -> tuple[Sequence[_T], str | None]:
    """The items of one page of a list that is at hand, and the cursor of the next page. Raises InputError."""
    start = read_cursor(cursor, (0,))[0]
    end = start + limit
    return items[start:end], write_cursor(end) if end < len(items) else None


def write_cursor(*position: str | int) -> str:
    """Where the next page starts, opaque to the caller."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, default: tuple[Any, ...]) -> tuple[Any, ...]:
    """The position in a cursor; `default`, without a cursor, also says its types. Raises InputError."""
    if not cursor:
        return default
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        fits = [type(part) for part in position] == [type(part) for part in default]
    except (binascii.Error, ValueError, TypeError):
        fits = False
    if not fits or any(isinstance(part, int) and not -1 <= part < 2**63 for part in position):
        raise InputError("cursor: is not one of this list; take the next_cursor of the page before")
    return tuple(position)

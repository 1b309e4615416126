"""User names as the network's logs write them, with the realm they may have (RFC 7542)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from schemas.errors import DecodeError, InvalidIdentifier
from schemas.identifiers import spelled
from schemas.user_names import has_realm, names_nobody, without_realm
from streams.feeds.lines.reasons import NOT_UTF8, PLACEHOLDER_NAME, REALM_KEPT, REALM_REMOVED

# How programs write bytes and letters beyond ASCII that they could not decode: \xf8, \370, \u00f8. What follows the
# backslash of a Windows domain is seldom that.
_ESCAPED = re.compile(
    r"\\(?:x[89a-f][0-9a-f]|[23][0-7]{2}(?![0-9])|u0[0-9a-f]{3}|U0[0-9a-f]{7})", re.ASCII | re.IGNORECASE
)


def demand_letters(text: str) -> None:
    """Raises DecodeError not_utf8 for a text in which escapes stand for letters: nobody would find it under them."""
    if "\\" in text and _ESCAPED.search(text):
        raise DecodeError(NOT_UTF8)


@dataclass(frozen=True)
class Names:
    """`realms`: our own, which are no part of a name. `nobody`: names that name nobody. Both in `realm_form`."""

    realms: frozenset[str] = frozenset()
    nobody: frozenset[str] = frozenset()

    def read(self, text: str) -> tuple[str | None, str | None]:
        """The user name, None if nobody is named, and what is to be said of it, a reason of `reasons`. Raises
        DecodeError: not_utf8."""
        return _read(text, self.realms, self.nobody)


@lru_cache(maxsize=100_000)
def _read(text: str, realms: frozenset[str], nobody: frozenset[str]) -> tuple[str | None, str | None]:
    if not text.strip():
        return None, None
    if names_nobody(text, nobody):
        return None, PLACEHOLDER_NAME
    name = without_realm(text, realms)
    demand_letters(name)
    try:
        spelled("user_name", name)
    except InvalidIdentifier:
        return None, None
    said = REALM_REMOVED if name != text else REALM_KEPT if has_realm(name) else None
    return name.strip(), said

"""User names and their realms (RFC 7542): when two spellings are one name, and which name nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from schemas.hosts import host_name
from schemas.unicode import folded

# How access servers join a realm to a name: the first two put it behind, the others in front.
_BEHIND, _BEFORE = ("@", "%"), ("\\", "/")


def realm_form(realm: str) -> str:
    """The one spelling of a realm, which is a name of a host (RFC 7542, 2.3)."""
    return host_name(folded(realm))


def own_realms(realms: Iterable[str]) -> frozenset[str]:
    """The realms in the form in which names are compared with them."""
    return frozenset(form for realm in realms if (form := realm_form(realm)))


def without_realm(name: str, realms: Collection[str]) -> str:
    """The name before its realm, or behind it, if the realm is one of `realms`; else the name as it is.

    The realm is part of the name (RFC 7542, 2.2) unless it is the operator's own. `realms`: from `own_realms`.
    """
    rest = name.strip()
    while True:
        shorter = next((part for part, realm in _parts(rest) if part and realm_form(realm) in realms), None)
        if shorter is None:
            return rest if rest != name.strip() else name
        rest = shorter.strip()


def has_realm(name: str) -> bool:
    """Whether the name is one with a realm behind it or a domain before it."""
    return "@" in name or "\\" in name


def names_nobody(name: str, nobody: Collection[str]) -> bool:
    """Whether the name is empty or a word that stands for no user, whatever its realm (RFC 7542, 2.3)."""
    words = {name, *(part for part, _ in _parts(name.strip()))} if has_realm(name) else {name}
    return any(not word.strip() or realm_form(word) in nobody for word in words)


def _parts(name: str) -> Iterable[tuple[str, str]]:
    """(name, realm) by each way in which the two are joined."""
    for sign in _BEHIND:
        part, found, realm = name.rpartition(sign)
        if found:
            yield part, realm
    for sign in _BEFORE:
        realm, found, part = name.partition(sign)
        if found:
            yield part, realm

"""Identifiers become tokens: the canonical form of a value, then a keyed hash of kind and value.

A token is the first 16 bytes of HMAC-SHA256 (RFC 2104) over `kind || 0x00 || canonical value`. The kind separates
the domains: the same digits as customer number and as phone number give unrelated tokens. Tokens are pseudonyms
and stay personal data (GDPR recital 26); without the key they cannot be tested against guesses.

Keys of the network (a line, a session) name nobody but lead to somebody: they get tokens in domains of their own. So
do IPv6 prefixes, which a keyed hash of the address would not show any more.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Generic, TypeVar, cast

from schemas.errors import InvalidIdentifier
from schemas.identifiers import (
    IdentifierKind,
    IdentifierKinds,
    canonical,
    canonical_in,
    former,
    renamed,
    spelled,
)
from schemas.unicode import folded
from schemas.user_names import without_realm

__all__ = [
    "PREFIX_LENGTHS",
    "TOKEN_BYTES",
    "IdentifierKind",
    "IdentifierKinds",
    "KeyCache",
    "PrefixCache",
    "Prefixes",
    "RenamedCache",
    "TokenCache",
    "TokenPairs",
    "Tokenizer",
    "canonical",
    "delegated_networks",
    "delegated_tokens",
    "former",
    "prefix_tokens",
    "spelled",
]

TOKEN_BYTES = 16

PREFIX_LENGTHS = (44, 48, 52, 56, 60, 62, 64)
"""IPv6 prefixes that get a token: what providers delegate to households (RIPE-690), and the larger blocks around it."""

Prefixes = tuple[tuple[bytes, int], ...]
"""Token and length of each prefix."""

_T = TypeVar("_T")


# Network keys as feeds spell them differently; other domains are made of what was brought into form before.
_KEY_FORMS: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(("line", "server", "client"), folded),
    **dict.fromkeys(("session", "slot", "prefix", "record"), str),
}


class TokenPairs:
    """Which tokens of an older key and of the key in force are the same identifier's. Safe from several threads."""

    def __init__(self) -> None:
        self._seen: deque[tuple[bytes, bytes, str]] = deque()

    def add(self, older: bytes, newer: bytes, key_id: str) -> None:
        """`key_id`: of the older key."""
        self._seen.append((older, newer, key_id))

    def take(self) -> list[tuple[bytes, bytes, str]]:
        """All that were added since the last call."""
        return [self._seen.popleft() for _ in range(len(self._seen))]


class Tokenizer:
    """Tokens under one key. `key_id` names the key in what is stored; the key itself never leaves this object.

    `realms`: the operator's own, taken off user names (`schemas.user_names`). `older`: tokenizers of keys under which
    there still are rows; with `pairs`, the tokens under these are noted beside each token that is made. `newer`: of the
    keys that came after it, where the index is asked; `retired`: whether a key was, under which there were rows.
    """

    def __init__(
        self,
        key: bytes,
        key_id: str,
        realms: Collection[str] = (),
        older: Sequence[Tokenizer] = (),
        pairs: TokenPairs | None = None,
        *,
        newer: Sequence[Tokenizer] = (),
        retired: bool = False,
    ) -> None:
        if len(key) < 32:
            raise InvalidIdentifier("a token key has at least 32 bytes")
        self._key = key
        self._realms = realms
        self.key_id = key_id
        self.older = tuple(older)
        self.newer = tuple(newer)
        self.retired = retired
        self._pairs = pairs if older else None

    def pairing(self, pairs: TokenPairs) -> Tokenizer:
        """The same, with the tokens under the older keys noted in `pairs`."""
        return Tokenizer(self._key, self.key_id, self._realms, self.older, pairs)

    def alone(self) -> Tokenizer:
        """The same, noting nothing."""
        return Tokenizer(self._key, self.key_id, self._realms)

    def __repr__(self) -> str:
        return f"Tokenizer(key_id={self.key_id!r})"

    def token(self, kind: IdentifierKind, value: str, form: str | None = None) -> bytes:
        """16 bytes. Raises InvalidIdentifier."""
        return self.tokens_of(kind, form)(value)

    def tokens_of(self, kind: IdentifierKind, form: str | None = None) -> Callable[[str], bytes]:
        """The function from a value to its token, for those who have many values. See `token`."""
        made = self._tokens_of(kind, form)
        if self._pairs is None:
            return made
        add = self._pairs.add
        older = [(item._tokens_of(kind, form), item.key_id) for item in self.older]

        def noted(value: str) -> bytes:
            token = made(value)
            for before, key_id in older:
                add(before(value), token, key_id)
            return token

        return noted

    def _tokens_of(self, kind: IdentifierKind, form: str | None) -> Callable[[str], bytes]:
        read, key, domain = canonical_in(kind, form), self._key, kind.name.encode() + b"\0"
        if kind.has_realms and (realms := self._realms):
            return lambda value: self._hash(kind.name, read(without_realm(value, realms)))
        return lambda value: hmac.digest(key, domain + read(value).encode(), "sha256")[:TOKEN_BYTES]

    def hashed(self, kind: IdentifierKind, value: str, form: str | None = None) -> str:
        """The canonical value that the token is made of: without a realm of the operator's own. Raises
        InvalidIdentifier."""
        return canonical(kind, without_realm(value, self._realms) if kind.has_realms else value, form)

    def former(self, kind: IdentifierKind, value: str) -> tuple[bytes, ...]:
        """Other tokens under which the identifier may be stored. Raises InvalidIdentifier."""
        texts = dict.fromkeys(former(kind, value))
        if kind.has_realms and without_realm(value, self._realms) != value:
            # Before the realm was declared to be our own, it was part of the name.
            texts[canonical(kind, value)] = None
        return tuple(self._hash(kind.name, text) for text in texts)

    def key(self, domain: str, value: str) -> bytes:
        """16 bytes for a key of the network. Domains: line, server and client, in any spelling; session, slot,
        prefix and record, as they are. Raises InvalidIdentifier if the value is empty or no text.
        """
        text = _KEY_FORMS[domain](value)
        if not text:
            raise InvalidIdentifier(f"the value given for {domain} is empty; leave it out or give one")
        try:
            # No identifier kind has a colon in its name, so no key ever meets an identifier's token.
            token = self._hash(f"key:{domain}", text)
        except UnicodeEncodeError:
            raise InvalidIdentifier(f"the value given for {domain} is no text; give it as UTF-8") from None
        if self._pairs is not None:
            for item in self.older:
                self._pairs.add(item.key(domain, value), token, item.key_id)
        return token

    def _hash(self, domain: str, text: str) -> bytes:
        return hmac.digest(self._key, domain.encode() + b"\0" + text.encode(), "sha256")[:TOKEN_BYTES]


def prefix_tokens(tokenizer: Tokenizer, address: str) -> Prefixes:
    """The prefixes an IPv6 address lies under, shortest first; none for IPv4. Raises InvalidIdentifier."""
    text = spelled("ip", address)
    if ":" not in text:
        return ()
    number = int(ipaddress.IPv6Address(text))
    return tuple((_prefix(tokenizer, number, length), length) for length in PREFIX_LENGTHS)


def delegated_tokens(tokenizer: Tokenizer, prefix: str, address: IdentifierKind) -> Prefixes:
    """The tokens of a prefix in CIDR form that was delegated: those of all addresses it holds, of no other.

    A length between those known becomes the prefixes of the next longer one, at most eight; /128 is the address
    itself, of length 0. `address`: the kind of addresses. Raises InvalidIdentifier for any other length or form.
    """
    return tuple(
        (_prefix(tokenizer, int(network.network_address), network.prefixlen), network.prefixlen)
        if network.prefixlen < 128
        else (tokenizer.token(address, str(network.network_address)), 0)
        for network in delegated_networks(prefix)
    )


def delegated_networks(prefix: str) -> tuple[ipaddress.IPv6Network, ...]:
    """The prefixes that get a token of one that was delegated, as `delegated_tokens` says, in the same order.

    Raises InvalidIdentifier.
    """
    try:
        # Without a length it would be read as /128: a guess, where the length was lost.
        network = ipaddress.IPv6Network(prefix.strip(), strict=False) if "/" in prefix else None
    except ValueError:
        network = None
    if network is not None and network.prefixlen == 128:
        return (network,)
    if network is None or not PREFIX_LENGTHS[0] <= network.prefixlen <= PREFIX_LENGTHS[-1]:
        raise InvalidIdentifier(
            f"the prefix given is no IPv6 prefix of {PREFIX_LENGTHS[0]} to {PREFIX_LENGTHS[-1]} bits or 128"
        )
    length = next(known for known in PREFIX_LENGTHS if known >= network.prefixlen)
    return tuple(network.subnets(new_prefix=length))


def _prefix(tokenizer: Tokenizer, address: int, length: int) -> bytes:
    return tokenizer.key("prefix", f"{address >> (128 - length):x}/{length}")


class _Cache(Generic[_T]):
    """What was made of values, remembered up to a bound; a value that was refused has `refused`.

    Emptied at once when full: identifiers come in runs, and a plain dict beats keeping an order on every hit.
    """

    def __init__(self, make: Callable[[str], _T], refused: _T, bound: int) -> None:
        self._make = make
        self._refused = refused
        self._bound = bound
        self._known: dict[str, _T] = {}

    def tokens(self, values: Sequence[str]) -> list[_T]:
        """What is made of each value, in order."""
        known = self._known
        found = list(map(known.get, values))
        if None in found:
            missing = [value for value, token in zip(values, found, strict=True) if token is None]
            if len(known) + len(missing) > self._bound:
                known.clear()
                missing = list(values)
            for value in missing:
                known[value] = self._made(value)
            found = list(map(known.get, values))
        return cast(list[_T], found)

    def _made(self, value: str) -> _T:
        try:
            return self._make(value)
        except InvalidIdentifier:
            return self._refused


class TokenCache(_Cache[bytes]):
    """Tokens of one kind, in one form. What is not an identifier of the kind gets no token: `b""`."""

    def __init__(
        self, tokenizer: Tokenizer, kind: IdentifierKind, bound: int = 500_000, form: str | None = None
    ) -> None:
        super().__init__(tokenizer.tokens_of(kind, form), b"", bound)


class KeyCache(_Cache[bytes]):
    """Tokens of the network keys of one domain, `b""` for none."""

    def __init__(self, tokenizer: Tokenizer, domain: str, bound: int = 500_000) -> None:
        super().__init__(partial(tokenizer.key, domain), b"", bound)


class RenamedCache(_Cache[bool]):
    """Whether values of one kind had another canonical form before; none that is refused had."""

    def __init__(self, kind: IdentifierKind, bound: int = 500_000) -> None:
        super().__init__(partial(renamed, kind), False, bound)


class PrefixCache(_Cache[Prefixes]):
    """Prefixes of addresses or, `delegated` (the kind of addresses), of delegated prefixes: none for what is refused,
    or is no IPv6."""

    def __init__(
        self, tokenizer: Tokenizer, *, delegated: IdentifierKind | None = None, bound: int = 100_000
    ) -> None:
        made = partial(delegated_tokens, tokenizer, address=delegated) if delegated else None
        super().__init__(made or partial(prefix_tokens, tokenizer), (), bound)

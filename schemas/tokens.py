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
import re
import socket
import unicodedata
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from typing import Generic, TypeVar, cast

from schemas.errors import InvalidIdentifier

TOKEN_BYTES = 16

PREFIX_LENGTHS = (44, 48, 52, 56, 60, 62, 64)
"""IPv6 prefixes that get a token: what providers delegate to households (RIPE-690), and the larger blocks around it."""

Prefixes = tuple[tuple[bytes, int], ...]
"""Token and length of each prefix."""

_T = TypeVar("_T")


class IdentifierKind(StrEnum):
    CUSTOMER_NUMBER = "customer_number"
    FODSELSNUMMER = "fodselsnummer"
    EMAIL = "email"
    PHONE = "phone"
    USERNAME = "username"
    IP = "ip"
    MAC = "mac"
    COOKIE_ID = "cookie_id"
    CHAT_HANDLE = "chat_handle"
    SOCIAL_HANDLE = "social_handle"
    DEVICE_SERIAL = "device_serial"
    ACCOUNT_NUMBER = "account_number"


class Role(StrEnum):
    """What a subject reference is to the event."""

    OWNER = "owner"
    COUNTERPARTY = "counterparty"
    AGENT = "agent"
    MENTIONED = "mentioned"


def _text(value: str) -> str:
    return unicodedata.normalize("NFKC", value).strip().casefold()


def _digits(length: int) -> Callable[[str], str]:
    def canonical(value: str) -> str:
        digits = re.sub(r"[\s.\-]", "", value)
        return digits if len(digits) == length and digits.isascii() and digits.isdigit() else ""

    return canonical


def _phone(value: str) -> str:
    """E.164. Eight digits without a country code are Norwegian (the model company's own numbering plan)."""
    digits = re.sub(r"[\s().\-]", "", value)
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if not digits.startswith("+"):
        digits = "+47" + digits if len(digits) in (5, 8, 12) else ""
    return digits if re.fullmatch(r"\+[1-9][0-9]{4,14}", digits) else ""


def _ip(value: str) -> str:
    """RFC 5952 text of the address; an IPv4-mapped IPv6 address is the IPv4 address (RFC 4291, 2.5.5.2)."""
    text = value.strip()
    try:
        # Dotted quads are most of what comes, and this is six times as fast; as strict as what follows.
        return socket.inet_ntop(socket.AF_INET, socket.inet_pton(socket.AF_INET, text))
    except (OSError, ValueError):
        pass
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _mac(value: str) -> str:
    digits = re.sub(r"[:.\-\s]", "", value).lower()
    return digits if re.fullmatch(r"[0-9a-f]{12}", digits) else ""


_CANONICAL: dict[IdentifierKind, Callable[[str], str]] = {
    IdentifierKind.CUSTOMER_NUMBER: _text,
    IdentifierKind.FODSELSNUMMER: _digits(11),
    IdentifierKind.EMAIL: _text,
    IdentifierKind.PHONE: _phone,
    IdentifierKind.USERNAME: _text,
    IdentifierKind.IP: _ip,
    IdentifierKind.MAC: _mac,
    IdentifierKind.COOKIE_ID: str.strip,
    IdentifierKind.CHAT_HANDLE: _text,
    IdentifierKind.SOCIAL_HANDLE: lambda value: _text(value).removeprefix("@"),
    IdentifierKind.DEVICE_SERIAL: lambda value: _text(value).upper(),
    IdentifierKind.ACCOUNT_NUMBER: _digits(11),
}


def canonical(kind: IdentifierKind, value: str) -> str:
    """The one spelling of an identifier. Raises InvalidIdentifier if the value cannot be of this kind."""
    text = _CANONICAL[kind](value)
    # A lone surrogate, possible in JSON, has no bytes; a control character is nobody's name.
    if not text.isprintable() or not text:
        raise InvalidIdentifier(f"the value given for {kind} is not one; check the kind and the spelling")
    return text


def parse_kind(name: str) -> IdentifierKind:
    """Raises InvalidIdentifier naming the kinds there are."""
    try:
        return IdentifierKind(name)
    except ValueError as error:
        # The name is not repeated: with kind and value swapped it would be a person's.
        raise InvalidIdentifier(
            f"there is no such identifier kind; use one of {', '.join(IdentifierKind)}"
        ) from error


# Network keys as feeds spell them differently; other domains are made of what was brought into form before.
_KEY_FORMS: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(("line", "server", "client"), _text),
    **dict.fromkeys(("session", "slot", "prefix"), str),
}


class Tokenizer:
    """Tokens under one key. `key_id` names the key in what is stored; the key itself never leaves this object."""

    def __init__(self, key: bytes, key_id: str) -> None:
        if len(key) < 32:
            raise InvalidIdentifier("a token key has at least 32 bytes")
        self._key = key
        self.key_id = key_id

    def __repr__(self) -> str:
        return f"Tokenizer(key_id={self.key_id!r})"

    def token(self, kind: IdentifierKind, value: str) -> bytes:
        """16 bytes. Raises InvalidIdentifier."""
        return self._hash(kind, canonical(kind, value))

    def key(self, domain: str, value: str) -> bytes:
        """16 bytes for a key of the network. Domains: line, server and client, in any spelling; session, slot and
        prefix, as they are. Raises InvalidIdentifier if the value is empty or no text.
        """
        text = _KEY_FORMS[domain](value)
        if not text:
            raise InvalidIdentifier(f"the value given for {domain} is empty; leave it out or give one")
        try:
            # No identifier kind has a colon in its name, so no key ever meets an identifier's token.
            return self._hash(f"key:{domain}", text)
        except UnicodeEncodeError:
            raise InvalidIdentifier(f"the value given for {domain} is no text; give it as UTF-8") from None

    def _hash(self, domain: str, text: str) -> bytes:
        return hmac.digest(self._key, domain.encode() + b"\0" + text.encode(), "sha256")[:TOKEN_BYTES]


def prefix_tokens(tokenizer: Tokenizer, address: str) -> Prefixes:
    """The prefixes an IPv6 address lies under, shortest first; none for IPv4. Raises InvalidIdentifier."""
    text = canonical(IdentifierKind.IP, address)
    if ":" not in text:
        return ()
    number = int(ipaddress.IPv6Address(text))
    return tuple((_prefix(tokenizer, number, length), length) for length in PREFIX_LENGTHS)


def delegated_tokens(tokenizer: Tokenizer, prefix: str) -> Prefixes:
    """The tokens of a prefix in CIDR form that was delegated: those of all addresses it holds, of no other.

    A length between those known becomes the prefixes of the next longer one, at most eight; /128 is the address
    itself, of length 0. Raises InvalidIdentifier for any other length or form.
    """
    try:
        # Without a length it would be read as /128: a guess, where the length was lost.
        network = ipaddress.IPv6Network(prefix.strip(), strict=False) if "/" in prefix else None
    except ValueError:
        network = None
    if network is not None and network.prefixlen == 128:
        return ((tokenizer.token(IdentifierKind.IP, str(network.network_address)), 0),)
    if network is None or not PREFIX_LENGTHS[0] <= network.prefixlen <= PREFIX_LENGTHS[-1]:
        raise InvalidIdentifier(
            f"the prefix given is no IPv6 prefix of {PREFIX_LENGTHS[0]} to {PREFIX_LENGTHS[-1]} bits or 128"
        )
    length = next(known for known in PREFIX_LENGTHS if known >= network.prefixlen)
    first, size = int(network.network_address), 1 << (128 - length)
    count = 1 << (length - network.prefixlen)
    return tuple((_prefix(tokenizer, first + number * size, length), length) for number in range(count))


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
    """Tokens of one kind. What is not an identifier of the kind gets no token: `b""`."""

    def __init__(self, tokenizer: Tokenizer, kind: IdentifierKind, bound: int = 500_000) -> None:
        super().__init__(partial(tokenizer.token, kind), b"", bound)


class KeyCache(_Cache[bytes]):
    """Tokens of the network keys of one domain, `b""` for none."""

    def __init__(self, tokenizer: Tokenizer, domain: str, bound: int = 500_000) -> None:
        super().__init__(partial(tokenizer.key, domain), b"", bound)


class PrefixCache(_Cache[Prefixes]):
    """Prefixes of addresses or, `delegated`, of delegated prefixes: none for what is refused, or is no IPv6."""

    def __init__(self, tokenizer: Tokenizer, *, delegated: bool = False, bound: int = 100_000) -> None:
        super().__init__(partial(delegated_tokens if delegated else prefix_tokens, tokenizer), (), bound)

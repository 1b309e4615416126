"""Identifiers become tokens: the canonical form of a value, then a keyed hash of kind and value.

A token is the first 16 bytes of HMAC-SHA256 (RFC 2104) over `kind || 0x00 || canonical value`. The kind separates
the domains: the same digits as customer number and as phone number give unrelated tokens. Tokens are pseudonyms
and stay personal data (GDPR recital 26); without the key they cannot be tested against guesses.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import socket
import unicodedata
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import cast

from schemas.errors import InvalidIdentifier

TOKEN_BYTES = 16


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
        message = kind.encode() + b"\0" + canonical(kind, value).encode()
        return hmac.digest(self._key, message, "sha256")[:TOKEN_BYTES]


class TokenCache:
    """Tokens of one kind, remembered up to a bound. What is not an identifier of the kind gets no token: `b""`.

    Emptied at once when full: identifiers come in runs, and a plain dict beats keeping an order on every hit.
    """

    def __init__(self, tokenizer: Tokenizer, kind: IdentifierKind, bound: int = 500_000) -> None:
        self._tokenizer = tokenizer
        self._kind = kind
        self._bound = bound
        self._known: dict[str, bytes] = {}

    def tokens(self, values: Sequence[str]) -> list[bytes]:
        """One token per value, in order."""
        known = self._known
        found = list(map(known.get, values))
        if None in found:
            missing = [value for value, token in zip(values, found, strict=True) if token is None]
            if len(known) + len(missing) > self._bound:
                known.clear()
                missing = list(values)
            for value in missing:
                known[value] = self._token(value)
            found = list(map(known.get, values))
        return cast(list[bytes], found)

    def _token(self, value: str) -> bytes:
        try:
            return self._tokenizer.token(self._kind, value)
        except InvalidIdentifier:
            return b""

"""Identifiers: which kinds there are, and the one spelling of each that stands for all others.

A canonical form that changes would leave what is stored behind, under tokens that nobody asks for any more. So the
forms of before are kept here (`former`), and whoever asks for an identifier asks for their tokens as well.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from types import MappingProxyType

from schemas.errors import InvalidIdentifier
from schemas.hosts import a_labels, host_name
from schemas.phones import e164, spellings
from schemas.unicode import folded, plain, trimmed


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


FORMS: Mapping[IdentifierKind, tuple[str, ...]] = MappingProxyType({IdentifierKind.PHONE: ("e164",)})
"""How a field may hold identifiers of a kind, apart from the usual spellings.

`e164` (ITU-T E.164): a record of the network's own, in which digits alone begin with the country code unless they are a
Norwegian number of eight digits, and three to six digits are a short number.
"""


def _digits(length: int) -> Callable[[str], str]:
    def canonical(value: str) -> str:
        digits = re.sub(r"[\s.\-]", "", value if value.isascii() else plain(value))
        return digits if len(digits) == length and digits.isascii() and digits.isdigit() else ""

    return canonical


def _email(value: str) -> str:
    """Local part and domain without upper case (RFC 5321, 2.4 lets hosts tell them apart; hardly one does)."""
    name, at, host = _at_host(value)
    return f"{name}@{host}" if name and host else "" if at else name


def _user(value: str) -> str:
    """A user name, with the realm behind it (RFC 7542) in one spelling."""
    name, at, host = _at_host(value)
    return name + at + host


def _at_host(value: str) -> tuple[str, str, str]:
    """What stands before the last @, the @, and the name of the host behind it; with no @, all is before."""
    if value.isascii():
        text = value.strip().lower()
        name, at, host = text.rpartition("@")
        if not at:
            return text, "", ""
        return name, at, host_name(host) if "xn--" in host else host.rstrip(".")
    text = trimmed(unicodedata.normalize("NFKC", value))
    name, at, host = text.rpartition("@")
    # The host before it is folded: ß is a letter of its own in a domain.
    return (name.casefold(), at, host_name(host)) if at else (text.casefold(), "", "")


def _ip(value: str) -> str:
    """RFC 5952 text of the address; an IPv4-mapped IPv6 address is the IPv4 address (RFC 4291, 2.5.5.2)."""
    text = value.strip()
    try:
        # Dotted quads are most of what comes, and this is six times as fast; as strict as what follows.
        return socket.inet_ntop(socket.AF_INET, socket.inet_pton(socket.AF_INET, text))
    except (OSError, ValueError):
        text = plain(text)
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _mac(value: str) -> str:
    digits = re.sub(r"[:.\-\s]", "", value if value.isascii() else plain(value)).lower()
    return digits if re.fullmatch(r"[0-9a-f]{12}", digits) else ""


_CANONICAL: dict[tuple[IdentifierKind, str | None], Callable[[str], str]] = {
    (IdentifierKind.CUSTOMER_NUMBER, None): folded,
    (IdentifierKind.FODSELSNUMMER, None): _digits(11),
    (IdentifierKind.EMAIL, None): _email,
    (IdentifierKind.PHONE, None): e164,
    (IdentifierKind.PHONE, "e164"): partial(e164, bare=True),
    (IdentifierKind.USERNAME, None): _user,
    (IdentifierKind.IP, None): _ip,
    (IdentifierKind.MAC, None): _mac,
    (IdentifierKind.COOKIE_ID, None): trimmed,
    (IdentifierKind.CHAT_HANDLE, None): _user,
    (IdentifierKind.SOCIAL_HANDLE, None): lambda value: _user(value).removeprefix("@"),
    (IdentifierKind.DEVICE_SERIAL, None): lambda value: folded(value).upper(),
    (IdentifierKind.ACCOUNT_NUMBER, None): _digits(11),
}
_HINTS = {IdentifierKind.PHONE: ": with + and the country code, or as eight Norwegian digits"}


def canonical(kind: IdentifierKind, value: str, form: str | None = None) -> str:
    """The one spelling of an identifier, from a field that holds it in that form (`FORMS`).

    Raises InvalidIdentifier if the value cannot be of this kind, or could be several.
    """
    return _checked(kind, _CANONICAL[kind, form](value))


def canonical_in(kind: IdentifierKind, form: str | None = None) -> Callable[[str], str]:
    """The function from a value to its one spelling, for those who have many values. See `canonical`."""
    read = _CANONICAL[kind, form]
    return lambda value: _checked(kind, read(value))


def _checked(kind: IdentifierKind, text: str) -> str:
    # A lone surrogate, possible in JSON, has no bytes; a control character is nobody's name.
    if text and text.isprintable():
        return text
    hint = _HINTS.get(kind, "")
    raise InvalidIdentifier(f"the value given for {kind} is not one; check the kind and the spelling{hint}")


def former(kind: IdentifierKind, value: str) -> tuple[str, ...]:
    """Canonical forms under which the identifier was filed before, in any of its spellings; none in most cases.

    Only forms that are nobody else's now: 4747... was also what the digits 447... were taken for, ß also ss. Raises
    InvalidIdentifier.
    """
    now = canonical(kind, value)
    found: dict[str, None] = {}
    for spelling in (value, *_SPELLINGS.get(kind, _no_other)(now)):
        was = _FORMER.get(kind, str)(spelling)
        if was and was.isprintable() and was != now and _is_free(kind, was, now):
            found[was] = None
    return tuple(found) if kind in _FORMER else ()


def renamed(kind: IdentifierKind, value: str) -> bool:
    """Whether this very value was filed under another canonical form before. Raises InvalidIdentifier."""
    was = _FORMER[kind](value) if kind in _FORMER else ""
    return bool(was) and was.isprintable() and was != canonical(kind, value)


def _is_free(kind: IdentifierKind, was: str, now: str) -> bool:
    try:
        return canonical(kind, was) == now
    except InvalidIdentifier:
        return True


def _no_other(now: str) -> tuple[str, ...]:
    return ()


def _names(now: str) -> tuple[str, ...]:
    """Other spellings of a name at a host."""
    name, at, host = now.rpartition("@")
    return (f"{name}@{a_labels(host)}", f"{now}.", f"{name}@{a_labels(host)}.") if at else ()


# The canonical forms as they were first: what was stored under tokens of these stays findable.
def _text_before(value: str) -> str:
    return unicodedata.normalize("NFKC", value).strip().casefold()


def _phone_before(value: str) -> str:
    digits = re.sub(r"[\s().\-]", "", value)
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if not digits.startswith("+"):
        digits = "+47" + digits if len(digits) in (5, 8, 12) else ""
    return digits if re.fullmatch(r"\+[1-9][0-9]{4,14}", digits) else ""


_FORMER: dict[IdentifierKind, Callable[[str], str]] = {
    IdentifierKind.EMAIL: _text_before,
    IdentifierKind.PHONE: _phone_before,
    IdentifierKind.USERNAME: _text_before,
    IdentifierKind.CHAT_HANDLE: _text_before,
    IdentifierKind.SOCIAL_HANDLE: lambda value: _text_before(value).removeprefix("@"),
}
_SPELLINGS: dict[IdentifierKind, Callable[[str], tuple[str, ...]]] = {
    **dict.fromkeys((IdentifierKind.EMAIL, IdentifierKind.USERNAME), _names),
    **dict.fromkeys((IdentifierKind.CHAT_HANDLE, IdentifierKind.SOCIAL_HANDLE), _names),
    IdentifierKind.PHONE: spellings,
}


FORMER_KINDS: Mapping[str, IdentifierKind] = MappingProxyType({str(kind): kind for kind in _FORMER})
"""The kinds whose canonical form has changed, by name."""


def parse_kind(name: str) -> IdentifierKind:
    """Raises InvalidIdentifier naming the kinds there are."""
    try:
        return IdentifierKind(name)
    except ValueError as error:
        # The name is not repeated: with kind and value swapped it would be a person's.
        raise InvalidIdentifier(
            f"there is no such identifier kind; use one of {', '.join(IdentifierKind)}"
        ) from error

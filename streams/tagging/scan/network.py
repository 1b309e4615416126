"""E-mail addresses, IP addresses and hardware addresses."""

from __future__ import annotations

import ipaddress
import re

from schemas.errors import InvalidIdentifier
from schemas.tokens import IdentifierKind, canonical
from streams.tagging.scan.context import cues
from streams.tagging.scan.finding import Hypothesis

_LOCAL = re.compile(r"[\w.+%'\-]{1,64}\Z")
_LONGEST_LOCAL = 64
_USER_INFO = re.compile(r"://[^\s/@]*\Z")
# Nobody's: every home has them, or no machine at all (RFC 6890; 192.168/16 is what home routers give out).
_EVERYBODYS = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "192.168.0.0/16",
            "224.0.0.0/3",
            "::/127",
            "fe80::/10",
            "ff00::/8",
        ),
    )
)
_EMAIL, _IP, _IP_AS_PHONE = 0.97, 0.9, 0.55
_IP_CALLED, _IP_NOBODYS, _IP_NETWORK, _IP_VERSION = 0.98, 0.5, 0.5, 0.1
_MAC, _MAC_CALLED, _MAC_DIGITS = 0.95, 0.97, 0.4


def email(text: str, lowered: str, at: int, end: int) -> Hypothesis | None:
    """The mail address whose @ stands at `at` and whose domain ends at `end`."""
    local = _LOCAL.search(lowered, max(0, at - _LONGEST_LOCAL), at)
    if local is None:
        return None
    name = local[0].lstrip(".'-+%")
    start = at - len(name)
    domain = lowered[at + 1 : end].rstrip("-.")
    top = domain.rpartition(".")[2]
    # A top level in letters, or in its A-label (RFC 5890): .рф is .xn--p1ai.
    if len(top) < 2 or not (top.isalpha() or top.startswith("xn--")):
        return None
    if not name or name[-1] in ".'" or ".." in name:
        return None
    # @name@server is a handle, and what stands before the host of an address is no mailbox.
    if lowered[start - 1 : start] == "@" or _USER_INFO.search(lowered, max(0, start - _LONGEST_LOCAL), at):
        return None
    end = at + 1 + len(domain)
    try:
        value = canonical(IdentifierKind.EMAIL, text[start:end])
    except InvalidIdentifier:
        return None
    return Hypothesis(_EMAIL, "email", start, end, (IdentifierKind.EMAIL, value), True)


def ip(lowered: str, start: int, end: int) -> Hypothesis | None:
    """The IPv4 or IPv6 address at [start, end), where a zone may follow it."""
    text = lowered[start:end].rstrip(".:") if not lowered[start:end].endswith("::") else lowered[start:end]
    try:
        value = canonical(IdentifierKind.IP, text)
    except InvalidIdentifier:
        return None
    if ":" in text and not (any(map(str.isdigit, text)) or text.count(":") > 2):
        return None
    end = start + len(text)
    address = ipaddress.ip_address(value)
    nobodys = any(address.version == net.version and address in net for net in _EVERYBODYS)
    nearest = cues(lowered, start, end).nearest
    if nearest == "version":
        score = _IP_VERSION
    elif lowered[end : end + 1] == "/" and lowered[end + 1 : end + 2].isdigit():
        score = _IP_NETWORK
    elif nobodys:
        score = _IP_NOBODYS
    elif nearest == "ip":
        score = _IP_CALLED
    elif ":" not in text and all(len(part) == 2 for part in text.split(".")):
        score = _IP_AS_PHONE
    else:
        score = _IP
    return Hypothesis(score, "ip", start, end, (IdentifierKind.IP, value), True)


def mac(lowered: str, start: int, end: int) -> Hypothesis | None:
    """The hardware address at [start, end): six pairs, three groups of four, or twelve digits called so."""
    text = lowered[start:end]
    value = re.sub(r"[:.\-]", "", text)
    if value in ("0" * 12, "f" * 12):
        return None
    called = cues(lowered, start, end).nearest == "mac"
    pairs = len(text) == 17
    if not called and not pairs and (text == value or value.isdigit()):
        return None
    score = _MAC_CALLED if called else _MAC_DIGITS if value.isdigit() and "-" in text else _MAC
    return Hypothesis(score, "mac", start, end, (IdentifierKind.MAC, value), True)

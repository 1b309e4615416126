"""Reports of assignments from whatever network log: what they have in common."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Any, Literal, get_args

from schemas.errors import DecodeError, InvalidIdentifier
from schemas.identifiers import spelled
from schemas.vocabulary import AssignmentKind
from streams.feeds.format import (
    INT_OR_NULL,
    LONG_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    Gives,
    one_of,
)

Source = Literal["radius", "dhcp", "cgnat", "nat_map"]

_MAC = re.compile(
    r"[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}|[0-9A-Fa-f]{4}([.-])[0-9A-Fa-f]{4}\2[0-9A-Fa-f]{4}"
    # Twelve digits alone may be a phone number (ITU-T E.164): one letter must say that it is hexadecimal.
    r"|(?=\d*[A-Fa-f])[0-9A-Fa-f]{12}",
    re.ASCII,
)
# What clients without an address of their own send; they are many.
_NOBODYS = frozenset(("000000000000", "ffffffffffff"))
_SECONDS = re.compile(r"-?\d{1,10}", re.ASCII)
GIVES: Gives = {
    "kind": one_of(*AssignmentKind),
    "source": one_of(*get_args(Source)),
    "nas": TEXT,
    "session_id": TEXT,
    "occurred_at": TIME,
    "address": TEXT_OR_NULL,
    "delegated_prefix": TEXT_OR_NULL,
    "port_from": INT_OR_NULL,
    "port_to": INT_OR_NULL,
    "customer_number": TEXT_OR_NULL,
    "username": TEXT_OR_NULL,
    "mac": TEXT_OR_NULL,
    "line_id": TEXT_OR_NULL,
    "client_id": TEXT_OR_NULL,
    "inside_address": TEXT_OR_NULL,
    "session_seconds": LONG_OR_NULL,
    "lease_seconds": LONG_OR_NULL,
    "interim_seconds": LONG_OR_NULL,
    "purpose": one_of("operations"),
}
"""Of every format that reports assignments."""

_BLANK: dict[str, Any] = {name: None for name, given in GIVES.items() if isinstance(given, list)} | {
    "purpose": "operations"
}


def assignment(
    kind: AssignmentKind, source: Source, *, nas: str, session_id: str, occurred_at: int, **known: object
) -> dict[str, Any]:
    """The event; times in milliseconds since 1970. What is not among `known` is null."""
    return {
        **_BLANK,
        "kind": kind,
        "source": source,
        "nas": nas,
        "session_id": session_id,
        "occurred_at": occurred_at,
        **known,
    }


@lru_cache(maxsize=100_000)
def prefix(text: str) -> str:
    """An IPv6 network in CIDR form without host bits. Raises DecodeError bad_prefix."""
    try:
        if "/" not in text:
            raise ValueError("a prefix says its length")
        return str(ipaddress.IPv6Network(text, strict=False))
    except ValueError:
        raise DecodeError("bad_prefix") from None


@lru_cache(maxsize=100_000)
def hardware_address(text: str) -> str | None:
    """`02:00:5e:10:00:01`, None for what is no hardware address, or nobody's: the field also carries phone numbers, IP
    addresses and names of ports."""
    if not _MAC.fullmatch(text):
        return None
    digits = spelled("mac", text)
    if digits in _NOBODYS:
        return None
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def server_line(server: str, port: str) -> str:
    """The line behind a port, whose name means something on its server alone (RFC 2865, 5.5; RFC 2869, 5.17)."""
    return f"{server}|{port}"


def line_id(text: str) -> str:
    """A line as a register writes it: a name of the whole network, or `server|port`."""
    server, found, port = text.strip().partition("|")
    if not found:
        return server
    try:
        server = spelled("ip", server)
    except InvalidIdentifier:
        server = server.strip()
    return server_line(server, port.strip())


def seconds(text: str) -> int:
    """Raises DecodeError: bad_number, end_before_start for a negative one."""
    if not _SECONDS.fullmatch(text):
        raise DecodeError("bad_number")
    if text.startswith("-"):
        raise DecodeError("end_before_start")
    return int(text)

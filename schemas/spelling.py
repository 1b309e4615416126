"""One spelling of addresses and names: mail, user names with their realms, IP, hardware. Pure; "" for what is none.

The forms of before stand here too: what was stored under tokens of these stays findable (`schemas.identifiers.former`).
"""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata

from schemas.hosts import a_labels, host_name
from schemas.unicode import plain, trimmed


def email(value: str) -> str:
    """Local part and domain without upper case (RFC 5321, 2.4 lets hosts tell them apart; hardly one does); "" where
    one of them is missing: `kari` and `n/a` are nobody's address."""
    name, _, host = _at_host(value)
    return f"{name}@{host}" if name and host else ""


def user_name(value: str) -> str:
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


def ip(value: str) -> str:
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


def mac(value: str) -> str:
    """Twelve hexadecimal digits."""
    digits = re.sub(r"[:.\-\s]", "", value if value.isascii() else plain(value)).lower()
    return digits if re.fullmatch(r"[0-9a-f]{12}", digits) else ""


def names_at_hosts(now: str) -> tuple[str, ...]:
    """Other spellings of a name at a host."""
    name, at, host = now.rpartition("@")
    return (f"{name}@{a_labels(host)}", f"{now}.", f"{name}@{a_labels(host)}.") if at else ()


def text_before(value: str) -> str:
    """The first form of mail addresses and names."""
    return unicodedata.normalize("NFKC", value).strip().casefold()


def phone_before(value: str) -> str:
    """The first form of phone numbers, in Norway."""
    digits = re.sub(r"[\s().\-]", "", value)
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if not digits.startswith("+"):
        digits = "+47" + digits if len(digits) in (5, 8, 12) else ""
    return digits if re.fullmatch(r"\+[1-9][0-9]{4,14}", digits) else ""

"""E-mail addresses, IP addresses and hardware addresses."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote

from schemas.errors import InvalidIdentifier
from schemas.identifiers import spelled
from streams.tagging.scan.context import cues
from streams.tagging.scan.finding import Hypothesis
from streams.tagging.scan.words import cue_words

_LOCAL = re.compile(r"[\w.+%'\-]{1,64}\Z")
_LONGEST_LOCAL = 64
_ENCODED_AT = re.compile(r"%(?:25)?40|&(?:#0?64|#x0?40|commat);")
# A plus, a minus, a full stop, an underscore and letters beyond ASCII may be encoded too (RFC 3986).
_ENCODED_LOCAL = re.compile(r"(?:[a-z0-9._+\-]|%2[bde]|%5f|%c3%[89ab][0-9a-f])+\Z")
_USER_INFO = re.compile(r"://[^\s/@]*\Z")
# Nobody's: every home has them, or no machine at all (RFC 6890; 192.168/16 is what home routers give out).
_EVERYBODYS = {
    4: tuple(
        map(
            ipaddress.ip_network,
            ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16", "224.0.0.0/3"),
        )
    ),
    6: tuple(map(ipaddress.ip_network, ("::/127", "fe80::/10", "ff00::/8"))),
}
_LONGEST_WORD = 24
# A word before a colon names what follows, unless it can be a group of the address itself.
_GROUP_AHEAD = re.compile(r"(?:(?<![^\W_])[0-9a-f]*|:):\Z")
_GROUPS_AHEAD = re.compile(r"(?:(?<![^\W_])[0-9a-f]*:[0-9a-f]*):\Z")
_GROUP_BEHIND = re.compile(r"[.:][^\W_]")
# A name and its version (nginx/10.1.2.3, package-10.1.2.3), or more numbers.
_NAME_AHEAD = re.compile(r"(?:[0-9]\.|[0-9a-z]*[a-z][0-9]*-|(?<![/.a-z])[a-z][a-z0-9_+]*/)\Z")
# The rest of a version, or of a name as 7.113.0.203.in-addr.arpa.
_VERSION_BEHIND = re.compile(
    r"-(?:rc|beta|alpha|snapshot|dev|pre|build|r|p)[.\-]?[0-9]*(?!\w)|[+_][0-9a-z]|\.[a-z]"
)
_CALLED = re.compile(
    r"(?<![^\W_])(?:ip(?:v[46])?|host|server|klient|client|adress?[ea]n?|addr|address)[ ]?[:=/\-][ ]?\Z"
)
# What is given out or has a use (IANA, Internet Protocol Version 6 Address Space): 2000::/3, fc00::/7, fe80::/10 and
# ff00::/8.
_GIVEN_OUT = ((0x2000, 0x3FFF), (0xFC00, 0xFDFF), (0xFE80, 0xFEBF), (0xFF00, 0xFFFF))
_LOCAL_SCOPE = 0xFC00
_FEW_GROUPS, _MORE_GROUPS = 2, 4
_HIGHEST_SECTION, _HIGHEST_OF_VERSIONS = 30, 99
# What may stand between a word and the number it names.
_NAMED = re.compile(
    r"([^\W\d_]+)\.?[ ]?[:=]?[ ]*(?:(?:er|is|var|was|til|to|nr|no|nummer|number)\.?[ :]+){0,2}v?\Z"
)
# The number before it in a list or a range, which is of its kind if they begin alike.
_LISTED_AHEAD = re.compile(
    r"(?<![\w.])(([0-9]{1,3})(?:\.[0-9]{1,3}){3})[ ]?(?:[-–—,;/&]|til|to|og|and|eller|or)[ ]?\Z"
)
_LINE_BEGIN = re.compile(r"(?:\A|\n)[ \t]*(?:[#*>•–\-]+[ \t]*)?\Z")
_PARAGRAPH = re.compile(r"§+[ ]?\Z")
_TITLE = re.compile(r"[.):]?[ \t]+[A-ZÆØÅ]")
_PAIR_AHEAD = re.compile(r"(?:(?<![^\W_])[0-9a-f]{2}[:\-]|[0-9a-f]{4}[.\-])\Z")
_EMAIL, _IP, _IP_AS_PHONE = 0.97, 0.9, 0.55
_IP_CALLED, _IP_NOBODYS, _IP_NETWORK, _IP_VERSION = 0.98, 0.5, 0.5, 0.1
_MAC, _MAC_CALLED, _MAC_DIGITS = 0.95, 0.97, 0.4


def encoded_email(text: str, lowered: str, at: int, end: int) -> Hypothesis | None:
    """The mail address whose @ stands at `at` as address bars or HTML have it (%40, &#64;), and whose domain ends at
    `end`."""
    sign = _ENCODED_AT.match(lowered, at)
    local = _ENCODED_LOCAL.search(lowered, max(0, at - 3 * _LONGEST_LOCAL), at)
    if not sign or not local:
        return None
    written = f"{unquote(local[0])}@{lowered[sign.end() : end]}"
    found = email(written, written.lower(), written.index("@"), len(written))
    if not found or found.start:
        return None
    return found._replace(start=local.start(), end=end - (len(written) - found.end))


def email(text: str, lowered: str, at: int, end: int) -> Hypothesis | None:
    """The mail address whose @ stands at `at` and whose domain ends at `end`."""
    local = _LOCAL.search(lowered, max(0, at - _LONGEST_LOCAL), at)
    if local is None:
        return None
    name = local[0].lstrip(".'-+%")
    rest, dot, last = lowered[at + 1 : end].rstrip("-._").rpartition(".")
    # No top level has an underscore: what follows one is no part of the address.
    top = last.partition("_")[0].rstrip("-")
    domain = rest + dot + top
    if lowered[at + 1 + len(domain) : at + 2 + len(domain)] == "_":
        # Set off on both sides, as _ola@example.com_ is.
        name = name.lstrip("_")
    start = at - len(name)
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
        value = spelled("email", text[start:end])
    except InvalidIdentifier:
        return None
    return Hypothesis(_EMAIL, "email", start, end, ("email", value), True)


def ip(text: str, lowered: str, start: int, end: int) -> Hypothesis | None:
    """The IPv4 or IPv6 address at [start, end), where a zone may follow it."""
    written = lowered[start:end] if lowered.endswith("::", start, end) else lowered[start:end].rstrip(".:")
    end = start + len(written)
    labelled = _CALLED.search(lowered, max(0, start - _LONGEST_WORD), start) is not None
    if not _is_whole(text, lowered, start, end, labelled):
        return None
    try:
        value = spelled("ip", written)
    except InvalidIdentifier:
        return None
    called = labelled or cues(lowered, start, end).nearest == "ip"
    network = lowered[end : end + 1] == "/" and lowered[end + 1 : end + 2].isdigit()
    if ":" in written and not (called or network or _is_plausible(written)):
        return None
    address = ipaddress.ip_address(value)
    nobodys = any(address in net for net in _EVERYBODYS[address.version])
    if not called and ":" not in written and _is_version_or_section(text, lowered, start, end):
        score = _IP_VERSION
    elif network:
        score = _IP_NETWORK
    elif nobodys:
        score = _IP_NOBODYS
    elif called:
        score = _IP_CALLED
    elif ":" not in written and all(len(part) == 2 for part in written.split(".")):
        score = _IP_AS_PHONE
    else:
        score = _IP
    return Hypothesis(score, "ip", start, end, ("ip", value), True)


def _is_whole(text: str, lowered: str, start: int, end: int, labelled: bool) -> bool:
    """Whether the address ends where it seems to: no piece of a longer one, of a version or of a name."""
    ahead = max(0, start - _LONGEST_WORD)
    before, hexadecimal = lowered[start - 1 : start], ":" in lowered[start:end]
    if before == ":" and (_GROUP_AHEAD if hexadecimal else _GROUPS_AHEAD).search(lowered, ahead, start):
        return False
    if before in (".", "-", "/") and not labelled and _NAME_AHEAD.search(lowered, ahead, start):
        return False
    return not (_GROUP_BEHIND if hexadecimal else _VERSION_BEHIND).match(text, end)


def _is_plausible(written: str) -> bool:
    """Whether an IPv6 address says so itself. Two colons also stand in programs, in times and in hasty lists."""
    groups = [group for group in written.split(":") if group]
    if "::" not in written:
        # Eight pairs are a key or the name of a machine (EUI-64).
        return any(len(group) != 2 for group in groups)
    if written == "::1" or "." in groups[-1]:
        return True
    first = int(groups[0], 16) if groups and not written.startswith("::") else 0
    given_out = (
        len(groups[0]) == 4 and any(low <= first <= high for low, high in _GIVEN_OUT) if groups else False
    )
    if len(groups) <= 1:
        return given_out and first >= _LOCAL_SCOPE
    enough = _FEW_GROUPS if given_out else _MORE_GROUPS
    return len(groups) >= enough and any(map(str.isdigit, written))


def _is_version_or_section(text: str, lowered: str, start: int, end: int) -> bool:
    """Whether four numbers are those of a version or a section. A word somewhere before them says so of numbers that
    hardly any address has; of others only the word right before them does."""
    parts = [int(part) for part in lowered[start:end].split(".")]
    while (listed := _LISTED_AHEAD.search(lowered, max(0, start - _LONGEST_WORD), start)) and int(
        listed[2]
    ) == parts[0]:
        start, end = listed.span(1)
    around = cues(lowered, start, end)
    small = max(parts) <= _HIGHEST_OF_VERSIONS
    if around.nearest == "version":
        named = _NAMED.search(lowered, max(0, start - 2 * _LONGEST_WORD), start)
        if small or (named and "version" in cue_words().find(named[1])):
            return True
    if small and 0 not in parts and "section" in around.present:
        return True
    return _is_heading(text, start, end)


def _is_heading(text: str, start: int, end: int) -> bool:
    """Whether four small numbers begin a line, as those of a section do. Home and test networks have a zero."""
    parts = [int(part) for part in text[start:end].split(".")]
    if max(parts) > _HIGHEST_SECTION or 0 in parts:
        return False
    if _PARAGRAPH.search(text, max(0, start - _LONGEST_WORD), start):
        return True
    if not _LINE_BEGIN.search(text, max(0, start - _LONGEST_WORD), start):
        return False
    # Four times the same may begin a line too, but no title.
    return len(set(parts)) > 1 or _TITLE.match(text, end) is not None


def mac(lowered: str, start: int, end: int) -> Hypothesis | None:
    """The hardware address at [start, end): six pairs, three groups of four, or twelve digits called so."""
    text = lowered[start:end]
    value = re.sub(r"[:.\-]", "", text)
    if _PAIR_AHEAD.search(lowered, max(0, start - _LONGEST_WORD), start):
        return None
    if value in ("0" * 12, "f" * 12):
        return None
    called = cues(lowered, start, end).nearest == "mac"
    pairs = len(text) == 17
    if not called and not pairs and (text == value or value.isdigit()):
        return None
    score = _MAC_CALLED if called else _MAC_DIGITS if value.isdigit() and "-" in text else _MAC
    return Hypothesis(score, "mac", start, end, ("mac", value), True)

"""RADIUS accounting as FreeRADIUS writes it to `detail` files, to reports of assignments.

A record is a date, then one attribute to a line, indented, then a blank line. Accounting comes by UDP with retries,
so records come twice and out of order (RFC 2866, section 2); that is settled later, by session, status and event
time. Event time is Event-Timestamp (RFC 2869, section 5.3), else arrival less Acct-Delay-Time (RFC 2866, 5.2).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from schemas.addresses import is_placeholder
from schemas.errors import DecodeError
from schemas.vocabulary import AssignmentKind
from streams.feeds.format import LogFormat, Make, Setting
from streams.feeds.formats.assignment import (
    GIVES,
    assignment,
    hardware_address,
    prefix,
    seconds,
    server_line,
)
from streams.feeds.lines import times
from streams.feeds.lines.clock import Clock, ClockedReader
from streams.feeds.lines.fields import address
from streams.feeds.lines.names import Names
from streams.feeds.lines.reader import NO_DATA, Read, RememberingReader
from streams.feeds.lines.reasons import AFTER_STOP, NOT_UTF8, PLACEHOLDER_ADDRESS, TRUNCATED, TWO_HOLDERS
from streams.feeds.lines.record import LONGEST_RECORD, Numbered, Record
from streams.feeds.lines.sessions import SessionHolders

_ATTRIBUTE = re.compile(
    r'[ \t]+([A-Za-z0-9][\w.:-]*) [:+]?= ?(?:"((?:[^"\\]|\\.)*+)"|([^"\s].*?)?)[ \t]*',
    re.ASCII,
)
_ESCAPE = re.compile(rb"\\(?:([0-7]{3})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_KINDS: Mapping[str, AssignmentKind] = {
    "Start": AssignmentKind.START, "1": AssignmentKind.START,
    "Stop": AssignmentKind.STOP, "2": AssignmentKind.STOP,
    "Interim-Update": AssignmentKind.INTERIM, "Alive": AssignmentKind.INTERIM, "3": AssignmentKind.INTERIM,
    "Accounting-On": AssignmentKind.ON, "7": AssignmentKind.ON,
    "Accounting-Off": AssignmentKind.OFF, "8": AssignmentKind.OFF,
}  # fmt: skip
# Of tunnels (RFC 2867) and of modems: no address is given or taken.
_ELSEWHERE = frozenset(
    (
        *("Modem-Start", "Modem-Stop", "Cancel", "Tunnel-Start", "Tunnel-Stop", "Tunnel-Reject"),
        *("Tunnel-Link-Start", "Tunnel-Link-Stop", "Tunnel-Link-Reject"),
        *("4", "5", "6", "9", "10", "11", "12", "13", "14"),
    )
)
_SERVERS = ("NAS-IP-Address", "NAS-IPv6-Address", "NAS-Identifier")
_CIRCUITS = ("Agent-Circuit-Id", "ADSL-Agent-Circuit-Id")
# What names the line best comes first.
_LINES = (*_CIRCUITS, "NAS-Port-Id", "NAS-Port")
_WITHOUT_NODE = re.compile(r"(?:(?:atm|eth)\b)?[\s\d/.:;-]*", re.ASCII | re.IGNORECASE)
_PREFIXES = ("Delegated-IPv6-Prefix", "Framed-IPv6-Prefix")
_IPV6 = frozenset((*_PREFIXES, "Framed-IPv6-Address"))

Attributes = Mapping[str, str]


def records(lines: Numbered) -> Iterator[Record]:
    """A blank line, the next date or the end of the source ends a record. A cut one is its own, at its own line."""
    held: list[str] = []
    first = last = length = 0
    long = False
    for number, line in lines:
        # Nearly every line, so first and fast.
        if (
            length
            and not long
            and line
            and line[0] == "\t"
            and length < LONGEST_RECORD
            and not line.isspace()
        ):
            length += 1
            held.append(line)
            last = number
            continue
        blank = line is not None and (not line or line.isspace())
        if length and (blank or (line is not None and line[0] not in " \t" and times.ctime_like(line))):
            yield Record(first, number if blank else number - 1, None if long else held)
            held, length, long = [], 0, False
        if blank:
            continue
        if not length:
            first = number
        length += 1
        long = long or line is None or length > LONGEST_RECORD
        if line is not None and not long:
            held.append(line)
        last = number
    if length:
        yield Record(first, last, None if long else held, open=True)


class RadiusReader(RememberingReader):
    """Reads the records of one source. `network_lines`: attributes whose value names a line in the whole network."""

    def __init__(self, names: Names, clock: Clock, network_lines: Collection[str]) -> None:
        self._names = names
        self._clock = clock
        self._network_lines = network_lines
        self._sessions = SessionHolders()

    def read(self, record: Record) -> Read:
        """An event for each address: address and prefix number n are in one.

        Raises DecodeError: not_radius_detail, truncated, bad_attribute, missing_attribute, bad_status, bad_time,
        bad_address, bad_prefix, bad_number, end_before_start.
        """
        header, found = _attributes(record)
        values = dict(found)
        status = values.get("Acct-Status-Type", "")
        kind = _KINDS.get(status)
        if kind is None:
            if status in _ELSEWHERE:
                return NO_DATA
            raise DecodeError("bad_status" if status else "missing_attribute")
        common, clock = self._common(kind, values, header)
        if kind in (AssignmentKind.ON, AssignmentKind.OFF):
            return Read((assignment(kind, "radius", **common),), counted=[clock] if clock else [])
        name, of_name = self._names.read(values.get("User-Name", ""))
        common |= _line(values, common["nas"], self._network_lines) | {"username": name}
        given, dropped = _given(values, found)
        events = [
            assignment(kind, "radius", **common, address=one, delegated_prefix=network)
            for one, network in given
        ]
        odd = self._sessions.report(events)
        said = (clock, of_name, PLACEHOLDER_ADDRESS if dropped else None, odd if odd == AFTER_STOP else None)
        notice = TWO_HOLDERS if odd == TWO_HOLDERS else None
        return Read(events, notice, counted=[reason for reason in said if reason])

    def _common(
        self, kind: AssignmentKind, values: Attributes, header: str
    ) -> tuple[dict[str, Any], str | None]:
        server = next((found for name in _SERVERS if (found := _server(name, values.get(name, "")))), "")
        session = values.get("Acct-Session-Id")
        if kind in (AssignmentKind.ON, AssignmentKind.OFF):
            # It belongs to no session, and some servers leave the number out.
            session = session or f"accounting-{kind}"
        if not server or not session:
            raise DecodeError("missing_attribute")
        at, said = self._event_time(values, header)
        return {"nas": server, "session_id": session, "occurred_at": at}, said

    def _event_time(self, values: Attributes, header: str) -> tuple[int, str | None]:
        stamp = times.timestamp(text) if (text := values.get("Event-Timestamp")) else None
        arrival, zoned = None, bool(values.get("Timestamp"))
        try:
            arrival = times.timestamp(values["Timestamp"]) if zoned else times.ctime(header)
        except DecodeError:
            if stamp is None:
                raise
        delay = 1000 * (_number(values, "Acct-Delay-Time") or 0)
        return self._clock.event_time(stamp, arrival, delay, zoned=zoned)


def _server(name: str, text: str) -> str:
    """The server that reports; "" if the attribute is missing or a placeholder."""
    if not text or name == "NAS-Identifier":
        return text
    server = address(text)
    return "" if is_placeholder(server) else server


def _attributes(record: Record) -> tuple[str, list[tuple[str, str]]]:
    """The date, and the attributes in order."""
    header, *lines = record.lines or ("",)
    if not times.ctime_like(header):
        # A file that was cut at its start begins within a record.
        raise DecodeError(TRUNCATED if _ATTRIBUTE.fullmatch(header) else "not_radius_detail")
    if not lines:
        raise DecodeError(TRUNCATED)
    found = []
    for line in lines:
        name, _, value = line.partition(" = ")
        # Nearly every line is one of these two; the pattern takes ten times as long.
        if line[0] != "\t" or " " in name or "\\" in value or not value:
            found.append(_attribute(line))
        elif '"' not in value:
            found.append((name[1:], value.rstrip()))
        elif value[0] == value[-1] == '"' and value.count('"') == 2:
            found.append((name[1:], value[1:-1]))
        else:
            found.append(_attribute(line))
    return header, found


def _attribute(line: str) -> tuple[str, str]:
    found = _ATTRIBUTE.fullmatch(line)
    if found is None:
        raise DecodeError("bad_attribute")
    name, quoted, plain = found.groups()
    return str(name), _unescaped(name, quoted) if quoted else plain or ""


def _unescaped(name: str, text: str) -> str:
    """Escapes stand for bytes, and text is UTF-8 (RFC 2865, section 5; RFC 7542, 2.2). Other bytes are given in
    hexadecimal, as attributes of bytes are. Raises DecodeError not_utf8 if they are the user's name."""
    if "\\" not in text:
        return text

    def octets(found: re.Match[bytes]) -> bytes:
        octal, hexadecimal, plain = found.groups()
        if plain:
            return _ESCAPED.get(plain, plain)
        return bytes([int(octal, 8) & 0xFF if octal else int(hexadecimal, 16)])

    value = _ESCAPE.sub(octets, text.encode())
    try:
        return value.decode()
    except UnicodeDecodeError:
        if name == "User-Name":
            raise DecodeError(NOT_UTF8) from None
        return f"0x{value.hex()}"


def _number(values: Attributes, name: str) -> int | None:
    text = values.get(name)
    return seconds(text) if text else None


def _line(values: Attributes, nas: str, network_lines: Collection[str]) -> dict[str, Any]:
    """What is known of the line and its session, apart from whose it is."""
    name, text = next(((name, _printable(values[name])) for name in _LINES if values.get(name)), ("", ""))
    # TR-101 puts the access node in front of an Agent-Circuit-Id; without it the id is a port like any other.
    alone = name in network_lines and not (name in _CIRCUITS and _WITHOUT_NODE.fullmatch(text))
    return {
        "line_id": (text if alone else server_line(nas, text)) if text else None,
        "mac": hardware_address(values.get("Calling-Station-Id", "")),
        "session_seconds": _number(values, "Acct-Session-Time"),
        "interim_seconds": _number(values, "Acct-Interim-Interval"),
    }


def _printable(text: str) -> str:
    """Attributes of bytes are written in hexadecimal; a circuit id (RFC 4679) is mostly text."""
    if text.startswith("0x"):
        try:
            decoded = bytes.fromhex(text[2:]).decode("ascii")
        except ValueError:
            return text
        return decoded if decoded.isprintable() and decoded else text
    return text


def _given(
    values: Attributes, found: list[tuple[str, str]]
) -> tuple[Sequence[tuple[str | None, str | None]], bool]:
    """(address, prefix): all addresses, then the prefixes that are left; and whether placeholders are left out. IPv6
    ones may come several times (RFC 6911, RFC 4818)."""
    addresses = [address(text)] if (text := values.get("Framed-IP-Address")) else []
    networks: list[str] = []
    if not values.keys().isdisjoint(_IPV6):
        addresses += [address(text) for name, text in found if name == "Framed-IPv6-Address"]
        networks = [prefix(text) for wanted in _PREFIXES for name, text in found if name == wanted]
    dropped = any(map(is_placeholder, (*addresses, *networks)))
    told = (
        dict.fromkeys(name for name in given if not is_placeholder(name)) for given in (addresses, networks)
    )
    return [(one, network) for one, network in zip_longest(*told)] or [(None, None)], dropped


def _make(setting: Setting) -> Make:
    clock, names = setting.clock("radius"), setting.names("radius")
    lines = setting.source("radius").network_lines
    return lambda: ClockedReader(RadiusReader(names, clock, lines), clock), ()


FORMATS = (
    LogFormat(
        "radius-detail",
        "FreeRADIUS accounting: a date, then attributes indented, then a blank line",
        GIVES,
        _make,
        records,
        whole_lines=True,
    ),
)

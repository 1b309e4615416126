"""Kea's forensic log (hook library legal_log, its own text without a custom format) to reports of assignments.

    time zone Address: A has been assigned for D to a device with hardware address: H, client-id: C connected via
    relay at address: R, identified by circuit-id: I (text) and remote-id: ... and subscriber-id: ...

The same for IPv6 with a DUID and with prefixes, and what an administrator or the partner server did by command.
What stands in brackets is what a client or its line says of itself in any characters it likes, so it is never
searched: the bytes before it say what it is and how long, and it is stepped over.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from schemas.addresses import is_placeholder
from schemas.errors import DecodeError
from schemas.vocabulary import AssignmentKind
from streams.feeds.format import LogFormat, Make, Setting
from streams.feeds.formats.assignment import GIVES, server_line
from streams.feeds.formats.kea import INFINITE, Client, Leases, client4, client6, lease
from streams.feeds.lines import fields, times
from streams.feeds.lines.reader import BLANK, Read, RememberingReader
from streams.feeds.lines.record import Record

_HEX = r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2})*"
_TERM = r"infinite duration|(?:\d+ days? )?\d+ hrs? \d+ mins? \d+ secs?"
_TIME = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [A-Za-z0-9+:-]+) ", re.ASCII)
_LEASE = re.compile(
    r"(Address|Prefix): ?(\S+?)(?:/(\d+))? has been (assigned|renewed|released)"
    rf"(?: for ({_TERM}))?(?: to| from) a device with ",
    re.ASCII,
)
_CHANGED = re.compile(
    r"(?:Administrator|HA partner) (added a lease of|updated information on the lease of)"
    r" (address|prefix): ?(\S+?)(?:/(\d+))? to a device with ",
    re.ASCII,
)
_DELETED = re.compile(
    r"(?:Administrator|HA partner) deleted the lease for address: ([0-9A-Fa-f:.]+)$", re.ASCII
)
_DELETED_OF = re.compile(
    r"(?:Administrator|HA partner) deleted a lease for a device identified by: [\w-]+ of (\S+)$", re.ASCII
)
_HARDWARE = re.compile(
    rf"(?:,| and)? ?hardware address: (?:hwtype=(\d+) ?)?({_HEX})?(?: \(from [A-Za-z0-9 ]+\))?", re.ASCII
)
_DUID = re.compile(rf"DUID: ({_HEX})", re.ASCII)
_CLIENT_ID = re.compile(rf", client-id: ({_HEX})", re.ASCII)
_FOR = re.compile(rf" for ({_TERM})", re.ASCII)
_RELAY = re.compile(
    r" connected via relay at address: ([0-9A-Fa-f:.]+)"
    r"(?: for client on link address: ([0-9A-Fa-f:.]+), hop count: \d+)?",
    re.ASCII,
)
_LINE = re.compile(
    rf"(?:, identified by|, connected at location| and) (circuit-id|remote-id|subscriber-id|interface-id): ({_HEX})",
    re.ASCII,
)
# The subscriber-id is the operator's own name of the line (RFC 3993); the others name a port or a box on it.
_BEST_FIRST = ("subscriber-id", "remote-id", "circuit-id", "interface-id")
_VERBS: dict[str, AssignmentKind] = {
    "assigned": AssignmentKind.START,
    "renewed": AssignmentKind.INTERIM,
    "added a lease of": AssignmentKind.START,
    "updated information on the lease of": AssignmentKind.INTERIM,
}
_UNITS = {"day": 86_400, "hr": 3_600, "min": 60, "sec": 1}


class _Cursor:
    """A place in a line, moved on by what is found right there."""

    def __init__(self, text: str, at: int) -> None:
        self._text, self._at = text, at

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def take_bytes(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """The pattern, whose last group is bytes, and after it the same bytes as text in brackets, if they are."""
        found = self.take(pattern)
        if found:
            shown = f" ({_decoded(found[found.re.groups])})"
            if self._text.startswith(shown, self._at):
                self._at += len(shown)
        return found

    @property
    def done(self) -> bool:
        return self._at == len(self._text) or self._text.startswith(", context: ", self._at)


class KeaForensicReader(RememberingReader):
    """Reads the lines of one log, or of several joined in order. `network_lines`: see sources.yaml."""

    def __init__(self, server: str | None, network_lines: Collection[str]) -> None:
        self._leases = Leases(server)
        self._network_lines = network_lines

    def read(self, record: Record) -> Read:
        """Raises DecodeError: not_forensic, bad_time, bad_address, bad_prefix, bad_number, unknown_lease."""
        line = record.text
        if not line.strip():
            return BLANK
        head = _TIME.match(line)
        if head is None:
            raise DecodeError("not_forensic")
        at, body = times.timestamp(head[1]), head.end()
        if found := _LEASE.match(line, body):
            what, address, length, verb, term = found.groups()
            return self._lease(verb, what == "Prefix", address, length, term, _Cursor(line, found.end()), at)
        if found := _CHANGED.match(line, body):
            verb, what, address, length = found.groups()
            return self._lease(verb, what == "prefix", address, length, None, _Cursor(line, found.end()), at)
        if found := _DELETED.match(line, body):
            return self._leases.deleted(found[1], at)
        if found := _DELETED_OF.match(line, body):
            return self._leases.deleted_of(found[1], at)
        raise DecodeError("not_forensic")

    def _lease(
        self,
        verb: str,
        is_prefix: bool,
        address: str,
        length: str | None,
        term: str | None,
        rest: _Cursor,
        at: int,
    ) -> Read:
        what = lease(address, (length or "") if is_prefix else None)
        who = _client(rest)
        if found := rest.take(_FOR):
            term = found[1]
        relay = rest.take(_RELAY)
        lines = {}
        while found := rest.take_bytes(_LINE):
            lines[found[1]] = _readable(found[2])
        if who is None or not rest.done:
            raise DecodeError("not_forensic")
        name = next((name for name in _BEST_FIRST if name in lines), None)
        if name is not None:
            # A circuit-id names a port of the relay that adds it (RFC 3046, 3.1).
            agent = _agent(relay) if relay else self._leases.server
            alone = name in self._network_lines
            who = replace(who, line_id=lines[name] if alone else server_line(agent, lines[name]))
        kind = _VERBS.get(verb)
        if kind is None:
            return self._leases.over(what, who, at)
        return self._leases.held(kind, what, who, at, None if term is None else _seconds(term))


def _agent(relay: re.Match[str]) -> str:
    """The relay by its address on the client's link if that is told: its own may be link-local."""
    own, on_link = relay.groups()
    told = [fields.address(text) for text in (on_link, own) if text]
    return next((address for address in told if not is_placeholder(address)), told[-1])


def _client(rest: _Cursor) -> Client | None:
    if duid := rest.take(_DUID):
        hardware = rest.take(_HARDWARE)
        return client6(duid[1], _ethernet(hardware))
    hardware = rest.take(_HARDWARE)
    if hardware is None:
        return None
    client_id = rest.take_bytes(_CLIENT_ID)
    return client4(hardware[2] or "", client_id[1] if client_id else "")


def _ethernet(hardware: re.Match[str] | None) -> str:
    return hardware[2] or "" if hardware is not None and hardware[1] in (None, "1") else ""


def _decoded(hexadecimal: str) -> str:
    return bytes.fromhex(hexadecimal.replace(":", "")).decode("latin-1")


def _readable(hexadecimal: str) -> str:
    """The text the bytes are, else the bytes in hexadecimal."""
    text = _decoded(hexadecimal)
    return text if text.isascii() and text.isprintable() else hexadecimal.lower()


def _seconds(term: str) -> int:
    if term == "infinite duration":
        return INFINITE
    words = term.split()
    return sum(
        int(number) * _UNITS[unit.rstrip("s")] for number, unit in zip(words[::2], words[1::2], strict=True)
    )


def _make(setting: Setting) -> Make:
    server, lines = setting.options.server, setting.source("dhcp").network_lines
    return setting.clocked("dhcp", lambda: KeaForensicReader(server, lines)), setting.named


FORMATS = (
    LogFormat(
        "kea-forensic",
        "Kea's forensic log in its own text",
        GIVES,
        _make,
        whole_lines=True,
        takes=("server",),
    ),
)

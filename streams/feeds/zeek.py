"""Zeek's tab-separated logs dns.log and ssl.log to TrafficRecord.

A log starts with header lines (`#separator`, `#unset_field`, `#path`, `#fields`, ...) that say how to read what
follows; rotated logs joined together have several such blocks. Kept is who asked whom for which name and when:
neither answers nor certificates. Text stays as Zeek escaped it (`\\xHH`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from schemas.errors import DecodeError
from streams.feeds.fields import address, milliseconds, port
from streams.feeds.reader import NO_DATA, Read
from streams.feeds.record import Record

_USED = frozenset(
    ("ts", "id.orig_h", "id.orig_p", "id.resp_h", "proto", "rtt", "query", "version", "server_name")
)
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")


@dataclass(frozen=True)
class Header:
    """How to read the lines that follow: `columns` are those we use, by name and place among `width`.

    Width 0: no `#fields` were seen, no line can be read.
    """

    separator: str = "\t"
    unset: str = "-"
    empty: str = "(empty)"
    path: str | None = None
    width: int = 0
    columns: tuple[tuple[str, int], ...] = ()


def read_header(line: str, before: Header) -> Header:
    """The header in force after a line that starts with `#`; lines we need nothing of change nothing."""
    if line.startswith("#separator"):
        # The first line of a block: what the block before said is over.
        separator = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), line[len("#separator ") :])
        return Header(separator=separator or "\t")
    name, *values = line.split(before.separator)
    match name, values:
        case "#unset_field", [unset]:
            return replace(before, unset=unset)
        case "#empty_field", [empty]:
            return replace(before, empty=empty)
        case "#path", [path]:
            return replace(before, path=path)
        case "#fields", [_, *_]:
            columns = tuple((field, place) for place, field in enumerate(values) if field in _USED)
            return replace(before, width=len(values), columns=columns)
    return before


def read_dns(line: str, header: Header) -> dict[str, Any]:
    """The look-up of one line of dns.log; errors as `_connection`."""
    row = _row(line, header, "dns")
    duration = row.get("rtt")
    return _connection(row) | {
        "kind": "dns",
        "server_name": row.get("query"),
        "protocol": row.get("proto"),
        "duration_ms": None if duration is None else milliseconds(duration, "bad_number"),
    }


def read_ssl(line: str, header: Header) -> dict[str, Any]:
    """The TLS handshake of one line of ssl.log; `protocol` is the version agreed; errors as `_connection`."""
    row = _row(line, header, "ssl")
    return _connection(row) | {
        "kind": "tls",
        "server_name": row.get("server_name"),
        "protocol": row.get("version"),
        "duration_ms": None,
    }


def _row(line: str, header: Header, path: str) -> dict[str, str | None]:
    if not header.width:
        raise DecodeError("no_header")
    if header.path not in (None, path):
        raise DecodeError("other_log")
    values = line.split(header.separator)
    if len(values) != header.width:
        raise DecodeError("column_count")
    nothing = (header.unset, header.empty)
    return {name: None if (value := values[place]) in nothing else value for name, place in header.columns}


def _connection(row: dict[str, str | None]) -> dict[str, Any]:
    """What both logs have, the time in milliseconds since 1970.

    Raises DecodeError: no_header, other_log, column_count, bad_time, bad_address, bad_number.
    """
    client, source_port, server = row.get("id.orig_h"), row.get("id.orig_p"), row.get("id.resp_h")
    return {
        "occurred_at": milliseconds(row.get("ts") or "", "bad_time"),
        "client_address": None if client is None else address(client),
        "client_port": None if source_port is None else port(source_port),
        "server_address": None if server is None else address(server),
        "octets": None,
        "caller": None,
        "callee": None,
        "line_id": None,
    }


class ZeekReader:
    """Reads the lines of one log with the header in force."""

    def __init__(self, read: Callable[[str, Header], dict[str, Any]]) -> None:
        self._read = read
        self._header = Header()

    def read(self, record: Record) -> Read:
        """Raises DecodeError as `_connection`."""
        line = record.text
        if line.startswith("#"):
            self._header = read_header(line, self._header)
            return NO_DATA
        return Read((self._read(line, self._header),)) if line and not line.isspace() else NO_DATA

    def recall(self, record: Record) -> None:
        if record.lines and record.lines[0].startswith("#"):
            self.read(record)

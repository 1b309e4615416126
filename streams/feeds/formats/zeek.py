"""Zeek's logs dns.log and ssl.log, tab-separated or JSON, to records of traffic.

A tab-separated log starts with header lines (`#separator`, `#unset_field`, `#path`, `#fields`, ...) that say how to
read what follows; rotated logs joined together have several such blocks. A line of JSON is an object of the same
fields, without those that are unset; its time is in seconds, in milliseconds or in ISO 8601. Kept is who asked
whom for which name and when: neither answers nor certificates. Bytes that Zeek escaped (`\\xHH`) are the letters they
are in UTF-8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.errors import DecodeError
from schemas.moments import from_iso
from streams.feeds.format import (
    INT_OR_NULL,
    LONG_OR_NULL,
    TEXT_OR_NULL,
    TIME,
    Gives,
    LogFormat,
    one_of,
)
from streams.feeds.lines.fields import address, milliseconds, port
from streams.feeds.lines.reader import BLANK, NO_DATA, OTHER, Read
from streams.feeds.lines.record import Numbered, Record

_USED = frozenset(
    ("ts", "id.orig_h", "id.orig_p", "id.resp_h", "proto", "rtt", "query", "version", "server_name")
)
_HEADERS = (
    "#separator",
    "#set_separator",
    "#empty_field",
    "#unset_field",
    "#path",
    "#open",
    "#fields",
    "#types",
    "#close",
)
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")
_ESCAPES = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH_MILLISECONDS = re.compile(r"\d{13}", re.ASCII)
# Fields that no other log has, by which JSON without `_path` is told: others have a time, addresses and ports too.
_OWN = {
    "dns": frozenset(
        ("query", "qtype", "qtype_name", "qclass", "rcode", "rcode_name", "trans_id", "rejected")
    ),
    "ssl": frozenset(
        (
            "established",
            "resumed",
            "server_name",
            "cipher",
            "ssl_history",
            "cert_chain_fps",
            "cert_chain_fuids",
        )
    ),
}
# QUIC names servers, Kerberos ciphers.
_OTHERS = frozenset(("client_initial_dcid", "request_type"))


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
    if line.startswith("{"):
        return _object(line, path)
    if not header.width:
        raise DecodeError("no_header")
    if header.path not in (None, path):
        raise DecodeError("other_log")
    values = line.split(header.separator)
    if len(values) != header.width:
        raise DecodeError("column_count")
    nothing = (header.unset, header.empty)
    return {
        name: None if (value := values[place]) in nothing else _text(value) for name, place in header.columns
    }


def _object(line: str, path: str) -> dict[str, str | None]:
    """Numbers as they are written. Raises DecodeError: not_json, other_log, bad_number."""
    try:
        found = json.loads(line, parse_float=_plain, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise DecodeError("not_json") from None
    if isinstance(found.get("id"), dict):
        found |= {f"id.{name}": value for name, value in found["id"].items()}
    said = found.get("_path")
    if (said is not None and said != path) or (said is None and _OWN[path].isdisjoint(found)):
        raise DecodeError("other_log")
    if said is None and not _OTHERS.isdisjoint(found):
        raise DecodeError("other_log")
    row = {name: found[name] for name in _USED if found.get(name) not in (None, "")}
    if not all(isinstance(value, str) for value in row.values()):
        raise DecodeError("not_in_schema")
    return {name: _text(value) for name, value in row.items()}


def _plain(number: str) -> str:
    """A number without exponent."""
    return format(Decimal(number), "f") if "e" in number.lower() else number


def _text(value: str) -> str:
    """Escaped bytes as the letters they are; what is no UTF-8 stays as Zeek wrote it."""
    if "\\x" not in value:
        return value
    return _ESCAPES.sub(_letters, value)


def _letters(found: re.Match[str]) -> str:
    try:
        text = bytes.fromhex(found[0].replace("\\x", "")).decode()
    except UnicodeDecodeError:
        return found[0]
    return text if text.isprintable() else found[0]


def _time(text: str) -> int:
    """Raises DecodeError bad_time."""
    if _EPOCH_MILLISECONDS.fullmatch(text):
        return int(text)
    if "T" not in text:
        return milliseconds(text, "bad_time")
    try:
        moment = from_iso(text)
        if moment.tzinfo is None:
            raise ValueError("no zone")
        return (moment - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        raise DecodeError("bad_time") from None


def _connection(row: dict[str, str | None]) -> dict[str, Any]:
    """What both logs have, the time in milliseconds since 1970.

    Raises DecodeError: no_header, other_log, column_count, not_json, not_in_schema, bad_time, bad_address, bad_number.
    """
    client, source_port, server = row.get("id.orig_h"), row.get("id.orig_p"), row.get("id.resp_h")
    return {
        "occurred_at": _time(row.get("ts") or ""),
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

    remarks: Set[str] = frozenset()

    def __init__(self, read: Callable[[str, Header], dict[str, Any]], path: str) -> None:
        self._read = read
        self._path = path
        self._header = Header()

    def read(self, record: Record) -> Read:
        """Raises DecodeError as `_connection`."""
        line = record.text
        if line.startswith("#"):
            self._header = read_header(line, self._header)
            if self._header.path not in (None, self._path) or not line.startswith(_HEADERS):
                return OTHER
            return NO_DATA if line.startswith("#fields") else BLANK
        return Read((self._read(line, self._header),)) if line and not line.isspace() else BLANK

    def look(self, lines: Numbered) -> None:
        return None

    def recall(self, record: Record) -> None:
        if record.lines and record.lines[0].startswith("#"):
            self.read(record)


def _gives(kind: str) -> Gives:
    return {
        "occurred_at": TIME,
        "kind": one_of(kind),
        "client_address": TEXT_OR_NULL,
        "client_port": INT_OR_NULL,
        "server_address": TEXT_OR_NULL,
        "server_name": TEXT_OR_NULL,
        "protocol": TEXT_OR_NULL,
        "duration_ms": LONG_OR_NULL,
    }


FORMATS = (
    LogFormat(
        "zeek-dns",
        "Zeek's dns.log, tab-separated with its header or JSON",
        _gives("dns"),
        lambda _: (lambda: ZeekReader(read_dns, "dns"), ()),
    ),
    LogFormat(
        "zeek-ssl",
        "Zeek's ssl.log, tab-separated with its header or JSON",
        _gives("tls"),
        lambda _: (lambda: ZeekReader(read_ssl, "ssl"), ()),
    ),
)

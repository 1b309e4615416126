"""Combined Log Format, as Apache httpd and nginx write it, to visits of a web site.

    address ident user [day/month/year:hour:minute:second zone] "request" status octets "referrer" "user agent" ...

Kept is what a visit is: no user name, no query strings (they carry names, e-mail addresses and session keys), of
the user agent only its families. Further columns are allowed and ignored; a last quote may be missing, as in
lines that were cut at the end. Bytes of a request that are no text, raw or as the server wrote them (`\\xHH`), become
`%HH`, which is what they are in a URL (RFC 3986, 2.1).

Where another column stands before or behind the client's, its lines alone show which is whose: see `client`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from schemas.errors import DecodeError
from streams.feeds.format import INT_OR_NULL, TEXT, TEXT_OR_NULL, TIME, LogFormat, Make, Setting
from streams.feeds.lines.client import Clients
from streams.feeds.lines.fields import address
from streams.feeds.lines.reader import LineReader
from streams.feeds.lines.record import Numbered
from streams.feeds.lines.times import MONTHS
from streams.feeds.lines.user_agent import families

_QUOTED = r'"((?:[^"\\]++|\\.)*+)'
_LINE = re.compile(
    r"(\S+ \S+ .*?)\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d):([0-5]\d):([0-5]\d|60) ([+-]\d{4})\] "
    rf'{_QUOTED}" (\d{{3}}|-) (?:\d+|-) {_QUOTED}" {_QUOTED}',
    re.ASCII,
)
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}", re.ASCII)
_USER_INFO = re.compile(r"//[^/@]*+@")
_BYTES = re.compile(r"(?:\\x[0-9A-Fa-f]{2})+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class CombinedReader(LineReader):
    """Reads the lines of one log. `client_column`: 1 or 2, None: as its first lines show."""

    def __init__(self, client_column: int | None) -> None:
        super().__init__(self._visit)
        self._clients = Clients(client_column)

    def look(self, lines: Numbered) -> None:
        self._clients.look(found[1] for _, line in lines if line and (found := _LINE.match(line)))

    def _visit(self, line: str) -> dict[str, Any]:
        """The visit of one line, its time in milliseconds since 1970.

        Raises DecodeError: not_combined, bad_time, bad_address, which_client, client_list.

        A request that is none (a scanner's bytes, a connection that said nothing) is a visit all the same, with
        "-" as method and page.
        """
        found = _LINE.match(line)
        if found is None:
            raise DecodeError("not_combined")
        names, hour, minute, second, zone, request, status, referrer, agent = found.groups()
        client, port = self._clients.of(names)
        browser, system = families(agent)
        method, page = _request(request)
        return {
            "occurred_at": _hour(hour, zone) + (int(minute) * 60 + int(second)) * 1000,
            "client_address": address(client),
            "client_port": port,
            "method": method,
            "status": None if status == "-" else int(status),
            "page": page,
            "referrer": None if referrer in ("-", "") else _without_query(referrer),
            "browser": browser,
            "operating_system": system,
        }


def _request(request: str) -> tuple[str, str]:
    method, _, rest = request.partition(" ")
    target, _, protocol = rest.rpartition(" ")
    if not protocol.startswith("HTTP/"):
        target = rest
    if not target.strip() or not _METHOD.fullmatch(method):
        return "-", "-"
    return method, _without_query(target)


def _without_query(url: str) -> str:
    """The URL up to its query or fragment, without user name and password."""
    plain = url.partition("?")[0].partition("#")[0]
    if "\\x" in plain:
        # Escaped bytes may spell what ends a URL's path too.
        plain = _BYTES.sub(_letters, plain).partition("?")[0].partition("#")[0]
    return _USER_INFO.sub("//", plain, count=1) if "@" in plain else plain


def _letters(found: re.Match[str]) -> str:
    """The text that escaped bytes are in UTF-8, else each as a URL writes it."""
    octets = bytes.fromhex(found[0].replace("\\x", ""))
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return quote(octets)
    return text if text.isprintable() else quote(octets)


@lru_cache(maxsize=1_000)
def _hour(text: str, zone: str) -> int:
    """The start of the hour `17/May/2015:10` in milliseconds since 1970."""
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
    # strptime would read the month in the language of the process.
    try:
        clock = datetime(int(text[7:11]), MONTHS[text[3:6]], int(text[:2]), int(text[12:]), tzinfo=UTC)
    except (ValueError, KeyError):
        raise DecodeError("bad_time") from None
    return (clock - _EPOCH) // _MILLISECOND + (1 if zone[0] == "-" else -1) * (offset // _MILLISECOND)


def _make(setting: Setting) -> Make:
    column = setting.options.client_column
    return lambda: CombinedReader(column), [f"client-column={column}"] if column else []


FORMATS = (
    LogFormat(
        "combined",
        'Combined Log Format: address ident user [time] "request" status octets "referrer" "agent"',
        {
            "occurred_at": TIME,
            "client_address": TEXT,
            "client_port": INT_OR_NULL,
            "method": TEXT,
            "status": INT_OR_NULL,
            "page": TEXT,
            "referrer": TEXT_OR_NULL,
            "browser": TEXT_OR_NULL,
            "operating_system": TEXT_OR_NULL,
        },
        _make,
        escaped=True,
        takes=("client_column",),
    ),
)

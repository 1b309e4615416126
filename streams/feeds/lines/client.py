"""Whose address a line of a web server's log begins with.

    client ident user                  Common and Combined Log Format
    client:port ident user             the same with the client's port (RFC 6302 wants it logged)
    server client ident user           Apache's %v %h and %v:%p %h, nginx' $host $remote_addr
    client server ident user           the same the other way round

With two columns a name says little: clients are logged by name too, and servers by address. The server's column is the
one with a port, or the one with few different values where the other has many. What that does not tell is refused, for
else a visitor is found under the server's own address, and the server's neighbours under the visitor's.
A list of addresses (X-Forwarded-For) is refused as well: its first is what the client says of itself.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache

from schemas.errors import DecodeError

_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+)):(\d{1,5})", re.ASCII)
# Servers listen below, clients connect from above (the ephemeral ports of Linux; RFC 6335 begins at 49,152).
_EPHEMERAL = 32_768
_WELL_KNOWN = 1_024
_PORTS_OF_A_SERVER = 4
# So many different addresses beside half as many: visitors. Beside names fewer will do.
_MANY = 8
_SOME = 2


class Clients:
    """`column`: 1 or 2 where a line has two, None: as the lines show."""

    def __init__(self, column: int | None) -> None:
        self._column = column

    def look(self, names: Iterable[str]) -> None:
        """The first lines up to their time, before any is read."""
        if self._column is None:
            lines: list[tuple[str, str]] = []
            for text in names:
                with suppress(DecodeError):
                    lines += filter(None, [_two(text)])
            self._column = _column(lines) if lines else None

    def of(self, names: str) -> tuple[str, int | None]:
        """Client and, where it is said, its port, of a line up to its time. Raises DecodeError: which_client,
        client_list, bad_address."""
        two = _two(names)
        if two is None:
            return _client(names.partition(" ")[0])
        if self._column is None:
            raise DecodeError("which_client")
        return _client(two[self._column - 1])


def _two(names: str) -> tuple[str, str] | None:
    """The two columns that may each be the client, None if only the first may. Raises DecodeError: client_list, or
    which_client if three may."""
    columns = names.split()
    if "," in columns[0]:
        raise DecodeError("client_list")
    others = [name for name in columns[1:3] if _is_address(name)]
    if len(others) > 1:
        raise DecodeError("which_client")
    if others:
        return columns[0], others[0]
    # A name in place of ident is one of a server only if ident and user follow.
    return (columns[0], columns[1]) if len(columns) > 3 and _is_host(columns[1]) else None


def _column(lines: Sequence[tuple[str, str]]) -> int | None:
    """Which of two columns is the client's, 1 or 2, told from some lines; None if it cannot be told."""
    listens = [_listens([line[place] for line in lines]) for place in (0, 1)]
    if any(listens):
        return None if all(listens) else 2 if listens[0] else 1
    values = [{_host(line[place]) for line in lines} for place in (0, 1)]
    server = 0 if len(values[0]) < len(values[1]) else 1
    few, many = values[server], values[1 - server]
    named = not all(map(_is_address, few)) and all(map(_is_address, many))
    if len(many) < 2 * len(few) or len(many) < (_SOME if named else _MANY):
        return None
    return 2 - server


def _listens(column: Sequence[str]) -> bool:
    """Whether its ports are those of a server."""
    ports = {int(found[3]) for name in column if (found := _WITH_PORT.fullmatch(name))}
    return 0 < len(ports) <= _PORTS_OF_A_SERVER and max(ports) < _EPHEMERAL


def _client(name: str) -> tuple[str, int | None]:
    found = _WITH_PORT.fullmatch(name)
    if found is None or not _WELL_KNOWN <= int(found[3]) <= 65_535:
        # With the port of a server it is one; `address` refuses it.
        return name, None
    return found[1] or found[2], int(found[3])


def _host(name: str) -> str:
    found = _WITH_PORT.fullmatch(name)
    return (found[1] or found[2] if found else name).casefold()


@lru_cache(maxsize=10_000)
def _is_address(name: str) -> bool:
    if name == "-":
        return False
    try:
        return bool(ipaddress.ip_address(_host(name)))
    except ValueError:
        return False


def _is_host(name: str) -> bool:
    return "." in name.strip(".") or _WITH_PORT.fullmatch(name) is not None

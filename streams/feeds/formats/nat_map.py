"""Deterministic NAT (RFC 7422): the configuration says who gets which ports, so there is no log of blocks.

    valid_from,valid_to,inside_network,outside_network,first_port,ports_per_user

Each line is one version of the configuration and how long it was in force; it becomes a block given to every inside
address when it came into force, and taken back when it ended. Blocks are dealt out in order: the first inside
addresses share the first outside address from `first_port` on, the next ones the second.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.errors import DecodeError
from schemas.vocabulary import AssignmentKind
from streams.feeds.format import LogFormat, Make, Setting
from streams.feeds.formats.assignment import GIVES, assignment
from streams.feeds.lines import times
from streams.feeds.lines.holders import FOREVER
from streams.feeds.lines.reader import Event, Read, RememberingReader, no_event
from streams.feeds.lines.reasons import END_BEFORE_START, TWO_HOLDERS
from streams.feeds.lines.record import Record, quoted_lines
from streams.feeds.lines.table import Table, quoted

SERVER = "nat-map"
COLUMNS = ("valid_from", "valid_to", "inside_network", "outside_network", "first_port", "ports_per_user")
_NUMBER = re.compile(r"\d{1,5}", re.ASCII)
_PORTS = 65_536

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class _Version:
    since: int
    until: int | None
    inside: _Network
    outside: ipaddress.IPv4Network
    first_port: int
    ports: int

    @property
    def users_per_address(self) -> int:
        return (_PORTS - self.first_port) // self.ports

    def contradicts(self, other: _Version) -> bool:
        """Both in force at once, and ports of one outside address given to different inside ones."""
        apart = (self.until or FOREVER) <= other.since or (other.until or FOREVER) <= self.since
        end, others_end = (item.first_port + item.users_per_address * item.ports for item in (self, other))
        apart = apart or end <= other.first_port or others_end <= self.first_port
        same = self._dealt == other._dealt
        return not apart and not same and self.outside.overlaps(other.outside)

    @property
    def _dealt(self) -> tuple[object, ...]:
        return self.inside, self.outside, self.first_port, self.ports

    def events(self, server: str) -> Iterator[Event]:
        for place in range(self.inside.num_addresses):
            which, block = divmod(place, self.users_per_address)
            inside, public = str(self.inside[place]), str(self.outside[which])
            first = self.first_port + block * self.ports
            ports = {"port_from": first, "port_to": first + self.ports - 1}
            session = f"{server}/{self.since}/{public}:{first}-{ports['port_to']}/{inside}"
            known = ports | {"address": public, "inside_address": inside}
            yield assignment(
                AssignmentKind.ALLOC,
                "nat_map",
                nas=server,
                session_id=session,
                occurred_at=self.since,
                **known,
            )
            if self.until is not None:
                yield assignment(
                    AssignmentKind.RELEASE,
                    "nat_map",
                    nas=server,
                    session_id=session,
                    occurred_at=self.until,
                    **known,
                )


class NatMapReader(RememberingReader):
    """Reads the versions of one file."""

    def __init__(self, server: str | None) -> None:
        self._server = server or SERVER
        self._table = Table(COLUMNS, quoted)
        self._versions: list[_Version] = []

    def read(self, record: Record) -> Read:
        """Raises DecodeError: no_header, column_count, bad_quotes, bad_time, bad_address, bad_number,
        end_before_start, map_too_small."""
        row = self._table.row(record)
        if row is None:
            return no_event(record)
        version = _version({name: row[name].strip() for name in COLUMNS})
        notice = TWO_HOLDERS if any(map(version.contradicts, self._versions)) else None
        self._versions.append(version)
        return Read(version.events(self._server), notice)


def _version(row: dict[str, str]) -> _Version:
    since = times.day_or_time(row["valid_from"])
    until = times.end(row["valid_to"])
    if until is not None and until <= since:
        raise DecodeError(END_BEFORE_START)
    outside = _network(row["outside_network"])
    if not isinstance(outside, ipaddress.IPv4Network):
        raise DecodeError("bad_address")
    first, ports = (_port_number(row[name]) for name in ("first_port", "ports_per_user"))
    version = _Version(since, until, _network(row["inside_network"]), outside, first, ports)
    if version.users_per_address * outside.num_addresses < version.inside.num_addresses:
        raise DecodeError("map_too_small")
    return version


def _network(text: str) -> _Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise DecodeError("bad_address") from None


def _port_number(text: str) -> int:
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) < _PORTS:
        raise DecodeError("bad_number")
    return int(text)


def _make(setting: Setting) -> Make:
    server = setting.options.server
    return lambda: NatMapReader(server), setting.named


FORMATS = (
    LogFormat(
        "nat-map",
        f"CSV with at least the columns {','.join(COLUMNS)}",
        GIVES,
        _make,
        quoted_lines,
        takes=("server",),
    ),
)

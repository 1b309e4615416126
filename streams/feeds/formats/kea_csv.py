"""Kea's lease file (memfile), IPv4 or IPv6 as its header says, to reports of assignments.

A row is appended whenever a lease changes and says how it is from then on: `expire` is the client's last renewal plus
`valid_lifetime`. A lease that is removed is written once more with a lifetime of 0, and then `expire` is either the
moment of its release or still the last renewal. Commas inside a field are written `&#x2c`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from schemas.errors import DecodeError
from schemas.vocabulary import AssignmentKind
from streams.feeds.format import LogFormat, Make, Setting
from streams.feeds.formats.assignment import GIVES, seconds
from streams.feeds.formats.kea import Client, Lease, Leases, client4, client6, lease
from streams.feeds.lines import times
from streams.feeds.lines.reader import Read, RememberingReader, no_event
from streams.feeds.lines.record import Record
from streams.feeds.lines.table import Table, plain

_REQUIRED = ("address", "valid_lifetime", "expire", "subnet_id")
_ESCAPED = re.compile(r"&#x([0-9a-fA-F]{2});?")
_NUMBER = re.compile(r"\d{1,20}", re.ASCII)
_DELEGATED = "2"
_ACTIVE, _DECLINED, _EXPIRED, _RELEASED, _REGISTERED = "01234"
_STATES = frozenset((_ACTIVE, _EXPIRED, _RELEASED, _REGISTERED))


class KeaCsvReader(RememberingReader):
    """Reads the rows of one lease file, or of several joined."""

    def __init__(self, server: str | None) -> None:
        self._table = Table(_REQUIRED, plain)
        self._leases = Leases(server)

    def read(self, record: Record) -> Read:
        """Raises DecodeError: no_header, column_count, bad_address, bad_prefix, bad_number, bad_time, bad_state,
        end_before_start, missing_value."""
        row = self._table.row(record)
        if row is None:
            return no_event(record)
        what, who = _lease(row)
        term, expire = seconds(row["valid_lifetime"]), row["expire"]
        if not _NUMBER.fullmatch(expire):
            raise DecodeError("bad_number")
        if int(expire) < term:
            raise DecodeError("end_before_start")
        renewed = times.timestamp(str(int(expire) - term))
        state = row.get("state") or _ACTIVE
        if state == _DECLINED:
            # Kea clears who it was and keeps the address aside for a while: `expire` is the end of that.
            return (
                self._leases.declined(what, renewed) if who is None else self._leases.over(what, who, renewed)
            )
        if state not in _STATES:
            raise DecodeError("bad_state")
        if who is None:
            raise DecodeError("missing_value")
        if state == _EXPIRED:
            return self._leases.over(what, who, times.timestamp(expire))
        if term == 0 or state == _RELEASED:
            return self._leases.removed(what, who, times.timestamp(expire))
        return self._leases.held(AssignmentKind.INTERIM, what, who, renewed, term)


def _lease(row: Mapping[str, str]) -> tuple[Lease, Client | None]:
    values = {name: _ESCAPED.sub(_character, value) if "&" in value else value for name, value in row.items()}
    if "duid" not in values:
        return lease(values["address"], None), client4(values.get("hwaddr", ""), values.get("client_id", ""))
    length = values.get("prefix_len", "") if values.get("lease_type") == _DELEGATED else None
    return lease(values["address"], length), client6(values["duid"], values.get("hwaddr", ""))


def _character(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))


def _make(setting: Setting) -> Make:
    server = setting.options.server
    return setting.clocked("dhcp", lambda: KeaCsvReader(server)), setting.named


FORMATS = (
    LogFormat(
        "kea-csv",
        "Kea's lease file, CSV with its header",
        GIVES,
        _make,
        whole_lines=True,
        takes=("server",),
    ),
)

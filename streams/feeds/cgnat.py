"""Port-block lines of a carrier-grade NAT in syslog, as Junos writes them, to AddressAssignment.

    time host ... NAT_PORT_BLOCK_ALLOC: [subscriber=NAME] inside -> public:from-to

ALLOC and RELEASE give and take a block of ports of a public address; ACTIVE repeats that it is still given. Other
lines of the same log are no data. The time is that of RFC 5424 or ISO 8601; that of RFC 3164 has no year.
"""

from __future__ import annotations

import re

from schemas.errors import DecodeError
from streams.feeds import times
from streams.feeds.assignment import Kind, assignment, username
from streams.feeds.fields import address, port
from streams.feeds.holders import FOREVER, Holders
from streams.feeds.reader import NO_DATA, Event, Read, RememberingReader
from streams.feeds.reasons import END_BEFORE_START, TWO_HOLDERS
from streams.feeds.record import Record

_MARK = "NAT_PORT_BLOCK"
_HEADER = re.compile(
    r"(?:<\d{1,3}>)?(?:\d{1,2} )?"
    r"(?:(\d{4}-\d\d-\d\dT\S+)|[A-Z][a-z]{2} [ \d]\d(?: \d{4})? \d\d:\d\d:\d\d(?: \d{4})?:?) +(\S+) ",
    re.ASCII,
)
_BLOCK = re.compile(
    r"NAT_PORT_BLOCK_(ALLOC|RELEASE|ACTIVE)\b:?\s+(?:subscriber=(\S*)\s+)?"
    r"([0-9A-Fa-f:.]+) -> ([0-9.]+):(-?\w+)-(-?\w+)(?=\s|$)"
)
_KINDS: dict[str, Kind] = {"ALLOC": "alloc", "RELEASE": "release", "ACTIVE": "interim"}
# 64,512 ports in blocks of 64.
_BLOCKS = 1_024


class CgnatReader(RememberingReader):
    """Reads the lines of one log. `realm`: ours, None: any."""

    def __init__(self, realm: str | None) -> None:
        self._realm = realm
        self._holders = Holders(kept=_BLOCKS, gapless=True)

    def read(self, record: Record) -> Read:
        """Raises DecodeError: not_syslog, not_a_port_block, no_year, bad_time, bad_address, bad_number,
        end_before_start, foreign_realm."""
        line = record.text
        if not line or line.isspace():
            return NO_DATA
        head = _HEADER.match(line)
        if head is None:
            raise DecodeError("not_syslog")
        if _MARK not in line:
            return NO_DATA
        block = _BLOCK.search(line, head.end())
        if block is None:
            raise DecodeError("not_a_port_block")
        if head[1] is None:
            raise DecodeError("no_year")
        return self._block(block, times.timestamp(head[1]), head[2])

    def _block(self, block: re.Match[str], at: int, nas: str) -> Read:
        verb, subscriber, inside, public, first, last = block.groups()
        inside, public = address(inside), address(public)
        ports = port(first), port(last)
        if ports[1] < ports[0]:
            raise DecodeError(END_BEFORE_START)
        event = assignment(
            _KINDS[verb],
            "cgnat",
            nas=nas,
            session_id=f"{nas}/{public}:{ports[0]}-{ports[1]}/{inside}",
            occurred_at=at,
            address=public,
            port_from=ports[0],
            port_to=ports[1],
            inside_address=inside,
            username=username(subscriber or "", self._realm),
        )
        return Read((event,), TWO_HOLDERS if self._conflict(event, ports) else None)

    def _conflict(self, event: Event, ports: tuple[int, int]) -> bool:
        public, session, at = event["address"], event["session_id"], event["occurred_at"]
        if event["kind"] == "release":
            self._holders.ended(public, session, at)
            return False
        holder = event["username"] or event["inside_address"]
        return self._holders.seen(public, holder, session, at, FOREVER, ports)

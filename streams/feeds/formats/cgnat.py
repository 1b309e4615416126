"""Port-block lines of a carrier-grade NAT in syslog, as Junos writes them, to reports of assignments.

    time host ... NAT_PORT_BLOCK_ALLOC: [subscriber=NAME] inside -> public:from-to [0xSTAMP]
    time host RT_NAT - RT_SRC_NAT_PBA_ALLOC [junos@2636... internal-ip="..." reflexive-ip="..." block-port-low="..."]
    time host ... RT_SRC_NAT_PBA_ALLOC: Subscriber inside used/maximum [1/4] blocks, allocates port block [from-to]
        from public in source pool NAME lsys_id: 0 epoch 0xSTAMP

ALLOC and RELEASE give and take a block of ports of a public address; ACTIVE and INTERIM repeat that it is still given.
The stamp is in hexadecimal seconds since 1970 (UTC). It says when the block was allocated, so that a lost first line is
not lost; in RT_SRC_NAT_PBA_RELEASE it may be the time of the release. Other lines of the same log are no data; those
of another maker's address translation are refused.

The time is that of RFC 5424 or ISO 8601. That of RFC 3164 names no zone: it is taken in the zone given, else in UTC,
and that is said; allocations that are stamped show how far the clock is from UTC. If it has no year, the stamp does.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from datetime import UTC, tzinfo
from typing import NamedTuple

from schemas.errors import DecodeError
from schemas.vocabulary import AssignmentKind
from streams.feeds.format import LogFormat, Make, Setting
from streams.feeds.formats.assignment import GIVES
from streams.feeds.formats.blocks import Block, Blocks
from streams.feeds.formats.nat_pattern import NatPatternReader, load_pattern, zone
from streams.feeds.formats.nat_vendors import vendor
from streams.feeds.lines import times
from streams.feeds.lines.names import Names
from streams.feeds.lines.reader import BLANK, OTHER, Read, RememberingReader
from streams.feeds.lines.reasons import ZONE_ASSUMED
from streams.feeds.lines.record import Numbered, Record

_MARKS = ("NAT_PORT_BLOCK", "RT_SRC_NAT_PBA_")
_HEADER = re.compile(
    r"(?:<\d{1,3}>)?(?:\d{1,2} )?"
    r"(?:(\d{4}-\d\d-\d\dT\S+)|([A-Z][a-z]{2} +\d{1,2}(?: \d{4})? \d\d:\d\d:\d\d(?:\.\d{1,9})?(?: \d{4})?)"
    rf"(?: ({times.ZONE_NAMES}|[+-]\d\d:?\d\d))?:?) +(\S+) ",
    re.ASCII,
)
_OLD = re.compile(
    r"NAT_PORT_BLOCK_(ALLOC|RELEASE|ACTIVE)\b:?\s+(?:subscriber=(\S*)\s+)?"
    r"([0-9A-Fa-f:.]+) -> ([0-9.]+):(-?\w+)-(-?\w+)(?:\s+0x([0-9A-Fa-f]{1,16}))?(?=\s|$)"
)
_NEW = re.compile(r"RT_SRC_NAT_PBA_(ALLOC|RELEASE|INTERIM)\b")
_NEW_TEXT = re.compile(
    r":\s+Subscriber ([0-9A-Fa-f:.]+) .*?\bport block \[(-?\w+)-(-?\w+)\] from ([0-9.]+) "
    r"(?:.*\bepoch (?:0x)?([0-9A-Fa-f]{1,16})\b)?"
)
_PARAMETER = re.compile(r' ([\w.-]+)="((?:[^"\\\]]|\\.)*+)"', re.ASCII)
_KINDS: dict[str, AssignmentKind] = {
    "ALLOC": AssignmentKind.ALLOC,
    "RELEASE": AssignmentKind.RELEASE,
    "ACTIVE": AssignmentKind.INTERIM,
    "INTERIM": AssignmentKind.INTERIM,
}
# How far a line is written behind what it tells.
_WRITTEN_LATER_MS = 60_000
_QUARTER_MS = 15 * 60_000


class _Said(NamedTuple):
    """`stamp` in milliseconds, None if there is none that can be right. `own`: it may be the time of what the line says
    and not of the allocation."""

    block: Block
    stamp: int | None
    own: bool


class CgnatReader(RememberingReader):
    """Reads the lines of one log. `zone` of times that name none; None: as far from UTC as
    the stamps show, else UTC."""

    def __init__(self, names: Names, zone: tzinfo | None = None) -> None:
        self._zone = zone
        self._ahead_ms = 0
        self._blocks = Blocks(names)

    def read(self, record: Record) -> Read:
        """Raises DecodeError: not_syslog, not_a_port_block, other_vendor, no_year, clock_change, bad_time,
        unknown_zone, bad_address, bad_number, end_before_start."""
        line = record.text
        if not line or line.isspace():
            return BLANK
        head = _HEADER.match(line)
        if not any(mark in line for mark in _MARKS):
            if vendor(line):
                raise DecodeError("other_vendor")
            if head is None:
                raise DecodeError("not_syslog")
            return OTHER
        if head is None:
            raise DecodeError("not_syslog")
        said = _said(line, head.end())
        at = self._time(head, said)
        allocated = said.stamp
        if allocated is not None and said.own and allocated > at - _WRITTEN_LATER_MS:
            allocated = None
        return self._blocks.event(said.block, head[4], at, allocated)

    def look(self, lines: Numbered) -> None:
        """How far from UTC the clock of the log is, if its times name no zone and its stamps show it."""
        for _, line in lines:
            if (
                line
                and any(mark in line for mark in _MARKS)
                and (head := _HEADER.match(line))
                and not head[1]
            ):
                with suppress(DecodeError):
                    self._time(head, _said(line, head.end()))
                if self._ahead_ms:
                    return

    def _time(self, head: re.Match[str], said: _Said) -> int:
        if head[1] is not None:
            return times.timestamp(head[1])
        if head[3] is not None:
            return times.local(head[2], times.named_zone(head[3]), after=said.stamp)
        if self._zone is not None:
            return times.local(head[2], self._zone, after=said.stamp)
        self.remarks |= {ZONE_ASSUMED}
        at = times.local(head[2], UTC, after=said.stamp)
        if said.stamp is not None and said.block.kind is AssignmentKind.ALLOC:
            quarters = round((at - said.stamp) / _QUARTER_MS)
            if abs(at - said.stamp - quarters * _QUARTER_MS) <= _WRITTEN_LATER_MS:
                self._ahead_ms = quarters * _QUARTER_MS
        return at - self._ahead_ms


def _said(line: str, start: int) -> _Said:
    if new := _NEW.search(line, start):
        kind = _KINDS[new[1]]
        text = _NEW_TEXT.match(line, new.end())
        if text is not None:
            inside, first, last, public, stamp = text.groups()
        else:
            named = dict(_PARAMETER.findall(line, new.end()))
            names = ("internal-ip", "block-port-low", "block-port-high", "reflexive-ip")
            if not named.keys() >= set(names):
                raise DecodeError("not_a_port_block")
            inside, first, last, public = (named[name] for name in names)
            stamp = named.get("epoch-time-64") or named.get("epoch-time")
        return _Said(
            Block(kind, inside, public, first, last, ""), _stamp(stamp), kind is not AssignmentKind.INTERIM
        )
    old = _OLD.search(line, start)
    if old is None:
        raise DecodeError("not_a_port_block")
    verb, subscriber, inside, public, first, last, stamp = old.groups()
    kind = _KINDS[verb]
    return _Said(
        Block(kind, inside, public, first, last, subscriber or ""),
        _stamp(stamp),
        kind is AssignmentKind.ALLOC,
    )


def _stamp(text: str | None) -> int | None:
    try:
        return times.timestamp(str(int(text, 16))) if text else None
    except (DecodeError, ValueError):
        # A clock that was never set counts from 1970.
        return None


def _make(setting: Setting) -> Make:
    names, options = setting.names("cgnat"), setting.options
    if options.pattern:
        pattern, data = load_pattern(options.pattern)
        digest = hashlib.sha256(data).hexdigest()[:16]
        return setting.clocked("cgnat", lambda: NatPatternReader(pattern, names)), [f"pattern={digest}"]
    clock = zone(options.zone) if options.zone else None
    scope = [f"zone={options.zone}"] if clock else []
    return setting.clocked("cgnat", lambda: CgnatReader(names, clock)), scope


FORMATS = (
    LogFormat(
        "cgnat-syslog",
        "syslog of Junos with NAT_PORT_BLOCK_* or RT_SRC_NAT_PBA_*, of other makers with --pattern",
        GIVES,
        _make,
        whole_lines=True,
        takes=("pattern", "zone"),
    ),
)

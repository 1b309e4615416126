"""Who holds which address when: leases of the access servers and port blocks of the address translator."""

from __future__ import annotations

import heapq
import random
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from ipaddress import IPv6Address, IPv6Network

from streams.simulate.identities import (
    PORT_BLOCK,
    delegated_prefix,
    device_address,
    inside_address,
    shared_blocks,
    subscriber_addresses,
)
from streams.simulate.plan import Plan

SHARED_NAS = "cgn1.osl"
ROUTED = 20  # One line in so many is known to the translator by its inside address alone.
# An address rests this long before it goes to another line.
QUARANTINE = timedelta(minutes=10)
INTERIM = timedelta(hours=6)  # Between two reports of a session that lasts.
LOST_STOP, LOST_START, LOST_RELEASE = 0.05, 0.04, 0.08  # Share of the sessions that end.

# customer number, access server, behind shared addresses, line, begin and end (None: runs on) of a contract
Span = tuple[str, str, bool, int, datetime, datetime | None]


@dataclass(frozen=True, slots=True)
class NasRestart:
    """An access server starts anew: every session it had is over, and no stop is reported."""

    nas: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """An address, or a block of ports of a shared one, held by one customer in [begin, end).

    `ended` says what the network reported: `stop`, nothing (`lost`), `restart` of its server, or `open` (runs past
    the plan). `started`: whether its begin was reported. `known_until`: `end`, or the last report of a session
    whose end nobody reported; what happens in between lies in a gap that the feed cannot show. `inside`: the address
    behind the translator, where that is all the translator knows and an access server has a session for it.
    """

    customer_number: str = field(repr=False)
    session_id: str
    nas: str
    address: str = field(repr=False)
    port_from: int | None
    port_to: int | None
    prefix: str | None = field(repr=False)
    begin: datetime
    end: datetime
    ended: str
    started: bool
    known_until: datetime
    inside: str | None = field(default=None, repr=False)
    device_addresses: tuple[str, ...] = field(default=(), repr=False)

    def covers(self, port: int | None) -> bool:
        """Whether the port may be the holder's; without a port every block may."""
        return port is None or self.port_from is None or self.port_from <= port <= (self.port_to or 0)


@dataclass(frozen=True)
class LeaseBook:
    """All leases, in order of their begin."""

    leases: tuple[Lease, ...] = field(repr=False)
    _of: dict[str, tuple[list[datetime], list[Lease]]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for lease in self.leases:
            begins, held = self._of.setdefault(lease.customer_number, ([], []))
            begins.append(lease.begin)
            held.append(lease)

    def held(self, customer_number: str, at: datetime) -> Lease | None:
        """The lease the customer had at that moment."""
        if customer_number not in self._of:
            return None
        begins, held = self._of[customer_number]
        place = bisect_right(begins, at) - 1
        return held[place] if place >= 0 and at < held[place].end else None

    @cached_property
    def _on(self) -> Mapping[str, Mapping[int | None, tuple[list[datetime], list[Lease]]]]:
        """Leases of each address, inside address, or /56 of a prefix, by first port."""
        found: dict[str, dict[int | None, tuple[list[datetime], list[Lease]]]] = defaultdict(dict)
        for lease in self.leases:
            prefix = _place(lease.prefix.partition("/")[0]) if lease.prefix else None
            for key in (lease.address, lease.inside, prefix):
                if key is not None:
                    begins, held = found[key].setdefault(lease.port_from, ([], []))
                    begins.append(lease.begin)
                    held.append(lease)
        return found

    def latest(self, address: str, port: int | None, at: datetime) -> Iterator[Lease]:
        """The newest lease begun by then of the address, an IPv6 address under a prefix, or each block of ports.

        It may be over. With a port only the block that holds it.
        """
        for begins, held in self._on.get(_place(address) if ":" in address else address, {}).values():
            place = bisect_right(begins, at) - 1
            if place < 0 or not held[place].covers(port):
                continue
            prefix = held[place].prefix
            if prefix is None or ":" not in address or _under(address, prefix):
                yield held[place]


@lru_cache(maxsize=1 << 16)
def _place(address: str) -> str:
    return f"{int(IPv6Address(address)) >> 72:x}"


@lru_cache(maxsize=1 << 16)
def _under(address: str, prefix: str) -> bool:
    return IPv6Address(address) in IPv6Network(prefix)


@dataclass(frozen=True, slots=True)
class _Session:
    begin: datetime
    end: datetime
    span: Span
    ended: str
    started: bool = True


def assign_leases(plan: Plan, spans: Sequence[Span], restart: NasRestart) -> LeaseBook:
    """Cut every contract's time into sessions and give each an address that nobody else holds meanwhile."""
    rng, faults = plan.random("leases"), plan.random("faults")
    sessions: list[_Session] = []
    for span in spans:
        # Sessions that run when the simulation starts began up to three days before.
        begin = max(span[4], plan.start - timedelta(seconds=rng.randrange(3_600, 3 * 86_400)))
        end = min(span[5] or plan.end, plan.end)
        shortest, longest = (12, 72) if span[2] else (24, 168)
        while begin < end:
            length = timedelta(seconds=rng.randrange(shortest * 3_600, longest * 3_600))
            session = _session(span, begin, min(begin + length, end), plan.end, restart)
            sessions.append(_reported(session, faults) if plan.faults else session)
            begin = session.end + timedelta(seconds=rng.randrange(30, 1_200))
    sessions.sort(key=lambda session: (session.begin, session.span[3]))
    return LeaseBook(tuple(_placed(sessions)))


def _session(span: Span, begin: datetime, end: datetime, last: datetime, restart: NasRestart) -> _Session:
    if not span[2] and span[1] == restart.nas and begin < restart.at < end:
        return _Session(begin, restart.at, span, "restart")
    return _Session(begin, end, span, "open" if end == last else "stop")


def _reported(session: _Session, rng: random.Random) -> _Session:
    """The session as the feed shows it: at most one end of it is lost, or nothing would be left."""
    chance = rng.random()
    if session.ended != "stop":
        return session
    lost = LOST_RELEASE if session.span[2] else LOST_STOP
    if chance < lost:
        return _Session(session.begin, session.end, session.span, "lost")
    started = session.span[2] or chance > lost + LOST_START
    return _Session(session.begin, session.end, session.span, "stop", started)


def _known_until(session: _Session) -> datetime:
    if session.ended in ("stop", "open"):
        return session.end
    if session.span[2]:
        return session.begin  # The translator reports no blocks in use.
    reports = -((session.begin - session.end) // INTERIM) - 1  # Those before the end.
    return session.begin + reports * INTERIM


def _placed(sessions: Sequence[_Session]) -> Iterator[Lease]:
    own = _Pool((address, None) for address in subscriber_addresses())
    blocks = _Pool(shared_blocks())
    for count, session in enumerate(sessions):
        number, nas, shared, line, _, _ = session.span
        address, port = (blocks if shared else own).take(session.begin, session.end)
        prefix = None if shared else delegated_prefix(line)
        yield Lease(
            customer_number=number,
            session_id=f"{'cgn1' if shared else nas.partition('.')[2]}-{count:08X}",
            nas=SHARED_NAS if shared else nas,
            address=address,
            port_from=port,
            port_to=None if port is None else port + PORT_BLOCK - 1,
            prefix=prefix,
            begin=session.begin,
            end=session.end,
            ended=session.ended,
            started=session.started,
            known_until=_known_until(session),
            inside=inside_address(line) if shared and line % ROUTED == ROUTED - 1 else None,
            device_addresses=()
            if prefix is None
            else tuple(device_address(prefix, nth) for nth in (1, 2, 31)),
        )


class _Pool:
    """Gives out places, the one free for longest first, and never one that is held or rests."""

    def __init__(self, fresh: Iterator[tuple[str, int | None]] | Iterator[tuple[str, int]]) -> None:
        self._fresh = fresh
        self._free: list[tuple[datetime, str, int]] = []

    def take(self, begin: datetime, end: datetime) -> tuple[str, int | None]:
        if self._free and self._free[0][0] + QUARANTINE <= begin:
            _, address, port = heapq.heappop(self._free)
        else:
            fresh_address, fresh_port = next(self._fresh)
            address, port = fresh_address, fresh_port or 0
        heapq.heappush(self._free, (end, address, port))
        return address, port or None

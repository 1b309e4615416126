"""A folder of feeds of an invented internet provider, and the truth behind them: who held which address when.

    customers.csv  radius-detail.gz  cgnat.log.gz  zeek-dns.log.gz  zeek-ssl.log.gz  web-access.log.gz
    truth-assignments.csv  truth-counts.csv

Web visits come from one period (2015) and traffic from another (2018), each with addresses of its own. Of the
sessions some have a fault in the feed, never in the truth: a Stop or a Start that was lost, packets sent twice, a Stop
that comes a quarter of an hour late. Some web addresses are shared by four subscribers at once, some are nobody's.
"""

from __future__ import annotations

import csv
import gzip
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from tests.support import isp_lines as lines
from tests.support.isp_lines import Customer, Session

# Half an hour of traffic, three and a half days of visits; seconds since 1970, half-open.
TRAFFIC = (1_521_911_420, 1_521_913_291)
WEB = (1_431_856_800, 1_432_156_260)
# Nothing is seen in the first and last minutes of a period: whoever held an address then is not in the feeds.
_MARGIN = 300
# Seconds between two holders, and faults of a session; with how often each happens.
_GAPS = {0: 6, 5: 2, 30: 2}
_FAULTS = {"none": 60, "lost_stop": 12, "lost_start": 10, "reorder": 9, "duplicate": 9}
_BLOCKS = tuple((first, first + 2_047) for first in range(1_024, 9_216, 2_048))
_ON_EDGE = 0.05
_MICROS = 1_000_000

_T = TypeVar("_T")


@dataclass(frozen=True)
class Size:
    """How much is written. `traffic`: share of the events; the addresses follow from the customers."""

    customers: int = 60
    events: int = 5_000
    traffic: float = 0.6


@dataclass(frozen=True)
class Event:
    """A look-up, handshake or visit; `at` in microseconds since 1970, whole seconds for a visit."""

    feed: str
    address: str
    at: int


def write_feeds(folder: Path, seed: int, size: Size | None = None) -> None:
    """Write the files into the folder, which is there. The same seed and size give the same bytes."""
    size = size or Size()
    rng = random.Random(seed)
    customers = lines.customers(rng, size.customers)
    traffic = _held(rng, _traffic_addresses(rng, size), TRAFFIC, customers, most=4)
    single, several, free = _web_addresses(rng, size)
    web = _held(rng, single, WEB, customers, most=3)
    shared = [session for address in several for session in _shared(rng, address, customers)]
    visited = _by_address([*web, *shared]) | {address: [] for address in free}
    seen = _by_address(traffic) | {address: [] for address in _strangers(size)}
    of_traffic = round(size.events * size.traffic)
    events = [
        *_events(rng, "traffic", seen, TRAFFIC, of_traffic),
        *_events(rng, "web", visited, WEB, size.events - of_traffic),
    ]

    _table(folder / "customers.csv", lines.customer_rows(customers))
    _packed(folder / "radius-detail.gz", lines.radius(rng, [*traffic, *web]))
    _packed(folder / "cgnat.log.gz", lines.cgnat(shared))
    looked_up = [event for event in events if event.feed == "traffic"]
    dns = [rng.random() < 0.5 for _ in looked_up]
    for name, write, chosen in (("dns", lines.dns, True), ("ssl", lines.ssl, False)):
        mine = [event for event, is_dns in zip(looked_up, dns, strict=True) if is_dns == chosen]
        _packed(folder / f"zeek-{name}.log.gz", write(rng, ((event.address, event.at) for event in mine)))
    visits = ((event.address, event.at // _MICROS) for event in events if event.feed == "web")
    _packed(folder / "web-access.log.gz", lines.web(rng, visits))
    every = sorted([*traffic, *web, *shared], key=lambda item: (item.address, item.since, item.until))
    _table(folder / "truth-assignments.csv", _assignments(every))
    _table(folder / "truth-counts.csv", _counts(_by_address(every), events))


def _traffic_addresses(rng: random.Random, size: Size) -> list[str]:
    return [
        f"10.47.{rng.randrange(30)}.{number + 2}" for number in range(min(max(size.customers // 4, 3), 250))
    ]


def _strangers(size: Size) -> list[str]:
    return [f"10.99.0.{number + 1}" for number in range(max(min(size.customers // 40, 250), 1))]


def _web_addresses(rng: random.Random, size: Size) -> tuple[list[str], list[str], list[str]]:
    """Addresses of one subscriber at a time, of several at once, and of nobody."""
    count = max(3 * size.customers, 10)
    every = [f"198.18.{number // 250}.{number % 250 + 1}" for number in range(count)]
    rng.shuffle(every)
    return (
        every[: count * 46 // 100],
        every[count * 46 // 100 : count * 56 // 100],
        every[count * 56 // 100 :],
    )


def _held(
    rng: random.Random,
    addresses: Iterable[str],
    period: tuple[int, int],
    customers: Sequence[Customer],
    most: int,
) -> list[Session]:
    """One holder of each address after the other, with the same rest in between, up to the end of the period."""
    held = []
    for address in addresses:
        gap = _drawn(rng, _GAPS)
        cuts = rng.sample(range(period[0] + 1, period[1]), rng.randint(1, most) - 1)
        begins = [period[0], *sorted(cuts), period[1]]
        for since, following in pairwise(begins):
            fault = _drawn(rng, _FAULTS)
            # A session may end in the second in which it began.
            until = max(since, following - gap)
            held.append(Session(address, since, until, rng.choice(customers), fault))
    return held


def _shared(rng: random.Random, address: str, customers: Sequence[Customer]) -> Iterator[Session]:
    """A block for each of four subscribers; some give theirs to somebody else on the way."""
    for ports, holder in zip(_BLOCKS, rng.sample(customers, len(_BLOCKS)), strict=True):
        since, until = WEB
        if rng.random() < 0.25:
            end = rng.randrange(since + 1, until - 60)
            yield Session(address, since, end, holder, "cgnat", ports)
            since, holder = end + rng.randrange(31), rng.choice(customers)
        yield Session(address, since, until, holder, "cgnat", ports)


def _events(
    rng: random.Random, feed: str, held: Mapping[str, list[Session]], period: tuple[int, int], count: int
) -> list[Event]:
    """Events in the order of time. Few addresses have most of them; some lie exactly on an edge of a session."""
    addresses = sorted(held)
    rng.shuffle(addresses)
    weights = [1 / (rank + 3) for rank in range(len(addresses))]
    unit = 1_000 if feed == "traffic" else _MICROS
    events = []
    for address in rng.choices(addresses, weights, k=count):
        edges = _edges(held[address])
        if edges and rng.random() < _ON_EDGE:
            at = rng.choice(edges) * _MICROS + rng.choice((-unit, 0, 0, unit))
        else:
            at = rng.randrange((period[0] + _MARGIN) * _MICROS, (period[1] - _MARGIN) * _MICROS)
        events.append(Event(feed, address, at if feed == "traffic" else at // _MICROS * _MICROS))
    return sorted(events, key=lambda event: event.at)


def _edges(sessions: Sequence[Session]) -> list[int]:
    """Begins and ends, but for the end that no report and no later holder bounds: nothing can tell where it was."""
    last = max((session.since for session in sessions), default=0)
    unbounded = {session for session in sessions if session.fault == "lost_stop" and session.since == last}
    return [session.since for session in sessions] + [
        session.until for session in sessions if session not in unbounded
    ]


def _drawn(rng: random.Random, often: Mapping[_T, int]) -> _T:
    return rng.choices(list(often), list(often.values()))[0]


def _by_address(sessions: Iterable[Session]) -> dict[str, list[Session]]:
    held: dict[str, list[Session]] = {}
    for session in sessions:
        held.setdefault(session.address, []).append(session)
    return held


def _assignments(sessions: Iterable[Session]) -> Iterator[Sequence[object]]:
    yield "address", "from_epoch", "to_epoch", "customer_number", "fault"
    for item in sessions:
        yield item.address, item.since, item.until, item.customer.number, item.fault


def _counts(held: Mapping[str, Sequence[Session]], events: Iterable[Event]) -> Iterator[Sequence[object]]:
    """For each customer and feed the events whose only holder at that second was that customer."""
    counts: Counter[tuple[str, str]] = Counter()
    for event in events:
        holders = {
            session.customer.number
            for session in held.get(event.address, ())
            if session.since <= event.at // _MICROS < session.until
        }
        if len(holders) == 1:
            counts[holders.pop(), event.feed] += 1
    yield "customer_number", "feed", "events"
    for (number, feed), count in sorted(counts.items()):
        yield number, feed, count


def _table(file: Path, rows: Iterable[Sequence[object]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows(rows)


def _packed(file: Path, text: Iterable[str]) -> None:
    # Without the time of writing, so that the bytes depend on the seed alone.
    file.write_bytes(gzip.compress("".join(text).encode(), mtime=0))

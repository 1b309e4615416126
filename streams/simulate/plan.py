"""What to simulate, what one simulated event is, and how events are put in time order."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from schemas.codec import encode
from schemas.errors import InputError
from streams.simulate.model import records, topics

DEFAULT_START = datetime(2026, 1, 1, tzinfo=UTC)
MAX_CUSTOMERS = 50_000  # The address ranges that belong to nobody hold no more at once.
MAX_DAYS = 3_650

# Share of a day's activity in each hour of it, UTC: nights are quiet, evenings are not.
_HOURS = (2, 1, 1, 1, 1, 2, 4, 6, 8, 8, 8, 8, 9, 9, 9, 10, 11, 12, 14, 16, 16, 13, 8, 4)
PROFILE = tuple(hour / sum(_HOURS) for hour in _HOURS)


@dataclass(frozen=True)
class Plan:
    """Size and place in time of a simulation. The same plan gives the same events, byte for byte.

    Events lie in [start, start + days); what leads up to them (sign-ups, older invoices) lies before `start`.
    `faults`: the network's reports get lost, come twice, late and out of order, as in real feeds.
    Errors: InputError when a number is out of range or `start` has no zone.
    """

    customers: int = 200
    days: int = 30
    seed: int = 1
    start: datetime = DEFAULT_START
    faults: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.customers <= MAX_CUSTOMERS:
            raise InputError(f"customers is {self.customers}; give 1 to {MAX_CUSTOMERS}")
        if not 1 <= self.days <= MAX_DAYS:
            raise InputError(f"days is {self.days}; give 1 to {MAX_DAYS}")
        if self.start.utcoffset() is None:
            raise InputError("start has no time zone; write it as 2026-01-01T00:00:00Z")
        if not datetime(2000, 1, 1, tzinfo=UTC) <= self.start < datetime(2038, 1, 1, tzinfo=UTC):
            raise InputError("start is out of range; give a time from 2000 to 2037")
        # Whole seconds in UTC: events then fall on whole milliseconds, as they travel.
        object.__setattr__(self, "start", self.start.astimezone(UTC).replace(microsecond=0))

    @property
    def end(self) -> datetime:
        """First moment after the last event."""
        return self.start + timedelta(days=self.days)

    def random(self, name: str) -> random.Random:
        """Randomness of one stream, so that leaving a stream out changes no other."""
        return random.Random(f"{self.seed}:{name}")


class Mention(NamedTuple):
    """An identifier of a customer inside free text."""

    kind: str
    customer_number: str

    def __repr__(self) -> str:
        return f"Mention(kind={self.kind!r})"


class SimEvent(NamedTuple):
    """One event and the truth about it: what an index fed with it has to find.

    `at` is when it is sent; a late report carries the time of what it reports in `value`, which fits the record's
    Avro schema, times as datetimes (UTC). `named`: customers one of whose identifiers at that time, other than an
    address, stands in a field. `observed`: the customer who held the address (and port) then. `mentioned`:
    identifiers of customers inside the text.
    """

    at: datetime
    topic: str
    record: str
    key: bytes | None
    value: dict[str, Any]
    named: tuple[str, ...] = ()
    observed: str | None = None
    mentioned: tuple[Mention, ...] = ()

    @property
    def body(self) -> bytes:
        """In single-object encoding."""
        return encode(records()[self.record], self.value)

    @property
    def kept(self) -> dict[str, Any]:
        """What a system of record keeps of it."""
        return self.value

    def __repr__(self) -> str:
        return f"SimEvent(topic={self.topic!r}, record={self.record!r}, at={self.at.isoformat()})"


@cache
def _forms() -> Mapping[str, tuple[str, str | None]]:
    """Record and key field of every topic."""
    return MappingProxyType({topic.name: (topic.record, topic.key) for topic in topics().values()})


def event(
    topic: str,
    at: datetime,
    value: dict[str, Any],
    named: tuple[str, ...] = (),
    observed: str | None = None,
    mentioned: tuple[Mention, ...] = (),
) -> SimEvent:
    """An event of the topic, with its record and message key as `topics.yaml` has them."""
    record, field = _forms()[topic]
    key = None if field is None else value[field].encode()
    return SimEvent(at, topic, record, key, value, named, observed, mentioned)


Burst = tuple[datetime, Iterable[SimEvent]]


def in_time_order(bursts: Iterable[Burst]) -> Iterator[SimEvent]:
    """Events of all bursts in time order. Bursts come ordered by their time; none holds an earlier event."""
    pending: list[tuple[datetime, int, SimEvent]] = []
    count = 0
    for begin, events in bursts:
        while pending and pending[0][0] <= begin:
            yield heapq.heappop(pending)[2]
        for item in events:
            heapq.heappush(pending, (item.at, count, item))
            count += 1
    while pending:
        yield heapq.heappop(pending)[2]


def moments(plan: Plan, rng: random.Random, per_day: float) -> Iterator[datetime]:
    """Random moments of the plan's span in order, `per_day` on average, more in the evening than at night."""
    for hour in range(24 * plan.days):
        begin = plan.start + timedelta(hours=hour)
        expected = per_day * PROFILE[begin.hour]
        count = int(expected) + (rng.random() < expected % 1)
        for offset in sorted(rng.randrange(3_600_000) for _ in range(count)):
            yield begin + timedelta(milliseconds=offset)

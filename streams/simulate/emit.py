"""Simulated events go out: to Kafka, no faster than asked and never far ahead of the consumer, or to a file."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any, Protocol, TextIO, TypeVar

from schemas.counted import counted
from schemas.errors import InputError, Unavailable

CHUNK = 1_000
# The in-process broker silently drops what exceeds 5 MiB in a partition: this many events of ours stay below it
# even if all of them fall into one.
LAG_BOUND = 8_000


class Sender(Protocol):
    """What is needed of a producer; `EventProducer` is one. `flush` returns when all sent messages are stored."""

    def send(self, topic: str, value: bytes | None, *, key: bytes | None = None) -> None: ...

    def flush(self) -> None: ...


class Sendable(Protocol):
    """An event as it travels; `body` None: a tombstone."""

    @property
    def topic(self) -> str: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def body(self) -> bytes | None: ...


_Item = TypeVar("_Item", bound=Sendable)


def emit(
    items: Iterable[_Item],
    sender: Sender,
    *,
    rate: float = 0.0,
    lag: Callable[[], int] | None = None,
    bound: int = LAG_BOUND,
    patience: float = 120.0,
    sent: Callable[[_Item], object] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Counter[str]:
    """Send every event; events per topic.

    `rate`: at most so many events a second, 0 for as fast as possible. `lag`: messages stored and not yet consumed;
    sending pauses while it is over `bound`. `patience`: seconds of a lag that does not shrink, after which Unavailable
    is raised. `sent` is told of each event. The message's own time stays the time of sending: with the event's
    time, Kafka's retention would delete history on arrival.

    Errors: BrokerUnavailable from the sender, InputError for a negative rate, Unavailable.
    """
    if rate < 0:
        raise InputError(f"rate is {rate}; give events a second, 0 for as fast as possible")
    counts: Counter[str] = Counter()
    begun = clock()
    # With a rate, pauses should be short: a tenth of a second's events at a time.
    chunk = CHUNK if rate == 0 else max(1, min(CHUNK, int(rate / 10)))
    for total, item in enumerate(items, 1):
        sender.send(item.topic, item.body, key=item.key)
        counts[item.topic] += 1
        if sent is not None:
            sent(item)
        if total % chunk == 0:
            if rate:
                sleep(max(0.0, begun + total / rate - clock()))
            if lag is not None:
                sender.flush()
                _await_consumer(lag, bound, patience, clock, sleep)
    sender.flush()
    return counts


def _await_consumer(
    lag: Callable[[], int],
    bound: int,
    patience: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    smallest, since = lag(), clock()
    behind = smallest
    while behind > bound:
        if behind < smallest:
            smallest, since = behind, clock()
        elif clock() - since > patience:
            raise Unavailable(
                f"the consumer is {counted(behind, 'message')} behind and has not moved for {patience:.0f} s; "
                "see whether the tagger runs"
            )
        sleep(0.01)
        behind = lag()


class Writable(Protocol):
    """An event as it is written to a file; `value` None: a tombstone."""

    @property
    def topic(self) -> str: ...
    @property
    def record(self) -> str: ...
    @property
    def value(self) -> Mapping[str, Any] | None: ...


_Written = TypeVar("_Written", bound=Writable)


def write_ndjson(
    items: Iterable[_Written], file: TextIO, sent: Callable[[_Written], object] | None = None
) -> Counter[str]:
    """One JSON object a line: topic, record, value; times in ISO 8601, UTC. Events per topic."""
    counts: Counter[str] = Counter()
    for item in items:
        line = {"topic": item.topic, "record": item.record, "value": item.value}
        file.write(json.dumps(line, ensure_ascii=False, default=_plain, separators=(",", ":")) + "\n")
        counts[item.topic] += 1
        if sent is not None:
            sent(item)
    return counts


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no JSON form for {type(value).__name__}")

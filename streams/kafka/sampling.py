"""Looks at topics that may be anybody's: how many messages come, and a sample of the newest ones, in memory alone.

Nothing is left on the broker: there is no consumer group, and no offset is committed. Each batch is measured before
it is unpacked (`streams.kafka.apart`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._listoffsets import EarliestSpec, LatestSpec, OffsetSpec
from confluent_kafka.admin._resource import ResourceType

from schemas.errors import BrokerUnavailable
from streams.kafka.apart import ReadApart, Taken
from streams.kafka.connection import Connection
from streams.kafka.security import client_options

_LOOK_SECONDS = 4.0
_ASK_SECONDS = 15.0
_QUIET_SECONDS = 10.0
_DAY = timedelta(days=1)
# The broker's own, and what registries keep on it.
_INTERNAL = ("__", "_schemas", "_confluent")
_LARGEST_BATCH = 64 << 20
_MOST_BYTES = 32 << 20
"""Bytes of messages that are read of one topic, unpacked."""
# Where a window of offsets holds fewer messages than it is long (compacted, transactions), the next one is longer, at
# most so many times.
_WIDER = 8
_AT_ONCE = 500
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True)
class Topic:
    """A topic as the broker has it. `begin`, `end`: offsets by partition. `a_day`: messages that came in the last day;
    None: not known. `fault`: why nothing is known of it, "" for nothing. `retention`: None for ever, or not told."""

    name: str
    begin: Mapping[int, int]
    end: Mapping[int, int]
    a_day: int | None = None
    fault: str = ""
    retention: timedelta | None = None
    cleanup: str = "delete"

    @property
    def messages(self) -> int:
        """At most so many: offsets may be of markers, or of messages that were compacted."""
        return sum(self.end[number] - self.begin[number] for number in self.end)


@dataclass
class Sampled:
    """What came of reading. `fault`: why it ended before so many were read as were asked for and are there."""

    messages: int = 0
    tombstones: int = 0
    unreadable: int = 0
    size: int = 0
    fault: str = ""


Take = Callable[[bytes, bytes | None], None]
"""Is given value and key of each message; nothing else keeps them."""


def topics(connection: Connection, now: datetime, names: Collection[str] = ()) -> list[Topic]:
    """The topics of a broker by name, all but its own unless some are named. Raises BrokerUnavailable."""
    admin = connection.made(
        AdminClient, connection.client(log_level=0, socket_timeout_ms=int(_ASK_SECONDS * 1000))
    )
    try:
        listed = admin.list_topics(timeout=_LOOK_SECONDS).topics
    except KafkaException as error:
        raise connection.unavailable("listing topics", error.args[0]) from None
    if absent := [name for name in names if name not in listed]:
        raise BrokerUnavailable(
            f"Kafka at {connection.bootstrap} has no topic {absent[0]} that may be seen; `innsyn discover` lists them"
        )
    chosen = sorted(names or (name for name in listed if not name.startswith(_INTERNAL)))
    places = [TopicPartition(name, number) for name in chosen for number in sorted(listed[name].partitions)]
    day_ago = OffsetSpec.for_timestamp(int((now - _DAY).timestamp() * 1000))
    bounds: list[OffsetSpec] = [EarliestSpec(), LatestSpec()]  # type: ignore[no-untyped-call]
    begin, end, then = (_offsets(admin, places, spec) for spec in (*bounds, day_ago))
    settings = _settings(admin, chosen)
    return [
        _topic(name, listed[name].partitions, begin, end, then, settings.get(name, {})) for name in chosen
    ]


Offsets = Mapping[tuple[str, int], int | str]


def _offsets(admin: AdminClient, places: Sequence[TopicPartition], spec: OffsetSpec) -> Offsets:
    """Of each partition the offset, or the error's name."""
    found: dict[tuple[str, int], int | str] = {}
    if not places:
        return found
    asked = admin.list_offsets(dict.fromkeys(places, spec), request_timeout=_ASK_SECONDS)
    for place, future in asked.items():
        try:
            found[place.topic, place.partition] = future.result(_ASK_SECONDS).offset
        except (KafkaException, TimeoutError) as error:
            found[place.topic, place.partition] = _named(error)
    return found


def _named(error: BaseException) -> str:
    return str(error.args[0].name()) if isinstance(error, KafkaException) else "TIMED_OUT"


def _settings(admin: AdminClient, names: Iterable[str]) -> dict[str, Mapping[str, str]]:
    """Of each topic whose settings one may read."""
    found: dict[str, Mapping[str, str]] = {}
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    futures: dict[Any, Future[Any]] = (
        admin.describe_configs(asked, request_timeout=_ASK_SECONDS) if asked else {}
    )
    for resource, future in futures.items():
        try:
            entries = future.result(_ASK_SECONDS)
        except (KafkaException, TimeoutError):
            continue
        found[resource.name] = {key: str(entry.value) for key, entry in entries.items()}
    return found


def _topic(
    name: str,
    partitions: Iterable[int],
    begin: Offsets,
    end: Offsets,
    then: Offsets,
    settings: Mapping[str, str],
) -> Topic:
    told = {number: (begin[name, number], end[name, number]) for number in sorted(partitions)}
    faults = [item for pair in told.values() for item in pair if isinstance(item, str)]
    kept = int(settings.get("retention.ms", "-1") or -1)
    first = {number: pair[0] for number, pair in told.items() if isinstance(pair[0], int)}
    last = {number: pair[1] for number, pair in told.items() if isinstance(pair[1], int)}
    return Topic(
        name,
        {} if faults else first,
        {} if faults else last,
        None if faults else _a_day(name, last, then),
        faults[0] if faults else "",
        timedelta(milliseconds=kept) if kept > 0 else None,
        settings.get("cleanup.policy", "delete"),
    )


def _a_day(name: str, last: Mapping[int, int], then: Offsets) -> int | None:
    """Messages since then; where there is none the broker says -1."""
    since = {number: then[name, number] for number in last}
    if any(isinstance(offset, str) for offset in since.values()):
        return None
    return sum(last[number] - int(offset) for number, offset in since.items() if int(offset) >= 0)


def sample(connection: Connection, topic: Topic, most: int, take: Take) -> Sampled:
    """Hand the newest messages of a topic to `take`, at most so many. Ends by itself, whatever lies on the topic.

    Raises SettingsError where the broker is reached in a way that batches cannot be measured by.
    """
    client_options(connection)
    apart = ReadApart(connection, _LARGEST_BATCH)
    try:
        return _Sampling(apart, topic, most, take).all()
    finally:
        apart.close()


@dataclass
class _Sampling:
    apart: ReadApart
    topic: Topic
    most: int
    take: Take
    so_far: Sampled = field(default_factory=Sampled)

    def all(self) -> Sampled:
        """Windows of offsets from the newest back, until it is enough: as wide as what was found asks for."""
        behind = {number: end for number, end in self.topic.end.items() if end > self.topic.begin[number]}
        width = -(-self.most // max(1, len(behind)))
        while behind and not self._enough():
            first = {number: max(self.topic.begin[number], end - width) for number, end in behind.items()}
            before = self.so_far.messages
            self._window(first, behind)
            width = _wider(width, self.so_far.messages - before, self.most - self.so_far.messages)
            behind = {number: at for number, at in first.items() if at > self.topic.begin[number]}
        return self.so_far

    def _enough(self) -> bool:
        so_far = self.so_far
        return bool(so_far.fault) or so_far.messages >= self.most or so_far.size >= _MOST_BYTES

    def _window(self, first: Mapping[int, int], behind: Mapping[int, int]) -> None:
        for number, at in first.items():
            self.apart.hold((self.topic.name, number), at, behind[number])
        moved, places = time.monotonic(), self._places(behind)
        while self.apart and not self._enough():
            taken = self.apart.take(_AT_ONCE)
            self._took(taken, behind)
            for number in behind:
                where = (self.topic.name, number)
                if where in self.apart and self.apart.position(where) >= behind[number]:
                    self.apart.drop(where)
            if (now := self._places(behind)) != places:
                moved, places = time.monotonic(), now
                continue
            time.sleep(_PAUSE_SECONDS)
            if time.monotonic() - moved > _QUIET_SECONDS:
                self.so_far.fault = "no answer in time"
        for number in behind:
            self.apart.drop((self.topic.name, number))

    def _places(self, numbers: Iterable[int]) -> list[int]:
        places = [(self.topic.name, number) for number in numbers]
        return [self.apart.position(where) if where in self.apart else -1 for where in places]

    def _took(self, taken: Taken, behind: Mapping[int, int]) -> None:
        self.so_far.unreadable += len(taken.unreadable)
        for (_, number), messages in taken.messages.items():
            for message in messages:
                if message.offset >= behind[number] or self._enough():
                    continue
                if message.value is None:
                    self.so_far.tombstones += 1
                    continue
                self.so_far.messages += 1
                self.so_far.size += len(message.value)
                self.take(message.value, message.key)
        if taken.refused:
            self.so_far.fault = next(iter(taken.refused.values()))


def _wider(width: int, found: int, needed: int) -> int:
    """How wide the next window is in each partition: as many offsets as hold what is needed, if they are alike."""
    most = width * _WIDER
    return min(most, max(width, -(-needed * width // found))) if found else most

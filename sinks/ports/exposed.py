"""What a personal data breach may have reached: events of a place and a time, and who stands in them (GDPR Art. 33)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from schemas.tags import TagSet
from schemas.tokens import TOKEN_BYTES
from sinks.ports.lineage import NO_LIMITS, Filter, Found

EXPOSED_SCHEMA = pa.schema(
    [
        ("token", pa.binary(TOKEN_BYTES)),
        ("role", pa.int8()),
        ("customer", pa.binary(TOKEN_BYTES)),
        ("tag_set", pa.uint64()),
        ("port", pa.uint16()),
        ("event_time", pa.timestamp("ms")),
    ]
)
"""Under what somebody stands in such an event, in which role (the code of `schemas.vocabulary.Role`). `customer`: token
of the customer whom the event names in the same role, `sinks.ports.identity.NOTHING` where it names none beside. `port`
and `event_time`, in UTC, say behind what and when; both are those of any one event where `customer` says who it is."""

MOST_EVENTS = 2_000
"""In one question: of more, several are asked."""


@dataclass(frozen=True)
class Reach:
    """The events that lie within `limits`, on the `topics` (empty: all), of the `events` alone unless that is empty.

    An event is (topic, partition, offset), with partitions as the index numbers them; MOST_EVENTS at most. `records`:
    of these records alone unless it is empty, by the hashes of `sinks.ports.lineage.ROW_SCHEMA`, none of them 0.
    """

    limits: Filter = NO_LIMITS
    topics: Sequence[str] = ()
    events: Sequence[tuple[str, int, int]] = ()
    records: Sequence[int] = ()

    def admits(self, tags: TagSet) -> bool:
        """Whether events with these tags may be among them."""
        return self.limits.admits(tags) and (not self.topics or tags.topic in self.topics)


@dataclass(frozen=True)
class Exposed:
    """Events by tag set, and by topic each once: one in which several stand has, as a rule, a tag set for each of their
    roles."""

    found: Found = field(default_factory=Found)
    by_topic: Mapping[str, int] = field(default_factory=dict)


class ExposedReader(Protocol):
    """Safe from several threads. Both raise IndexUnavailable. What was erased is in neither."""

    def exposed_events(self, reach: Reach) -> Exposed:
        """How many events there are."""

    def exposed(self, reach: Reach, page: int = 20_000) -> Iterator[pa.Table]:
        """`EXPOSED_SCHEMA`, each row once, in tables of `page` rows at most: those of a token may be in several."""

"""What was erased, so that it is known again when it comes back; and what came back.

Legal ground of keeping keyed hashes of what was erased: GDPR Art. 17 with Art. 5(2). See docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

import pyarrow as pa

from schemas.tokens import TOKEN_BYTES
from sinks.ports.lineage import Span
from sinks.ports.resurrected import Arrival


class Ending(StrEnum):
    """Why what one erasure took away is not looked for any more, before its time."""

    LIFTED = "lifted"  # a person decided so
    FOLLOWED_UP = "followed_up"  # a later erasure of the same person stands in its place
    CLOSED = "closed"  # a person ended the request, and not everything was erased


@dataclass(frozen=True)
class Suppressed:
    """What one erasure takes away: events under the spans, but for those of the tag sets that stay as they are.

    The spans are the person's alone and end before the erasure was planned. `until`: when it ends by itself.
    """

    request_id: str
    spans: Sequence[Span] = field(repr=False)
    stays: Sequence[int]
    entered_at: datetime
    until: datetime


@dataclass(frozen=True)
class SuppressionEntry:
    """A `Suppressed` as it is listed. `ended_at`, `ending`: before its time, by whom or what."""

    request_id: str
    spans: int
    entered_at: datetime
    until: datetime
    ended_at: datetime | None = None
    ending: Ending | None = None

    def stands(self, now: datetime) -> bool:
        """Whether it is still looked for."""
        return self.ended_at is None and now < self.until


STANDING_SCHEMA = pa.schema(
    [
        ("request_id", pa.string()),
        ("token", pa.binary(TOKEN_BYTES)),
        ("since", pa.int64()),
        ("before", pa.int64()),
        ("port_from", pa.uint16()),
        ("port_to", pa.uint16()),
        ("stays", pa.list_(pa.uint64())),
    ]
)
"""A span of what stands. since, before: milliseconds since 1970, half-open, the ends of 64 bits where there is none."""


ALWAYS = (-(2**63), 2**63 - 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def bounds(span: Span) -> tuple[int, int]:
    """The interval of a span as `STANDING_SCHEMA` has it: rounded up, since events are at whole milliseconds."""
    since, before = (
        None if at is None else -((_EPOCH - at) // _MILLISECOND) for at in (span.since, span.until)
    )
    return ALWAYS[0] if since is None else since, ALWAYS[1] if before is None else before


@dataclass(frozen=True)
class Origin:
    """All that came back of one request by one way, from one partition. `batches`: in how many goes."""

    request_id: str
    topic: str
    partition: int
    arrival: Arrival
    first_offset: int
    last_offset: int
    events: int
    batches: int
    first_seen: datetime
    last_seen: datetime


class SuppressionLedger(Protocol):
    """Append-only. Safe from several threads and processes. All raise IndexUnavailable."""

    def enter(self, entry: Suppressed) -> None:
        """From now on what comes back is recognised. Of several of one request the last stands. Safe to repeat."""

    def end(self, request_id: str, ending: Ending, at: datetime) -> None:
        """What was entered of the request before is not looked for any more. Safe to repeat."""

    def mark(self) -> object:
        """Equal marks: nothing was entered or ended in between. Cheap: a tagger asks with every batch."""

    def standing(self, now: datetime) -> pa.Table:
        """`STANDING_SCHEMA`: what is looked for, in no order."""

    def entries(self) -> Sequence[SuppressionEntry]:
        """The last of each request, by request; also what has ended."""

    def origins(self) -> Sequence[Origin]:
        """What came back, by request, topic, partition and arrival; it is written by `IndexWriter.write`."""

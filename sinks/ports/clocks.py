"""What events say of retention clocks: that one started for a person, or that it is going on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import pyarrow as pa

from schemas.tokens import TOKEN_BYTES
from schemas.vocabulary import Role

UNNAMED = b"\xff" * TOKEN_BYTES
"""Stands for a thing of which no key tells which it is: each event with it is about a thing of its own. The same under
every token key."""

CLOCK_SCHEMA = pa.schema(
    [
        ("token", pa.binary(TOKEN_BYTES)),
        ("clock", pa.string()),
        ("thing", pa.binary(TOKEN_BYTES)),
        ("event_time", pa.timestamp("ms")),
        ("since", pa.timestamp("ms")),
        ("started", pa.timestamp("ms")),
        ("topic", pa.dictionary(pa.int32(), pa.string())),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("part", pa.uint8()),
    ]
)
"""What one event says of one clock of its owner. Identity: (token, topic, partition, offset, part).

token: of the owner. clock: of `schemas.policy.RetentionAnchors`. thing: token of what the clock runs for, such as a
contract or a case; `sinks.ports.identity.NOTHING` for the person as such, UNNAMED where it is not known. since: from
when on data may be about the thing, as far as this event says. started: when the clock started; null: it has not, the
thing is going on.
"""

OWNERS = (Role.OWNER, Role.JOINT_OWNER)
"""Whose clocks say when an event goes."""


class ClockReader(Protocol):
    """Reads what events said of clocks. Safe from several threads."""

    def clock_events(self, tokens: Sequence[bytes], known_at: datetime | None = None) -> pa.Table:
        """`CLOCK_SCHEMA`: what was said of the owners with these tokens, each once, in no order; no erased event.

        Any number of tokens. `known_at`: as in `sinks.ports.lineage.IndexReader.find`. Raises IndexUnavailable.
        """


@dataclass(frozen=True)
class Owner:
    """Who an identifier stood for at a moment; None: whenever it is met."""

    token: bytes
    at: datetime | None = None


class OwnerReader(Protocol):
    """Lists whose clocks may have started long enough ago. Safe from several threads."""

    def owners(self, before: Mapping[str, datetime], after: bytes = b"", limit: int = 1_000) -> list[bytes]:
        """Tokens of owners of whom any event says that a clock started before its moment, by clock.

        Each once, in order, the first `limit` of those after `after`. Whether the clock has been stopped since, or
        other things are going on, what `clock_events` says of them. Raises IndexUnavailable.
        """

    def owners_of_rows(
        self, before: Mapping[int, datetime], after: bytes = b"", limit: int = 1_000
    ) -> list[Owner]:
        """The same of those who own an event before the moment of its tag set, by whatever identifier it names them,
        with the time of the oldest such event: whose the identifier was then.

        Also of tag sets that are the same but for the key that made the tokens. Raises IndexUnavailable.
        """

    def ended_by_day(self, clock: str, zone: ZoneInfo) -> Mapping[date, int]:
        """How many owners there are of whom nothing is going on by a clock that stands for a state, by the day in that
        zone on which it started for the last of their things.

        Each by the identifier that events name, whoever has several, under whatever token keys; of a thing the newest
        event decides, of several at one moment one that says that it is going on. Costs a scan of what is said of
        clocks. Raises IndexUnavailable.
        """


class ClockIndex(ClockReader, OwnerReader, Protocol):
    """Both."""

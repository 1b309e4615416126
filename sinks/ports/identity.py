"""What events say of who an identifier belonged to, as the index keeps and tells it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from functools import cache
from typing import Literal, Protocol, Self, get_args

import pyarrow as pa

from schemas.tokens import TOKEN_BYTES

ClaimKey = Literal["token", "subject", "group", "line", "server"]
CLAIM_KEYS: tuple[ClaimKey, ...] = get_args(ClaimKey)
"""The columns of claims that hold tokens."""


MENTIONED: tuple[ClaimKey, ...] = ("token", "subject")
"""Those of people: what was observed, and whose it is. The others are keys of the network, by which no system finds
records."""


NOTHING = bytes(TOKEN_BYTES)
"""Stands in a claim where there is no token."""


ALL_PORTS = (0, 65_535)
"""Port range of whoever has the whole address. Port 0 of an event: unknown."""


class Rank(IntEnum):
    """By what a report names whose session it is; 0 in claims that were stored before this was kept."""

    CUSTOMER_NUMBER = 1
    USERNAME = 2
    LINE = 3
    INSIDE_ADDRESS = 4
    HARDWARE = 5
    CLIENT = 6
    PORT = 7  # a line by a name that its server alone knows
    PORT_NUMBER = 8


RANKS = (
    *(Rank.CUSTOMER_NUMBER, Rank.USERNAME, Rank.LINE, Rank.PORT, Rank.PORT_NUMBER),
    *(Rank.INSIDE_ADDRESS, Rank.HARDWARE, Rank.CLIENT),
)
"""Best first."""


CLAIM_SCHEMA = pa.schema(
    [
        ("form", pa.int8()),
        ("mark", pa.int8()),
        ("token", pa.binary(TOKEN_BYTES)),
        ("length", pa.uint8()),
        ("port_from", pa.uint16()),
        ("port_to", pa.uint16()),
        ("subject", pa.binary(TOKEN_BYTES)),
        ("group", pa.binary(TOKEN_BYTES)),
        ("line", pa.binary(TOKEN_BYTES)),
        ("server", pa.binary(TOKEN_BYTES)),
        ("at", pa.timestamp("ms")),
        ("since", pa.timestamp("ms")),
        ("until", pa.timestamp("ms")),
        ("proof", pa.int8()),
        ("rank", pa.uint8()),
        ("source", pa.dictionary(pa.int32(), pa.string())),
        ("topic", pa.dictionary(pa.int32(), pa.string())),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("part", pa.uint8()),
    ]
)
"""What one event says of who an identifier belonged to. Identity: (topic, partition, offset, part).

token: what is observed, NOTHING if the claim is only about a server or says that a slot is empty. length: of an IPv6
prefix, 0 for an identifier itself. subject: whose it is, a token that may itself be linked further. group: the session
or slot. line, server: the access line and the server that reports, NOTHING where unknown. at: event time. since: when
the session or state really began, null if the event does not say. until: when it ends unless renewed, null if nothing
is said. rank: how well the subject is named, for sessions whose reports name it differently. source: id in
catalogue/sources.yaml, which knows its clock and habits.
"""


@dataclass(frozen=True)
class _Claims:
    """A table of `CLAIM_SCHEMA`, in a type that says who may ever read it."""

    table: pa.Table = field(default_factory=CLAIM_SCHEMA.empty_table)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All of them, one after the other."""
        return cls(pa.concat_tables([part.table for part in parts])) if parts else cls()

    def changed(self, change: Callable[[pa.Table], pa.Table]) -> Self:
        """The same after a change of its table."""
        return type(self)(change(self.table))


class OpenClaims(_Claims):
    """What answers rest on."""


class RetainedClaims(_Claims):
    """What rests on data kept for the police alone (ekomloven § 3-13): stored apart, read by no answer."""


@dataclass(frozen=True)
class Claims:
    """What some events say, parted by who may read it."""

    open: OpenClaims = field(default_factory=OpenClaims)
    retained: RetainedClaims = field(default_factory=RetainedClaims)


KNOWN_CLAIM_SCHEMA = CLAIM_SCHEMA.append(pa.field("learnt_at", pa.timestamp("ms")))
"""A claim as it is read: with the moment at which the index first had it."""


@cache
def no_claims() -> pa.Table:
    """A table of `KNOWN_CLAIM_SCHEMA` without rows. Kept: its many columns take longer to be made than to be read."""
    return KNOWN_CLAIM_SCHEMA.empty_table()


PREFIX_SCHEMA = pa.schema(
    [("prefix", pa.binary(TOKEN_BYTES)), ("length", pa.uint8()), ("token", pa.binary(TOKEN_BYTES))]
)
"""Which IPv6 prefix tokens an observed address lies under: a keyed hash does not show it."""


class ClaimReader(Protocol):
    """Reads what was said about identity. Safe from several threads. All raise IndexUnavailable."""

    def claims(
        self,
        keys: Sequence[bytes],
        known_at: datetime | None = None,
        *,
        of: ClaimKey,
        without: Sequence[bytes] = (),
    ) -> pa.Table:
        """Claims whose column `of` is one of the keys; of `server` only OFF and ON marks.

        `without`: not those on these tokens, which the caller has read already.

        A table of `KNOWN_CLAIM_SCHEMA`, each claim once, in no order. `known_at`: only those learnt by then.
        Never what is retained for the police alone.
        """

    def prefixes(self, tokens: Sequence[bytes]) -> pa.Table:
        """`PREFIX_SCHEMA`: the prefixes above the address tokens given."""

    def addresses(self, prefixes: Sequence[bytes]) -> pa.Table:
        """`PREFIX_SCHEMA`: the observed addresses under the prefix tokens given."""

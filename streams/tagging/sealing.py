"""The identifiers that a batch's claims mention, sealed under the key of the month in which they came.

A value is sealed once a month and its row written with every batch that mentions it: an erasure, which may be another
process's, takes rows away that no claim mentions any more, and what the next claim mentions has to be there again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import pyarrow as pa

from schemas.keys import Keyring
from sinks.ports.identifiers import IDENTIFIER_SCHEMA, bound_to
from streams.identity.claims.mentioned import Mentioned

# Emptied at once when full, as the caches of tokens are.
_BOUND = 500_000
_Row = tuple[str, int, bytes]  # kind, length, sealed

Find = Callable[[set[bytes]], Iterable[Mentioned]]


class IdentifierSeals:
    """What one tagger sealed this month. `begin` a batch, `note` what its claims mention, `take` the rows of it."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._name = ""
        self._seal: Callable[[bytes, bytes], bytes] | None = None
        self._mark = ""
        self._known: dict[bytes, _Row | None] = {}
        self._mentioned: dict[bytes, _Row] = {}

    def begin(self, now: datetime) -> None:
        """Forget what was noted and not taken. `now`: the month of whose key it is."""
        self._name = key_name(now)
        self._seal = None
        self._mentioned = {}

    def note(self, tokens: set[bytes], find: Find) -> None:
        """What claims mention; `find` gives those of the tokens that are identifiers. Raises KeyUnavailable."""
        if not tokens:
            return
        _, seal = self.sealer()
        missing = tokens - self._known.keys()
        if missing:
            if len(self._known) + len(missing) > _BOUND:
                self._known.clear()
                missing = tokens
            # Known once all are found: what failed is asked for again.
            found: dict[bytes, _Row | None] = dict.fromkeys(missing)
            for item in find(missing):
                sealed = seal(item.value.encode(), bound_to(item.token, item.kind))
                found[item.token] = item.kind, item.length, sealed
            self._known |= found
        known = self._known
        self._mentioned |= {token: row for token in tokens if (row := known[token]) is not None}

    def take(self) -> pa.Table:
        """`IDENTIFIER_SCHEMA`: the rows of the batch."""
        taken, self._mentioned = self._mentioned, {}
        if not taken:
            return IDENTIFIER_SCHEMA.empty_table()
        kinds, lengths, sealed = zip(*taken.values(), strict=True)
        columns = [list(taken), kinds, lengths, [self._name] * len(taken), sealed]
        typed = zip(columns, IDENTIFIER_SCHEMA.types, strict=True)
        return pa.table([pa.array(column, kind) for column, kind in typed], IDENTIFIER_SCHEMA)

    def sealer(self) -> tuple[str, Callable[[bytes, bytes], bytes]]:
        """The key of the month by name, and what seals under it. Raises KeyUnavailable.

        Read once a batch: the key may have been destroyed since, and another made in its place.
        """
        if self._seal is None:
            self._seal = self._keyring.sealer(self._name)
            mark = self._name + self._keyring.unguessable(self._name, "identifiers")
            if mark != self._mark:
                self._mark, self._known = mark, {}
        return self._name, self._seal


def key_name(now: datetime) -> str:
    """Name of the sealing key of a month (UTC)."""
    return f"identifiers-{now.astimezone(UTC):%Y-%m}"

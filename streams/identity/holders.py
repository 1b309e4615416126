"""Whom one identifier may mean, at a moment and behind a port: the same rules as `resolve`, for few identifiers."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from streams.identity.agreement import NOWHERE
from streams.identity.links.table import UNKNOWN, Ints, Links
from streams.identity.model import Given
from streams.identity.resolve import WHOLE, behind
from streams.identity.spans import milliseconds


class Holders:
    """Who had which token when, by the ends of chains, as far as clocks may be off. Many may be asked of one."""

    def __init__(self, ends: Links) -> None:
        self._codes = ends.codes
        self._ends = ends.where(np.argsort(ends.token, kind="stable"))

    def meant(self, item: Given, now: datetime) -> set[bytes]:
        """The subjects that an identifier may mean; NOWHERE among them: a chain that could not be followed."""
        held = self._held(item)
        if not any(len(places) for places, _ in held):
            return {item.token}
        if item.kind.is_place and item.at is None:
            # Whoever had it: more than one, or one of whom we know only a part of the time.
            return self.ever(item) | {item.token}
        at = milliseconds(item.at or now)
        # The longest prefix that anybody had then decides.
        for places, _ in sorted(held, key=lambda name: -name[1]):
            if found := self._subjects(self._then(places, at, item.port or 0)):
                return found
        if item.kind.is_place:
            return set()
        # Nobody's at that moment: what it proved of another time does not name anybody by itself.
        return self.ever(item) | {item.token}

    def ever(self, item: Given) -> set[bytes]:
        """The subjects that an identifier, or a prefix above it, led to at any time; NOWHERE as in `meant`."""
        return set[bytes]().union(*(self._subjects(places) for places, _ in self._held(item)))

    def _held(self, item: Given) -> list[tuple[Ints, int]]:
        """Where the ends of the identifier and of the prefixes above it lie, with the length of each."""
        names = [(item.token, 0), *item.prefixes]
        return [
            (self._of(self._codes[name]), length or WHOLE) for name, length in names if name in self._codes
        ]

    def _of(self, code: int) -> Ints:
        token = self._ends.token
        return np.arange(np.searchsorted(token, code, "left"), np.searchsorted(token, code, "right"))

    def _then(self, places: Ints, at: int, port: int) -> Ints:
        ends = self._ends
        held = places[(ends.since[places] <= at) & (at < ends.until[places])]
        return held[behind(ends.port_from[held], ends.port_to[held], port)]

    def _subjects(self, places: Ints) -> set[bytes]:
        codes = np.unique(self._ends.subject[places]).tolist()
        return {self._ends.name(code) if code != UNKNOWN else NOWHERE for code in codes}

"""Moves what was made with an older token key to the tokens of the key in force, in plain Python."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from schemas.vocabulary import Mark
from sinks.memory.state import MemoryState
from sinks.ports.clocks import UNNAMED
from sinks.ports.forgotten import is_forgotten
from sinks.ports.identity import CLAIM_KEYS, NOTHING
from sinks.ports.keys import Reseal, Resting

Claims = dict[tuple[Any, ...], dict[str, Any]]


class MemoryRekeyer:
    """A `Rekeying` of an index in memory, from the older key to the newer one. `first`: as in `NewRekeying`.

    Each store of tokens moves in one step, under the lock: it is read and written by nobody meanwhile.
    """

    def __init__(self, index: MemoryState, older: str, newer: str, *, first: bool, reseal: Reseal) -> None:
        self._index = index
        self._reseal = reseal
        self._older = older
        self._newer = newer
        self._names = {older, ""} if first else {older}

    def resting(self) -> Resting:
        with self._index.lock:
            times = [row.event_time for row in self._index.rows.values() if self._is_older(row.tag_set)]
            claims, retained = (
                sum(_copies(claim) for claim in stored.values() if claim["key_id"] in self._names)
                for stored in (self._index.claims_known, self._index.retained)
            )
            prefixes = sum(key_id in self._names for key_id in self._index.prefixes_known.values())
            identifiers = sum(row["key_id"] in self._names for row in self._index.identifiers.values())
            facts = sum(row["key_id"] in self._names for row in self._index.said.values())
            clocks = sum(row["key_id"] in self._names for row in self._index.clocks.values())
        return Resting(
            len(times), claims, retained, prefixes, max(times, default=None), identifiers, clocks, facts
        )

    def move(self, stop: threading.Event) -> int:
        moved = 0
        steps = (
            *(self._rows, self._open_claims, self._retained_claims),
            *(self._prefixes, self._identifiers, self._clocks, self._facts),
        )
        for step in steps:
            if stop.is_set():
                break
            with self._index.lock:
                moved += step(self._pairs())
        return moved

    def _is_older(self, tag_set: int) -> bool:
        return self._index.tag_sets[tag_set].key_id == self._older

    def _pairs(self) -> Mapping[bytes, bytes]:
        """The token under the newer key, of those whose pair is known."""
        known = self._index.pairs_known.items()
        wanted = (self._older, self._newer)
        return {older: newer for (older, newer, key_id), to in known if (key_id, to) == wanted}

    def _rows(self, names: Mapping[bytes, bytes]) -> int:
        moving = [
            (key, row)
            for key, row in self._index.rows.items()
            if key[0] in names and self._is_older(row.tag_set)
        ]
        for key, row in moving:
            tags = replace(self._index.tag_sets[row.tag_set], key_id=self._newer)
            self._index.tag_sets[tags.id] = tags
            row = replace(row, customer=names.get(row.customer, NOTHING))
            del self._index.rows[key]
            self._index.rows[names[key[0]], *key[1:]] = replace(row, tag_set=tags.id)
        return len(moving)

    def _open_claims(self, names: Mapping[bytes, bytes]) -> int:
        return self._claims(self._index.claims_known, names)

    def _retained_claims(self, names: Mapping[bytes, bytes]) -> int:
        return self._claims(self._index.retained, names)

    def _claims(self, stored: Claims, names: Mapping[bytes, bytes]) -> int:
        moved = 0
        for where, claim in stored.items():
            tokens: dict[str, bytes | None] = {
                name: claim[name] if is_forgotten(claim[name]) else names.get(claim[name])
                for name in CLAIM_KEYS
                if claim[name] != NOTHING
            }
            # All of a claim, or nothing of it.
            if claim["key_id"] in self._names and all(tokens.values()):
                stored[where] = {**claim, **tokens, "key_id": self._newer}
                moved += _copies(claim)
        return moved

    def _prefixes(self, names: Mapping[bytes, bytes]) -> int:
        known = self._index.prefixes_known
        moving = [
            item
            for item, key_id in known.items()
            if key_id in self._names and item[0] in names and item[2] in names
        ]
        for prefix, length, token in moving:
            del known[prefix, length, token]
            known[names[prefix], length, names[token]] = self._newer
        return len(moving)

    def _clocks(self, names: Mapping[bytes, bytes]) -> int:
        known, named = self._index.clocks, {NOTHING: NOTHING, UNNAMED: UNNAMED, **names}
        moving = [
            (key, row)
            for key, row in known.items()
            if row["key_id"] in self._names and key[0] in names and row["thing"] in named
        ]
        for key, row in moving:
            del known[key]
            token = names[key[0]]
            moved = {**row, "token": token, "thing": named[row["thing"]], "key_id": self._newer}
            known[token, *key[1:]] = moved
        return len(moving)

    def _facts(self, names: Mapping[bytes, bytes]) -> int:
        known = self._index.said
        moving = [key for key, row in known.items() if row["key_id"] in self._names and key[0] in names]
        for key in moving:
            row = {**known.pop(key), "token": names[key[0]], "key_id": self._newer}
            known[names[key[0]], *key[1:]] = row
        return len(moving)

    def _identifiers(self, names: Mapping[bytes, bytes]) -> int:
        known = self._index.identifiers
        moving = [row for row in known.values() if row["key_id"] in self._names and row["token"] in names]
        for row in moving:
            del known[row["token"]]
            token = names[row["token"]]
            sealed = self._reseal(row["token"], token, row["kind"], row["key"], row["sealed"])
            # One that was written under the newer key already is no older than this.
            known.setdefault(token, {**row, "token": token, "sealed": sealed, "key_id": self._newer})
        return len(moving)


def _copies(claim: Mapping[str, Any]) -> int:
    """Under how many keys it counts: each of its tokens once, the server's for marks of its alone."""
    marks = claim["mark"] in (Mark.OFF.code, Mark.ON.code)
    return len({claim[name] for name in CLAIM_KEYS if marks or name != "server"} - {NOTHING})

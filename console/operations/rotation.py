"""Rotation of token keys: a new one comes into force, what was made with older ones moves, an old one is retired."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from console.operations.keys import IN_FORCE, KEPT, RETIRED, alive
from schemas.counted import counted
from schemas.errors import InputError, InvalidIdentifier, KeyUnavailable
from schemas.identifiers import IdentifierKind
from schemas.keys import Keyring, KnownKey
from schemas.tokens import Tokenizer
from sinks.ports.keys import PAIR_SCHEMA, KeyEntry, Rekeying, Resting
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from sinks.ports.sinks import Sinks
from streams.identity.rekeyed import Same
from streams.identity.values import Resealing
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.states import fold

Gave = Callable[[str], Iterable[tuple[IdentifierKind, str]]]
"""What a request gave, by its id: kind and value. Raises KeyUnavailable where it cannot be read any more."""


@dataclass(frozen=True)
class KeyState:
    """A token key: since when it is the one that new rows are made with, and what still lies under it."""

    key_id: str
    in_force: bool
    since: datetime
    resting: Resting


class Rotation:
    """The token keys of an index and a key folder. Every method may raise IndexUnavailable and KeyUnavailable."""

    def __init__(self, keyring: Keyring, sinks: Sinks, clock: Callable[[], datetime]) -> None:
        self._keyring = keyring
        self._sinks = sinks
        self._register = sinks.keys
        self._clock = clock

    def prepare(self) -> KnownKey:
        """A key that the index does not know yet: the one that lies in the folder already, or a new one."""
        known = {entry.key_id for entry in self._register.entries()}
        waiting = [key for key_id, key in self._keyring.held().items() if key_id not in known]
        if len(waiting) > 1:
            raise InputError(
                f"{self._keyring.folder} holds {counted(len(waiting), 'key')} that the index does not know; leave one"
            )
        return waiting[0] if waiting else self._keyring.add()

    def rotate(self) -> KnownKey:
        """Bring the prepared key into force, or a new one. Raises InputError before the index has its first key."""
        entries = self._register.entries()
        known = alive(entries)
        if not known:
            raise InputError("the index has no token key yet; start innsyn once before its key is rotated")
        self._keyring.tokenizer(known)
        key = self.prepare()
        entry = KeyEntry(_next(entries), IN_FORCE, key.key_id, key.check, self._clock())
        if not self._register.append(entry):
            raise InputError("another process rotated the key at the same time; look at `innsyn keys show`")
        return key

    def states(self) -> list[KeyState]:
        """The keys under which there may be something, oldest first."""
        entries = self._register.entries()
        known = alive(entries)
        since = {entry.key_id: entry.at for entry in entries if entry.kind == IN_FORCE}
        return [
            KeyState(key.key_id, key is known[-1], since[key.key_id], self._rekeyer(entries, key).resting())
            for key in known
        ]

    def move(self, stop: threading.Event) -> int:
        """Move what older keys made to the key in force, as far as pairs are known; how much."""
        entries = self._register.entries()
        return sum(self._rekeyer(entries, key).move(stop) for key in alive(entries)[:-1])

    def retire(self, key_id: str, gave: Gave, *, end_look_out: bool = False) -> bool:
        """Destroy an older key on which nothing rests. Whether its file was in this folder. `end_look_out`: also where
        what erasures took away can be recognised by it alone.

        Raises InputError, with what rests on it, as long as something does.
        """
        entries = self._register.entries()
        known = {key.key_id: key for key in alive(entries)}
        if key_id not in known:
            if any(entry.key_id == key_id and entry.kind == RETIRED for entry in entries):
                return self._keyring.destroy_token_key(key_id)
            raise InputError(f"the index knows no token key of that id; it knows {', '.join(known)}")
        if key_id == list(known)[-1]:
            raise InputError(
                f"{key_id} is the key in force; `innsyn keys rotate` brings another into force first"
            )
        rekeyer = self._rekeyer(entries, known[key_id])
        self._refuse(key_id, rekeyer.resting())
        requests = self._requests()
        began = next(entry.at for entry in entries if entry.sequence > _place(entries, key_id))
        if waiting := [item.request_id for item in requests if not item.ended and item.received_at <= began]:
            raise InputError(
                f"open from before the rotation: {counted(len(waiting), 'request')} ({', '.join(waiting[:3])}), by"
                f" tokens of {key_id}; end that first"
            )
        self._pair(requests, self._keyring.tagging(list(known.values())), key_id, gave)
        if (lost := self.looked_out_for(began)) and not end_look_out:
            raise InputError(
                f"{counted(lost, 'identifier')} of erased people can be recognised by token key {key_id} alone, if they"
                " come back; `innsyn suppression show` says until when they are looked out for, and `innsyn keys"
                f" retire {key_id} --end-look-out` ends that for them"
            )
        if not self._register.append(
            KeyEntry(_next(entries), RETIRED, key_id, known[key_id].check, self._clock())
        ):
            raise InputError("another process changed the keys at the same time; repeat")
        # From here on no tagger writes with it any more; what one wrote a moment ago shows now.
        if not (left := rekeyer.resting()).nothing:
            self._register.append(
                KeyEntry(_next(entries) + 1, KEPT, key_id, known[key_id].check, self._clock())
            )
            self._refuse(key_id, left)
        # With what an earlier key's end has left: tokens of requests reach the newest key over all in between.
        every = Same(self._sinks.pairs, lambda: len(entries)).every(_frozen(requests))
        self._sinks.pairs.retire(key_id, sorted(frozenset[bytes]().union(*every.values())))
        return self._keyring.destroy_token_key(key_id)

    def looked_out_for(self, began: datetime) -> int:
        """How many tokens of the suppression ledger have no counterpart under a newer key: those of erasures before
        a newer key came into force at `began`, whose identifiers nobody saw since."""
        now = self._clock()
        ledger = self._sinks.suppression
        before = {
            item.request_id for item in ledger.entries() if item.entered_at <= began and item.stands(now)
        }
        standing = ledger.standing(now)
        rows = zip(standing["request_id"].to_pylist(), standing["token"].to_pylist(), strict=True)
        tokens = {token for name, token in rows if name in before}
        pairs = self._sinks.pairs.pairs(sorted(tokens)) if tokens else PAIR_SCHEMA.empty_table()
        return len(tokens - {*pairs["older"].to_pylist(), *pairs["newer"].to_pylist()})

    def _pair(self, requests: Sequence[RequestState], tokenizer: Tokenizer, key_id: str, gave: Gave) -> None:
        """Keep which tokens are the same for what requests gave: no event may have named it under the newer key, and
        nobody can tell once the older one is gone. What cannot be read any more is known under the older one alone.
        """
        (older,) = [item for item in tokenizer.older if item.key_id == key_id]
        pairs: dict[tuple[bytes, bytes, str], None] = {}
        for request in requests:
            with suppress(KeyUnavailable, InvalidIdentifier):
                for kind, value in gave(request.request_id):
                    pairs[older.token(kind, value), tokenizer.token(kind, value), key_id] = None
        if pairs:
            columns = [
                pa.array(column, kind)
                for column, kind in zip(zip(*pairs, strict=True), PAIR_SCHEMA.types, strict=True)
            ]
            batch = LineageBatch(
                ROW_SCHEMA.empty_table(), pairs=pa.table(columns, PAIR_SCHEMA), key_id=tokenizer.key_id
            )
            self._sinks.writer().write(batch, self._clock)

    def _refuse(self, key_id: str, left: Resting) -> None:
        if left.nothing:
            return
        newest = f"; the newest event is of {left.newest:%d %B %Y}" if left.newest else ""
        *others, last = [counted(count, thing) for count, thing in left.counts if count]
        said = f"{', '.join(others)} and {last}" if others else last
        raise InputError(
            f"on token key {key_id} still rest {said}{newest};"
            " `innsyn keys rekey` moves what topics still hold, the rest goes as it"
            " expires or is erased"
        )

    def _rekeyer(self, entries: Sequence[KeyEntry], key: KnownKey) -> Rekeying:
        return self._sinks.rekeyer(
            key.key_id,
            alive(entries)[-1].key_id,
            first=key.key_id == entries[0].key_id,
            reseal=Resealing(self._keyring),
        )

    def _requests(self) -> list[RequestState]:
        folded = (fold(events) for events in self._sinks.requests.requests().values())
        return [request for request in folded if request is not None]


def _next(entries: Sequence[KeyEntry]) -> int:
    return entries[-1].sequence + 1


def _place(entries: Sequence[KeyEntry], key_id: str) -> int:
    return max(entry.sequence for entry in entries if entry.key_id == key_id and entry.kind == IN_FORCE)


def _frozen(requests: Sequence[RequestState]) -> list[bytes]:
    """The tokens by which requests know whom they were about."""
    tokens: set[bytes] = set()
    for request in requests:
        tokens |= {bytes.fromhex(token) for token in request.subjects}
        identity = request.identity
        spans = [*request.inherited, *((*identity.spans, *identity.shared) if identity else ())]
        tokens |= {span.token for span in spans}
    return sorted(tokens)

"""Holds everything that was recorded against the log, and the log against its signed heads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain

from dateutil.relativedelta import relativedelta

from schemas.errors import BrokerUnavailable
from schemas.signingkeys import PublicKey
from schemas.times import iso
from sinks.ports.evidence import MOST_HEADS, Entry, EvidenceLog, Leaf, Place, Seal, Source
from streams.evidence.heads import hash_of, head_hash, leaf_of, proves, stands_on
from streams.evidence.merkle import Tree
from streams.evidence.proof import every_page

LATE = timedelta(hours=1)
"""How much later than what is newer an entry may have been recorded: a question is dated when it was asked."""
_KEPT = {Source.AUDIT: relativedelta(years=3)}
"""How long entries of a source are kept (migration 0012); others are kept for good."""
_MOST = 20
Told = Callable[[], Iterable[Seal]]
"""The heads that the topic holds, in its order; raises BrokerUnavailable, also as they are read."""


@dataclass(frozen=True)
class Checked:
    """What was found. `faults`: one sentence each, in the order of the log, at most 20: empty, nothing was changed.

    `expired`: entries that are no longer kept and whose digest is. `told`: heads of the topic that agree, None where
    the topic was not asked. `strange`: messages there that this installation did not sign.
    """

    heads: int
    entries: int
    expired: int
    waiting: int
    told: int | None
    strange: int
    faults: tuple[str, ...]


def check(log: EvidenceLog, keys: Sequence[PublicKey], now: datetime, told: Told | None = None) -> Checked:
    """Recompute all of it, holding a page of it at a time. `keys`: of the installation, in the order in which they were
    in force. `told`: None where there is no topic to ask.

    Raises IndexUnavailable.
    """
    run, topic = _Run(log, keys, now), _Topic(log, keys)
    for seals in every_page(log):
        run.over(seals)
    agreed = None
    if told is not None:
        with suppress(BrokerUnavailable):
            agreed = sum(topic.agrees(head) for head in told())
    return Checked(
        heads=run.heads,
        entries=run.tree.size,
        expired=run.expired,
        waiting=log.unsealed(),
        told=agreed,
        strange=topic.strange,
        faults=tuple([*run.faults, *topic.faults][:_MOST]),
    )


class _Run:
    """One pass over the log. `faults`: the first of them."""

    def __init__(self, log: EvidenceLog, keys: Sequence[PublicKey], now: datetime) -> None:
        self._log = log
        self._keys = keys
        self._now = now
        self._before: Seal | None = None
        self._newest: datetime | None = None
        self._in_force = 0
        self._repeated = frozenset(log.repeated(_MOST))
        self._seen: set[Place] = set()
        self.tree = Tree()
        self.heads = self.expired = 0
        self.faults: list[str] = []

    def over(self, seals: Sequence[Seal]) -> None:
        # Of many seals at once, as most have few leaves.
        places = [leaf.place for seal in seals for leaf in seal.leaves]
        there = {item.place: item for item in self._log.entries(places)}
        for seal in seals:
            for fault in chain(self._head(seal), self._leaves(seal, there)):
                _note(self.faults, fault)
            self.heads += 1
            self._before = replace(seal, leaves=())

    def _head(self, seal: Seal) -> Iterator[str]:
        name = f"head {seal.sequence} of {iso(seal.at)}"
        if not stands_on(seal, self._before):
            yield f"{name} does not stand on the one before it: a head was changed, removed or put in"
        number = next((n for n, key in enumerate(self._keys) if key.id == seal.key_id), self._in_force)
        if number < self._in_force:
            yield f"{name} is signed by {seal.key_id}, which {self._keys[self._in_force].id} had replaced by then"
        self._in_force = max(number, self._in_force)
        if not proves(seal, self._keys):
            yield f"{name} is not signed by {', '.join(key.id for key in self._keys)} as it stands"
        tree = self.tree.plus(map(hash_of, seal.leaves))
        if (tree.size, tree.root) != (seal.size, seal.root):
            yield f"{name} is of another tree than its entries make: one of them was changed, removed or put in"
        self.tree = tree

    def _leaves(self, seal: Seal, there: Mapping[Place, Entry]) -> Iterator[str]:
        # No later than its own head: a clock that was ahead says nothing of what was sealed when it was right again.
        newest = min(self._newest, seal.at) if self._newest is not None else None
        for leaf in seal.leaves:
            name = f"{leaf.place.source} {leaf.place.key} of {iso(leaf.at)} (head {seal.sequence})"
            if leaf.place in self._seen:
                yield f"{name} was sealed before"
            if leaf.place in self._repeated:
                self._seen.add(leaf.place)
            yield from self._entry(leaf, there.get(leaf.place), name)
            if newest is not None and leaf.at < newest - LATE:
                yield f"{name} was put in later: entries up to {iso(newest)} had been sealed by then"
            sealed = min(leaf.at, seal.at)
            newest = max(newest or sealed, sealed)
        self._newest = newest

    def _entry(self, leaf: Leaf, entry: Entry | None, name: str) -> Iterator[str]:
        kept = _KEPT.get(leaf.place.source)
        if entry is None and kept is not None and leaf.at + kept <= self._now:
            self.expired += 1
        elif entry is None:
            yield f"{name} was removed"
        elif leaf_of(entry) != leaf:
            yield f"{name} was changed"


class _Topic:
    """Holds the heads that the topic was told of against those of the index, which are read a page at a time: the topic
    has them in order, but for those that were told twice."""

    def __init__(self, log: EvidenceLog, keys: Sequence[PublicKey]) -> None:
        self._log = log
        self._keys = keys
        self._page: dict[int, bytes] = {}
        self._end: int | None = None
        self.strange = 0
        self.faults: list[str] = []

    def agrees(self, head: Seal) -> bool:
        """Whether a head of the topic is the index's; what is wrong with it is among the faults."""
        if not proves(head, self._keys):
            self.strange += 1
            return False
        ours = self._ours(head.sequence)
        if ours == head_hash(head):
            return True
        what = "is not in the index any more: it, and what it sealed, was removed"
        if ours is not None:
            what = "is another one than that of the index: the log was rewritten"
        _note(self.faults, f"head {head.sequence} of {iso(head.at)}, which the topic was told of, {what}")
        return False

    def _ours(self, sequence: int) -> bytes | None:
        """The hash of the head of that number, None where there is none."""
        beyond = self._end is not None and sequence >= self._end
        if sequence not in self._page and not beyond:
            found = self._log.heads_from(sequence, MOST_HEADS)
            self._page = {head.sequence: head_hash(head) for head in found}
            if not found:
                self._end = sequence
        return self._page.get(sequence)


def _note(faults: list[str], fault: str) -> None:
    """Keep it, if it is one of the first."""
    if len(faults) < _MOST:
        faults.append(fault)

"""Takes what was recorded into the transparency log: seals it, and tells the topic.

Whatever ends the process between two lines, and however many do it at once: one seal holds its leaves and its head
together, only one of a number stands, and whoever was second looks again at what is still waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from schemas.errors import IndexUnavailable, KeyUnavailable
from schemas.messages import TreeHead, encoded
from schemas.signingkeys import SigningKey
from schemas.times import whole_milliseconds
from sinks.ports.evidence import EvidenceLog, Seal
from streams.evidence.heads import leaf_of, next_seal, proves
from streams.evidence.merkle import Tree

TOPIC = "rights.log"
MOST = 5_000
"""Entries in one seal."""
_PUBLISHED_AT_ONCE = 500
_TRIES = 50

Send = Callable[[str, bytes, bytes], object]
"""Stores a message under a key on a topic before it returns; raises BrokerUnavailable."""


class Sealer:
    """Safe to use beside others, also in other processes. Raises IndexUnavailable, KeyUnavailable."""

    def __init__(
        self, log: EvidenceLog, key: Callable[[], SigningKey], clock: Callable[[], datetime], most: int = MOST
    ) -> None:
        """`most`: entries in one seal."""
        self._log = log
        self._key = key
        self._clock = clock
        self._most = most
        self._seen: object = None

    def seal(self, *, whatever: bool = False) -> int:
        """Seal all that waits; how many entries that were. Does nothing while nothing new was recorded, unless told to
        look `whatever` it knows."""
        recorded = self._log.recorded()
        if recorded == self._seen and not whatever:
            return 0
        sealed = overtaken = 0
        while True:
            # First, and what waits after it: whoever seals in between has this number, and ours does not stand.
            before = self._log.newest()
            entries = self._log.waiting(self._most, before.sequence if before else -1)
            if not entries:
                break
            key = self._key()
            if before is not None:
                _refuse_foreign(before, key)
            leaves = [leaf_of(entry) for entry in entries]
            if self._log.append(next_seal(before, leaves, key, whole_milliseconds(self._clock()))):
                sealed += len(leaves)
                continue
            overtaken += 1
            if overtaken > _TRIES:
                raise IndexUnavailable("other processes keep sealing the log; repeat, or end one of them")
        self._seen = recorded
        return sealed

    def publish(self, send: Send) -> int:
        """Tell the topic of every head that it was not told of, in order; how many. Raises BrokerUnavailable.

        One that was told may be told again, after a crash. Where a replica does not know the newest yet, the next call
        tells of the rest.
        """
        told, done = 0, self._log.published()
        newest = self._log.newest()
        while newest is not None and done < newest.sequence:
            heads = self._log.heads_from(done + 1, _PUBLISHED_AT_ONCE)
            if not heads:
                break
            for head in heads:
                send(TOPIC, encoded(message_of_head(head)), str(head.sequence).encode())
                done, told = head.sequence, told + 1
            self._log.note_published(done, whole_milliseconds(self._clock()))
        return told


def message_of_head(head: Seal) -> TreeHead:
    """As the topic tells it: without leaves."""
    return TreeHead(
        sequence=head.sequence,
        size=head.size,
        root=head.root,
        previous=head.previous,
        sealed_at=head.at,
        key_id=head.key_id,
        signature=head.signature,
    )


def head_of_message(message: TreeHead) -> Seal:
    """The head that a message tells of."""
    return Seal(
        sequence=message.sequence,
        size=message.size,
        root=message.root,
        previous=message.previous,
        at=message.sealed_at,
        key_id=message.key_id,
        signature=message.signature,
    )


def _refuse_foreign(head: Seal, key: SigningKey) -> None:
    """Nothing is built on a head that this installation did not sign, with this key or with one that it replaced, or
    whose peaks are not its own."""
    if head.key_id not in {item.id for item in key.every}:
        raise KeyUnavailable(
            f"the log was sealed under signing key {head.key_id}, and this host has {key.public.id}; copy the folder"
            " keys/signing from the host that has it, or restore it from your key backup"
        )
    try:
        whole = Tree(head.size, head.peaks).root == head.root
    except ValueError:
        whole = False
    if not whole or not proves(head, key.every):
        raise IndexUnavailable(
            f"tree head {head.sequence} of the log was changed after it was signed, so nothing is sealed on it; run"
            " `innsyn log check`, then restore the table log_seals from a backup"
        )

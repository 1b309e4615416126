"""Dead letters tried again: their sealed payloads come from the dead-letter topic, their place is the one they had.

Rows are identified by the coordinates of the original message, so that a letter that is retried twice, or in between
replayed, is in the index once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from schemas.codec import decode
from schemas.errors import DecodeError, KeyUnavailable
from schemas.keys import Keyring
from schemas.messages import DeadLetter, message_of
from schemas.records import RecordSchema
from sinks.ports.dead_letters import TAGGED
from sinks.ports.lineage import IndexWriter
from streams.kafka.batches import TopicBatch
from streams.kafka.connection import Connection
from streams.kafka.dead_letters import key_name
from streams.kafka.tail import Tail
from streams.tagging.decode.deletions import UNNAMED
from streams.tagging.prepare import Preparer
from streams.tagging.suppressed import Suppression

Place = tuple[str, int, int]
NO_KEY = "no_key"
"""The key that sealed it is not in the keyring: destroyed, or never here."""
GONE = "payload_gone"
"""The letter is no longer on the dead-letter topic, or it was too large to be kept there."""
NOT_TAGGED = "not_tagged"
"""Nothing here reads what it came from: a record of a feed, which `innsyn ingest` reads again."""
_MOST_LETTERS = 2_000
_MOST_BYTES = 32 * 1024 * 1024


class Retrier:
    """Tries dead letters again. Not for several threads.

    `topics` maps each tagged topic to its dead-letter topic; `preparer()` gives one that knows the schemas of now.
    """

    def __init__(
        self,
        connection: Connection,
        topics: Mapping[str, str],
        *,
        preparer: Callable[[], Preparer],
        index: IndexWriter,
        keyring: Keyring,
        record: RecordSchema,
        clock: Callable[[], datetime],
        takers: Mapping[str, Callable[[bytes], str]] | None = None,
        suppression: Suppression | None = None,
    ) -> None:
        """`takers`: for a topic that no tagger reads, what tries a payload and gives TAGGED or why it is still none.
        `suppression`: knows what erasures took away; None: nobody looks whether it comes back.
        """
        self._suppression = suppression
        self._takers = takers or {}
        self._connection = connection
        self._topics = topics
        self._preparer = preparer
        self._index = index
        self._keyring = keyring
        self._record = record
        self._clock = clock

    def retry(self, places: Sequence[Place]) -> dict[Place, str]:
        """What became of each: `tagged`, the reason why it still is no event, or one of the words above.

        Safe to repeat. Raises Unavailable: some are tagged then, and a repetition does the rest.
        """
        outcomes = dict.fromkeys(places, NOT_TAGGED)
        for letters in sorted({self._topics[topic] for topic, _, _ in places if topic in self._topics}):
            wanted = {place for place in places if self._topics.get(place[0]) == letters}
            outcomes |= dict.fromkeys(wanted, GONE)
            self._through(letters, wanted, outcomes)
        return outcomes

    def _through(self, letters: str, wanted: set[Place], outcomes: dict[Place, str]) -> None:
        """Read the whole of a dead-letter topic, and try what is wanted of it, some at a time."""
        preparer = self._preparer()
        held: dict[Place, bytes | None] = {}
        with Tail(self._connection, letters) as tail:
            for message in tail.between(tail.start_offsets(), tail.end_offsets()):
                letter = self._letter(message.value())
                if letter is None:
                    continue
                place = (letter.topic, letter.partition, letter.offset)
                if place not in wanted:
                    continue
                payload = self._opened(place, letter)
                if isinstance(payload, str):
                    outcomes[place] = payload
                    continue
                held[place] = payload
                if len(held) >= _MOST_LETTERS or sum(map(_size, held.values())) >= _MOST_BYTES:
                    outcomes |= self._tagged(preparer, held)
                    held.clear()
        outcomes |= self._tagged(preparer, held)

    def _letter(self, message: Any) -> DeadLetter | None:
        """None for a letter of a feed, and for what is none."""
        try:
            letter = message_of(DeadLetter, decode(self._record, message or b""))
        except DecodeError:
            return None
        return letter if letter.feed is None else None

    def _opened(self, place: Place, letter: DeadLetter) -> bytes | str | None:
        topic, partition, offset = place
        bound = f"{topic}/{partition}/{offset}".encode()
        try:
            payload = self._keyring.open(key_name(letter.first_seen_at), letter.sealed_payload, bound)
        except KeyUnavailable:
            return NO_KEY
        if letter.reason == UNNAMED and not payload:
            return None  # a tombstone
        return payload or (GONE if letter.reason == "oversized" else b"")

    def _tagged(self, preparer: Preparer, held: Mapping[Place, bytes | None]) -> dict[Place, str]:
        if not held:
            return {}
        taken = {
            place: self._takers[place[0]](held[place] or b"") for place in held if place[0] in self._takers
        }
        held = {place: payload for place, payload in held.items() if place not in taken}
        if not held:
            return taken
        batches = [_batch(topic, held) for topic in sorted({topic for topic, _, _ in held})]
        # The ledger counted these offsets when they were set aside, and their partitions may be another worker's.
        owned = {(topic, partition): 0 for topic, partition, _ in held}
        prepared = preparer.prepare(batches, (), owned, self._clock())
        batch = replace(prepared.batch, dead=(), ranges=())
        if self._suppression is not None:
            batch = self._suppression.watched(batch, self._clock())
        self._index.write(batch, self._clock)
        dead = {
            (item.row.topic, item.row.partition, item.row.offset): item.row.reason for item in prepared.dead
        }
        return taken | {place: dead.get(place, TAGGED) for place in held}


def _batch(topic: str, held: Mapping[Place, bytes | None]) -> TopicBatch:
    places = sorted(place for place in held if place[0] == topic)
    values = [held[place] for place in places]
    return TopicBatch(
        topic,
        values,
        np.array([partition for _, partition, _ in places], np.int32),
        np.array([offset for _, _, offset in places], np.int64),
        -1,
        sum(map(_size, values)),
    )


def _size(payload: bytes | None) -> int:
    return len(payload or b"")

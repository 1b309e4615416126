"""What a feed's records that cannot be read become: sealed dead letters, and entries of the index.

A dead letter of a feed names the feed (`format:id`) and the line; its topic is the one the record would have gone to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from schemas.codec import decode
from schemas.days import FIRST_DAY, LAST_DAY
from schemas.errors import DecodeError, Unavailable, place_of
from schemas.messages import DeadLetter, message_of
from schemas.own import own_record
from schemas.records import RecordSchema
from sinks.ports.dead_letters import DeadRow
from sinks.ports.lineage import ROW_SCHEMA, IndexWriter, LineageBatch
from streams.feeds.lines.record import Record
from streams.kafka.connection import Connection
from streams.kafka.dead_letters import SEAL_BYTES, DeadLetters, DeadMessage
from streams.kafka.follow import messages_of

TOPIC = "lineage.dead-letters"
GROUP = "innsyn-refused"
NO_PARTITION = -1
_MOST_LETTERS = 500
_MOST_BYTES = 4 * 1024 * 1024
_RETRY_SECONDS = 2.0
_PASSED_OVER = 1_000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class DeadLetterSender:
    """Where the records go that a feed cannot read, and the clock that dates them."""

    letters: DeadLetters
    clock: Callable[[], datetime]


@dataclass
class FeedDeadLetters:
    """The refused records of one source, sent some at a time. `feed` is the source's label."""

    aside: DeadLetterSender | None
    topic: str
    feed: str
    _waiting: list[DeadMessage] = field(default_factory=list, repr=False)
    _bytes: int = 0

    def add(self, record: Record, reason: str) -> None:
        """Safe to repeat for the same record: readers keep one letter for each line. Raises BrokerUnavailable."""
        if self.aside is None:
            return
        payload = record.text.encode("utf-8", "surrogatepass")
        now = self.aside.clock()
        row = DeadRow(self.topic, NO_PARTITION, record.first, reason, "", len(payload), now)
        self._waiting.append(DeadMessage(row, payload, feed=self.feed, line=record.first))
        self._bytes += len(payload)
        if len(self._waiting) >= _MOST_LETTERS or self._bytes >= _MOST_BYTES:
            self.send()

    def send(self) -> None:
        """Return when Kafka has all of them. Raises BrokerUnavailable."""
        if self.aside is not None and self._waiting:
            self.aside.letters.send(self._waiting)
            self._waiting.clear()
            self._bytes = 0


def index_feed_dead_letters(connection: Connection, index: IndexWriter, stop: threading.Event) -> None:
    """Enter the dead letters of feeds in the index until `stop` is set: the sender has no index at hand.

    In the index the topic is the feed, the partition 0 and the offset the line. While the index is away it waits. A
    letter that nobody can have sent is passed over and logged. Nobody else may use `index` meanwhile.
    Raises BrokerUnavailable.
    """
    record = own_record("DeadLetter")
    passed_over = 0
    for message, commit in messages_of(connection, TOPIC, GROUP, stop):
        row = _row(record, message)
        if row is None:
            passed_over += 1
            # Each commit is a round trip, and what is passed over costs nothing to read again.
            if passed_over % _PASSED_OVER == 0:
                commit()
        elif _entered(index, row, stop):
            commit()


def _row(record: RecordSchema, message: bytes) -> DeadRow | None:
    """None for a tagger's letter: it is in the index with the batch it comes from."""
    try:
        letter = message_of(DeadLetter, decode(record, message))
    except DecodeError:
        # Written by an older version, which sent none for feeds.
        return None
    if letter.feed is None or letter.line is None:
        return None
    payload_bytes, seen_at = len(letter.sealed_payload) - SEAL_BYTES, letter.first_seen_at
    if payload_bytes < 0 or letter.line < 0 or not FIRST_DAY <= seen_at.date() <= LAST_DAY:
        _log.warning("a dead letter of a feed that cannot be was passed over")
        return None
    return DeadRow(letter.feed, 0, letter.line, letter.reason, "", payload_bytes, seen_at)


def _entered(index: IndexWriter, row: DeadRow, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            index.write(LineageBatch(ROW_SCHEMA.empty_table(), dead=[row]), lambda: row.seen_at)
            return True
        except Unavailable as error:
            _log.warning("index away, dead letters of feeds wait", why=str(error))
            stop.wait(_RETRY_SECONDS)
        except Exception as error:  # noqa: BLE001 - one letter is no reason to end what enters the others
            _log.error("a dead letter of a feed cannot be entered and is passed over", fault=place_of(error))
            return True
    return False

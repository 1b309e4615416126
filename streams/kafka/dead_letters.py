"""Messages that are no events go to the dead-letter topic: coordinates and reason in clear, payload sealed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.codec import encode
from schemas.keys import Keyring
from schemas.messages import DeadLetter, value_of
from schemas.records import RecordSchema
from sinks.ports.dead_letters import DeadRow
from sinks.ports.lineage import ROW_SCHEMA, IndexWriter, LineageBatch
from streams.kafka.producer import EventProducer

# A larger payload stays where it is: the source topic keeps it under its coordinates until its own retention.
LARGEST_SEALED = 1024 * 1024
# What sealing adds: nonce and tag.
SEAL_BYTES = 28
_KEY_NAME = re.compile(r"dead-letters-\d{4}-\d{2}")


@dataclass(frozen=True)
class DeadMessage:
    """One message set aside: what the index stores of it, and its bytes.

    `feed` and `line`: the source it was read from, for what never became a message.
    """

    row: DeadRow
    payload: bytes
    feed: str | None = None
    line: int | None = None

    def __repr__(self) -> str:
        return f"DeadMessage({self.row!r})"


class DeadLetters:
    """Sends dead letters. `topics` maps a source topic to its dead-letter topic.

    Sealed under one key a month, so that destroying the key ends all dead letters of that month.
    """

    def __init__(
        self,
        producer: EventProducer,
        keyring: Keyring,
        record: RecordSchema,
        topics: Mapping[str, str],
    ) -> None:
        self._producer = producer
        self._keyring = keyring
        self._record = record
        self._topics = topics

    def send(self, messages: Iterable[DeadMessage]) -> None:
        """Store all of them; returns when Kafka has acknowledged. Raises BrokerUnavailable.

        Safe to repeat: the key is the coordinates, and readers keep one letter for each.
        """
        sent = 0
        # Whoever writes bad messages in bulk would have the key's file read for each of them.
        month, seal = "", None
        for message in messages:
            row = message.row
            place = f"{row.topic}/{row.partition}/{row.offset}"
            coordinates = (place if message.feed is None else f"{place}/{message.feed}").encode()
            payload = message.payload if len(message.payload) <= LARGEST_SEALED else b""
            if seal is None or month != key_name(row.seen_at):
                month = key_name(row.seen_at)
                seal = self._keyring.sealer(month)
            letter = DeadLetter(
                topic=row.topic,
                partition=row.partition,
                offset=row.offset,
                reason=row.reason,
                schema_key=row.schema_key or None,
                sealed_payload=seal(payload, coordinates),
                first_seen_at=row.seen_at,
                feed=message.feed,
                line=message.line,
            )
            self._producer.send(
                self._topics[row.topic], encode(self._record, value_of(letter)), key=coordinates
            )
            sent += 1
        if sent:
            self._producer.flush()


class DeadLetterStore:
    """Keeps single messages that are none of their topic's record: on the dead-letter topic and in the index."""

    def __init__(self, letters: DeadLetters, index: IndexWriter, clock: Callable[[], datetime]) -> None:
        self._letters = letters
        self._index = index
        self._clock = clock

    def __call__(self, topic: str, partition: int, offset: int, reason: str, payload: bytes) -> None:
        """Safe to repeat. Raises Unavailable."""
        now = self._clock()
        row = DeadRow(topic, partition, offset, reason, "", len(payload), now)
        self._letters.send([DeadMessage(row, payload)])
        self._index.write(LineageBatch(ROW_SCHEMA.empty_table(), dead=[row]), self._clock)


def expired_keys(names: Iterable[str], kept: timedelta, now: datetime) -> list[str]:
    """Which of the keys are of months whose last letter the topic holds no more; `kept`: the topic's retention."""
    # The month before, as the topic drops whole segments; names sort as months do.
    first = (now - kept).astimezone(UTC).replace(day=1)
    oldest = key_name(first - timedelta(days=1))
    return [name for name in names if _KEY_NAME.fullmatch(name) and name < oldest]


def key_name(seen_at: datetime) -> str:
    """Name of the sealing key of a month."""
    return f"dead-letters-{seen_at:%Y-%m}"

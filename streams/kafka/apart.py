"""Reads partitions apart from librdkafka: each batch is measured before it is unpacked, and one is unpacked at a time.

librdkafka unpacks whole answers, up to 50 MB of them, before it counts what it has: 80 kB that come to gigabytes end
the process, and end it again after every start, for they are handed to nobody who could note them. It has no limit of
what is unpacked, and none of what is packed would do: one message of 60 MB is 2 kB of zstd. Reading everything this way
would cost the tagger more than half its rate. So only where the last tagger of this host did not end by itself, what
each partition has at the start is read this way, and everything behind that by librdkafka again. Who sends such batches
ends one process, once. Where one is found its partition goes on being read this way until an hour has brought no other.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import KafkaError, NodeNotReadyError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.structs import TopicPartition

from schemas.errors import SettingsError
from streams.kafka.connection import Connection
from streams.kafka.security import client_options
from streams.kafka.unpacking import LARGEST_BATCH, Measured, Unreadable

Partition = tuple[str, int]
_PIECE = 1 << 20
_WAIT_MS = 50
_SECONDS = 10.0
# So much is handed out at once.
_MOST_BYTES = 32 << 20
_QUIET_SECONDS = 3600.0
# After so long without an answer librdkafka reads all the same: it knows more of brokers, and says what is wrong.
_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.5
_UNMEASURED = "it is read without measuring what its batches unpack to, as no answer came to that"
_log = structlog.get_logger(__name__)


@dataclass
class _Held:
    at: int
    until: int
    end: int = -1  # of the log, as the last answer had it
    suspect_until: float = 0.0
    records: Any = None  # of one answer, gone through lazily
    done: bool = False
    refusal: str = ""


@dataclass
class Taken:
    """`messages`: offset, value and time by partition; `unreadable`: partition, first offset and the one behind;
    `passed`: partitions that librdkafka may read from there on; `refused`: those of them that the broker does not let
    anybody of ours read, with its error's name."""

    messages: dict[Partition, list[Any]] = field(default_factory=dict)
    unreadable: list[tuple[Partition, int, int]] = field(default_factory=list)
    passed: dict[Partition, int] = field(default_factory=dict)
    refused: dict[Partition, str] = field(default_factory=dict)


class ReadApart:
    """Not for several threads."""

    def __init__(self, connection: Connection, most: int = LARGEST_BATCH) -> None:
        """`most`: bytes that one batch may unpack to."""
        self._connection = connection
        self._most = most
        self._held: dict[Partition, _Held] = {}
        self._turns: deque[Partition] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Any = None
        self._found: list[tuple[int, int]] = []
        self._answered = 0.0
        self._again = 0.0

    def __contains__(self, where: object) -> bool:
        return where in self._held

    def __bool__(self) -> bool:
        return bool(self._held)

    def hold(self, where: Partition, at: int, until: int) -> None:
        """Read this partition from here on, at least up to there."""
        self.drop(where)
        self._held[where] = _Held(at, until)
        self._turns.append(where)
        self._answered = time.monotonic()

    def drop(self, where: Partition) -> None:
        """It is somebody else's."""
        if self._held.pop(where, None) is not None:
            self._turns.remove(where)

    def position(self, where: Partition) -> int:
        """The next offset of a partition that is held."""
        return self._held[where].at

    def behind(self) -> dict[Partition, int]:
        """Messages that were not handed out, by partition."""
        return {where: max(0, max(item.end, item.until) - item.at) for where, item in self._held.items()}

    def take(self, most: int) -> Taken:
        """At most so many messages; none where nothing came, or nobody answered."""
        taken = Taken()
        room, size = most, 0
        if time.monotonic() < self._again:
            return taken
        for _ in range(len(self._turns)):
            where = self._turns[0]
            held = self._held[where]
            if held.records is None:
                held.records = self._asked(where, held)
            found = taken.messages.setdefault(where, [])
            for record in held.records or ():
                held.at = record.offset + 1
                if not isinstance(record.value, Unreadable):
                    found.append(record)
                    room -= 1
                    size += len(record.value or b"")
                    if room > 0 and size <= _MOST_BYTES:
                        continue
                # What comes behind a batch that cannot be read is another piece. Else the batch at hand stays
                # unpacked, and no other is until it is through.
                self._note(taken, where, held)
                return taken
            if held.records is not None:
                held.at = max(held.at, held.records.next_fetch_offset)
                held.records = None
            self._note(taken, where, held)
            self._turns.rotate(-1)
            if held.done or (held.at >= held.until and time.monotonic() > held.suspect_until):
                taken.passed[where] = held.at
                if held.refusal:
                    taken.refused[where] = held.refusal
                self.drop(where)
        return taken

    def close(self) -> None:
        """Hang up."""
        if self._loop is not None:
            self._loop.run_until_complete(self._hung_up())
            self._loop.close()
            self._loop = None

    def _note(self, taken: Taken, where: Partition, held: _Held) -> None:
        for first, behind in self._found:
            held.suspect_until = time.monotonic() + _QUIET_SECONDS
            taken.unreadable.append((where, first, behind))
        self._found.clear()

    def _asked(self, where: Partition, held: _Held) -> Any:
        """The messages of one answer; None for none. Where librdkafka is to say what is wrong, it is `done`."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        try:
            error, end, aborted, data = self._loop.run_until_complete(
                asyncio.wait_for(self._fetched(where, held.at), _SECONDS)
            )
        except (KafkaError, OSError, TimeoutError, SettingsError) as failure:
            self._loop.run_until_complete(self._hung_up())
            self._again = time.monotonic() + _PAUSE_SECONDS
            held.done = self._again - self._answered > _PATIENCE_SECONDS or isinstance(failure, SettingsError)
            if held.done:
                _log.error("partition.not_measured", topic=where[0], partition=where[1], meaning=_UNMEASURED)
            return None
        if error:
            self._again = time.monotonic() + _PAUSE_SECONDS
            held.done = not for_code(error).retriable or self._again - self._answered > _PATIENCE_SECONDS
            held.refusal = for_code(error).__name__ if held.done else ""
            return None
        self._answered = time.monotonic()
        held.end = end
        if not data:
            # All there is was read; unless somebody sends what ends processes just now, librdkafka is to wait for more.
            held.done = time.monotonic() > held.suspect_until
            return None
        measured = Measured(data, held.at, self._most, lambda *offsets: self._found.append(offsets))
        place = TopicPartition(*where)
        return PartitionRecords(place, measured, aborted, held.at, None, None, True, READ_COMMITTED)

    async def _fetched(self, where: Partition, at: int) -> tuple[int, int, Any, bytes]:
        """Error code, end of the log, aborted transactions and packed batches from this offset on."""
        topic, number = where
        if self._client is None:
            self._client = AIOKafkaClient(**client_options(self._connection))
            await self._client.bootstrap()
        await self._client.add_topic(topic)
        leader = self._client.cluster.leader_for_partition(TopicPartition(topic, number))
        if leader is None or leader == -1:
            await self._client.force_metadata_update()
            raise NodeNotReadyError
        request = FetchRequest(0, 1, _PIECE, READ_COMMITTED, [(topic, [(number, at, _PIECE)])])
        answer = await self._client.send(leader, request)
        ((_, ((_, error, end, *more),)),) = answer.topics
        if error:
            await self._client.force_metadata_update()
            return error, end, None, b""
        # Where the aborted ones are depends on the version: before the replica to prefer, where that is told.
        return 0, end, more[2 if answer.API_VERSION >= 11 else -2], more[-1] or b""

    async def _hung_up(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

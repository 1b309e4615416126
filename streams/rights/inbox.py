"""Messages of a topic, taken as many at a time as wait: while a step is under way, others come, and the next has them
all."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from schemas.errors import DecodeError, Unavailable, place_of
from schemas.records import RecordSchema
from streams.kafka.dead_letters import LARGEST_SEALED
from streams.kafka.unpacking import Unreadable
from streams.rights.again import BROKEN, NOTHING_KNOWN
from streams.rights.case import Recorded
from streams.rights.protocol.messages import decoded
from streams.rights.turns import AT_ONCE

Steps = Callable[[Sequence[tuple[Mapping[str, Any], bytes]]], Sequence[object]]
"""Of messages decoded, and as they came, what came of each: None where it is about nothing that is known, or the
exception with which it ended."""
StoreLetter = Callable[[str, int, int, str, bytes], None]

_MOST_BYTES = 16 << 20
"""Of messages that wait in memory for a step, but for the last of them."""
_log = structlog.get_logger(__name__)


class Taken:
    """Messages of one topic that are taken together. Each is done, or set aside where it can be seen, once."""

    def __init__(
        self, record: RecordSchema, messages: Sequence[Any], steps: Steps, set_aside: StoreLetter
    ) -> None:
        """`messages`: of Kafka, with `topic`, `partition`, `offset` and `value`."""
        self._record = record
        self._left = list(messages)
        self._steps = steps
        self._set_aside = set_aside

    def take(self) -> None:
        """All that are left. Raises Unavailable while something is away; those that wait for it are left then, and
        Recorded if all of these are in the ledger."""
        given = []
        for message in list(self._left):
            try:
                given.append((_value(self._record, message.value), message.value))
            except DecodeError as error:
                self._aside(message, error.reason)
        away: Unavailable | None = None
        outcomes = self._steps(given) if given else ()
        for message, outcome in zip(list(self._left), outcomes, strict=True):
            if isinstance(outcome, Unavailable):
                away = outcome if away is None or isinstance(away, Recorded) else away
            elif (reason := _why_not(outcome, message.topic)) is not None:
                self._aside(message, reason)
            else:
                self._left.remove(message)
        if away is not None:
            raise away

    def aside(self) -> None:
        """Set aside what is left."""
        for message in list(self._left):
            self._aside(message, BROKEN)

    def _aside(self, message: Any, reason: str) -> None:
        where = message.topic, message.partition, message.offset
        self._set_aside(*where, reason, message.value if message.value is not None else b"")
        self._left.remove(message)


def _why_not(outcome: object, topic: str) -> str | None:
    """Why a message is set aside, None: its step was done."""
    if outcome is None:
        return NOTHING_KNOWN[topic]
    if isinstance(outcome, DecodeError):
        return outcome.reason
    if isinstance(outcome, Exception):
        _log.error("rights step failed", fault=place_of(outcome))
        return BROKEN
    return None


def _value(record: RecordSchema, message: Any) -> Mapping[str, Any]:
    if isinstance(message, Unreadable):
        raise DecodeError("unreadable_batch")
    if message is not None and len(message) > LARGEST_SEALED:
        # Kafka's limit is one of what is compressed, and every look at the ledger reads all that is in it.
        raise DecodeError("oversized")
    return decoded(record, message if message is not None else b"")


class Inbox:
    """Events of a stream that wait for a step. In one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[Any] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()

    async def collect(self, events: Any) -> None:
        """Read on for as long as there is room."""
        async for event in events:
            while len(self._waiting) >= AT_ONCE or self._bytes >= _MOST_BYTES:
                self._changed.clear()
                await self._changed.wait()
            self._waiting.append(event)
            self._bytes += len(event.message.value or b"")
            self._changed.set()

    async def next(self) -> list[Any]:
        """All that wait, at least one."""
        while not self._waiting:
            self._changed.clear()
            await self._changed.wait()
        taken = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        self._changed.set()
        return taken


async def follow(
    stream: Any,
    work: Callable[[Sequence[Any]], Awaitable[None]],
    acknowledge: Callable[[Any], Awaitable[Any]],
) -> None:
    """Take events of the stream as they come and acknowledge them after the work on them, in order."""
    inbox = Inbox()
    collecting = asyncio.ensure_future(inbox.collect(stream))
    try:
        while True:
            coming = asyncio.ensure_future(inbox.next())
            try:
                await asyncio.wait([coming, collecting], return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    # The stream has ended, or failed: what it raised is raised here.
                    collecting.result()
                    return
                events = coming.result()
            finally:
                coming.cancel()
            await work([event.message for event in events])
            for event in events:
                await acknowledge(event)
    finally:
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)

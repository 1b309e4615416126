"""What a feed makes of a few lines, without Kafka; and a topic in memory to see what arrives after a kill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from schemas.codec import decode
from schemas.errors import DecodeError
from streams.feeds.registry import Feed
from streams.feeds.run.account import FEED_HEADER, LINE_HEADER, PART_HEADER
from streams.feeds.run.ingest import read_record
from streams.kafka.producer import EventProducer
from streams.kafka.tail import Tail

Outcome = list[dict[str, Any]] | str


class Killed(Exception):
    """Stands for the end of the process."""


def outcomes(feed: Feed, *lines: str) -> list[tuple[int, Outcome]]:
    """Per record its first line and what it gives: the events as they come out of their messages, or the reason why
    it cannot be read. Records that are no data are left out."""
    return [(line, outcome) for line, outcome, *_ in _all(feed, lines) if outcome]


def reasons(feed: Feed, *lines: str) -> list[tuple[int, str]]:
    """Line and reason of every record that cannot be read or is odd."""
    found = []
    for line, outcome, notice, _ in _all(feed, lines):
        found += [(line, reason) for reason in (outcome, notice) if isinstance(reason, str)]
    return found


def counted(feed: Feed, *lines: str) -> dict[str, int]:
    """What is said of the records by the count."""
    return dict(Counter(reason for *_, reasons in _all(feed, lines) for reason in reasons))


def only(feed: Feed, *lines: str) -> dict[str, Any]:
    """The one event of all the lines, without what is null."""
    (events,) = [outcome for _, outcome in outcomes(feed, *lines)]
    assert isinstance(events, list), events
    (event,) = events
    return {name: value for name, value in event.items() if value is not None}


def _all(feed: Feed, lines: Sequence[str]) -> Iterator[tuple[int, Outcome, str | None, Collection[str]]]:
    reader = feed.reader()
    reader.look(list(enumerate(lines, start=1)))
    for record in feed.records(enumerate(lines, start=1)):
        try:
            messages, read = read_record(reader, feed, record)
        except DecodeError as error:
            yield record.first, error.reason, None, ()
        else:
            events = [decode(feed.record, message) for message, _ in messages]
            yield record.first, events, read.notice, read.counted


class MemoryProducer(EventProducer):
    """Keeps what is sent, value and headers. Dies instead of the send after `life` others."""

    def __init__(self, messages: list[tuple[bytes, Mapping[str, bytes]]], life: int) -> None:
        self._messages = messages
        self._life = life

    def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        timestamp_ms: int = 0,
        partition: int = -1,
    ) -> None:
        if self._life == 0:
            raise Killed
        self._life -= 1
        self._messages.append((value or b"", dict(headers)))

    def flush(self) -> None:
        return None


class MemoryTopic(Tail):
    """A topic with one partition. What was sent stays when its sender dies."""

    def __init__(self) -> None:
        self.cluster = "memory"
        self.messages: list[tuple[bytes, Mapping[str, bytes]]] = []

    def producer(self, life: int = 1 << 60) -> MemoryProducer:
        return MemoryProducer(self.messages, life)

    def start_offsets(self) -> dict[int, int]:
        return {0: 0}

    def end_offsets(self) -> dict[int, int]:
        return {0: len(self.messages)}

    def headers(
        self, start: Mapping[int, int], end: Mapping[int, int]
    ) -> Iterator[Sequence[tuple[str, bytes | None]]]:
        return iter([tuple(headers.items()) for _, headers in self.messages[start[0] : end[0]]])

    def places(self) -> list[tuple[int, int]]:
        """Line and part of every message that carries a feed."""
        return [
            (int(headers[LINE_HEADER]), int(headers.get(PART_HEADER, b"0")))
            for _, headers in self.messages
            if FEED_HEADER in headers
        ]

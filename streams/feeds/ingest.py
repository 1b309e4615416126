"""From the records of a source to messages of a topic, each event exactly once, also across a kill.

1. the checkpoint says which lines are settled, and offsets no later line's message lies before
2. messages of this feed beyond those offsets are looked for: they were sent after the last checkpoint
3. the remaining records are sent, each event with the feed's id, its record's first line and its part as headers;
   those that cannot be read become dead letters, which may be repeated
4. every `batch_lines` lines, where a record ends: wait for the acknowledgements, note the topic's end, write the
   checkpoint

A kill between any two of them repeats 1 and 2. What step 2 cannot see is a request that the network still holds
back when the next run begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.codec import encode
from schemas.errors import DecodeError, FeedError, SchemaError
from streams.feeds import checkpoint as checkpoints
from streams.feeds.checkpoint import Checkpoint
from streams.feeds.feed import Feed
from streams.feeds.reader import Event, Read, Reader
from streams.feeds.reasons import TOO_LONG, TRUNCATED
from streams.feeds.record import Record
from streams.feeds.refused import Aside, Refusals
from streams.feeds.run import Message, Report, Run, count
from streams.feeds.source import Lines, Source
from streams.kafka.producer import EventProducer
from streams.kafka.tail import Tail

FEED_HEADER = "innsyn-feed"
LINE_HEADER = "innsyn-line"
PART_HEADER = "innsyn-part"
BATCH_LINES = 20_000
_PROGRESS_RECORDS = 1_000

Encoded = tuple[bytes, bytes | None]
Settle = Callable[[int, bool], None]


def ingest(
    source: Source,
    feed: Feed,
    producer: EventProducer,
    tail: Tail,
    folder: Path,
    *,
    again: bool = False,
    aside: Aside | None = None,
    batch_lines: int = BATCH_LINES,
    progress: Callable[[int], None] = lambda position: None,
) -> Report:
    """Send what is left of a source; `again` sends all of it once more.

    `tail` reads the feed's topic, `folder` keeps the checkpoints, `progress` gets the bytes read so far. Records that
    cannot be read go `aside`; None: they are only counted. Standard input leaves no checkpoint and cannot be resumed.
    Raises FeedError, BrokerUnavailable.
    """
    refusals = Refusals(aside, feed.topic.name, source.label)
    if source.feed_id is None:
        run = Run.after(Checkpoint(cluster="", topic=feed.topic.name, offsets={}))
        _Sending(source, feed, producer, run, refusals).all(
            lambda *_: producer.flush(), batch_lines, progress
        )
        return run.report(source, finished_before=False)
    feed_id = source.feed_id
    with checkpoints.locked(folder, feed_id):
        run = _begin(folder, feed_id, feed, tail, again)
        if run.start.finished:
            return run.report(source, finished_before=True)

        def settle(lines: int, finished: bool) -> None:
            producer.flush()
            checkpoints.save(folder, feed_id, run.at(lines, tail.end_offsets(), finished))

        _Sending(source, feed, producer, run, refusals).all(settle, batch_lines, progress)
        return run.report(source, finished_before=False)


def read_record(
    reader: Reader, feed: Feed, record: Record, *, cut: bool = False
) -> tuple[Iterable[Encoded], str | None]:
    """(message, key) of each event, and what is odd about them. Raises DecodeError with the reason it cannot be read.

    `cut`: the source ends with this record, without a line end.
    """
    try:
        if record.lines is None:
            raise DecodeError(TOO_LONG)
        read = reader.read(record)
        messages = _messages(feed, read)
    except DecodeError:
        if cut or record.open:
            raise DecodeError(TRUNCATED) from None
        raise
    if cut and feed.whole_lines:
        raise DecodeError(TRUNCATED)
    return messages, read.notice


def _messages(feed: Feed, read: Read) -> Iterable[Encoded]:
    encoded = (_message(feed, event) for event in read.events)
    # All of a record or nothing; only a reader whose events are sure to fit gives more than memory should hold.
    return list(encoded) if isinstance(read.events, Sequence) else encoded


def _message(feed: Feed, event: Event) -> Encoded:
    try:
        message = encode(feed.record, event)
    except SchemaError:
        raise DecodeError("not_in_schema") from None
    return message, str(event[feed.topic.key]).encode() if feed.topic.key else None


def _begin(folder: Path, feed_id: str, feed: Feed, tail: Tail, again: bool) -> Run:
    known = None if again else checkpoints.load(folder, feed_id)
    if known is None or (known.cluster, known.topic) != (tail.cluster, feed.topic.name):
        fresh = Checkpoint(cluster=tail.cluster, topic=feed.topic.name, offsets=tail.end_offsets())
        checkpoints.save(folder, feed_id, fresh)
        return Run.after(fresh)
    ends = tail.end_offsets()
    if any(ends.get(partition, 0) < offset for partition, offset in known.offsets.items()):
        raise FeedError(
            f"{feed.topic.name} was made anew since feed {feed_id} was sent; send all of it with --again"
        )
    if known.finished:
        return Run.after(known)
    starts = tail.start_offsets()
    if any(starts.get(partition, 0) > offset for partition, offset in known.offsets.items()):
        raise FeedError(
            f"{feed.topic.name} no longer holds what feed {feed_id} sent after line {known.lines} (retention); "
            "what is left cannot be told; --again sends all of it"
        )
    sent = _sent_before(tail, dict.fromkeys(ends, 0) | dict(known.offsets), ends, feed_id.encode())
    return Run.after(known, frozenset(message for message in sent if message[0] > known.lines))


def _sent_before(
    tail: Tail, start: Mapping[int, int], end: Mapping[int, int], feed_id: bytes
) -> Iterator[Message]:
    for headers in map(dict, tail.headers(start, end)):
        if headers.get(FEED_HEADER) == feed_id:
            yield int(headers[LINE_HEADER] or 0), int(headers.get(PART_HEADER) or 0)


@dataclass
class _Sending:
    """One source on its way."""

    source: Source
    feed: Feed
    producer: EventProducer
    run: Run
    refusals: Refusals

    def all(self, settle: Settle, batch_lines: int, progress: Callable[[int], None]) -> None:
        reader = self.feed.reader()
        settled = start = self.run.start.lines
        with self.source.open() as lines:
            for number, record in enumerate(self.feed.records(lines), start=1):
                if record.last <= start:
                    reader.recall(record)
                else:
                    self._record(reader, record, lines)
                if record.last - settled >= batch_lines:
                    self.refusals.send()
                    settle(record.last, False)
                    settled = record.last
                if number % _PROGRESS_RECORDS == 0:
                    progress(lines.position)
            self.refusals.send()
            settle(max(lines.number, start), True)
        progress(self.source.size)

    def _record(self, reader: Reader, record: Record, lines: Lines) -> None:
        cut = lines.cut and record.last == lines.number
        try:
            messages, notice = read_record(reader, self.feed, record, cut=cut)
        except DecodeError as error:
            count(self.run.skipped, error.reason, record.first)
            self.refusals.add(record, error.reason)
            return
        parts = 0
        for part, message in enumerate(messages):
            self._send(record.first, part, message)
            parts = part
        self.run.more += parts
        if notice is not None:
            count(self.run.noticed, notice, record.first)
            self.refusals.add(record, notice)

    def _send(self, line: int, part: int, message: Encoded) -> None:
        if (line, part) in self.run.found:
            self.run.found_again += 1
            return
        headers = []
        if self.source.feed_id is not None:
            headers = [(FEED_HEADER, self.source.feed_id.encode()), (LINE_HEADER, b"%d" % line)]
            if part:
                headers.append((PART_HEADER, b"%d" % part))
        self.producer.send(self.feed.topic.name, message[0], key=message[1], headers=headers)
        self.run.sent += 1

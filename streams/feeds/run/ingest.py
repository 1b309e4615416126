"""From the records of a source to messages of a topic, each event exactly once, also across a kill.

1. the content is looked for among the checkpoints: it is new, sent before, sent in part, or has grown since; what is to
   be sent is fixed by its digest before anything is
2. the checkpoint says which lines are settled, and offsets no later line's message lies before
3. messages of this feed beyond those offsets are looked for: they were sent after the last checkpoint
4. the remaining records are sent, each event with the feed's id, its record's first line and its part as headers;
   those that cannot be read become dead letters, which may be repeated
5. every `batch_lines` lines, where a record ends: wait for the acknowledgements, note the topic's end, write the
   checkpoint

A kill between any two of them repeats 1 to 3. What step 3 cannot see is a request that the network still holds
back when the next run begins.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from schemas.codec import encode
from schemas.errors import DecodeError, SchemaError
from streams.feeds.lines.reader import OTHER, Event, Read, Reader
from streams.feeds.lines.reasons import TRUNCATED
from streams.feeds.lines.record import Record
from streams.feeds.lines.text import Lines
from streams.feeds.registry import Feed
from streams.feeds.run import checkpoint as checkpoints
from streams.feeds.run import resume
from streams.feeds.run.account import FEED_HEADER, LINE_HEADER, MARK_HEADER, PART_HEADER, Report, Run, count
from streams.feeds.run.checkpoint import Checkpoint, Tail
from streams.feeds.run.content import Extent, changed
from streams.feeds.run.recognise import Recognition, read_one
from streams.feeds.run.refused import DeadLetterSender, FeedDeadLetters
from streams.feeds.run.source import Source
from streams.kafka.producer import EventProducer
from streams.kafka.tail import Tail as TopicTail

BATCH_LINES = 20_000
_PROGRESS_RECORDS = 1_000

Encoded = tuple[bytes, bytes | None]
Settle = Callable[[Callable[[Mapping[int, int]], Checkpoint]], None]
"""Wait for the acknowledgements; what is given makes the checkpoint from the topic's end."""


def ingest(
    source: Source,
    feed: Feed,
    producer: EventProducer,
    tail: TopicTail,
    folder: Path,
    *,
    again: bool = False,
    aside: DeadLetterSender | None = None,
    batch_lines: int = BATCH_LINES,
    progress: Callable[[int], None] = lambda position: None,
) -> Report:
    """Send what is left of a source; `again` sends all of it once more.

    `tail` reads the feed's topic, `folder` keeps the checkpoints, `progress` gets the bytes read so far. Records that
    cannot be read go `aside`; None: they are only counted. Standard input leaves no checkpoint and cannot be resumed.
    Raises FeedError, BrokerUnavailable.
    """
    sending = _Sending(source, feed, producer, aside, batch_lines, progress)
    if source.survey is None:
        return sending.from_stdin()
    extent = source.survey.extent
    if not extent.bytes:
        return sending.report(source.label, None, resume.fresh(feed, tail, extent))
    with ExitStack() as locks:
        with checkpoints.alone(folder):
            feed_id, known = resume.known(folder, feed.scope, source.name, source.survey)
            locks.enter_context(checkpoints.locked(folder, feed_id))
            run, left = resume.begin(None if again else known, feed, feed_id, tail, extent)
            if left:
                checkpoints.save(folder, feed_id, run.start)
        label = f"{feed.format}:{feed_id}"
        if not left:
            return sending.report(label, feed_id, run.start, finished_before=True)
        resumed_after, last = run.start.lines, run.start

        def settle(made: Callable[[Mapping[int, int]], Checkpoint]) -> None:
            nonlocal last
            producer.flush()
            last = made(tail.end_offsets())
            checkpoints.save(folder, feed_id, last)

        sending.all(run, label, feed_id, settle)
        if last.extent != extent:
            # It grew since the run that was interrupted: that one's extent first, then the rest.
            grown = last.grown(extent, last.offsets)
            checkpoints.save(folder, feed_id, grown)
            sending.all(Run.after(grown), label, feed_id, settle)
        return sending.report(label, feed_id, last, resumed_after=resumed_after)


def read_record(
    reader: Reader, feed: Feed, record: Record, *, cut: bool = False, broken: set[int] | None = None
) -> tuple[Iterable[Encoded], Read]:
    """(message, key) of each event, and what the record was read as. Raises DecodeError with the reason it cannot be.

    `cut`: the source ends with this record, without a line end. `broken`: as `Lines.broken`.
    """
    try:
        read = read_one(reader, record, broken)
        messages = _messages(feed, read)
    except DecodeError:
        if cut or record.open:
            raise DecodeError(TRUNCATED) from None
        raise
    if cut and feed.whole_lines:
        raise DecodeError(TRUNCATED)
    return messages, read


def _messages(feed: Feed, read: Read) -> Iterable[Encoded]:
    encoded = (_message(feed, event) for event in read.events)
    # All of a record or nothing; only a reader whose events are sure to fit gives more than memory should hold.
    return list(encoded) if isinstance(read.events, Sequence) else encoded


def _message(feed: Feed, event: Event) -> Encoded:
    try:
        message = encode(feed.record, event, defaults=True)
    except SchemaError:
        raise DecodeError("not_in_schema") from None
    return message, str(event[feed.topic.key]).encode() if feed.topic.key else None


@dataclass
class _Sending:
    """One source on its way. `sent` and `found` are of all runs together."""

    source: Source
    feed: Feed
    producer: EventProducer
    aside: DeadLetterSender | None
    batch_lines: int
    progress: Callable[[int], None]
    sent: int = 0
    found: int = 0
    remarks: Set[str] = frozenset()

    def from_stdin(self) -> Report:
        feed, label = self.feed, self.source.label
        nothing = Extent(bytes=0, digest="")
        start = Checkpoint(cluster="", topic=feed.topic.name, offsets={}, scope=feed.scope, extent=nothing)
        last = start

        def settle(made: Callable[[Mapping[int, int]], Checkpoint]) -> None:
            nonlocal last
            self.producer.flush()
            last = made({})

        self.all(Run.after(start), label, None, settle)
        return self.report(label, None, last)

    def all(self, run: Run, label: str, feed_id: str | None, settle: Settle) -> None:
        """Raises FeedError, also if a file is no longer what it was when the run began."""
        refusals = FeedDeadLetters(self.aside, self.feed.topic.name, label)
        one = _Run(self.feed, self.producer, run, refusals, feed_id.encode() if feed_id else None)
        reader = self.feed.reader()
        settled = before = run.start.lines
        with self.source.open(run.start.extent) as lines:
            reader.look(lines.head())
            for number, record in enumerate(self.feed.records(lines), start=1):
                if record.last <= run.start.lines:
                    _recall(reader, record, lines.broken)
                else:
                    one.record(reader, record, lines, before)
                before = record.last
                if record.last - settled >= self.batch_lines:
                    refusals.send()
                    settle(partial(run.at, record.last))
                    settled = record.last
                if number % _PROGRESS_RECORDS == 0:
                    self.progress(lines.position)
            refusals.send()
            if feed_id is None:
                one.recognition.demand()
            elif lines.extent != run.start.extent:
                raise changed(self.source.name)
            end = max(lines.number, run.start.lines)
            settle(lambda offsets: run.finished(end, offsets, one.tail))
            self.remarks |= reader.remarks | lines.remarks
        self.sent += run.sent
        self.found += run.found_again
        self.progress(self.source.size)

    def report(
        self,
        label: str,
        feed_id: str | None,
        last: Checkpoint,
        *,
        resumed_after: int = 0,
        finished_before: bool = False,
    ) -> Report:
        survey = self.source.survey
        remarks = self.remarks | (survey.remarks if survey else set())
        refused = sum(skip.count for skip in last.skipped.values())
        return Report(
            # A name that is no UTF-8 has no form that every output takes.
            name=os.fsencode(self.source.name).decode("utf-8", "replace"),
            feed_id=feed_id,
            label=label,
            topic=last.topic,
            read=last.sent - last.more + refused,
            sent=last.sent,
            sent_now=self.sent,
            others=last.others,
            skipped=last.skipped,
            noticed=last.noticed,
            resumed_after=resumed_after,
            found=self.found,
            finished_before=finished_before,
            remarks=tuple(sorted(remarks)),
        )


def _recall(reader: Reader, record: Record, broken: set[int]) -> None:
    if broken.isdisjoint(places := range(record.first, record.last + 1)):
        reader.recall(record)
    else:
        broken.difference_update(places)


@dataclass
class _Run:
    """One run over a source. `tail` is the last record, if it may go on."""

    feed: Feed
    producer: EventProducer
    run: Run
    refusals: FeedDeadLetters
    feed_id: bytes | None
    tail: Tail | None = None
    recognition: Recognition = field(init=False)

    def __post_init__(self) -> None:
        self.recognition = Recognition("standard input", self.feed)

    def record(self, reader: Reader, record: Record, lines: Lines, before: int) -> None:
        """Send it, or set it aside. `before` it, this line is settled."""
        cut = lines.cut and record.last == lines.number
        state = self.run.settled(before) if cut or record.open else None
        digest = None
        try:
            if cut and lines.broke_off:
                raise DecodeError(TRUNCATED)
            messages, read = read_record(reader, self.feed, record, cut=cut, broken=lines.broken)
        except DecodeError as error:
            count(self.run.skipped, error.reason, record.first)
            self.refusals.add(record, error.reason)
            if self.feed_id is None:
                self.recognition.refused(record, error.reason)
        else:
            known = self.run.start.tail
            if state is not None or (known is not None and known.line == record.first):
                digest = hashlib.sha256(record.text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
            same = known is not None and (known.line, known.digest) == (record.first, digest)
            self._send_all(record, messages, read, sent_before=same)
        if state is not None:
            self.tail = Tail(line=record.first, digest=digest, before=state)

    def _send_all(
        self, record: Record, messages: Iterable[Encoded], read: Read, *, sent_before: bool
    ) -> None:
        parts = 0
        for part, message in enumerate(messages):
            if sent_before or (record.first, part) in self.run.found:
                self.run.found_again += 1
            else:
                self._send(record.first, part, message)
            parts = part
        self.run.more += parts
        for reason in read.counted:
            count(self.run.noticed, reason, record.first)
        if read.notice is not None:
            count(self.run.noticed, read.notice, record.first)
            self.refusals.add(record, read.notice)
        if read is OTHER:
            self.run.others += 1
        if self.feed_id is None:
            self.recognition.read(record, read)

    def _send(self, line: int, part: int, message: Encoded) -> None:
        headers = []
        if self.feed_id is not None:
            headers = [(FEED_HEADER, self.feed_id), (LINE_HEADER, b"%d" % line)]
            if part:
                headers.append((PART_HEADER, b"%d" % part))
            headers.append((MARK_HEADER, self.run.start.mark(line, part)))
        self.producer.send(self.feed.topic.name, message[0], key=message[1], headers=headers)
        self.run.sent += 1

"""From the lines of a source to messages of a topic, each line exactly once, also across a kill.

1. the checkpoint says which lines are settled, and offsets no later line's message lies before
2. messages of this feed beyond those offsets are looked for: they were sent after the last checkpoint
3. the remaining lines are sent, each with the feed's id and its line number as headers
4. every `batch_lines` lines: wait for the acknowledgements, note the topic's end, write the checkpoint

A kill between any two of them repeats 1 and 2. What step 2 cannot see is a request that the network still holds
back when the next run begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from schemas.codec import encode
from schemas.errors import DecodeError, FeedError, SchemaError
from streams.feeds import checkpoint as checkpoints
from streams.feeds.checkpoint import Checkpoint, Skip
from streams.feeds.feed import Feed, LineReader
from streams.feeds.source import TOO_LONG, Source
from streams.kafka.producer import EventProducer
from streams.kafka.tail import Tail

FEED_HEADER = "innsyn-feed"
LINE_HEADER = "innsyn-line"
BATCH_LINES = 20_000
_PROGRESS_LINES = 1_000


@dataclass(frozen=True)
class Report:
    """What became of a source over all its runs: data lines `read` = `sent` + the `skipped` ones.

    `sent_now` are this run's; `resumed_after` is the line the checkpoint stood at; `found` counts messages beyond it
    that an interrupted run had sent; `finished_before` means that nothing was left to do.
    """

    name: str
    feed_id: str | None
    topic: str
    sent: int
    sent_now: int
    skipped: Mapping[str, Skip]
    resumed_after: int
    found: int
    finished_before: bool

    @property
    def read(self) -> int:
        return self.sent + sum(skip.count for skip in self.skipped.values())


@dataclass
class _Run:
    """The counts of a run, going on from a checkpoint."""

    start: Checkpoint
    found: frozenset[int]
    sent: int = 0
    found_again: int = 0
    skipped: dict[str, Skip] = field(default_factory=dict)

    def at(self, lines: int, offsets: Mapping[int, int], finished: bool) -> Checkpoint:
        sent = self.start.sent + self.sent + self.found_again
        changed = {"lines": lines, "offsets": offsets, "sent": sent, "finished": finished}
        return self.start.model_copy(update=changed | {"skipped": dict(self.skipped)})


def ingest(
    source: Source,
    feed: Feed,
    producer: EventProducer,
    tail: Tail,
    folder: Path,
    *,
    again: bool = False,
    batch_lines: int = BATCH_LINES,
    progress: Callable[[int], None] = lambda position: None,
) -> Report:
    """Send what is left of a source; `again` sends all of it once more.

    `tail` reads the feed's topic, `folder` keeps the checkpoints, `progress` gets the bytes read so far.
    Standard input leaves no checkpoint and cannot be resumed. Raises FeedError, BrokerUnavailable.
    """
    if source.feed_id is None:
        run = _Run(Checkpoint(cluster="", topic=feed.topic.name, offsets={}), frozenset())
        _send(source, feed, producer, run, lambda lines, finished: producer.flush(), batch_lines, progress)
        return _report(source, run, finished_before=False)
    feed_id = source.feed_id
    with checkpoints.locked(folder, feed_id):
        run = _begin(folder, feed_id, feed, tail, again)
        if run.start.finished:
            return _report(source, run, finished_before=True)

        def settle(lines: int, finished: bool) -> None:
            producer.flush()
            checkpoints.save(folder, feed_id, run.at(lines, tail.end_offsets(), finished))

        _send(source, feed, producer, run, settle, batch_lines, progress)
        return _report(source, run, finished_before=False)


def read_line(read: LineReader, feed: Feed, line: str | None) -> tuple[bytes, bytes | None] | None:
    """(message, key) of one line, None if it is no data. Raises DecodeError with the reason it cannot be read."""
    if line is None:
        raise DecodeError(TOO_LONG)
    event = read(line)
    if event is None:
        return None
    try:
        message = encode(feed.record, event)
    except SchemaError:
        raise DecodeError("not_in_schema") from None
    return message, str(event[feed.topic.key]).encode() if feed.topic.key else None


def _begin(folder: Path, feed_id: str, feed: Feed, tail: Tail, again: bool) -> _Run:
    known = None if again else checkpoints.load(folder, feed_id)
    if known is None or (known.cluster, known.topic) != (tail.cluster, feed.topic.name):
        fresh = Checkpoint(cluster=tail.cluster, topic=feed.topic.name, offsets=tail.end_offsets())
        checkpoints.save(folder, feed_id, fresh)
        return _Run(fresh, frozenset())
    ends = tail.end_offsets()
    if any(ends.get(partition, 0) < offset for partition, offset in known.offsets.items()):
        raise FeedError(
            f"{feed.topic.name} was made anew since feed {feed_id} was sent; send all of it with --again"
        )
    if known.finished:
        return _Run(known, frozenset(), skipped=dict(known.skipped))
    starts = tail.start_offsets()
    if any(starts.get(partition, 0) > offset for partition, offset in known.offsets.items()):
        raise FeedError(
            f"{feed.topic.name} no longer holds what feed {feed_id} sent after line {known.lines} (retention); "
            "what is left cannot be told; --again sends all of it"
        )
    wanted = feed_id.encode()
    lines = (
        int(headers[LINE_HEADER] or 0)
        for headers in map(dict, tail.headers(dict.fromkeys(ends, 0) | dict(known.offsets), ends))
        if headers.get(FEED_HEADER) == wanted
    )
    return _Run(known, frozenset(line for line in lines if line > known.lines), skipped=dict(known.skipped))


def _send(
    source: Source,
    feed: Feed,
    producer: EventProducer,
    run: _Run,
    settle: Callable[[int, bool], None],
    batch_lines: int,
    progress: Callable[[int], None],
) -> None:
    read = feed.reader()
    settled = number = run.start.lines
    with source.open() as lines:
        for number, line in lines:
            old = number <= run.start.lines
            # Of what is settled only header lines matter: they say how to read those that follow.
            if old and not (line or "").startswith("#"):
                continue
            try:
                message = read_line(read, feed, line)
            except DecodeError as error:
                if not old:
                    run.skipped[error.reason] = run.skipped.get(error.reason, Skip()).with_line(number)
                message = None
            if message is not None and not old:
                _send_one(producer, feed, source.feed_id, number, message, run)
            if number - settled >= batch_lines:
                settle(number, False)
                settled = number
            if number % _PROGRESS_LINES == 0:
                progress(lines.position)
    settle(number, True)
    progress(source.size)


def _send_one(
    producer: EventProducer,
    feed: Feed,
    feed_id: str | None,
    number: int,
    message: tuple[bytes, bytes | None],
    run: _Run,
) -> None:
    if number in run.found:
        run.found_again += 1
        return
    headers = [] if feed_id is None else [(FEED_HEADER, feed_id.encode()), (LINE_HEADER, b"%d" % number)]
    producer.send(feed.topic.name, message[0], key=message[1], headers=headers)
    run.sent += 1


def _report(source: Source, run: _Run, *, finished_before: bool) -> Report:
    return Report(
        name=source.name,
        feed_id=source.feed_id,
        topic=run.start.topic,
        sent=run.start.sent + run.sent + run.found_again,
        sent_now=run.sent,
        skipped=run.skipped,
        resumed_after=0 if finished_before else run.start.lines,
        found=run.found_again,
        finished_before=finished_before,
    )

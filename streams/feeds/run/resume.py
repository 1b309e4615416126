"""Where a feed goes on: which content a file is, how far that has come, and what was sent after the last checkpoint."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from schemas.errors import FeedError
from streams.feeds.registry import Feed
from streams.feeds.run import checkpoint as checkpoints
from streams.feeds.run.account import FEED_HEADER, LINE_HEADER, MARK_HEADER, PART_HEADER, Message, Run
from streams.feeds.run.checkpoint import Checkpoint
from streams.feeds.run.content import Extent, Survey, changed, survey
from streams.kafka.tail import Tail as TopicTail

_LONGEST = 19
"""Digits of no line number."""


def known(folder: Path, scope: str, name: str, found: Survey) -> tuple[str, Checkpoint | None]:
    """The id of a file's feed, and how far that has come. Call it alone. Raises FeedError."""
    every = checkpoints.load_all(folder, scope)
    extent, marks = found.extent, found.marks
    wanted = {length for length in checkpoints.lengths(every.values()) if length <= extent.bytes}
    if not wanted <= marks.keys():
        # Another ingest has begun since the file was checked.
        marks = survey(name, {*wanted, extent.bytes}).marks
        if marks.get(extent.bytes) != extent.digest:
            raise changed(name)
    feed_id = checkpoints.find(every, extent, marks)
    if feed_id is None:
        return hashlib.sha256(f"{scope}\0{extent.bytes}\0{extent.digest}".encode()).hexdigest()[:16], None
    return feed_id, every[feed_id]


def fresh(feed: Feed, tail: TopicTail, extent: Extent) -> Checkpoint:
    return Checkpoint(
        cluster=tail.cluster,
        topic=feed.topic.name,
        offsets=tail.end_offsets(),
        scope=feed.scope,
        extent=extent,
        secret=secrets.token_hex(16),
    )


def begin(
    known: Checkpoint | None, feed: Feed, feed_id: str, tail: TopicTail, extent: Extent
) -> tuple[Run, bool]:
    """Where to go on, and whether anything is left to send."""
    if known is None or (known.cluster, known.topic) != (tail.cluster, feed.topic.name):
        return Run.after(fresh(feed, tail, extent)), True
    ends = tail.end_offsets()
    if any(ends.get(partition, 0) < offset for partition, offset in known.offsets.items()):
        raise FeedError(
            f"{feed.topic.name} was made anew since feed {feed_id} was sent; send all of it with --again"
        )
    if extent in known.earlier or (known.finished and extent == known.extent):
        return Run.after(known), False
    if known.finished:
        return Run.after(known.grown(extent, ends).model_copy(update={"secret": secrets.token_hex(16)})), True
    starts = tail.start_offsets()
    if any(starts.get(partition, 0) > offset for partition, offset in known.offsets.items()):
        raise FeedError(
            f"{feed.topic.name} no longer holds what feed {feed_id} sent after line {known.lines} (retention); "
            "what is left cannot be told; --again sends all of it"
        )
    sent = _sent_before(tail, known, ends, feed_id.encode())
    return Run.after(known, frozenset(message for message in sent if message[0] > known.lines)), True


def _sent_before(
    tail: TopicTail, known: Checkpoint, end: Mapping[int, int], feed_id: bytes
) -> Iterator[Message]:
    """What carries our mark: somebody else's message in place of a line would leave that line out, in silence."""
    start = dict.fromkeys(end, 0) | dict(known.offsets)
    for headers in map(dict, tail.headers(start, end)):
        if headers.get(FEED_HEADER) != feed_id:
            continue
        texts = [headers.get(name) or b"0" for name in (LINE_HEADER, PART_HEADER)]
        if not all(text.isdigit() and len(text) < _LONGEST for text in texts):
            continue
        line, part = map(int, texts)
        mark = headers.get(MARK_HEADER) or b""
        if not known.secret or hmac.compare_digest(mark, known.mark(line, part)):
            yield line, part

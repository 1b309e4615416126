"""Whether a source holds anything of the format named, and what it seems to be instead.

A source in which nothing is recognised is an error: what is not read must not look like nothing to read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set

from schemas.counted import counted
from schemas.errors import DecodeError, FeedError
from streams.feeds.formats.nat_vendors import vendor
from streams.feeds.lines.reader import OTHER, Read, Reader
from streams.feeds.lines.reasons import FOREIGN, NOT_UTF8, TOO_LONG
from streams.feeds.lines.record import Numbered, Record
from streams.feeds.lines.text import Line, Lines
from streams.feeds.registry import FORMATS, Feed

_SAMPLE = 100


class Recognition:
    """Counts what records turn out to be, until one is of the format."""

    def __init__(self, name: str, feed: Feed) -> None:
        self._name, self._feed = name, feed
        self.known = False
        self._reasons: Counter[str] = Counter()
        self._records = 0
        self._sample: list[Line] = []

    def refused(self, record: Record, reason: str) -> None:
        """One record is enough, also one with a wrong value: that is for the report."""
        self.known = self.known or reason not in FOREIGN
        self._count(record, reason)

    def read(self, record: Record, read: Read) -> None:
        self.known = self.known or read.known
        if read is OTHER:
            self._count(record, "other lines")
        elif not self.known:
            self._keep(record)

    def demand(self) -> None:
        """Raises FeedError if there was something and none of it is of the format."""
        if not self._records or self.known:
            return
        why = ", ".join(f"{reason} {count}" for reason, count in self._reasons.most_common())
        raise FeedError(
            f"{self._name}: not {self._feed.format}: none of its {counted(self._records, 'record')} can be read"
            f" ({why}); {_instead(self._feed, self._sample)}{self._feed.format} reads {self._feed.reads}"
        )

    def _count(self, record: Record, reason: str) -> None:
        self._records += 1
        self._reasons[reason] += 1
        self._keep(record)

    def _keep(self, record: Record) -> None:
        if len(self._sample) < _SAMPLE and record.lines is not None:
            self._sample += enumerate(record.lines, start=record.first)


def demand_format(name: str, feed: Feed, lines: Lines) -> None:
    """Read until the first record of the format. Raises FeedError: there is none."""
    found = Recognition(name, feed)
    reader = feed.reader()
    reader.look(lines.head())
    for record in feed.records(lines):
        try:
            found.read(record, read_one(reader, record, lines.broken))
        except DecodeError as error:
            found.refused(record, error.reason)
        if found.known:
            return
    found.demand()


def demand_format_of_head(name: str, feed: Feed, head: Sequence[Line], broken: Set[int]) -> None:
    """The same of lines that are only looked at. Raises FeedError if all of them are of something else."""
    found = Recognition(name, feed)
    reader = feed.reader()
    reader.look(head)
    for record in feed.records(iter(head)):
        try:
            read = read_one(reader, record, set(broken))
        except DecodeError as error:
            found.refused(record, error.reason)
        else:
            if read is OTHER:
                # Such lines may go on for long before the first that counts.
                return
            found.read(record, read)
        if found.known:
            return
    found.demand()


def read_one(reader: Reader, record: Record, broken: set[int] | None) -> Read:
    """What the reader makes of a record. Raises DecodeError, also for a record with a line that is too long, or with
    one of the `broken` lines, whose text is not what the source says; they are taken out."""
    if record.lines is None:
        raise DecodeError(TOO_LONG)
    if broken and not broken.isdisjoint(places := range(record.first, record.last + 1)):
        broken.difference_update(places)
        raise DecodeError(NOT_UTF8)
    return reader.read(record)


def _instead(feed: Feed, sample: Sequence[Line]) -> str:
    """What the lines seem to be."""
    logs = Counter(found for _, line in sample if line and (found := vendor(line)))
    if logs and "pattern" in FORMATS[feed.format].takes:
        seen = " and of ".join(name for name, _ in logs.most_common(2))
        return f"they look like address translation of {seen}, which a pattern file can describe (--pattern FILE); "
    for other, known in FORMATS.items():
        if other != feed.format and known.gives is not None and _seems(feed, other, sample):
            return f"name another --format: they look like {other}; "
    if any(line and line.lstrip().startswith("{") for _, line in sample):
        return "name another --format: they look like JSON, which ndjson reads with --record; "
    return "name another --format; "


def _seems(feed: Feed, other: str, sample: Numbered) -> bool:
    try:
        return feed.beside is not None and _events(feed.beside(other), sample)
    except FeedError:
        # A format that the company has no record or source for.
        return False


def _events(feed: Feed, sample: Numbered) -> bool:
    reader = feed.reader()
    reader.look(sample)
    for record in feed.records(iter(sample)):
        try:
            if record.lines is not None and any(True for _ in reader.read(record).events):
                return True
        except DecodeError:
            continue
    return False

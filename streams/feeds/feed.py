"""A feed: which format becomes which record on which topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schemas.annotations import RecordSchema
from schemas.errors import FeedError
from schemas.records import load_records
from schemas.topics import Topic, load_topics
from streams.feeds import combined, ndjson, zeek

Event = dict[str, Any]
LineReader = Callable[[str], Event | None]


class Format(StrEnum):
    COMBINED = "combined"
    ZEEK_DNS = "zeek-dns"
    ZEEK_SSL = "zeek-ssl"
    NDJSON = "ndjson"


@dataclass(frozen=True)
class Feed:
    """`reader` makes the function that reads the lines of one source in order: an event, None for a line that is
    no data (blank, header), DecodeError for one that cannot be read."""

    format: Format
    record: RecordSchema
    topic: Topic
    reader: Callable[[], LineReader]


def find_feed(format_name: str, record_name: str | None = None) -> Feed:
    """The feed of a format; ndjson needs the record's name, the others have theirs. Raises FeedError."""
    if format_name not in list(Format):
        raise FeedError(f"unknown format {format_name!r}; use one of {', '.join(Format)}")
    chosen = Format(format_name)
    fixed = {Format.COMBINED: "WebVisit", Format.ZEEK_DNS: "TrafficRecord", Format.ZEEK_SSL: "TrafficRecord"}
    if record_name is None and chosen is Format.NDJSON:
        raise FeedError("ndjson does not say what its lines are; add --record NAME, for example WebVisit")
    if record_name is not None and record_name != fixed.get(chosen, record_name):
        raise FeedError(f"{chosen} always becomes {fixed[chosen]}; leave --record out")
    name = record_name or fixed[chosen]
    topic = _topic(name)
    record = load_records()[name]
    return Feed(chosen, record, topic, _reader(chosen, record))


def _topic(record_name: str) -> Topic:
    # Rights records are not for logs: a line in a file must not erase anybody or answer for a system.
    sources: Mapping[str, Topic] = {topic.record: topic for topic in load_topics().values() if topic.tagged}
    if record_name not in sources:
        raise FeedError(f"unknown record {record_name!r}; use one of {', '.join(sorted(sources))}")
    return sources[record_name]


def _reader(chosen: Format, record: RecordSchema) -> Callable[[], LineReader]:
    match chosen:
        case Format.COMBINED:
            return lambda: _skipping_blank(combined.read)
        case Format.ZEEK_DNS:
            return lambda: _zeek(zeek.read_dns)
        case Format.ZEEK_SSL:
            return lambda: _zeek(zeek.read_ssl)
        case Format.NDJSON:
            read = ndjson.reader(record)
            return lambda: _skipping_blank(read)


def _skipping_blank(read: Callable[[str], Event]) -> LineReader:
    return lambda line: read(line) if line and not line.isspace() else None


def _zeek(read: Callable[[str, zeek.Header], Event]) -> LineReader:
    header = zeek.Header()

    def next_line(line: str) -> Event | None:
        nonlocal header
        if line.startswith("#"):
            header = zeek.read_header(line, header)
            return None
        return read(line, header) if line and not line.isspace() else None

    return next_line

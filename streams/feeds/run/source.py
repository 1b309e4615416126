"""A source that was checked before any of it is sent: a plain or gzip file, or standard input."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass

from streams.feeds.lines.text import Lines
from streams.feeds.registry import Feed
from streams.feeds.run.content import Encoding, Extent, Survey, open_file, survey
from streams.feeds.run.recognise import demand_format, demand_format_of_head

STDIN = "-"
_LABEL_LINES = 100


@dataclass(frozen=True)
class Source:
    """A source that was checked. `survey` is what its file holds, None for standard input; `size` in bytes as it lies
    there; `escaped` as the format wants its lines. `label` names standard input by its first lines.
    """

    name: str
    survey: Survey | None
    size: int
    escaped: bool
    label: str = ""
    waiting: Lines | None = None

    def open(self, extent: Extent | None = None) -> Lines:
        """The lines of the content, which ends with `extent`; None: all that was there when it was checked."""
        if self.waiting is not None or self.survey is None:
            assert self.waiting is not None
            return self.waiting
        limit = (extent or self.survey.extent).bytes
        encoding = Encoding(self.survey.encoding)
        raw = open_file(self.name, self.survey.place)
        return Lines(self.name, raw, encoding, limit, escaped=self.escaped, survey=self.survey)


def check_source(name: str, feed: Feed, stdin: io.BufferedIOBase, lengths: Iterable[int] = ()) -> Source:
    """Read a file through: its digest, also that of its first `lengths` bytes, its encoding, and whether gzip data is
    whole; and until the first record of the format. Of standard input only the first lines are looked at.

    Raises FeedError: not there, not readable, damaged, or nothing in it is of the format.
    """
    if name == STDIN:
        lines = Lines("standard input", stdin, escaped=feed.escaped)
        head = lines.head()
        demand_format_of_head("standard input", feed, head, lines.broken)
        first = "\n".join(line for _, line in head[:_LABEL_LINES] if line is not None)
        digest = hashlib.sha256(f"{feed.scope}\0{first}".encode()).hexdigest()[:16]
        return Source(name, None, 0, feed.escaped, f"{feed.format}:stdin-{digest}", lines)
    found = survey(name, lengths)
    with open_file(name, found.place) as raw:
        size = raw.seek(0, io.SEEK_END)
    source = Source(name, found, size, feed.escaped)
    with source.open() as lines:
        demand_format(name, feed, lines)
    return source

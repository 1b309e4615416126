"""Where the lines of a feed come from: a plain or gzip file, or standard input."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Self

from schemas.errors import DecodeError, FeedError
from streams.feeds.feed import Feed
from streams.feeds.reasons import FOREIGN, TOO_LONG

STDIN = "-"
_LONGEST_LINE = 1024 * 1024
_IDENTITY_BYTES = 64 * 1024
_HEAD_LINES = 100
_LINE_FEED = ord("\n")
_GZIP_MAGIC = b"\x1f\x8b"
_BROKEN = (OSError, EOFError, zlib.error)


class Lines:
    """The lines of one opened source with their numbers from 1; None for a line of more than 1 MiB.

    `number` is that of the last line read so far; `cut`: it has no line end, so it is the last one. Raises FeedError
    when the source breaks off while it is read.
    """

    def __init__(self, name: str, raw: io.FileIO | io.BufferedIOBase) -> None:
        self._name = name
        self.number = 0
        self.cut = False
        self._raw = stream = io.BufferedReader(raw)
        try:
            self.compressed = stream.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
        except OSError as error:
            raise _unreadable(name, error) from None
        self._numbered = self._read(
            io.BufferedReader(gzip.GzipFile(fileobj=stream), _LONGEST_LINE) if self.compressed else stream
        )

    def __iter__(self) -> Iterator[tuple[int, str | None]]:
        return self._numbered

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._raw.close()

    @property
    def position(self) -> int:
        """Bytes of the source (as it lies there, compressed) that were read; 0 for a pipe."""
        return self._raw.tell() if self._raw.seekable() else 0

    def head(self) -> Sequence[tuple[int, str | None]]:
        """The first lines, which stay to be read."""
        first = list(islice(self._numbered, _HEAD_LINES))
        self._numbered = chain(first, self._numbered)
        return first

    def _read(self, stream: io.BufferedIOBase) -> Iterator[tuple[int, str | None]]:
        number = 0
        try:
            for raw in iter(partial(stream.readline, _LONGEST_LINE), b""):
                self.number = number = number + 1
                if raw[-1] != _LINE_FEED:
                    self.cut = True
                    if len(raw) == _LONGEST_LINE:
                        self.cut = not _skip_rest(stream)
                        yield number, None
                        continue
                # Bytes that are no UTF-8 stay readable in the form web servers themselves write: \xHH.
                line = raw.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
                yield number, line.removeprefix("\ufeff") if number == 1 else line
        except _BROKEN as error:
            raise _unreadable(f"{self._name}: after line {number}", error) from None


def _skip_rest(stream: io.BufferedIOBase) -> bool:
    """Whether the line ends before the source does."""
    while (more := stream.readline(_LONGEST_LINE)) and not more.endswith(b"\n"):
        pass
    return bool(more)


@dataclass(frozen=True)
class Source:
    """A source that was checked. `feed_id` is its content's identity, None for standard input; `size` in bytes.

    `label` is what its dead letters are found by: the format and the content's identity, of standard input that of
    its first lines.
    """

    name: str
    feed_id: str | None
    size: int
    open: Callable[[], Lines]
    label: str


def check_source(name: str, feed: Feed, stdin: io.BufferedIOBase) -> Source:
    """Read as much as tells whether it can be sent: the first lines, and all of a gzip file for its checksum.

    The identity is what the source holds, not what it is called: format, record, size and first 64 KiB.
    Raises FeedError: not there, not readable, damaged, or none of the first lines is of the format.
    """
    if name == STDIN:
        waiting = Lines("standard input", stdin)
        head = waiting.head()
        _raise_mismatch("standard input", feed, head)
        first = "\n".join(line for _, line in head if line is not None).encode("utf-8", "surrogatepass")
        label = f"{feed.format}:stdin-{_identity(feed, 0, first)}"
        return Source(name, None, 0, lambda: waiting, label)
    path = Path(name)
    with _open(name, path) as lines:
        _raise_mismatch(name, feed, lines.head())
        if lines.compressed:
            for _ in lines:
                pass
    with path.open("rb") as file:
        size = path.stat().st_size
        feed_id = _identity(feed, size, file.read(_IDENTITY_BYTES))
    return Source(name, feed_id, size, lambda: _open(name, path), f"{feed.format}:{feed_id}")


def _identity(feed: Feed, size: int, content: bytes) -> str:
    named = f"{feed.format}\0{feed.record.name}\0{size}\0".encode() + content
    return hashlib.sha256(named).hexdigest()[:16]


def _open(name: str, path: Path) -> Lines:
    try:
        return Lines(name, path.open("rb", buffering=0))
    except OSError as error:
        raise _unreadable(name, error) from None


def _unreadable(where: str, error: BaseException) -> FeedError:
    why = (error.strerror if isinstance(error, OSError) else None) or "the gzip data is cut short or damaged"
    return FeedError(f"{where}: cannot be read ({why}); mend the file or its path")


def _raise_mismatch(name: str, feed: Feed, head: Sequence[tuple[int, str | None]]) -> None:
    """One record of the format is enough, also one with a wrong value: that is for the report."""
    reader = feed.reader()
    reasons: Counter[str] = Counter()
    for record in feed.records(head):
        try:
            if record.lines is None:
                raise DecodeError(TOO_LONG)
            if any(True for _ in reader.read(record).events):
                return
        except DecodeError as error:
            if error.reason not in FOREIGN:
                return
            reasons[error.reason] += 1
    if reasons:
        why = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        raise FeedError(
            f"{name}: not {feed.format}: none of its first {len(head)} lines can be read ({why}); "
            "name another --format"
        )

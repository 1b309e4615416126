"""Where the lines of a feed come from: a plain or gzip file, or standard input."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Self

from schemas.errors import DecodeError, FeedError
from streams.feeds.feed import Feed

STDIN = "-"
TOO_LONG = "too_long"
_LONGEST_LINE = 1024 * 1024
_IDENTITY_BYTES = 64 * 1024
_HEAD_LINES = 100
_GZIP_MAGIC = b"\x1f\x8b"
_BROKEN = (OSError, EOFError, zlib.error)


class Lines:
    """The lines of one opened source with their numbers from 1; None for a line of more than 1 MiB.

    Raises FeedError when the source breaks off while it is read.
    """

    def __init__(self, name: str, raw: io.FileIO | io.BufferedIOBase) -> None:
        self._name = name
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

    def head(self) -> list[str]:
        """The first lines, which stay to be read."""
        first = list(islice(self._numbered, _HEAD_LINES))
        self._numbered = chain(first, self._numbered)
        return [line for _, line in first if line is not None]

    def _read(self, stream: io.BufferedIOBase) -> Iterator[tuple[int, str | None]]:
        number = 0
        try:
            while raw := stream.readline(_LONGEST_LINE):
                number += 1
                if len(raw) == _LONGEST_LINE and not raw.endswith(b"\n"):
                    while (more := stream.readline(_LONGEST_LINE)) and not more.endswith(b"\n"):
                        pass
                    yield number, None
                    continue
                # Bytes that are no UTF-8 stay readable in the form web servers themselves write: \xHH.
                line = raw.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
                yield number, line.removeprefix("\ufeff") if number == 1 else line
        except _BROKEN as error:
            raise _unreadable(f"{self._name}: after line {number}", error) from None


@dataclass(frozen=True)
class Source:
    """A source that was checked. `feed_id` is its content's identity, None for standard input; `size` in bytes."""

    name: str
    feed_id: str | None
    size: int
    open: Callable[[], Lines]


def check_source(name: str, feed: Feed, stdin: io.BufferedIOBase) -> Source:
    """Read as much as tells whether it can be sent: the first lines, and all of a gzip file for its checksum.

    The identity is what the source holds, not what it is called: format, record, size and first 64 KiB.
    Raises FeedError: not there, not readable, damaged, or none of the first lines is of the format.
    """
    if name == STDIN:
        waiting = Lines("standard input", stdin)
        _raise_mismatch("standard input", feed, waiting.head())
        return Source(name, None, 0, lambda: waiting)
    path = Path(name)
    with _open(name, path) as lines:
        _raise_mismatch(name, feed, lines.head())
        if lines.compressed:
            for _ in lines:
                pass
    with path.open("rb") as file:
        size = path.stat().st_size
        identity = f"{feed.format}\0{feed.record.name}\0{size}\0".encode() + file.read(_IDENTITY_BYTES)
    return Source(name, hashlib.sha256(identity).hexdigest()[:16], size, lambda: _open(name, path))


def _open(name: str, path: Path) -> Lines:
    try:
        return Lines(name, path.open("rb", buffering=0))
    except OSError as error:
        raise _unreadable(name, error) from None


def _unreadable(where: str, error: BaseException) -> FeedError:
    why = (error.strerror if isinstance(error, OSError) else None) or "the gzip data is cut short or damaged"
    return FeedError(f"{where}: cannot be read ({why}); mend the file or its path")


def _raise_mismatch(name: str, feed: Feed, head: list[str]) -> None:
    read = feed.reader()
    reasons: Counter[str] = Counter()
    for line in head:
        try:
            if read(line) is not None:
                return
        except DecodeError as error:
            reasons[error.reason] += 1
    if reasons:
        why = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        raise FeedError(
            f"{name}: not {feed.format}: none of its first {len(head)} lines can be read ({why}); "
            "name another --format"
        )

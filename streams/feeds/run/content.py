"""What a source holds: its bytes without compression, known by their digest, and the text they are.

Compression is no part of the content: a log that was sent and then compressed is the same. A gzip file that is cut
short (still being written, or copied) holds what can be read of it, up to its last whole line.
"""

from __future__ import annotations

import codecs
import errno
import gzip
import hashlib
import io
import os
import re
import sys
import zlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from schemas.counted import counted
from schemas.errors import FeedError
from schemas.files import open_regular
from streams.feeds.lines.reasons import CUT_SHORT, UTF_16, WINDOWS_1252
from streams.feeds.run.unchanged import BlockDigests

BROKEN = (OSError, EOFError, zlib.error)
_BLOCK = 256 * 1024
_LINE_FEED = b"\n"
_GZIP = b"\x1f\x8b"
_OTHER_PACKING = {
    b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip", b"\x04\x22\x4d\x18": "lz4",
}  # fmt: skip
_LONGEST_MARK = 6
# The five bytes that Windows-1252 has no letter for, and what is hardly ever one in a name (Â, Ã, â before a sign) and
# nearly always the first half of a letter in UTF-8.
_NOT_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d\xc2\xc3]|\xe2[\x80-\xbf]")
_WIDE_START = 64
LONGEST_LINE = 1024 * 1024


Place = tuple[int, int]


class Encoding(StrEnum):
    UTF_8 = "utf-8"
    UTF_16_LE = "utf-16-le"
    UTF_16_BE = "utf-16-be"
    WINDOWS_1252 = "windows-1252"


_SAID = {
    Encoding.UTF_16_LE: UTF_16,
    Encoding.UTF_16_BE: UTF_16,
    Encoding.WINDOWS_1252: WINDOWS_1252,
}


class Extent(BaseModel):
    """The first `bytes` bytes of a content and their SHA-256 in hexadecimal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int
    digest: str


@dataclass(frozen=True)
class Survey:
    """All of a file, read once. `marks` are the digests at the lengths that were asked for, as far as it goes.

    `cut_short`: the gzip data breaks off after `extent`. `blocks`: see `streams.feeds.run.unchanged`. `place`: device
    and inode, which a file that takes the name later does not have.
    """

    extent: Extent
    marks: Mapping[int, str]
    encoding: Encoding
    cut_short: bool
    blocks: Sequence[bytes] = field(default=(), repr=False)
    place: Place | None = field(default=None, compare=False)

    @property
    def remarks(self) -> Set[str]:
        return remarks(self.encoding, cut_short=self.cut_short)


def remarks(encoding: Encoding, *, cut_short: bool) -> Set[str]:
    """What has to be said of how a source was read."""
    said = {_SAID[encoding]} if encoding in _SAID else set()
    return said | {CUT_SHORT} if cut_short else said


class Content(io.RawIOBase):
    """The bytes of a source, decompressed, at most `limit` of them. `extent` is of what was read so far.

    `packed` is the source as it lies there. `cut_short`: it broke off inside the gzip data.
    """

    def __init__(self, name: str, raw: io.FileIO | io.BufferedIOBase, limit: int | None = None) -> None:
        self._name = name
        self._left = sys.maxsize if limit is None else limit
        self._hash = hashlib.sha256()
        self._bytes = 0
        self.cut_short = False
        self.packed = stream = io.BufferedReader(raw, _BLOCK)
        try:
            start = stream.peek(_LONGEST_MARK)
        except OSError as error:
            raise unreadable(name, error) from None
        for mark, packing in _OTHER_PACKING.items():
            if start.startswith(mark):
                raise FeedError(f"{name}: is packed with {packing}; unpack it, or pack it with gzip")
        self.compressed = start.startswith(_GZIP)
        self._stream: io.BufferedIOBase = gzip.GzipFile(fileobj=stream) if self.compressed else stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self.next(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def next(self, most: int) -> bytes:
        """At least one byte, none at the end. Raises FeedError."""
        wanted = min(most, self._left)
        try:
            block = self._stream.read1(wanted) if wanted else b""
        except EOFError:
            self.cut_short = True
            return b""
        except BROKEN as error:
            raise unreadable(f"{self._name}: after {counted(self._bytes, 'byte')}", error) from None
        self._hash.update(block)
        self._bytes += len(block)
        self._left -= len(block)
        return block

    def stop_at(self, limit: int) -> None:
        self._left = limit - self._bytes

    @property
    def extent(self) -> Extent:
        return Extent(bytes=self._bytes, digest=self._hash.hexdigest())

    def close(self) -> None:
        self.packed.close()
        super().close()


class Utf8(io.RawIOBase):
    """UTF-16 as UTF-8. Raises UnicodeDecodeError (a ValueError) where it is not UTF-16."""

    def __init__(self, stream: io.BufferedIOBase, encoding: Encoding) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting:
            block = self._stream.read1(_BLOCK)
            self._waiting = self._decoder.decode(block, final=not block).encode()
            if not block:
                break
        part, self._waiting = self._waiting[: len(buffer)], self._waiting[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def open_file(name: str, place: Place | None = None) -> io.FileIO:
    """A regular file; with `place`, the one that was there. Raises FeedError."""
    try:
        file = open_regular(name)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise FeedError(f"{name}: {error.strerror}, which cannot be read twice; pipe it in: -") from None
        raise unreadable(name, error) from None
    if place is not None and _place(file) != place:
        file.close()
        raise FeedError(
            f"{name}: is another file than the one that was looked at (rotated?); run the same command again, also for "
            "the one that was renamed"
        )
    return file


def _place(file: io.FileIO) -> Place:
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino


def unreadable(where: str, error: BaseException) -> FeedError:
    why = (error.strerror if isinstance(error, OSError) else None) or "its gzip data is damaged"
    return FeedError(f"{where}: cannot be read ({why}); mend the file or its path")


def changed(name: str) -> FeedError:
    return FeedError(
        f"{name}: changed while it was being read; what was sent stays; run the same command again, which takes it for "
        "another file unless it only grew"
    )


def wide(start: bytes) -> Encoding | None:
    """The kind of UTF-16 that a content begins as, by its mark or by the half of its bytes that is zero."""
    if start.startswith(codecs.BOM_UTF16_LE):
        return Encoding.UTF_16_LE
    if start.startswith(codecs.BOM_UTF16_BE):
        return Encoding.UTF_16_BE
    even, odd = start[0:_WIDE_START:2], start[1:_WIDE_START:2]
    if len(odd) < _WIDE_START // 2 or any(even) == any(odd):
        return None
    return Encoding.UTF_16_LE if all(even) and not any(odd) else Encoding.UTF_16_BE if all(odd) else None


def survey(name: str, lengths: Iterable[int] = ()) -> Survey:
    """Read all of a file: what it holds now, though it may grow meanwhile. Raises FeedError."""
    found, line_end = _survey(name, sorted(set(lengths)), None)
    if found.cut_short:
        found, _ = _survey(name, sorted(set(lengths)), line_end)
        return replace(found, cut_short=True)
    return found


def _survey(name: str, lengths: Sequence[int], limit: int | None) -> tuple[Survey, int]:
    """And where the last whole line ends."""
    marks: dict[int, str] = {}
    text, blocks = _Text(), BlockDigests()
    line_end = 0
    with open_file(name) as raw:
        content = Content(name, raw, limit)
        if limit is None and not content.compressed:
            content.stop_at(os.fstat(raw.fileno()).st_size)
        wanted = deque(lengths)
        while True:
            position = content.extent.bytes
            while wanted and wanted[0] <= position:
                marks[wanted.popleft()] = content.extent.digest
            block = content.next(min(_BLOCK, wanted[0] - position) if wanted else _BLOCK)
            if not block:
                break
            if (last := block.rfind(_LINE_FEED)) >= 0:
                line_end = position + last + 1
            text.add(block)
            blocks.add(block)
        found = Survey(
            content.extent, marks, text.encoding(), content.cut_short, blocks.end(), place=_place(raw)
        )
        return found, line_end


class _Text:
    """Which encoding the bytes are in, told from all of them."""

    def __init__(self) -> None:
        self._start = b""
        self._rest = b""
        self._utf_8 = self._broken = self._odd = False

    def add(self, block: bytes) -> None:
        if len(self._start) < _WIDE_START:
            self._start += block[:_WIDE_START]
        whole, feed, rest = (self._rest + block).rpartition(_LINE_FEED)
        self._lines(whole + feed)
        # No line is longer that anybody reads.
        self._rest = rest if len(rest) <= LONGEST_LINE else b""

    def encoding(self) -> Encoding:
        if kind := wide(self._start):
            return kind
        self._lines(self._rest)
        windows = self._broken and not self._utf_8 and not self._odd
        return Encoding.WINDOWS_1252 if windows else Encoding.UTF_8

    def _lines(self, lines: bytes) -> None:
        if lines.isascii():
            return
        try:
            lines.decode()
            self._utf_8 = True
        except UnicodeDecodeError:
            if lines.count(_LINE_FEED) > 1:
                for line in lines.splitlines(keepends=True):
                    self._lines(line)
            else:
                self._broken = True
                self._odd = self._odd or _NOT_WINDOWS.search(lines) is not None

"""The lines of a source as text."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence, Set
from functools import partial
from itertools import chain
from types import TracebackType
from typing import Self

from schemas.errors import FeedError
from streams.feeds.run.content import (
    LONGEST_LINE,
    Content,
    Encoding,
    Extent,
    Survey,
    Utf8,
    changed,
    remarks,
    wide,
)
from streams.feeds.run.unchanged import Unchanged

_HEAD_LINES = 1_000
_MOST_PIECES = 64
_HEAD_CHARACTERS = 1024 * 1024
_LINE_FEED = ord("\n")
_MARK = "\ufeff"

Line = tuple[int, str | None]


class Lines:
    """The lines of one opened source with their numbers from 1; None for a line of more than 1 MiB.

    `number` is that of the last line read so far; `cut`: it has no line end, so it is the last one. `broken` are the
    numbers of lines that are not in the encoding: their text shows the bytes as \\xHH, to be looked at, not to be read.
    With `escaped` such lines are to be read. Raises FeedError when the source breaks off while it is read.
    """

    def __init__(
        self,
        name: str,
        raw: io.FileIO | io.BufferedIOBase,
        encoding: Encoding = Encoding.UTF_8,
        limit: int | None = None,
        *,
        escaped: bool = False,
        survey: Survey | None = None,
    ) -> None:
        """At most `limit` bytes of it. `survey`: what it was when it was looked at, and has to be still."""
        self._name = name
        self._escaped = escaped
        self.number = 0
        self.cut = False
        self.broken: set[int] = set()
        self._content = Content(name, raw, limit)
        # Kept, for a reader that is let go closes what it reads.
        self._stream = stream = io.BufferedReader(self._checked(survey, limit), LONGEST_LINE)
        try:
            start = stream.peek(1)
        except FeedError:
            self._content.close()
            raise
        self._encoding = encoding = wide(start) or encoding
        if encoding in (Encoding.UTF_16_LE, Encoding.UTF_16_BE):
            utf_8 = io.BufferedReader(Utf8(stream, encoding), LONGEST_LINE)
            self._numbered = self._read(utf_8.readline, Encoding.UTF_8)
        else:
            self._numbered = self._read(stream.readline, encoding)

    def __iter__(self) -> Iterator[Line]:
        return self._numbered

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._content.close()

    @property
    def position(self) -> int:
        """Bytes of the source (as it lies there, compressed) that were read; 0 for a pipe."""
        return self._content.packed.tell() if self._content.packed.seekable() else 0

    @property
    def extent(self) -> Extent:
        """The content read so far."""
        return self._content.extent

    @property
    def broke_off(self) -> bool:
        """Whether the source ended inside its gzip data."""
        return self._content.cut_short

    @property
    def remarks(self) -> Set[str]:
        """What has to be said of how they were read, as far as that was."""
        return remarks(self._encoding, cut_short=self.broke_off)

    def head(self) -> Sequence[Line]:
        """The first lines, which stay to be read."""
        first: list[Line] = []
        characters = 0
        for number, line in self._numbered:
            first.append((number, line))
            characters += len(line or "")
            if len(first) == _HEAD_LINES or characters > _HEAD_CHARACTERS:
                break
        self._numbered = chain(first, self._numbered)
        return first

    def _checked(self, survey: Survey | None, limit: int | None) -> io.RawIOBase:
        if survey is None:
            return self._content
        size = survey.extent.bytes
        wanted = size if limit is None else limit
        return Unchanged(self._content.next, survey.blocks, size, wanted, lambda: changed(self._name))

    def _read(self, readline: Callable[[int], bytes], encoding: Encoding) -> Iterator[Line]:
        number = 0
        try:
            for raw in iter(partial(readline, LONGEST_LINE), b""):
                self.number = number = number + 1
                if raw[-1] != _LINE_FEED:
                    self.cut = True
                    if len(raw) == LONGEST_LINE:
                        self.cut = not self._skip_rest(readline)
                        yield number, None
                        continue
                if not raw[0]:
                    # A log that was cut to nothing while its writer went on begins with zeros (copytruncate).
                    raw = raw.lstrip(b"\0")
                raw = raw.rstrip(b"\r\n")
                try:
                    line = raw.decode(encoding)
                except UnicodeDecodeError:
                    line = raw.decode("utf-8", "backslashreplace")
                    if not self._escaped:
                        self.broken.add(number)
                yield number, line.removeprefix(_MARK) if number == 1 else line
        except UnicodeDecodeError:
            raise FeedError(
                f"{self._name}: after line {number}: begins as UTF-16 and is not; save it as UTF-8"
            ) from None

    def _skip_rest(self, readline: Callable[[int], bytes]) -> bool:
        """Whether the line ends before the source does. Raises FeedError for one that goes on and on."""
        for _ in range(_MOST_PIECES):
            if not (more := readline(LONGEST_LINE)):
                return False
            if more[-1] == _LINE_FEED:
                return True
        raise FeedError(
            f"{self._name}: line {self.number} has more than {_MOST_PIECES} MiB; this is no log of lines"
        )

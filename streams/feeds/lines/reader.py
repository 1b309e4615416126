"""What a format does with the records of one source, in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Set
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from schemas.errors import DecodeError
from streams.feeds.lines.record import Numbered, Record

Event = dict[str, Any]


class Read(NamedTuple):
    """The events of one record. `notice`: what is odd about them, a reason of `streams.feeds.lines.reasons`; they are
    events all the same. `known`: the record is one of the format. `counted`: what else is said of it, by the count."""

    events: Iterable[Event] = ()
    notice: str | None = None
    known: bool = True
    counted: Collection[str] = ()


NO_DATA = Read()
"""A record of the format that is no event, such as a header."""

BLANK = Read(known=False)
"""Nothing stands there."""

OTHER = Read(known=False)
"""A line of the same log that is about something else."""


def no_event(record: Record) -> Read:
    """What a record without an event is: of the format if it says anything."""
    return NO_DATA if record.text.strip() else BLANK


class Reader(Protocol):
    """Reads the records of one source. What it remembers of earlier ones may change how it reads later ones.

    `remarks`: what has to be said of how it read them, of `streams.feeds.lines.reasons.REMARKS`.
    """

    @property
    def remarks(self) -> Set[str]: ...

    def read(self, record: Record) -> Read:
        """Raises DecodeError with the reason why the record cannot be read."""

    def recall(self, record: Record) -> None:
        """The record was settled by an earlier run: remember of it what later ones need."""

    def look(self, lines: Numbered) -> None:
        """See the first lines, before any is read: how columns are meant may show in several alone."""


class LineReader:
    """Reads lines that do not depend on each other."""

    def __init__(self, read: Callable[[str], Event]) -> None:
        self._read = read
        self.remarks: Set[str] = frozenset()

    def read(self, record: Record) -> Read:
        line = record.text
        return Read((self._read(line),)) if line and not line.isspace() else BLANK

    def recall(self, record: Record) -> None:
        return None

    def look(self, lines: Numbered) -> None:
        return None


class RememberingReader:
    """Base of readers that remember something of every record."""

    remarks: Set[str] = frozenset()

    def read(self, record: Record) -> Read:
        raise NotImplementedError

    def recall(self, record: Record) -> None:
        if record.lines is not None:
            with suppress(DecodeError):
                self.read(record)

    def look(self, lines: Numbered) -> None:
        return None

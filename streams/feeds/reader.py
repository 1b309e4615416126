"""What a format does with the records of one source, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from schemas.errors import DecodeError
from streams.feeds.record import Record

Event = dict[str, Any]


class Read(NamedTuple):
    """The events of one record, none if it is no data (blank, header). `notice`: what is odd about them, a reason of
    `streams.feeds.reasons`; they are events all the same."""

    events: Iterable[Event] = ()
    notice: str | None = None


NO_DATA = Read()


class Reader(Protocol):
    """Reads the records of one source. What it remembers of earlier ones may change how it reads later ones."""

    def read(self, record: Record) -> Read:
        """Raises DecodeError with the reason why the record cannot be read."""

    def recall(self, record: Record) -> None:
        """The record was settled by an earlier run: remember of it what later ones need."""


class LineReader:
    """Reads lines that do not depend on each other."""

    def __init__(self, read: Callable[[str], Event]) -> None:
        self._read = read

    def read(self, record: Record) -> Read:
        line = record.text
        return Read((self._read(line),)) if line and not line.isspace() else NO_DATA

    def recall(self, record: Record) -> None:
        return None


class RememberingReader:
    """Base of readers that remember something of every record."""

    def read(self, record: Record) -> Read:
        raise NotImplementedError

    def recall(self, record: Record) -> None:
        if record.lines is not None:
            with suppress(DecodeError):
                self.read(record)

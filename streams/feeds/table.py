"""CSV with a header line that names the columns."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence

from schemas.errors import DecodeError
from streams.feeds.record import Record

Split = Callable[[Record], Sequence[str]]


def quoted(record: Record) -> Sequence[str]:
    """The fields of one record (RFC 4180). Raises DecodeError bad_quotes."""
    try:
        rows = list(csv.reader((line + "\n" for line in record.lines or ()), strict=True))
    except csv.Error:
        raise DecodeError("bad_quotes") from None
    if len(rows) != 1:
        raise DecodeError("bad_quotes")
    # The line break that ends the last line of a record is no part of its last field.
    return rows[0]


def plain(record: Record) -> Sequence[str]:
    """The fields of a line without quoting."""
    return record.text.split(",")


class Table:
    """The rows of one source by column name. A header line may come again: files are joined."""

    def __init__(self, required: Sequence[str], split: Split) -> None:
        self._required = required
        self._split = split
        self._columns: Sequence[str] = ()

    def row(self, record: Record) -> Mapping[str, str] | None:
        """None for a blank line or a header. Raises DecodeError: no_header, column_count, bad_quotes."""
        if not record.text.strip():
            return None
        values = self._split(record)
        if values[0].strip() == self._required[0]:
            columns = [value.strip() for value in values]
            if not set(self._required) <= set(columns):
                raise DecodeError("no_header")
            self._columns = columns
            return None
        if not self._columns:
            raise DecodeError("no_header")
        if len(values) != len(self._columns):
            raise DecodeError("column_count")
        return dict(zip(self._columns, values, strict=True))

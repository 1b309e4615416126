"""CSV with a header line that names the columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence

from schemas.errors import DecodeError
from streams.feeds.lines.record import Record

Split = Callable[[Record, str], Sequence[str]]

_MARK = "\ufeff"
_COMMA = ","
# Spreadsheets write the list separator of their country, which is a semicolon where the comma is the decimal sign.
_DELIMITERS = (_COMMA, ";", "\t")
_SPREADSHEET_LINE = re.compile(r'"?sep=."?', re.IGNORECASE)


def quoted(record: Record, delimiter: str) -> Sequence[str]:
    """The fields of one record (RFC 4180). Raises DecodeError bad_quotes."""
    try:
        lines = (line + "\n" for line in record.lines or ())
        rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        raise DecodeError("bad_quotes") from None
    if len(rows) != 1:
        raise DecodeError("bad_quotes")
    # The line break that ends the last line of a record is no part of its last field.
    return rows[0]


def plain(record: Record, delimiter: str) -> Sequence[str]:
    """The fields of a line without quoting."""
    return record.text.split(delimiter)


class Table:
    """The rows of one source by column name. A header line may come again: files are joined. It also tells whether
    commas, semicolons or tabs part the columns."""

    def __init__(self, required: Sequence[str], split: Split) -> None:
        self._required = required
        self._split = split
        self._columns: Sequence[str] = ()
        self._delimiter = _COMMA

    def row(self, record: Record) -> Mapping[str, str] | None:
        """None for a blank line or a header. Raises DecodeError: no_header, column_twice, column_count, bad_quotes."""
        text = record.text.strip()
        if not text:
            return None
        if self._is_header(text):
            self._header(record)
            return None
        if not self._columns:
            if _SPREADSHEET_LINE.fullmatch(text):
                return None
            raise DecodeError("no_header")
        values = self._split(record, self._delimiter)
        if len(values) != len(self._columns):
            raise DecodeError("column_count")
        return dict(zip(self._columns, values, strict=True))

    def _is_header(self, text: str) -> bool:
        start = text.removeprefix(_MARK).lstrip()
        if not start.startswith((self._required[0], f'"{self._required[0]}"')):
            return False
        rest = start.removeprefix('"')[len(self._required[0]) :].removeprefix('"').lstrip(" ")
        return rest.startswith(_DELIMITERS)

    def _header(self, record: Record) -> None:
        for delimiter in _DELIMITERS:
            columns = [
                value.strip().removeprefix(_MARK).strip('" ') for value in self._split(record, delimiter)
            ]
            if set(self._required) <= set(columns):
                if any(columns.count(name) > 1 for name in columns if name):
                    raise DecodeError("column_twice")
                self._columns, self._delimiter = columns, delimiter
                return
        raise DecodeError("no_header")

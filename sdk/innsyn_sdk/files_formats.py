"""How files of events are written anew without some rows: NDJSON, plain or compressed, and Parquet."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

from innsyn_sdk.mapping import Column, NotAJob, RecordMapping

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError:  # the extra is not installed
    pa = pc = pq = None

Decide = Callable[[Mapping[str, Any]], tuple[Column, ...] | None]
"""Columns to blank of a row; None: it goes."""
_OPENERS: Mapping[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


class Unreadable(Exception):
    """A file or a row of it cannot be read as what it should be; `str` says where, without a value of it."""


class Rewrite(Protocol):
    """One format."""

    def check(self, path: Path, mapping: RecordMapping) -> None:
        """That the file has what is mapped. Raises NotAJob, Unreadable."""

    def run(self, path: Path, new: Path, mapping: RecordMapping, decide: Decide) -> None:
        """Write the new file. Raises NotAJob, Unreadable, OSError."""


def rewrite_of(path: Path) -> Rewrite:
    """By the name. Raises NotAJob for one that tells no format which is known."""
    suffixes = path.suffixes
    if suffixes[-1:] == [".parquet"]:
        if pq is None:
            raise NotAJob(f"{path} is Parquet and pyarrow is missing; install innsyn-sdk[files]")
        return _Parquet()
    packed = suffixes.pop() if suffixes and suffixes[-1] in _OPENERS else None
    if suffixes[-1:] in ([".ndjson"], [".jsonl"]):
        return _Ndjson(_OPENERS[packed] if packed else open)
    raise NotAJob(
        f"{path} is neither .parquet nor .ndjson (.jsonl), plain or .gz, .bz2 or .xz; narrow the pattern"
    )


class _Ndjson:
    """Lines that stay stay byte by byte."""

    def __init__(self, opener: Callable[..., Any]) -> None:
        self._opener = opener

    def check(self, path: Path, mapping: RecordMapping) -> None:
        for line in self._lines(path):
            if line.strip():
                _row(line, 1, path, mapping)
                return

    def run(self, path: Path, new: Path, mapping: RecordMapping, decide: Decide) -> None:
        written: IO[bytes]
        with self._opener(new, "wb") as written:
            for number, line in enumerate(self._lines(path), 1):
                if not line.strip():
                    written.write(line)
                    continue
                row = _row(line, number, path, mapping)
                blank = decide(row)
                if blank is None:
                    continue
                if blank:
                    row |= {item.name: item.blank for item in blank}
                    end = line[len(line.rstrip(b"\r\n")) :]
                    line = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + end
                written.write(line)

    def _lines(self, path: Path) -> Iterator[bytes]:
        try:
            with self._opener(path, "rb") as file:
                yield from file
        except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
            raise Unreadable(f"{path} cannot be unpacked ({type(error).__name__})") from None


def _row(line: bytes, number: int, path: Path, mapping: RecordMapping) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Unreadable(f"{path}, line {number} is no JSON object, or names a field twice") from None
    if not isinstance(row, dict):
        raise Unreadable(f"{path}, line {number} is no JSON object")
    if row.keys() - mapping.named:
        # A name may be a value that somebody misplaced, so it is not told.
        raise NotAJob(f"{path}, line {number} has a field that the job's file does not name")
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


class _Parquet:
    """Row group by row group."""

    def check(self, path: Path, mapping: RecordMapping) -> None:
        with _parquet(path) as file:
            mapping.check(file.schema_arrow.names, str(path))

    def run(self, path: Path, new: Path, mapping: RecordMapping, decide: Decide) -> None:
        gone = 0
        with _parquet(path) as file:
            with pq.ParquetWriter(new, file.schema_arrow, **_settings(file)) as written:
                for group in range(file.num_row_groups):
                    try:
                        rows = file.read_row_group(group)
                    except (pa.ArrowException, OSError) as error:
                        raise Unreadable(f"{path}, row group {group}: {type(error).__name__}") from None
                    left = _left(rows, path, mapping, decide)
                    gone += rows.num_rows - left.num_rows
                    if left.num_rows:
                        written.write_table(left, row_group_size=left.num_rows)
            rows, schema = file.metadata.num_rows, file.schema_arrow
        with _parquet(new) as made:
            if made.metadata.num_rows != rows - gone or not made.schema_arrow.equals(
                schema, check_metadata=True
            ):
                raise OSError(f"{path} was not written as it was read")


def _parquet(path: Path) -> Any:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise Unreadable(f"{path} is no Parquet that can be read ({type(error).__name__})") from None


def _settings(file: Any) -> dict[str, Any]:
    """Compression by column, version and order, as the file has them."""
    said: dict[str, Any] = {"version": file.metadata.format_version}
    if not file.num_row_groups:
        return said
    group = file.metadata.row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    packed = {item.path_in_schema: item.compression for item in columns}
    said["compression"] = {
        name: "NONE" if codec == "UNCOMPRESSED" else codec for name, codec in packed.items()
    }
    return said | ({"sorting_columns": group.sorting_columns} if group.sorting_columns else {})


class _Row(Mapping[str, Any]):
    """A row of a table, read where it is asked for."""

    def __init__(self, columns: Mapping[str, Any], place: int) -> None:
        self._columns, self._place = columns, place

    def __getitem__(self, name: str) -> Any:
        return self._columns[name][self._place].as_py()

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def _left(rows: Any, path: Path, mapping: RecordMapping, decide: Decide) -> Any:
    """The rows that stay, with nothing in the columns that are blanked there."""
    columns = {name: _in_microseconds(rows[name]) for name in mapping.named}
    stays, blanks = [], dict[Column, list[bool]]()
    for place in range(rows.num_rows):
        blank = decide(_Row(columns, place))
        stays.append(blank is not None)
        for item in blank or ():
            blanks.setdefault(item, [False] * rows.num_rows)[place] = True
    for item, where in blanks.items():
        position = rows.schema.get_field_index(item.name)
        described = rows.schema.field(position)
        if item.blank is None and not described.nullable:
            raise Unreadable(f"{path}: {item.name} may not be null; give it a `blank` in the job's file")
        empty = pa.scalar(item.blank, described.type)
        rows = rows.set_column(position, described, pc.if_else(pa.array(where), empty, rows[item.name]))
    return _without_leftovers(rows.filter(pa.array(stays, pa.bool_())), path)


def _without_leftovers(rows: Any, path: Path) -> Any:
    """With dictionaries made anew: the old ones hold the values of rows that went, and would be written with them."""
    for position, described in enumerate(rows.schema):
        kind = described.type
        if pa.types.is_dictionary(kind):
            anew = rows.column(position).cast(kind.value_type).combine_chunks().cast(kind)
            rows = rows.set_column(position, described, anew)
        elif "dictionary<" in str(kind):
            raise Unreadable(
                f"{path}: {described.name} has a dictionary inside of it, which may hold what is to go"
            )
    return rows


def _in_microseconds(column: Any) -> Any:
    """Python has no nanoseconds."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pc.cast(column, pa.timestamp("us", kind.tz), safe=False)
    return column

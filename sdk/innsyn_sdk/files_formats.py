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

from innsyn_sdk.mapping import NotAJob, RecordMapping

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError:  # the extra is not installed
    pa = pc = pq = None

Decide = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
"""What columns of a row are to say; None: it goes."""
_OPENERS: Mapping[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


class Unreadable(Exception):
    """A file or a row of it cannot be read as what it should be; `str` says where, without a value of it."""


def named(path: Path) -> str:
    """A file as logs and errors name it, by its inode: its name may hold what somebody is known by. `find FOLDER -inum
    N` finds it."""
    try:
        return f"the file of inode {path.lstat().st_ino}"
    except OSError:
        return "a file that is gone"


class Rewrite(Protocol):
    """One format."""

    def rows(self, path: Path, mapping: RecordMapping) -> Iterator[Mapping[str, Any]]:
        """All rows. Raises NotAJob, Unreadable, OSError."""

    def check(self, path: Path, mapping: RecordMapping) -> None:
        """That the file has what is mapped. Raises NotAJob, Unreadable."""

    def run(self, path: Path, new: Path, mapping: RecordMapping, decide: Decide) -> None:
        """Write the new file. Raises NotAJob, Unreadable, OSError."""


def rewrite_of(path: Path) -> Rewrite:
    """By the name. Raises NotAJob for one that tells no format which is known."""
    suffixes = path.suffixes
    if suffixes[-1:] == [".parquet"]:
        if pq is None:
            raise NotAJob(f"{named(path)} is Parquet and pyarrow is missing; install innsyn-sdk[files]")
        return _Parquet()
    packed = suffixes.pop() if suffixes and suffixes[-1] in _OPENERS else None
    if suffixes[-1:] in ([".ndjson"], [".jsonl"]):
        return _Ndjson(_OPENERS[packed] if packed else open)
    raise NotAJob(
        f"{named(path)} is neither .parquet nor .ndjson (.jsonl), plain or .gz, .bz2 or .xz; narrow the pattern"
    )


class _Ndjson:
    """Lines that stay stay byte by byte."""

    def __init__(self, opener: Callable[..., Any]) -> None:
        self._opener = opener

    def rows(self, path: Path, mapping: RecordMapping) -> Iterator[Mapping[str, Any]]:
        for number, line in enumerate(self._lines(path), 1):
            if line.strip():
                yield _row(line, number, path, mapping)

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
                said = decide(row)
                if said is None:
                    continue
                if said:
                    row |= said
                    end = line[len(line.rstrip(b"\r\n")) :]
                    line = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + end
                written.write(line)

    def _lines(self, path: Path) -> Iterator[bytes]:
        try:
            with self._opener(path, "rb") as file:
                yield from file
        except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
            raise Unreadable(f"{named(path)} cannot be unpacked ({type(error).__name__})") from None


def _row(line: bytes, number: int, path: Path, mapping: RecordMapping) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Unreadable(f"{named(path)}, line {number} is no JSON object, or names a field twice") from None
    if not isinstance(row, dict):
        raise Unreadable(f"{named(path)}, line {number} is no JSON object")
    if row.keys() - mapping.named:
        # A name may be a value that somebody misplaced, so its place is told instead.
        place = next(nth for nth, name in enumerate(row, 1) if name not in mapping.named)
        lacking = ", ".join(sorted(mapping.named - row.keys()))
        raise NotAJob(
            f"{named(path)}, line {number} has a field that the job's file does not name, number {place} of its"
            f" {len(row)}{f', and lacks {lacking}' if lacking else ''}; map it to a field of {mapping.record}, or list"
            " it in `other` if it says nothing of anybody"
        )
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


class _Parquet:
    """Row group by row group."""

    def rows(self, path: Path, mapping: RecordMapping) -> Iterator[Mapping[str, Any]]:
        with _parquet(path) as file:
            for group in range(file.num_row_groups):
                rows = _group(file, group, path)
                columns = {name: _in_microseconds(rows[name]) for name in mapping.named}
                yield from (dict(_Row(columns, place)) for place in range(rows.num_rows))

    def check(self, path: Path, mapping: RecordMapping) -> None:
        with _parquet(path) as file:
            mapping.check(file.schema_arrow.names, named(path))

    def run(self, path: Path, new: Path, mapping: RecordMapping, decide: Decide) -> None:
        gone = 0
        with _parquet(path) as file:
            with pq.ParquetWriter(new, file.schema_arrow, **_settings(file)) as written:
                for group in range(file.num_row_groups):
                    rows = _group(file, group, path)
                    left = _left(rows, path, mapping, decide)
                    gone += rows.num_rows - left.num_rows
                    if left.num_rows:
                        written.write_table(left, row_group_size=left.num_rows)
            rows, schema = file.metadata.num_rows, file.schema_arrow
        with _parquet(new) as made:
            if made.metadata.num_rows != rows - gone or not made.schema_arrow.equals(
                schema, check_metadata=True
            ):
                raise OSError(f"{named(path)} was not written as it was read")


def _parquet(path: Path) -> Any:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise Unreadable(f"{named(path)} is no Parquet that can be read ({type(error).__name__})") from None


def _group(file: Any, group: int, path: Path) -> Any:
    try:
        return file.read_row_group(group)
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"{named(path)}, row group {group}: {type(error).__name__}") from None


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
    """The rows that stay, with what their columns are to say."""
    columns = {name: _in_microseconds(rows[name]) for name in mapping.named}
    stays, sets = [], dict[tuple[str, Any], list[bool]]()
    for place in range(rows.num_rows):
        said = decide(_Row(columns, place))
        stays.append(said is not None)
        for item in (said or {}).items():
            sets.setdefault(item, [False] * rows.num_rows)[place] = True
    for (name, value), where in sets.items():
        rows = _with(rows, name, value, pa.array(where), path)
    return _without_leftovers(rows.filter(pa.array(stays, pa.bool_())), path)


def _with(rows: Any, name: str, value: Any, where: Any, path: Path) -> Any:
    """The rows with a value in a column of some of them."""
    position = rows.schema.get_field_index(name)
    described = rows.schema.field(position)
    if value is None and not described.nullable:
        raise Unreadable(f"{named(path)}: {name} may not be null; give it a `blank` in the job's file")
    packed = pa.types.is_dictionary(described.type)
    plain = rows[name].cast(described.type.value_type) if packed else rows[name]
    try:
        column = pc.if_else(where, pa.scalar(value, plain.type), plain)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise Unreadable(
            f"{named(path)}: {name} cannot say what it should ({type(error).__name__})"
        ) from None
    return rows.set_column(
        position, described, column.combine_chunks().cast(described.type) if packed else column
    )


def _without_leftovers(rows: Any, path: Path) -> Any:
    """With dictionaries made anew: the old ones hold the values of rows that went, and would be written with them."""
    for position, described in enumerate(rows.schema):
        kind = described.type
        if pa.types.is_dictionary(kind):
            anew = rows.column(position).cast(kind.value_type).combine_chunks().cast(kind)
            rows = rows.set_column(position, described, anew)
        elif "dictionary<" in str(kind):
            raise Unreadable(
                f"{named(path)}: {described.name} has a dictionary inside of it, which may hold what is to go"
            )
    return rows


def _in_microseconds(column: Any) -> Any:
    """Python has no nanoseconds."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pc.cast(column, pa.timestamp("us", kind.tz), safe=False)
    return column

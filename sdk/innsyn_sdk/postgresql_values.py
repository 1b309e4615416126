"""What PostgreSQL holds and Python has not: times such as `infinity` or of the year 20000, ranges, filled-up texts."""

from __future__ import annotations

from typing import Any

try:
    from psycopg import DataError
    from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader
    from psycopg.types.string import TextLoader
except ImportError:  # without the extra nothing is read here
    DateLoader = TimestampLoader = TimestamptzLoader = TextLoader = object
    DataError = ValueError

_TEXTS = (
    *(f"{kind}{of}" for kind in ("date", "ts", "tstz", "int4", "int8", "num") for of in ("range", "multirange")),
    "interval", "time", "timetz",
)  # fmt: skip


def read_as_written(connection: Any) -> None:
    """Whatever is no moment or day of Python is read on this connection as PostgreSQL writes it, and fails nothing."""
    for kind, loader in (
        ("date", _or_text(DateLoader)),
        ("timestamp", _or_text(TimestampLoader)),
        ("timestamptz", _or_text(TimestamptzLoader)),
        *((kind, TextLoader) for kind in _TEXTS),
        ("bpchar", _Unpadded),
    ):
        connection.adapters.register_loader(kind, loader)


class _Unpadded(TextLoader):  # type: ignore[misc]
    """`character(n)`: the blanks with which PostgreSQL fills it up are not part of it."""

    def load(self, data: Any) -> Any:
        return super().load(data).rstrip(" ")


def _or_text(loader: Any) -> Any:
    class Written(loader):  # type: ignore[misc]
        def load(self, data: Any) -> Any:
            try:
                return super().load(data)
            except DataError:
                return bytes(data).decode()

    return Written

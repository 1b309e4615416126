"""What a log format is: its name, what it can read, the fields of its events, and how its reader is made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from schemas.annotations import RecordSchema
from schemas.company import Company
from schemas.entries import IdentitySource
from schemas.errors import FeedError
from schemas.resolution import Mismatch, mismatches
from schemas.topics import Topic
from schemas.user_names import own_realms
from streams.feeds.lines.clock import Clock, ClockedReader, wall_clock
from streams.feeds.lines.names import Names
from streams.feeds.lines.reader import Reader
from streams.feeds.lines.record import Numbered, Record, each_line

Gives = Mapping[str, Any]
"""The Avro type of each field that a format's events have. What else a record has is what its schema has as default."""

TEXT = "string"
TEXT_OR_NULL = ["null", "string"]
INT_OR_NULL = ["null", "int"]
LONG_OR_NULL = ["null", "long"]
TIME = {"type": "long", "logicalType": "timestamp-millis"}
TIME_OR_NULL = ["null", TIME]
DATE_OR_NULL = ["null", {"type": "int", "logicalType": "date"}]

Make = tuple[Callable[[], Reader], Sequence[str]]
"""What makes a reader, and what of the options makes another feed of the same content."""


def one_of(*symbols: str) -> dict[str, Any]:
    """An enum with at least these symbols, whatever its name."""
    return {"type": "enum", "name": "Any", "symbols": list(symbols)}


@dataclass(frozen=True)
class Options:
    """How one format is to be read. `realms`: our own (`schemas.user_names`). `server`: name of the server in a log
    that does not say it. `pattern`: file that describes the lines. `zone` of times that name none. `client_column` of a
    web server's log with two that may be the client. `now`: milliseconds since 1970."""

    realms: Collection[str] = ()
    server: str | None = None
    pattern: str | None = None
    zone: str | None = None
    client_column: int | None = None
    now: Callable[[], int] = wall_clock

    @property
    def given(self) -> list[str]:
        """Those that are for some formats only, by the names of their fields."""
        every = (item.name for item in fields(self))
        return [name for name in every if name not in ("realms", "now") and getattr(self, name) is not None]


@dataclass(frozen=True)
class Setting:
    """What a reader is made with. `record`: what its events become."""

    format: str
    options: Options
    company: Company
    record: RecordSchema

    @property
    def named(self) -> Sequence[str]:
        """That the server was named, which makes another feed."""
        return [f"server={self.options.server}"] if self.options.server else []

    def source(self, name: str) -> IdentitySource:
        """Raises FeedError: the company has no such source of identity."""
        known = self.company.identity_sources
        if name not in known:
            raise FeedError(
                f"{self.format} needs the source of identity {name}; add it to the company's sources.yaml"
            )
        return known[name]

    def names(self, source: str) -> Names:
        """How user names of the source are read. Raises FeedError, as `source`."""
        return Names(own_realms(self.options.realms), own_realms(self.source(source).placeholder_names))

    def clock(self, source: str) -> Clock:
        """Raises FeedError, as `source`."""
        return Clock.of(self.source(source), self.options.now)

    def clocked(self, source: str, make: Callable[[], Reader]) -> Callable[[], Reader]:
        """The reader with its times held against now. Raises FeedError, as `source`."""
        clock = self.clock(source)
        return lambda: ClockedReader(make(), clock)


@dataclass(frozen=True)
class LogFormat:
    """`make` raises FeedError. `records` puts lines together to records. `reads`: in words, what it can read.

    `gives`: None where the record is named and not found by the format. `whole_lines`: a server ends every line it
    writes, so one without an end was cut, and a number cut short is still a number. `escaped`: bytes that are no text
    are read as \\xHH, because no text of it becomes an identifier. `takes`: the options that are for it.
    """

    name: str
    reads: str
    gives: Gives | None
    make: Callable[[Setting], Make]
    records: Callable[[Numbered], Iterator[Record]] = each_line
    whole_lines: bool = False
    escaped: bool = False
    takes: Collection[str] = ()


def misfits(chosen: LogFormat, record: RecordSchema, topic: Topic) -> Iterator[str]:
    """Why events of the format cannot be written as the record, which the topic carries; and what to mend."""
    assert chosen.gives is not None
    has = {item["name"]: item["type"] for item in record.json["fields"]}
    for name in chosen.gives:
        if name not in has:
            yield f"{record.name} has no field {name}, which {chosen.name} gives; add it to the schema"
    if topic.key and topic.key not in chosen.gives:
        yield f"{chosen.name} does not give {topic.key}, the key of the topic; write key: null, or another field"
    writer = {
        "type": "record",
        "name": record.json["name"],
        "fields": [
            {"name": name, "type": _named_alike(given, has[name])}
            for name, given in chosen.gives.items()
            if name in has
        ],
    }
    for item in mismatches(record.json, writer):
        yield f"{record.name}.{item.path} {_sentence(chosen.name, item)}"


def _named_alike(given: Any, theirs: Any) -> Any:
    """An enum under the name that it has in the record."""
    if not (isinstance(given, dict) and given["type"] == "enum"):
        return given
    branches = theirs if isinstance(theirs, list) else [theirs]
    names = [item["name"] for item in branches if isinstance(item, dict) and item["type"] == "enum"]
    return {**given, "name": names[0]} if names else given


def _sentence(name: str, item: Mismatch) -> str:
    match item.kind:
        case "no_default":
            return f"has no default, and {name} does not give it; give it one"
        case "symbols":
            return f"lacks {item.writer}, which {name} gives; add it to the symbols"
        case _ if item.writer == "null":
            return f"may be null in {name}; add null to its types"
    return f"is another type than {item.writer}, which {name} gives; change the type"

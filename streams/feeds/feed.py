"""A feed: which format becomes which record on which topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from schemas.annotations import RecordSchema
from schemas.errors import FeedError
from schemas.records import load_records
from schemas.topics import Topic, load_topics
from streams.feeds import combined, ndjson, radius, zeek
from streams.feeds.cgnat import CgnatReader
from streams.feeds.customers import CustomersReader
from streams.feeds.kea_csv import KeaCsvReader
from streams.feeds.kea_forensic import KeaForensicReader
from streams.feeds.nat_map import NatMapReader
from streams.feeds.radius import RadiusReader
from streams.feeds.reader import LineReader, Reader
from streams.feeds.record import Numbered, Record, each_line, quoted_lines


class Format(StrEnum):
    COMBINED = "combined"
    ZEEK_DNS = "zeek-dns"
    ZEEK_SSL = "zeek-ssl"
    RADIUS_DETAIL = "radius-detail"
    KEA_CSV = "kea-csv"
    KEA_FORENSIC = "kea-forensic"
    CGNAT_SYSLOG = "cgnat-syslog"
    NAT_MAP = "nat-map"
    CUSTOMERS_CSV = "customers-csv"
    NDJSON = "ndjson"


_RECORDS: Mapping[Format, str] = {
    Format.COMBINED: "WebVisit",
    Format.ZEEK_DNS: "TrafficRecord",
    Format.ZEEK_SSL: "TrafficRecord",
    Format.RADIUS_DETAIL: "AddressAssignment",
    Format.KEA_CSV: "AddressAssignment",
    Format.KEA_FORENSIC: "AddressAssignment",
    Format.CGNAT_SYSLOG: "AddressAssignment",
    Format.NAT_MAP: "AddressAssignment",
    Format.CUSTOMERS_CSV: "CustomerDetails",
}
# A server ends every line it writes, so one without an end was cut, and a number cut short is still a number.
_WHOLE_LINES = frozenset((Format.RADIUS_DETAIL, Format.KEA_CSV, Format.KEA_FORENSIC, Format.CGNAT_SYSLOG))
_NAMED = frozenset((Format.KEA_CSV, Format.KEA_FORENSIC, Format.NAT_MAP))


@dataclass(frozen=True)
class Feed:
    """`reader` makes what reads the records of one source in order, `records` puts its lines together to them.

    `whole_lines`: a last line without line end was cut, whatever it says.
    """

    format: Format
    record: RecordSchema
    topic: Topic
    reader: Callable[[], Reader]
    records: Callable[[Numbered], Iterator[Record]] = each_line
    whole_lines: bool = False


def find_feed(
    format_name: str, record_name: str | None = None, *, realm: str | None = None, server: str | None = None
) -> Feed:
    """The feed of a format; ndjson needs the record's name, the others have theirs.

    `realm`: the one of our user names, None: any. `server`: name of the server in a log that does not say it.
    Raises FeedError.
    """
    if format_name not in list(Format):
        raise FeedError(f"unknown format {format_name!r}; use one of {', '.join(Format)}")
    chosen = Format(format_name)
    if record_name is None and chosen is Format.NDJSON:
        raise FeedError("ndjson does not say what its lines are; add --record NAME, for example WebVisit")
    if record_name is not None and record_name != _RECORDS.get(chosen, record_name):
        raise FeedError(f"{chosen} always becomes {_RECORDS[chosen]}; leave --record out")
    if server is not None and chosen not in _NAMED:
        raise FeedError(f"{chosen} names its servers itself; leave --server out")
    name = record_name or _RECORDS[chosen]
    topic = _topic(name)
    record = load_records()[name]
    reader = _reader(chosen, record, realm, server)
    return Feed(chosen, record, topic, reader, _records(chosen), chosen in _WHOLE_LINES)


def _topic(record_name: str) -> Topic:
    # Rights records are not for logs: a line in a file must not erase anybody or answer for a system.
    sources: Mapping[str, Topic] = {topic.record: topic for topic in load_topics().values() if topic.tagged}
    if record_name not in sources:
        raise FeedError(f"unknown record {record_name!r}; use one of {', '.join(sorted(sources))}")
    return sources[record_name]


def _records(chosen: Format) -> Callable[[Numbered], Iterator[Record]]:
    match chosen:
        case Format.RADIUS_DETAIL:
            return radius.records
        case Format.CUSTOMERS_CSV | Format.NAT_MAP:
            return quoted_lines
    return each_line


def _reader(
    chosen: Format, record: RecordSchema, realm: str | None, server: str | None
) -> Callable[[], Reader]:
    match chosen:
        case Format.COMBINED:
            return lambda: LineReader(combined.read)
        case Format.ZEEK_DNS:
            return lambda: zeek.ZeekReader(zeek.read_dns)
        case Format.ZEEK_SSL:
            return lambda: zeek.ZeekReader(zeek.read_ssl)
        case Format.RADIUS_DETAIL:
            return lambda: RadiusReader(realm)
        case Format.KEA_CSV:
            return lambda: KeaCsvReader(server)
        case Format.KEA_FORENSIC:
            return lambda: KeaForensicReader(server)
        case Format.CGNAT_SYSLOG:
            return lambda: CgnatReader(realm)
        case Format.NAT_MAP:
            return lambda: NatMapReader(server)
        case Format.CUSTOMERS_CSV:
            return CustomersReader
        case Format.NDJSON:
            read = ndjson.reader(record)
            return lambda: LineReader(read)

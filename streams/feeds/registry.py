"""A feed: which format becomes which record on which topic."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from schemas.annotations import RecordSchema
from schemas.company import Company
from schemas.entries import IdentitySource
from schemas.errors import FeedError
from schemas.topics import Topic
from schemas.user_names import own_realms
from streams.feeds.formats import customers, nat_map, ndjson, radius, zeek
from streams.feeds.formats.cgnat import CgnatReader
from streams.feeds.formats.combined import CombinedReader
from streams.feeds.formats.customers import CustomersReader
from streams.feeds.formats.kea_csv import KeaCsvReader
from streams.feeds.formats.kea_forensic import KeaForensicReader
from streams.feeds.formats.nat_map import NatMapReader
from streams.feeds.formats.nat_pattern import NatPatternReader, load_pattern, zone
from streams.feeds.formats.radius import RadiusReader
from streams.feeds.lines.clock import Clock, ClockedReader, wall_clock
from streams.feeds.lines.names import Names
from streams.feeds.lines.reader import LineReader, Reader
from streams.feeds.lines.record import Numbered, Record, each_line, quoted_lines


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


READS: Mapping[Format, str] = {
    Format.COMBINED: 'Combined Log Format: address ident user [time] "request" status octets "referrer" "agent"',
    Format.ZEEK_DNS: "Zeek's dns.log, tab-separated with its header or JSON",
    Format.ZEEK_SSL: "Zeek's ssl.log, tab-separated with its header or JSON",
    Format.RADIUS_DETAIL: "FreeRADIUS accounting: a date, then attributes indented, then a blank line",
    Format.KEA_CSV: "Kea's lease file, CSV with its header",
    Format.KEA_FORENSIC: "Kea's forensic log in its own text",
    Format.CGNAT_SYSLOG: "syslog of Junos with NAT_PORT_BLOCK_* or RT_SRC_NAT_PBA_*, of other makers with --pattern",
    Format.NAT_MAP: f"CSV with at least the columns {','.join(nat_map.COLUMNS)}",
    Format.CUSTOMERS_CSV: f"CSV with at least the columns {','.join(customers.COLUMNS)}",
    Format.NDJSON: "one JSON object of the record named to a line",
}
"""What each format can read."""


@dataclass(frozen=True)
class Feed:
    """`reader` makes what reads the records of one source in order, `records` puts its lines together to them.

    `whole_lines`: a last line without line end was cut, whatever it says. `escaped`: bytes that are no text are read as
    \\xHH, because no text of it becomes an identifier. `scope` says what a content is read as: the same one read in
    another way is another feed. `reads` names what the format can read. `beside` finds the feed of another format.
    """

    format: Format
    record: RecordSchema
    topic: Topic
    reader: Callable[[], Reader]
    records: Callable[[Numbered], Iterator[Record]] = each_line
    whole_lines: bool = False
    escaped: bool = False
    scope: str = ""
    reads: str = ""
    beside: Callable[[Format], Feed] | None = field(default=None, repr=False, compare=False)


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


def find_feed(company: Company, format_name: str, record_name: str | None = None, **options: Any) -> Feed:
    """The feed of a format into a topic of the company; ndjson needs the record's name. `options` as `Options`.

    Raises FeedError.
    """
    given = Options(**options)
    if format_name not in list(Format):
        raise FeedError(f"unknown format {format_name!r}; use one of {', '.join(Format)}")
    chosen = Format(format_name)
    if record_name is None and chosen is Format.NDJSON:
        raise FeedError("ndjson does not say what its lines are; add --record NAME, for example WebVisit")
    if record_name is not None and record_name != _RECORDS.get(chosen, record_name):
        raise FeedError(f"{chosen} always becomes {_RECORDS[chosen]}; leave --record out")
    _check_options(chosen, given)
    name = record_name or _RECORDS[chosen]
    topic = _topic(company, name)
    record = company.records[name]
    reader, scope = _reader(chosen, record, given, company)
    return Feed(
        chosen,
        record,
        topic,
        reader,
        _records(chosen),
        whole_lines=chosen in _WHOLE_LINES,
        escaped=chosen is Format.COMBINED,
        scope=" ".join((chosen, name, *scope)),
        reads=READS[chosen] if given.pattern is None else "what the pattern file describes",
        beside=partial(find_feed, company),
    )


def _check_options(chosen: Format, given: Options) -> None:
    if given.server is not None and chosen not in _NAMED:
        raise FeedError(f"{chosen} names its servers itself; leave --server out")
    if (given.pattern or given.zone) and chosen is not Format.CGNAT_SYSLOG:
        raise FeedError(f"--pattern and --zone are for cgnat-syslog; leave them out with {chosen}")
    if given.pattern and given.zone:
        raise FeedError("the zone of a pattern's times stands in the pattern file; leave --zone out")
    if given.client_column is not None and chosen is not Format.COMBINED:
        raise FeedError(f"--client-column is for combined; leave it out with {chosen}")


def _topic(company: Company, record_name: str) -> Topic:
    # Rights records are not for logs: a line in a file must not erase anybody or answer for a system. Topics of a
    # contract have a producer of their own, and no schema to write with.
    sources = {topic.record: topic for topic in company.tagged.values() if topic.record in company.records}
    if record_name not in sources:
        raise FeedError(
            f"unknown record {record_name!r}; use one of {', '.join(sorted(sources)) or 'no record'}"
        )
    return sources[record_name]


def _records(chosen: Format) -> Callable[[Numbered], Iterator[Record]]:
    match chosen:
        case Format.RADIUS_DETAIL:
            return radius.records
        case Format.CUSTOMERS_CSV | Format.NAT_MAP:
            return quoted_lines
    return each_line


def _reader(
    chosen: Format, record: RecordSchema, given: Options, company: Company
) -> tuple[Callable[[], Reader], Sequence[str]]:
    """And what of the options makes another feed of the same content."""
    server = given.server
    named = [f"server={server}"] if server else []
    sources = company.identity_sources

    def source(name: str) -> IdentitySource:
        if name not in sources:
            raise FeedError(
                f"{chosen} needs the source of identity {name}; add it to the company's sources.yaml"
            )
        return sources[name]

    def names(name: str) -> Names:
        return Names(own_realms(given.realms), own_realms(source(name).placeholder_names))

    def clocked(name: str, make: Callable[[], Reader]) -> Callable[[], Reader]:
        clock = Clock.of(source(name), given.now)
        return lambda: ClockedReader(make(), clock)

    match chosen:
        case Format.COMBINED:
            column = given.client_column
            return lambda: CombinedReader(column), [f"client-column={column}"] if column else []
        case Format.ZEEK_DNS:
            return lambda: zeek.ZeekReader(zeek.read_dns, "dns"), []
        case Format.ZEEK_SSL:
            return lambda: zeek.ZeekReader(zeek.read_ssl, "ssl"), []
        case Format.RADIUS_DETAIL:
            timed, users = Clock.of(source("radius"), given.now), names("radius")
            lines = source("radius").network_lines
            return lambda: ClockedReader(RadiusReader(users, timed, lines), timed), []
        case Format.KEA_CSV:
            return clocked("dhcp", lambda: KeaCsvReader(server)), named
        case Format.KEA_FORENSIC:
            lines = source("dhcp").network_lines
            return clocked("dhcp", lambda: KeaForensicReader(server, lines)), named
        case Format.CGNAT_SYSLOG:
            users = names("cgnat")
            if given.pattern:
                pattern, data = load_pattern(given.pattern)
                digest = hashlib.sha256(data).hexdigest()[:16]
                return clocked("cgnat", lambda: NatPatternReader(pattern, users)), [f"pattern={digest}"]
            clock = zone(given.zone) if given.zone else None
            scope = [f"zone={given.zone}"] if clock else []
            return clocked("cgnat", lambda: CgnatReader(users, clock)), scope
        case Format.NAT_MAP:
            return lambda: NatMapReader(server), named
        case Format.CUSTOMERS_CSV:
            users = names("register")
            return lambda: CustomersReader(users, company.kinds), []
        case Format.NDJSON:
            read = ndjson.reader(record)
            return lambda: LineReader(read), []

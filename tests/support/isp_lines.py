"""What the servers of an invented internet provider write of its customers, line by line. See `isp_feeds`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from streams.simulate.identities import Identities

_REALM = "isp.example"
_FIRST_NAMES = ("Åse", "Jørgen", "Marit", "Solveig", "Torbjørn", "Sunniva", "Petter", "Kari")
_LAST_NAMES = ("Dahl", "Berg", "Vik", "Sæther", "Nygård", "Hovland", "Ås", "Lund")
_STREETS = ("Storgata", "Elvegata", "Markveien", "Fjellveien", "Kirkeveien", "Strandgata")
_CAUSES = ("User-Request", "Session-Timeout", "Lost-Carrier")
_PAGES = ("/", "/favicon.ico", "/style.css", "/kundeservice", "/dekning?adresse=1", "/images/logo.png")
_NAMES = ("www.example.no", "mail.example.com", "cdn.example.net", "ntp.example.org")
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:25.0) Gecko/20100101 Firefox/25.0"
# Long sessions report every six hours, short ones every ten minutes.
_LONG_SECONDS, _STEPS = 7_200, (600, 21_600)
_LATE_SECONDS = 900
_DNS_FIELDS = (
    ("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"),
    ("id.resp_p", "port"), ("proto", "enum"), ("trans_id", "count"), ("rtt", "interval"), ("query", "string"),
    ("qclass", "count"), ("qclass_name", "string"), ("qtype", "count"), ("qtype_name", "string"),
    ("rcode", "count"), ("rcode_name", "string"), ("AA", "bool"), ("TC", "bool"), ("RD", "bool"), ("RA", "bool"),
    ("Z", "count"), ("answers", "vector[string]"), ("TTLs", "vector[interval]"), ("rejected", "bool"),
)  # fmt: skip
_SSL_FIELDS = (
    ("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"),
    ("id.resp_p", "port"), ("version", "string"), ("cipher", "string"), ("curve", "string"),
    ("server_name", "string"), ("resumed", "bool"), ("last_alert", "string"), ("next_protocol", "string"),
    ("established", "bool"), ("ssl_history", "string"), ("cert_chain_fps", "vector[string]"),
    ("client_cert_chain_fps", "vector[string]"), ("sni_matches_cert", "bool"), ("validation_status", "string"),
)  # fmt: skip


@dataclass(frozen=True)
class Customer:
    """A row of the register, by column."""

    number: str
    username: str
    row: tuple[str, ...]


@dataclass(frozen=True)
class Session:
    """Who held an address in [since, until), seconds since 1970; `ports` of a shared one.

    `fault`: what is wrong with its reports: none, lost_stop, lost_start, reorder, duplicate; cgnat has none.
    """

    address: str
    since: int
    until: int
    customer: Customer
    fault: str
    ports: tuple[int, int] | None = None


def customers(rng: random.Random, count: int) -> list[Customer]:
    """Invented people; national numbers of the synthetic series (month + 80)."""
    drawn = Identities(rng)
    made = []
    for index in range(count):
        number, username = f"{40_100_000 + 7 * index}", f"nk{100_000 + index:07}"
        name = f"{rng.choice(_FIRST_NAMES)} {rng.choice(_LAST_NAMES)}"
        birth = date(rng.randint(1940, 1999), rng.randint(1, 12), rng.randint(1, 28))
        start = date(rng.randint(2012, 2014), rng.randint(1, 12), rng.randint(1, 28))
        address = f"{rng.choice(_STREETS)} {rng.randint(1, 110)}, {rng.randint(100, 9_999):04} Poststed"
        ended = "2018-06-30" if rng.random() < 0.1 else ""
        national = drawn.fodselsnummer(birth, rng.choice(("female", "male")))
        row = (
            number, username, name, national, f"+47 4{rng.randrange(10**7):07}", f"kunde{index}@example.no",
            address, start.isoformat(), ended,
        )  # fmt: skip
        made.append(Customer(number, username, row))
    return made


def customer_rows(made: Iterable[Customer]) -> Iterator[Sequence[object]]:
    """The register as a table with its header."""
    yield (
        "customer_number", "username", "name", "fodselsnummer", "phone", "email", "address", "contract_start",
        "contract_end",
    )  # fmt: skip
    for customer in made:
        yield customer.row


def radius(rng: random.Random, sessions: Iterable[Session]) -> Iterator[str]:
    """Accounting records in the order in which they arrived."""
    packets = [item for number, session in enumerate(sessions, 1) for item in _packets(rng, number, session)]
    packets.sort(key=lambda item: item[0])
    for arrival, text in packets:
        yield f"{_clock(arrival):%a %b %d %H:%M:%S %Y}\n{text}\tTimestamp = {arrival}\n\n"


def _packets(rng: random.Random, number: int, session: Session) -> Iterator[tuple[int, str]]:
    """(arrival, attributes) of what the server sent of a session and the network did not lose."""
    begin, length = session.since, session.until - session.since

    def packet(status: str, at: int, *more: str, delay: int = 0) -> tuple[int, str]:
        written = [
            f"Acct-Status-Type = {status}",
            f'User-Name = "{session.customer.username}@{_REALM}"',
            f'Acct-Session-Id = "{0x01000000 + number:08X}"',
            "NAS-IP-Address = 192.0.2.1",
            f"NAS-Port = {number}",
            f"Framed-IP-Address = {session.address}",
            f'Calling-Station-Id = "02-00-01-{number >> 16:02X}-{number >> 8 & 255:02X}-{number & 255:02X}"',
            f'Event-Timestamp = "{_clock(at):%b %d %Y %H:%M:%S} UTC"',
            *more,
            *([f"Acct-Delay-Time = {delay}"] if delay else []),
        ]
        return at + delay, "".join(f"\t{line}\n" for line in written)

    # A client that gets no answer sends its packet again, and says how long it has been trying (RFC 2866, 5.2).
    delays = [0, rng.randint(1, 20)] if session.fault == "duplicate" else [0]
    if session.fault != "lost_start":
        yield from (packet("Start", begin, delay=delay) for delay in delays)
    step = _STEPS[length >= _LONG_SECONDS]
    for seconds in range(step, length, step):
        octets = (f"Acct-{way}put-Octets = {rng.randrange(10**9)}" for way in ("In", "Out"))
        yield packet("Interim-Update", begin + seconds, f"Acct-Session-Time = {seconds}", *octets)
    if session.fault == "lost_stop":
        return
    ended = (f"Acct-Session-Time = {length}", f"Acct-Terminate-Cause = {rng.choice(_CAUSES)}")
    for delay in delays:
        arrival, text = packet("Stop", session.until, *ended, delay=delay)
        yield arrival + _LATE_SECONDS * (session.fault == "reorder"), text


def cgnat(sessions: Iterable[Session]) -> Iterator[str]:
    """Blocks of ports, given and taken back."""
    for number, session in enumerate(sessions, 2):
        assert session.ports is not None
        inside = f"100.64.{number >> 8}.{number & 255}"
        block = f"{session.address}:{session.ports[0]}-{session.ports[1]}"
        for verb, at in (("ALLOC", session.since), ("RELEASE", session.until)):
            who = f"subscriber={session.customer.username}@{_REALM}"
            yield f"{_clock(at):%Y-%m-%dT%H:%M:%SZ} cgn1 NAT_PORT_BLOCK_{verb}: {who} {inside} -> {block}\n"


def dns(rng: random.Random, events: Iterable[tuple[str, int]]) -> Iterator[str]:
    """Look-ups; events are addresses and microseconds since 1970."""

    def answer(name: str) -> tuple[str, ...]:
        return (
            "udp", f"{rng.randrange(65_536)}", f"0.{rng.randrange(10_000):06}", name, "1", "C_INTERNET", "1", "A",
            "0", "NOERROR", "F", "F", "T", "T", "0", "192.0.2.80", "300.000000", "F",
        )  # fmt: skip

    return _zeek("dns", _DNS_FIELDS, rng, events, 53, answer)


def ssl(rng: random.Random, events: Iterable[tuple[str, int]]) -> Iterator[str]:
    """Handshakes; events are addresses and microseconds since 1970."""

    def handshake(name: str) -> tuple[str, ...]:
        cipher = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        return ("TLSv12", cipher, "-", name, "T", "-", "-", "T", "CsiI", "-", "(empty)", "-", "-")

    return _zeek("ssl", _SSL_FIELDS, rng, events, 443, handshake)


def _zeek(
    path: str,
    fields: Sequence[tuple[str, str]],
    rng: random.Random,
    events: Iterable[tuple[str, int]],
    server_port: int,
    rest: Callable[[str], Sequence[str]],
) -> Iterator[str]:
    yield "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n"
    yield f"#path\t{path}\n#open\t2018-03-24-19-00-00\n"
    for head, names in zip(("#fields", "#types"), zip(*fields, strict=True), strict=True):
        yield "\t".join((head, *names)) + "\n"
    for address, at in events:
        stamp = f"{at // 1_000_000}.{at % 1_000_000:06}"
        connection = (stamp, f"C{rng.getrandbits(64):x}", address, f"{rng.randint(1_024, 65_535)}")
        server = ("198.51.100.53", f"{server_port}")
        yield "\t".join((*connection, *server, *rest(rng.choice(_NAMES)))) + "\n"
    yield "#close\t2018-03-24-19-30-00\n"


def web(rng: random.Random, events: Iterable[tuple[str, int]]) -> Iterator[str]:
    """Visits; events are addresses and seconds since 1970."""
    for address, at in events:
        request = (
            f'"GET {rng.choice(_PAGES)} HTTP/1.1" {rng.choice((200, 200, 304, 404))} {rng.randrange(10**5)}'
        )
        yield f'{address} - - [{_clock(at):%d/%b/%Y:%H:%M:%S +0000}] {request} "-" "{_AGENT}"\n'


def _clock(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)

"""Log lines to events: each format, odd lines, sources."""

from __future__ import annotations

import bz2
import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.wiring.run_file import broker
from schemas.company import load_company
from schemas.errors import BrokerUnavailable, DecodeError, FeedError
from schemas.settings import Settings
from streams.feeds.lines.record import Record
from streams.feeds.lines.user_agent import families
from streams.feeds.registry import Feed, Format, find_feed
from streams.feeds.run import checkpoint as checkpoints
from streams.feeds.run.checkpoint import Checkpoint, Settled, Skip, Tail
from streams.feeds.run.content import Extent
from streams.feeds.run.ingest import read_record
from streams.feeds.run.source import Source, check_source
from tests.support.company import examples_folder, model, model_examples, model_feed
from tests.support.feeds import outcomes
from tests.support.stories import CARRIER

TAGGED = sorted(topic.record for topic in model().topics.values() if topic.tagged)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0"
DNS_HEADER = ("#separator \\x09", "#empty_field\t(empty)", "#unset_field\t-", "#path\tdns")
DNS_FIELDS = "#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tproto\trtt\tquery\tanswers"
DNS_LINE = "1772442250.011999\t203.0.113.24\t40112\t198.51.100.53\tudp\t0.0145\twww.example.no\t192.0.2.9"


def visit(
    request: str = "GET / HTTP/1.1", *, client: str = "203.0.113.24", time: str = "02/Mar/2026:19:04:11 +0100"
) -> str:
    return f'{client} - kari [{time}] "{request}" 200 - "-" "{FIREFOX}"'


def events(feed: Feed, *lines: str) -> list[dict[str, Any] | str | None]:
    """What one source of these lines gives: per line the event as it comes out of its message, None, or the
    reason why it cannot be read."""
    out: list[dict[str, Any] | str | None] = [None] * len(lines)
    for line, outcome in outcomes(feed, *lines):
        out[line - 1] = outcome if isinstance(outcome, str) else outcome[0]
    return out


def message(feed: Feed, line: str | None) -> tuple[bytes, bytes | None]:
    """The one message of a line, with its key."""
    lines = None if line is None else (line,)
    (found,) = read_record(feed.reader(), feed, Record(1, 1, lines))[0]
    return found


def event(feed: Feed, *lines: str) -> dict[str, Any]:
    last = events(feed, *lines)[-1]
    assert isinstance(last, dict)
    return last


def check(path: Path, feed: Feed) -> Source:
    return check_source(str(path), feed, io.BytesIO())


COMBINED = model_feed("combined")
DNS = model_feed("zeek-dns")
SSL = model_feed("zeek-ssl")


def test_a_visit_keeps_what_the_record_names_and_no_more() -> None:
    """User name, query strings and octets are gone; the time is UTC."""
    line = visit("GET /fiber?epost=kari@example.no#x HTTP/2.0").replace(
        '"-"', '"https://a.example.com/s?q=kari"'
    )
    assert event(COMBINED, line) == {
        "occurred_at": datetime(2026, 3, 2, 18, 4, 11, tzinfo=UTC),
        "client_address": "203.0.113.24",
        "client_port": None,
        "method": "GET",
        "status": 200,
        "page": "/fiber",
        "referrer": "https://a.example.com/s",
        "browser": "Firefox 135",
        "operating_system": "Linux",
        "location": None,
        "cookie_id": None,
        "cookie_consent": "unknown",
    }
    assert b"kari" not in message(COMBINED, line)[0]


@pytest.mark.parametrize(
    ("request_line", "method", "page"),
    [
        ("GET /a b/%20c HTTP/1.1", "GET", "/a b/%20c"),
        ("GET /a", "GET", "/a"),
        (r"GET /\"quoted\"?x=\" HTTP/1.0", "GET", r"/\"quoted\""),
        ("GET http://ola:secret@example.no/x HTTP/1.1", "GET", "http://example.no/x"),
        ("OPTIONS * HTTP/1.1", "OPTIONS", "*"),
        ("-", "-", "-"),
        ("", "-", "-"),
        (r"\x16\x03\x01 \x00 HTTP/1.1", "-", "-"),
    ],
)
def test_odd_requests_are_visits(request_line: str, method: str, page: str) -> None:
    """Spaces, escaped quotes, no version, a scanner's bytes: one event each."""
    found = event(COMBINED, visit(request_line))
    assert (found["method"], found["page"]) == (method, page)


def test_addresses_times_and_cut_lines() -> None:
    """IPv6, a negative zone, a user name with spaces, further columns and a missing last quote are read."""
    assert event(COMBINED, visit(client="2001:DB8::0:1f"))["client_address"] == "2001:db8::1f"
    time = "31/Dec/2025:23:30:60 -0130"
    assert event(COMBINED, visit(time=time))["occurred_at"] == datetime(2026, 1, 1, 1, 1, tzinfo=UTC)
    assert event(COMBINED, visit().replace("kari", "kari [x] y") + ' "more" 17')["browser"] == "Firefox 135"
    assert event(COMBINED, visit()[:-1])["operating_system"] == "Linux"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("hello", "not_combined"),
        (visit()[:60], "not_combined"),
        (visit(client="host.example.no"), "bad_address"),
        (visit(time="30/Feb/2026:19:04:11 +0100"), "bad_time"),
        (visit(time="02/Mai/2026:19:04:11 +0100"), "bad_time"),
        (visit(time="02/Mar/2026:24:04:11 +0100"), "bad_time"),
    ],
)
def test_visits_that_cannot_be_read_have_a_reason(line: str, reason: str) -> None:
    """A reason from a fixed list, never the line's content."""
    assert events(COMBINED, line) == [reason]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (FIREFOX, ("Firefox 135", "Linux")),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", ("Edge 140", "Windows")),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", ("Safari 18", "iOS")),
        ("Mozilla/5.0 (Linux; Android 14) SamsungBrowser/27.0 Chrome/125.0", ("Samsung Internet 27", "Android")),
        ("Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko", ("Internet Explorer 11", "Windows")),
        ("Opera/9.80 (Macintosh) Presto/2.12 Version/12.16", ("Opera 12", "macOS")),
        ("Mozilla/5.0 Chrome/140.0 (compatible; Somebot/2.1; +http://example.com/bot.html)", ("Somebot 2", None)),
        ("Mozilla/5.0 (compatible; other; +http://example.com/bot.html)", (None, None)),
        ("-", (None, None)),
        ("kari@example.no", (None, None)),
    ],
)  # fmt: skip
def test_user_agents_become_families(header: str, expected: tuple[str | None, str | None]) -> None:
    """Family and major version; what is not known is null, and free text never passes through."""
    assert families(header) == expected


def test_a_look_up_keeps_no_answer() -> None:
    """Who asked whom for which name and when; times are cut to milliseconds."""
    found = event(DNS, *DNS_HEADER, DNS_FIELDS, DNS_LINE)
    kept = {name: value for name, value in found.items() if value is not None}
    assert kept == {
        "occurred_at": datetime(2026, 3, 2, 9, 4, 10, 11_000, tzinfo=UTC),
        "kind": "dns",
        "client_address": "203.0.113.24",
        "client_port": 40112,
        "server_address": "198.51.100.53",
        "server_name": "www.example.no",
        "protocol": "udp",
        "duration_ms": 14,
    }


def test_a_handshake_needs_no_column_but_its_time() -> None:
    """Columns that the log has not are null."""
    found = event(SSL, "#path\tssl", "#fields\tts\tserver_name\tversion", "1772442250\texample.no\tTLSv13")
    assert (found["kind"], found["server_name"], found["protocol"]) == ("tls", "example.no", "TLSv13")
    assert (found["client_address"], found["client_port"]) == (None, None)


def test_header_blocks_of_joined_logs_are_followed() -> None:
    """Separator, unset mark, columns and kind of log may change on the way; lines of another log are counted."""
    found = events(
        DNS, *DNS_HEADER, DNS_FIELDS, DNS_LINE, "#close\t2026-03-02", "",
        "#separator \\x7c", "#unset_field|~", "#path|dns", "#fields|query|id.orig_h|ts", "(empty)|~|1772442250",
        "#path|conn", "a|203.0.113.9|1772442250",
    )  # fmt: skip
    data = [item for item in found if item is not None]
    assert isinstance(data[1], dict)
    assert (data[1]["server_name"], data[1]["client_address"]) == (None, None)
    assert data[2] == "other_log"
    assert len(data) == 3


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("\tudp", "", "column_count"),
        ("1772442250.", "-", "bad_time"),
        ("1772442250.011999", "-", "bad_time"),
        ("203.0.113.24", "203.0.113.240.1", "bad_address"),
        ("40112", "65536", "bad_number"),
        ("0.0145", "nan", "bad_number"),
    ],
)
def test_zeek_lines_that_cannot_be_read_have_a_reason(old: str, new: str, reason: str) -> None:
    """A damaged value is not passed on as something else."""
    assert events(DNS, *DNS_HEADER, DNS_FIELDS, DNS_LINE.replace(old, new, 1))[-1] == reason
    assert events(DNS, DNS_LINE) == ["no_header"]


@pytest.mark.parametrize("name", TAGGED)
def test_examples_pass_as_ndjson(name: str) -> None:
    """Every example of every record that a source system sends comes out of its message as it is."""
    feed = model_feed("ndjson", name)
    folder = examples_folder(Path(feed.record.file).stem)
    texts = [json.dumps(json.loads(path.read_text("utf-8"))) for path in sorted(folder.glob("*.json"))]
    assert events(feed, *texts) == model_examples(name)


def test_ndjson_fills_in_null_and_refuses_the_rest() -> None:
    """Only what may be null can be left out; types, names and time zones have to be right."""
    feed = model_feed("ndjson", "TvViewing")
    example = json.loads((examples_folder("tv_viewing") / "live.json").read_text("utf-8"))
    given = {key: value for key, value in example.items() if value is not None}
    assert events(feed, json.dumps(given)) == [event(feed, json.dumps(example))]
    wrong: list[tuple[Any, str]] = [
        ({**given, "unknown": 1}, "not_in_schema"),
        ({**given, "customer_number": 7}, "not_in_schema"),
        ({**given, "started_at": "2026-03-02T19:30:00"}, "bad_time"),
        ({**given, "started_at": 1772442250000}, "bad_time"),
        ([given], "not_an_object"),
        ({}, "not_in_schema"),
    ]
    for value, reason in wrong:
        assert events(feed, json.dumps(value)) == [reason]
    assert events(feed, "{", "[" * 100_000, '{"a": NaN}', " ") == ["not_json"] * 3 + [None]


def test_ndjson_refuses_numbers_that_do_not_fit() -> None:
    """A flag is a flag and an int has 32 bits: encoding alone would take either."""
    feed = model_feed("ndjson", "WebVisit")
    example = json.loads((examples_folder("web_visit") / "visitor.json").read_text("utf-8"))
    assert events(feed, json.dumps(example | {"status": 2**31})) == ["not_in_schema"]
    assert events(feed, json.dumps(example | {"page": "\ud800"})) == ["not_in_schema"]


FEEDS = [COMBINED, DNS, SSL, model_feed("ndjson", "WebVisit"), model_feed("ndjson", "Invoice")]
PIECES = st.sampled_from(
    [visit(), *DNS_HEADER, DNS_FIELDS, DNS_LINE,  "#fields", '{"lines": [{}]}', "\t", '"', "[", "\\x"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
OBJECTS = st.dictionaries(
    st.sampled_from(["occurred_at", "client_address", "status", "lines", "issued_at", "due_date", "page"]),
    SCALARS | st.lists(SCALARS) | st.dictionaries(st.text(max_size=5), SCALARS),
).map(json.dumps)
TEXTS = st.lists(
    st.text(max_size=200) | OBJECTS | st.lists(PIECES | st.text(max_size=3)).map("".join), max_size=8
)


@given(st.sampled_from(FEEDS), TEXTS)
def test_any_line_is_an_event_or_has_a_reason(feed: Feed, lines: list[str]) -> None:
    """Whatever the text: an event that survives its message, no data, or a reason; never another error."""
    for item in events(feed, *lines):
        assert item is None or isinstance(item, dict) or item.replace("_", "").isalpha()


@given(st.sampled_from([visit(), DNS_LINE]), st.integers(0, 200), st.text(max_size=4))
def test_a_damaged_line_is_an_event_or_has_a_reason(line: str, place: int, put: str) -> None:
    """A good line with anything written into it."""
    changed = line[:place] + put + line[place + len(put) :]
    events(COMBINED, changed)
    assert len(events(DNS, *DNS_HEADER, DNS_FIELDS, changed)) == len(DNS_HEADER) + 2


@pytest.mark.parametrize(
    ("format_name", "record", "words"),
    [
        ("apache", None, "unknown format 'apache'; use one of combined, zeek-dns"),
        ("ndjson", None, "add --record NAME"),
        ("ndjson", "Cookie", "unknown record 'Cookie'; use one of AddressAssignment"),
        ("ndjson", "ErasureCommand", "unknown record"),
        ("combined", "Invoice", "always becomes WebVisit"),
    ],
)
def test_an_unknown_feed_is_refused(format_name: str, record: str | None, words: str) -> None:
    """One line with what to write instead; commands and receipts cannot come from a file."""
    with pytest.raises(FeedError, match=words):
        model_feed(format_name, record)


def test_what_a_contract_describes_is_no_record_of_a_feed() -> None:
    """Its topic has a producer of its own, and nothing here could write in its form."""
    company = load_company(CARRIER)
    contracted = next(iter(company.contracts.values())).record.name
    with pytest.raises(FeedError, match="unknown record"):
        find_feed(company, "ndjson", contracted)


def test_every_format_has_a_topic_of_its_record() -> None:
    """The topic is found through the record."""
    found = {name: model_feed(name, "Invoice" if name == Format.NDJSON else None).topic for name in Format}
    assert [topic.name for topic in found.values()] == [
        "web.visits", "network.traffic", "network.traffic", *["network.assignments"] * 5, "crm.customers",
        "billing.invoices",
    ]  # fmt: skip
    example = json.loads((examples_folder("invoice") / "direct-debit.json").read_text("utf-8"))
    feed = model_feed("ndjson", "Invoice")
    assert message(feed, json.dumps(example))[1] == example["customer_number"].encode()


def test_a_source_is_known_by_its_content(tmp_path: Path) -> None:
    """Name and compression do not matter; all of the content does."""
    lines = "".join(visit(f"GET /{number} HTTP/1.1") + "\n" for number in range(300))
    one, two, three = (tmp_path / name for name in ("one.log", "two.log", "three.gz"))
    one.write_text(lines)
    two.write_text(lines)
    three.write_bytes(gzip.compress(lines.encode()))
    surveys = [check(path, COMBINED).survey for path in (one, two, three)]
    assert surveys[0] == surveys[1] == surveys[2]
    one.write_text(lines.replace("/299", "/298"))
    assert check(one, COMBINED).survey != surveys[0]
    with check(three, COMBINED).open() as read:
        assert len(list(read)) == 300
        assert read.position == three.stat().st_size


def test_lines_are_cut_at_line_feeds_alone(tmp_path: Path) -> None:
    """Other separators belong to the line, bytes that are no UTF-8 become a URL's, a huge line is only counted."""
    path = tmp_path / "access.log"
    raw = visit("GET /\x0b\x85å HTTP/1.1").encode() + b"\r\n" + visit("GET /\xe5 HTTP/1.1").encode("latin-1")
    path.write_bytes(b"\xef\xbb\xbf" + raw + b"\n" + b"x" * 3_000_000 + b"\n\n" + visit().encode())
    with check(path, COMBINED).open() as lines:
        found = list(lines)
    assert [number for number, _ in found] == [1, 2, 3, 4, 5]
    texts = [line for _, line in found]
    assert texts[2:4] == [None, ""]
    pages = [event(COMBINED, line)["page"] for line in texts if line]
    assert pages == ["/\x0b\x85å", "/%E5", "/"]
    with pytest.raises(DecodeError, match="too_long"):
        message(COMBINED, None)


def test_standard_input_can_be_compressed_and_has_no_identity() -> None:
    """The lines looked at for the format are still there to be sent."""
    data = gzip.compress("".join(visit() + "\n" for _ in range(150)).encode())
    source = check_source("-", COMBINED, io.BytesIO(data))
    assert source.survey is None
    with source.open() as lines:
        assert [number for number, _ in lines] == list(range(1, 151))


def test_sources_that_cannot_be_sent_are_refused_before(tmp_path: Path) -> None:
    """Not there, a folder, damaged, packed otherwise, of another format: one line, without a word of the content."""
    whole = bytearray(
        gzip.compress("".join(visit(f"GET /{n} HTTP/1.1") + "\n" for n in range(20_000)).encode())
    )
    whole[-8] ^= 1
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(whole)
    packed = tmp_path / "wrong.gz"
    packed.write_bytes(bz2.compress(visit().encode()))
    other = tmp_path / "other.log"
    other.write_text("\n".join([*DNS_HEADER, DNS_FIELDS, DNS_LINE]))
    for path, feed, words in (
        (tmp_path / "none.log", COMBINED, "No such file"),
        (tmp_path, COMBINED, "Is a directory"),
        (damaged, COMBINED, "gzip data is damaged"),
        (packed, COMBINED, "packed with bzip2"),
        (
            other,
            COMBINED,
            r"not combined: none of its 6 records can be read \(not_combined 6\); name another --format: "
            "they look like zeek-dns; combined reads Combined Log",
        ),
        (other, SSL, r"not zeek-ssl: .*\(.*other_log 1\); name another --format: they look like zeek-dns"),
    ):
        with pytest.raises(FeedError, match=words) as caught:
            check(path, feed)
        assert "203.0.113" not in str(caught.value)
        assert "\n" not in str(caught.value)
    (tmp_path / "empty.log").touch()
    assert check(tmp_path / "empty.log", COMBINED).size == 0


def test_a_checkpoint_is_kept_whole(tmp_path: Path) -> None:
    """What is saved is loaded; a damaged file is refused with a way out; a feed has one sender at a time."""
    skipped = {"bad_time": Skip().with_line(3).with_line(9)}
    extent = Extent(bytes=700, digest="d" * 64)
    kept = Checkpoint(
        cluster="c", topic="t", offsets={0: 5}, lines=9, sent=7, skipped=skipped, scope="s", extent=extent,
        tail=Tail(line=9, digest=None, before=Settled(lines=8, sent=7)),
    )  # fmt: skip
    with checkpoints.locked(tmp_path / "ingest", "f"):
        checkpoints.save(tmp_path / "ingest", "f", kept)
        with (
            pytest.raises(FeedError, match="is being sent by another"),
            checkpoints.locked(tmp_path / "ingest", "f"),
        ):
            pass
    assert checkpoints.load(tmp_path / "ingest", "f") == kept
    (tmp_path / "ingest" / "f.json").write_text('{"cluster": ')
    with pytest.raises(FeedError, match="delete it"):
        checkpoints.load(tmp_path / "ingest", "f")
    assert checkpoints.load(tmp_path / "ingest", "g") is None


def test_only_the_first_line_numbers_are_kept() -> None:
    """The count goes on."""
    skip = Skip()
    for number in range(1, 100):
        skip = skip.with_line(number)
    assert skip == Skip(count=99, lines=(1, 2, 3, 4, 5))


def test_the_broker_is_the_one_set_or_the_one_running(tmp_path: Path) -> None:
    """The setting wins; without both there is a hint what to do."""
    with pytest.raises(BrokerUnavailable, match="`innsyn up` or set INNSYN_KAFKA_BOOTSTRAP"):
        broker(Settings(home=tmp_path))
    (tmp_path / "run.json").write_text('{"bootstrap": "127.0.0.1:9", "api": "http://127.0.0.1:8", "pid": 1}')
    assert broker(Settings(home=tmp_path)).bootstrap == "127.0.0.1:9"
    assert (
        broker(Settings(home=tmp_path, kafka_bootstrap="k.example.no:9092")).bootstrap == "k.example.no:9092"
    )
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(BrokerUnavailable, match=r"run\.json cannot be read"):
        broker(Settings(home=tmp_path))

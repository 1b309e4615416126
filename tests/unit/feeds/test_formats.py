"""Log lines to events: each format, odd lines of it, and the record and topic of each."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.company import load_company
from schemas.errors import FeedError
from streams.feeds.lines.user_agent import families
from streams.feeds.registry import FORMATS, Feed, find_feed
from tests.support.company import examples_folder, model, model_examples, model_feed
from tests.support.log_lines import (
    COMBINED,
    DNS,
    DNS_FIELDS,
    DNS_HEADER,
    DNS_LINE,
    FIREFOX,
    SSL,
    event,
    events,
    message,
    visit,
)
from tests.support.stories import CARRIER

TAGGED = sorted(topic.record for topic in model().topics.values() if topic.tagged)


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
        ("apache", None, "unknown format 'apache'; use one of cgnat-syslog, combined"),
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


def test_every_format_has_a_topic_that_takes_it() -> None:
    """As the model company's topics say; that of ndjson is found through the record."""
    found = {name: model_feed(name, "Invoice" if name == "ndjson" else None).topic.name for name in FORMATS}
    assert found.pop("ndjson") == "billing.invoices"
    assert Counter(found.values()) == {
        "web.visits": 1, "network.traffic": 2, "network.assignments": 5, "crm.customers": 1,
    }  # fmt: skip
    example = json.loads((examples_folder("invoice") / "direct-debit.json").read_text("utf-8"))
    feed = model_feed("ndjson", "Invoice")
    assert message(feed, json.dumps(example))[1] == example["customer_number"].encode()

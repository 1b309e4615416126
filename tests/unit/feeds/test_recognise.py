"""A source in which nothing is of the format is an error that says what was seen, never nothing read in silence."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import pytest

from schemas.errors import FeedError
from streams.feeds.formats.nat_vendors import vendor
from streams.feeds.registry import FORMATS, Feed
from streams.feeds.run.ingest import ingest
from streams.feeds.run.source import check_source
from tests.support.company import model_feed
from tests.support.feeds import MemoryTopic

CASES = Path(__file__).parents[2] / "fixtures" / "cases"
FOREIGN = {
    "words": "the quick brown fox\njumps over it\n" * 60,
    "json": '{"a": 1}\n' * 3,
    "syslog": "2026-03-02T09:00:00Z host sshd[7]: session opened\n" * 3,
    "csv": "a,b,c\n1,2,3\n",
    "comments": "# one\n# two\n",
    "zeek conn": "#separator \\x09\n#path\tconn\n#fields\tts\tid.orig_h\n1772442250.5\t203.0.113.1\n",
    "quotes": '"""\n' * 5,
    "zeros": "\0\0\0\0\n" * 3 + "x\n",
}


@cache
def feed_of(name: str) -> Feed:
    return model_feed(name, "WebVisit" if name == "ndjson" else None)


@pytest.mark.parametrize("what", sorted(FOREIGN))
@pytest.mark.parametrize("name", list(FORMATS))
def test_a_file_of_something_else_is_an_error(tmp_path: Path, name: str, what: str) -> None:
    """In one line, with what the format reads."""
    file = tmp_path / "file"
    file.write_text(FOREIGN[what])
    feed = feed_of(name)
    with pytest.raises(
        FeedError, match=rf"file: not {name}: none of its \d+ records? can be read \(.*{name} reads "
    ) as caught:
        check_source(str(file), feed, io.BytesIO())
    assert "\n" not in str(caught.value)
    assert "fox" not in str(caught.value)


@pytest.mark.parametrize("name", list(FORMATS))
def test_standard_input_of_something_else_is_an_error_in_the_end(tmp_path: Path, name: str) -> None:
    """Before any of it is sent or set aside, unless it begins with lines about something else."""
    feed, topic = feed_of(name), MemoryTopic()
    with pytest.raises(FeedError, match=f"standard input: not {name}"):
        check_source("-", feed, io.BytesIO(FOREIGN["words"].encode()))
    if name == "cgnat-syslog":
        source = check_source("-", feed, io.BytesIO(FOREIGN["syslog"].encode()))
        with pytest.raises(FeedError, match=f"standard input: not {name}"):
            ingest(source, feed, topic.producer(), topic, tmp_path)
    assert not topic.messages


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("zeek-dns", "#separator \\x09\n#path\tdns\n#fields\tts\tquery\n#close\tx\n"),
        ("kea-csv", "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,state\n"),
        (
            "customers-csv",
            "customer_number,username,name,fodselsnummer,phone,email,address,contract_start,contract_end\n",
        ),
        (
            "radius-detail",
            "Mon Mar  2 09:00:00 2026\n\tAcct-Status-Type = Tunnel-Start\n\tNAS-IP-Address = 192.0.2.1\n\n",
        ),
        ("combined", ""),
        ("combined", "\n\n"),
    ],
)
def test_a_file_of_the_format_may_hold_no_event(tmp_path: Path, name: str, text: str) -> None:
    """A quiet day's log is its header."""
    file = tmp_path / "file"
    file.write_text(text)
    feed, topic = feed_of(name), MemoryTopic()
    report = ingest(
        check_source(str(file), feed, io.BytesIO()), feed, topic.producer(), topic, tmp_path / "i"
    )
    assert (report.read, report.sent, report.complete) == (0, 0, True)


def test_the_format_may_begin_late(tmp_path: Path) -> None:
    """Behind any number of lines of something else, which are counted."""
    file = tmp_path / "file"
    visit = '203.0.113.1 - - [12/Mar/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl/8"\n'
    file.write_text("started\n" * 3_000 + visit)
    feed, topic = feed_of("combined"), MemoryTopic()
    report = ingest(
        check_source(str(file), feed, io.BytesIO()), feed, topic.producer(), topic, tmp_path / "i"
    )
    assert (report.sent, report.skipped["not_combined"].count) == (1, 3_000)


def test_a_file_of_which_all_is_refused_is_not_complete(tmp_path: Path) -> None:
    """It is of the format, and nothing of it could be used."""
    file = tmp_path / "file"
    file.write_text('host.example - - [12/Mar/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl/8"\n')
    feed, topic = feed_of("combined"), MemoryTopic()
    report = ingest(
        check_source(str(file), feed, io.BytesIO()), feed, topic.producer(), topic, tmp_path / "i"
    )
    assert (report.sent, report.refused, report.complete) == (0, 1, False)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ((CASES / "12-vhost-first.log").read_text(), "name another --format: they look like combined; "),
        ((CASES / "02-junos-pba.log").read_text(), "they look like cgnat-syslog"),
        ('{"ts": 1772442250.5, "query": "www.example.no", "_path": "dns"}\n', "they look like zeek-dns"),
        ('{"a": 1}\n', "they look like JSON"),
    ],
)
def test_what_it_is_instead_is_said(tmp_path: Path, text: str, hint: str) -> None:
    """Where one of our formats can read it."""
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(FeedError, match=hint):
        check_source(str(file), feed_of("radius-detail"), io.BytesIO())


@pytest.mark.parametrize(
    ("line", "maker"),
    [
        ("2026-03-02T09:00:00Z thn-1 NAT-UDP-C: 100.64.0.1:10000 -> 198.51.100.9:10000", "A10"),
        (
            "2026-03-02T09:00:00Z thn-1 CEF:0|A10|CFW|6.0|CGN 100|Nat Port Allocated|5|src=100.64.0.1 spt=4",
            "A10",
        ),
        (
            "1 2026 Mar 2 10:00:00 cgse-1 - NAT44 - [UserbasedA - 100.64.0.1 i - 198.51.100.9 - 1 9 - -]",
            "Cisco",
        ),
        (
            "Mar  2 09:00:00 asa1 %ASA-6-305011: Built dynamic TCP translation from inside:100.64.0.1/9",
            "Cisco",
        ),
        ("Mar  2 09:00:00 r1 %IPNAT-6-CREATED: tcp 100.64.0.1:9 198.51.100.9:9", "Cisco"),
        (
            "Mar  2 09:00:00 fw1 kernel: [1.2] NAT IN=eth0 OUT=eth1 SRC=100.64.0.1 DST=192.0.2.1",
            "nftables or iptables",
        ),
        ("[1772442250.1] [NEW] tcp 6 120 SYN_SENT src=100.64.0.1 dst=192.0.2.1", "nftables or iptables"),
        (
            "Mar  2 09:00:00 vsr fp-cgnat[1]: USER 100.64.0.1: NEW BLOCK (ip public 198.51.100.9, port 1 - 9)",
            "6WIND",
        ),
        ("2026-03-02T09:00:00Z nf A VRF 0 INT 100.64.0.1 EXT 198.51.100.9:1024-1535", "NFWare"),
    ],
)
def test_logs_of_other_makers_are_named(tmp_path: Path, line: str, maker: str) -> None:
    """With what can be done about it."""
    assert vendor(line) == maker
    file = tmp_path / "file"
    file.write_text(f"{line}\n" * 4)
    with pytest.raises(
        FeedError, match=f"of {maker}, which a pattern file can describe .*cgnat-syslog reads syslog of"
    ):
        check_source(str(file), feed_of("cgnat-syslog"), io.BytesIO())


def test_ordinary_lines_are_nobodys_translation() -> None:
    """A visit, a login, a look-up."""
    for line in (
        "Mar  2 09:00:00 h sshd[7]: Accepted publickey",
        "www.nat-tech.example 203.0.113.1 - -",
        "GET /nat/",
    ):
        assert vendor(line) is None


def test_other_lines_of_a_log_are_counted(tmp_path: Path) -> None:
    """They are about something else; those of another maker's translation are refused."""
    file = tmp_path / "log"
    other = "2026-03-02T09:00:00Z cgn1 sshd[7]: session opened\n"
    foreign = "2026-03-02T09:00:00Z thn-1 NAT-UDP-C: 100.64.0.1:10000 -> 198.51.100.9:10000\n"
    file.write_text(other * 5 + (CASES / "02-junos-pba.log").read_text() + foreign + other)
    feed, topic = feed_of("cgnat-syslog"), MemoryTopic()
    report = ingest(
        check_source(str(file), feed, io.BytesIO()), feed, topic.producer(), topic, tmp_path / "i"
    )
    assert (report.sent, report.others) == (4, 6)
    assert report.skipped["other_vendor"].lines == (10,)

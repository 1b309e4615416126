"""Logs of other makers' address translators, described by a pattern file."""

from __future__ import annotations

import io
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import DecodeError, FeedError
from streams.feeds.lines.record import Record
from streams.feeds.lines.regex import nested
from streams.feeds.registry import Feed
from streams.feeds.run.ingest import ingest
from streams.feeds.run.source import check_source
from tests.support.company import model_feed
from tests.support.feeds import MemoryTopic, outcomes, reasons
from tests.support.pages import TOGETHER
from tests.support.time_bounds import HANGING_SECONDS

# A router that tells of several blocks in one line, in brackets, by its own clock.
ROUTER = r"""
line: '\d+ (?P<time>\d{4} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (?P<server>\S+) - NAT44 -'
each: '\[(?P<event>\w+) \S+ (?P<inside>[\d.]+) \S+ \S+ (?P<public>[\d.]+) \S+ (?P<first_port>\d+) (?P<last_port>\d+) '
time: '%Y %b %d %H:%M:%S'
zone: Europe/Oslo
events: {alloc: UserbasedA, release: [UserbasedW], other: Portblockrunout}
"""
ROUTER_LINES = [
    "1 2026 Mar  2 11:00:00 cgse-1 - NAT44 - [UserbasedA - 100.64.3.1 inside - 198.51.100.40 - 12544 12671 - -]"
    "[UserbasedA - 100.64.3.2 inside - 198.51.100.40 - 12672 12799 - -]",
    "1 2026 Mar  2 13:00:00 cgse-1 - NAT44 - [UserbasedW - 100.64.3.1 inside - 198.51.100.40 - 12544 12671 - -]",
    "1 2026 Mar  2 13:00:00 cgse-1 - NAT44 - [Portblockrunout - 100.64.3.9 inside - - - - - - -]",
]
# A firewall in Common Event Format, with the number of ports and the time at which it gave them.
FIREWALL = r"""
line: '(?P<time>\S+) (?P<server>\S+) CEF:\d\|(?:[^|]*\|){4}Port Batch (?P<event>\w+)\|\d+\|src=(?P<inside>\S+)
  sourceTranslatedAddress=(?P<public>\S+) start=(?P<first_port>\d+) size=(?P<size>\d+)(?: began=(?P<began>[0-9a-f]+))?'
time: iso
began: epoch-hex
events: {alloc: [Allocated], interim: [Active], release: [Freed]}
"""
CEF = "2026-03-02T12:00:00Z lsn-1 CEF:0|Vendor|LSN|6.0|CGN 100|Port Batch {}|5|src=100.64.3.1"
FIREWALL_LINES = [
    f"{CEF.format('Active')} sourceTranslatedAddress=198.51.100.41 start=2048 size=256 began=69a55fa0",
    f"{CEF.format('Freed')} sourceTranslatedAddress=198.51.100.41 start=2304 size=256",
]
# Single connections, one port each.
SINGLE = r"""
line: '(?P<time>\d+) (?P<event>\S+) (?P<inside>\S+) (?P<public>\S+):(?P<first_port>\d+)'
time: epoch-ms
server: fw-1
events: {alloc: '[NEW]', release: '[DESTROY]'}
"""


def feed(folder: Path, text: str) -> Feed:
    file = folder / "pattern.yaml"
    file.write_text(text, encoding="utf-8")
    return model_feed("cgnat-syslog", pattern=str(file))


def events(folder: Path, text: str, *lines: str) -> list[dict[str, Any]]:
    found = outcomes(feed(folder, text), *lines)
    return [event for _, outcome in found for event in outcome if isinstance(event, dict)]


def test_a_router_that_tells_of_several_blocks_in_one_line(tmp_path: Path) -> None:
    """Each is an event; by the clock of its zone."""
    found = events(tmp_path, ROUTER, *ROUTER_LINES)
    assert [
        (
            e["kind"],
            e["inside_address"],
            e["address"],
            e["port_from"],
            e["port_to"],
            e["occurred_at"].hour,
            e["nas"],
        )
        for e in found
    ] == [
        ("alloc", "100.64.3.1", "198.51.100.40", 12_544, 12_671, 10, "cgse-1"),
        ("alloc", "100.64.3.2", "198.51.100.40", 12_672, 12_799, 10, "cgse-1"),
        ("release", "100.64.3.1", "198.51.100.40", 12_544, 12_671, 12, "cgse-1"),
    ]
    assert found[0]["session_id"] == found[2]["session_id"]


def test_a_firewall_that_tells_size_and_begin(tmp_path: Path) -> None:
    """A lost first line is rebuilt as it is of Junos."""
    found = events(tmp_path, FIREWALL, *FIREWALL_LINES)
    assert [(e["kind"], e["port_from"], e["port_to"], e["session_seconds"]) for e in found] == [
        ("interim", 2_048, 2_303, 7_200),
        ("release", 2_304, 2_559, None),
    ]


def test_single_ports_and_a_server_that_is_named_by_the_file(tmp_path: Path) -> None:
    """Without a last port it is one."""
    (event,) = events(tmp_path, SINGLE, "1772442250123 [NEW] 100.64.0.1 198.51.100.9:40000")
    assert (event["port_from"], event["port_to"], event["nas"]) == (40_000, 40_000, "fw-1")
    assert event["occurred_at"] == datetime(2026, 3, 2, 9, 4, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (ROUTER_LINES[0].replace("UserbasedA", "Lost"), "unknown_event"),
        (ROUTER_LINES[0].replace("Mar", "Mrz"), "bad_time"),
        (ROUTER_LINES[0].replace("Mar  2 11", "Mar 29 02"), "clock_change"),
        (ROUTER_LINES[0].replace("12671", "70000"), "bad_number"),
        (ROUTER_LINES[0].replace("100.64.3.1", "100.64.3.256"), "bad_address"),
        (ROUTER_LINES[0].replace("12799", "12000"), "end_before_start"),
    ],
)
def test_a_line_that_cannot_be_read_has_a_reason(tmp_path: Path, line: str, reason: str) -> None:
    """All of it or nothing: no half of its blocks."""
    assert reasons(feed(tmp_path, ROUTER), ROUTER_LINES[0], line) == [(2, reason)]
    assert len(outcomes(feed(tmp_path, ROUTER), ROUTER_LINES[0], line)) == 2


def test_lines_that_the_pattern_does_not_fit_are_counted(tmp_path: Path) -> None:
    """And a file with none that it fits is an error."""
    log = tmp_path / "log"
    log.write_text("\n".join(["something else", *ROUTER_LINES, "something else"]) + "\n")
    chosen, topic = feed(tmp_path, ROUTER), MemoryTopic()
    report = ingest(check_source(str(log), chosen, io.BytesIO()), chosen, topic.producer(), topic, tmp_path)
    assert (report.sent, report.others, report.read) == (3, 3, 2)
    log.write_text("something else\n" * 3)
    with pytest.raises(FeedError, match=r"none of its 3 records .*reads what the pattern file describes"):
        check_source(str(log), chosen, io.BytesIO())


def test_another_pattern_is_another_feed(tmp_path: Path) -> None:
    """A log that was read wrongly is sent again with the pattern that was mended."""
    one, other = feed(tmp_path, ROUTER), feed(tmp_path, ROUTER.replace("UserbasedW", "UserbasedX"))
    assert one.scope != other.scope
    assert one.scope == feed(tmp_path, ROUTER).scope


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("events:", "evnts:"), "evnts: Extra inputs are not permitted|events: Field required"),
        ((r"(?P<public>[\d.]+)", r"[\d.]+"), r"no group \(\?P<public>...\) in line or each"),
        ((r"(?P<server>\S+)", r"\S+"), "what names the translator is missing"),
        ((r"(?P<server>\S+)", r"(?P<host>\S+)"), "line: has the unknown group host; groups are time"),
        ((r"(?P<server>\S+)", r"(?P<inside>\S+)"), "group inside stands in line and in each"),
        ((r"(?P<server>\S+)", r"(?P<server>\S+"), "line: is no regular expression: missing"),
        ((r"(?P<server>\S+)", r"(?P<server>(\w+)+)"), "line: has a repeat within a repeat"),
        ((r"(?P<server>\S+)", r"(?P<server>(?:ab|cd)+)"), "line: has alternatives within a repeat"),
        ((r"(?P<server>\S+)", r"(?P<server>\S+)(?:(?P=server))?"), "line: refers back to a group"),
        (("zone: Europe/Oslo\n", ""), "the time names no zone"),
        (("Europe/Oslo", "Europe/Olso"), "zone: there is no zone 'Europe/Olso'"),
        (("Europe/Oslo", "+25:00"), "zone: there is no zone"),
        (("%Y ", ""), "the format of time must hold year"),
        (("'%Y %b %d %H:%M:%S'", "rfc"), "time is none of iso, syslog"),
        (("[UserbasedW]", "[UserbasedA]"), "event 'UserbasedA' is said twice"),
        (("alloc: UserbasedA", "alloc: []"), "events.alloc: "),
        (("alloc: UserbasedA, ", ""), "events.alloc: Field required"),
        (("events: {", "block_size: 12\nevents: {"), "of last_port, size and block_size one is enough"),
        (("events: {", "began: iso\nevents: {"), "group began and its form"),
        (("events: {", "events: {{"), "line 7.* is not YAML"),
        (("line: '", "line: ["), "is not YAML"),
    ],
)
def test_a_pattern_file_that_is_wrong_says_where(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    """One line, before anything is sent."""
    assert change[0] in ROUTER
    with pytest.raises(FeedError, match=words) as caught:
        feed(tmp_path, ROUTER.replace(*change, 1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "a: &a [*a]", "line: 7", "line: {a: b}", "line: [a]", "\x00", "x" * 70_000, "? {}"]
)
def test_what_is_no_pattern_file_is_refused(tmp_path: Path, text: str) -> None:
    """Also by its size."""
    with pytest.raises(FeedError):
        feed(tmp_path, text)
    with pytest.raises(FeedError, match="No such file"):
        model_feed("cgnat-syslog", pattern=str(tmp_path / "none.yaml"))


@pytest.mark.parametrize("text", ["", "[]", "line"])
def test_a_pattern_file_that_describes_nothing_says_so(tmp_path: Path, text: str) -> None:
    """In words of the file, not of the program that checks it."""
    with pytest.raises(FeedError, match="describes no line; write line, time and events"):
        feed(tmp_path, text)


def test_options_of_other_formats_are_refused(tmp_path: Path) -> None:
    """Rather than left aside in silence."""
    for options in ({"pattern": "x"}, {"zone": "UTC"}):
        with pytest.raises(FeedError, match="for cgnat-syslog"):
            model_feed("combined", **options)
    with pytest.raises(FeedError, match="for combined"):
        model_feed("zeek-dns", client_column=1)
    (tmp_path / "p.yaml").write_text(ROUTER)
    with pytest.raises(FeedError, match="stands in the pattern file"):
        model_feed("cgnat-syslog", pattern=str(tmp_path / "p.yaml"), zone="UTC")


@pytest.mark.parametrize(
    "pattern",
    [
        r"\S+ \S+",
        r"(?:a|b) (?:\d+ )?",
        r"(?:\d{1,3}\.){3}\d{1,3}",
        r"(?:[^|]*\|){4}x",
        r"[ab]+(?=c)",
        r"a{2,3}b{1,90}",
    ],
)
def test_usual_patterns_are_not_taken_for_endless_ones(pattern: str) -> None:
    """A repeat of a fixed number is none."""
    assert nested(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [r"(a+)+$", r"(a*)*", r"(?:a+b?)*c", r"(a|a)+$", r"(?:.*,)*x", r"((a{1,90})b?){200,}", r"(?:(?=a+)a)*"],
)
def test_endless_patterns_are_found(pattern: str) -> None:
    """Before they meet the line on which they show it."""
    assert nested(pattern)


def test_a_pattern_that_is_slow_on_some_lines_does_not_stop_the_feed(tmp_path: Path) -> None:
    """The line is refused after a second; on the third such line the pattern is."""
    wide = "".join(f"(?P<{name}>.*)" for name in ("time", "event", "inside", "public", "first_port"))
    text = f"line: '{wide}.*.*.*.*!'\ntime: iso\nserver: a\nevents: {{alloc: x}}\n"
    reader = feed(tmp_path, text).reader()
    record = Record(1, 1, ("a" * 3_000,))
    started = time.monotonic()
    for _ in range(2):
        with pytest.raises(DecodeError, match="slow_pattern"):
            reader.read(record)
    with pytest.raises(FeedError, match="more than a second on 3 lines"):
        reader.read(record)
    assert time.monotonic() - started < HANGING_SECONDS


def test_the_example_of_the_documentation_reads_what_it_says(tmp_path: Path) -> None:
    """It is copied first."""
    (example,) = re.findall(r"^```yaml\n(line: .*?)^```", TOGETHER, re.MULTILINE | re.DOTALL)
    assert len(events(tmp_path, example, *ROUTER_LINES)) == 3

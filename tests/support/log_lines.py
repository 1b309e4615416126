"""Lines of access logs and of Zeek, and what a feed makes of them."""

from __future__ import annotations

from typing import Any

from streams.feeds.lines.record import Record
from streams.feeds.registry import Feed
from streams.feeds.run.ingest import read_record
from tests.support.company import model_feed
from tests.support.feeds import outcomes

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


COMBINED = model_feed("combined")
DNS = model_feed("zeek-dns")
SSL = model_feed("zeek-ssl")

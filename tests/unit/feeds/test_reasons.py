"""Every reason is explained, in one sentence that shows nobody's data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemas.errors import DecodeError
from streams import feeds
from streams.feeds.lines import reasons, times
from streams.feeds.lines.holders import FOREVER, Holders
from tests.support.kinds import FODSELSNUMMER, PHONE

FOLDER = Path(feeds.__file__).parent


def test_every_reason_a_feed_gives_is_explained() -> None:
    """Those written in the readers, and those made of the kind of an identifier; and no other is."""
    text = "".join(path.read_text("utf-8") for path in FOLDER.rglob("*.py") if path.name != "reasons.py")
    given = set(re.findall(r'DecodeError\((?:\s*)"(\w+)"', text)) | set(
        re.findall(r'"(bad_number|bad_time)"', text)
    )
    given |= set(re.findall(r'DecodeError\("(\w+)" if', text)) | set(re.findall(r'else "(\w+)"\)', text))
    given |= {f"bad_{kind}" for kind in (PHONE, FODSELSNUMMER)}
    given |= {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}
    assert given == set(reasons.EXPLANATIONS)
    assert set(reasons.EXPLANATIONS) >= reasons.FOREIGN


def test_an_explanation_is_a_sentence() -> None:
    """Short enough for a table."""
    for reason, sentence in reasons.EXPLANATIONS.items():
        assert re.fullmatch(r"[a-z0-9_]+", reason)
        assert re.fullmatch(r"[A-Z][^.]*(?:\.\d[^.]*)*\.", sentence), sentence
        assert len(sentence) < 100


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2026-03-02", 1_772_409_600_000),
        ("1956-03-02", -436_579_200_000),
        ("2026-03-02T01:00:00+01:00", 1_772_409_600_000),
        ("2026-03-02T00:00:00Z", 1_772_409_600_000),
    ],
)
def test_days_begin_at_midnight_utc(text: str, milliseconds: int) -> None:
    """Times need a zone, days do not."""
    assert times.day_or_time(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-03", "2026-W10-1", "2026-03-02T00:00:00", "20260302", "2026-02-29"]
)
def test_other_spellings_of_days_are_refused(text: str) -> None:
    """No guessing."""
    with pytest.raises(DecodeError, match="bad_time"):
        times.day_or_time(text)


@pytest.mark.parametrize(
    "text", ["Mon Mar 32 09:00:00 2026", "Mon Mrz  2 09:00:00 2026", "Mon Mar  2 24:00:00 2026"]
)
def test_dates_of_no_calendar_are_refused(text: str) -> None:
    """In the heading of a record too."""
    with pytest.raises(DecodeError, match="bad_time"):
        times.ctime(text)


def test_a_leap_second_is_a_second() -> None:
    """As in combined logs."""
    assert times.ctime("Sat Dec 31 23:59:60 2016") == times.timestamp("2017-01-01T00:00:00Z")


def test_only_what_overlaps_is_two_holders() -> None:
    """A few seconds are the clocks' fault; two that begin at once are not."""
    holders = Holders(kept=8, gapless=False)
    assert not holders.seen("192.0.2.1", "a", "1", 0, 100_000)
    assert not holders.seen("192.0.2.1", "b", "2", 99_000, 200_000)
    assert holders.seen("192.0.2.1", "c", "3", 90_000, 96_000)
    assert not holders.seen("192.0.2.2", "a", "1", 0, FOREVER)
    assert holders.seen("192.0.2.2", "b", "2", 0, 0)
    assert not holders.seen("192.0.2.2", "b", "2", 0, 10)


def test_only_the_last_holders_are_remembered() -> None:
    """The one that ended first is forgotten."""
    holders = Holders(kept=2, gapless=True)
    for number in range(4):
        holders.seen("192.0.2.1", f"h{number}", f"s{number}", number * 100_000, number * 100_000)
    assert not holders.seen("192.0.2.1", "other", "late", 0, 50_000)
    assert not holders.seen("192.0.2.1", "h2", "s2", 350_000, 350_000)
    assert holders.seen("192.0.2.1", "h3", "s3", 340_000, 340_000)

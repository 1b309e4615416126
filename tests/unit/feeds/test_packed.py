"""Files as they come: packed, cut short, empty, with an odd name, or in the encoding of a spreadsheet."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import FeedError
from streams.feeds.run.ingest import ingest
from streams.feeds.run.source import check_source
from tests.support.feeds import MemoryTopic
from tests.support.log_files import COLUMNS, COMBINED, CUSTOMERS, Desk, customer, visit

CASES = Path(__file__).parents[2] / "fixtures" / "cases"


def test_gzip_of_several_members_is_one_content(tmp_path: Path) -> None:
    """Logs that were packed one by one and joined; zeros behind them are padding."""
    desk = Desk(tmp_path, COMBINED)
    packed = b"".join(gzip.compress(visit(number).encode()) for number in range(5))
    assert desk.send("log.gz", packed + b"\0" * 512).sent == 5
    assert desk.send("log", "".join(map(visit, range(5))).encode()).finished_before


@pytest.mark.parametrize("lost", [1, 4, 8, 9, 100])
def test_gzip_that_is_cut_short_gives_its_whole_lines_and_says_so(tmp_path: Path, lost: int) -> None:
    """The report is not complete; the rest is sent when the file is."""
    desk = Desk(tmp_path, COMBINED)
    text = "".join(map(visit, range(200))).encode()
    packed = gzip.compress(text[:4_000]) + gzip.compress(text[4_000:])
    report = desk.send("log.gz", packed[:-lost])
    assert report.remarks == ("cut_short",)
    assert not report.complete
    assert report.skipped == {}
    assert 0 < report.sent <= 200
    report = desk.send("log.gz", packed)
    assert (report.sent, report.complete) == (200, True)
    assert [event["page"] for event in desk.events()] == [f"/{number}" for number in range(200)]


def test_standard_input_that_is_cut_short_says_so(tmp_path: Path) -> None:
    """What came whole is sent, the half line behind it is not."""
    packed = gzip.compress("".join(map(visit, range(200))).encode(), mtime=0)
    source = check_source("-", COMBINED, io.BytesIO(packed[:-60]))
    topic = MemoryTopic()
    report = ingest(source, COMBINED, topic.producer(), topic, tmp_path)
    assert not report.complete
    assert report.remarks == ("cut_short",)
    assert report.sent == len(topic.messages) < 200


def test_a_wrong_extension_is_no_matter(tmp_path: Path) -> None:
    """What a file is, its bytes say."""
    desk = Desk(tmp_path, COMBINED)
    assert desk.send("plain.gz", visit(1).encode()).sent == 1
    assert desk.send("packed.log", gzip.compress(visit(2).encode())).sent == 1


def test_a_file_may_have_a_name_that_is_no_text(tmp_path: Path) -> None:
    """As file systems allow; the report shows what can be shown of it."""
    desk = Desk(tmp_path, COMBINED)
    report = desk.send(os.fsdecode(b"bj\xf8rn.log"), visit(1).encode())
    assert report.sent == 1
    assert report.name.endswith("bj\ufffdrn.log")


def test_a_pipe_that_is_named_as_a_file_is_refused(tmp_path: Path) -> None:
    """It cannot be read twice."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FeedError, match="is a pipe"):
        check_source(str(tmp_path / "pipe"), COMBINED, io.BytesIO())


def test_an_empty_file_is_nothing(tmp_path: Path) -> None:
    """It leaves no checkpoint: every file begins with it."""
    desk = Desk(tmp_path, COMBINED)
    report = desk.send("log", b"")
    assert (report.read, report.sent, report.complete) == (0, 0, True)
    assert not list((tmp_path / "ingest").glob("*.json"))


LETTERS = "Bjørn Ærlig Åse"


def test_a_register_in_windows_1252_is_read_as_that_and_says_so(tmp_path: Path) -> None:
    """As Excel in Norway saves it."""
    desk = Desk(tmp_path)
    report = desk.send("register.csv", (CASES / "18-register-windows-1252.csv").read_bytes())
    assert report.remarks == ("windows_1252",)
    assert [(event["email"], event["username"]) for event in desk.events()] == [
        ("bjørn18@example.com", "bjørn18"), ("åse18@example.com", "åse18"),
    ]  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("mark", "encoding", "remarks"),
    [
        (b"", "utf-8", ()),
        (codecs.BOM_UTF8, "utf-8", ()),
        (b"", "windows-1252", ("windows_1252",)),
        (codecs.BOM_UTF16_LE, "utf-16-le", ("utf_16",)),
        (codecs.BOM_UTF16_BE, "utf-16-be", ("utf_16",)),
        (b"", "utf-16-le", ("utf_16",)),
        (b"", "utf-16-be", ("utf_16",)),
    ],
)
def test_what_spreadsheets_save_is_read(
    tmp_path: Path, delimiter: str, mark: bytes, encoding: str, remarks: tuple[str, ...]
) -> None:
    """With semicolons, tabs or commas, marks, and line ends of Windows; packed too."""
    text = (COLUMNS + "\n" + customer(1, name=LETTERS)).replace(",", delimiter).replace("\n", "\r\n")
    desk = Desk(tmp_path)
    report = desk.send("register.csv", mark + text.encode(encoding))
    assert report.remarks == remarks
    assert [event["name"] for event in desk.events()] == [f"{LETTERS} 00001"]
    assert desk.send("register.csv.gz", gzip.compress(mark + text.encode(encoding))).finished_before


def test_a_line_that_names_the_separator_is_no_row(tmp_path: Path) -> None:
    """Excel writes it before the header."""
    desk = Desk(tmp_path)
    text = "sep=;\r\n" + (COLUMNS + "\n" + customer(1)).replace(",", ";")
    assert desk.send("register.csv", text.encode()).sent == 1


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (customer(2, name="Bj\xf8rn").encode("latin-1"), "another encoding beside UTF-8"),
        (customer(2, name="x").encode().replace(b"x", b"\xc3"), "half a letter"),
        (customer(2, name="x").encode().replace(b"x", b"\xe2\x82"), "two thirds of one"),
        (customer(2, name="x").encode().replace(b"x", b"\x81"), "a byte that is no letter"),
    ],
)
def test_one_broken_line_does_not_change_the_others(tmp_path: Path, broken: bytes, what: str) -> None:
    """It is refused with its number; the rest is UTF-8 as before."""
    desk = Desk(tmp_path)
    text = (COLUMNS + "\n" + customer(1, name="Åse")).encode() + broken + customer(3, name="Ødegård").encode()
    report = desk.send("register.csv", text)
    assert {reason: skip.lines for reason, skip in report.skipped.items()} == {"not_utf8": (3,)}, what
    assert [event["name"] for event in desk.events()] == ["Åse 00001", "Ødegård 00003"]


@pytest.mark.parametrize("octets", [b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d", b"\xc3", b"\xe2\x82"])
def test_a_file_that_does_not_fit_windows_1252_is_not_taken_for_it(tmp_path: Path, octets: bytes) -> None:
    """Each line that is not UTF-8 is refused, also those that would fit alone."""
    desk = Desk(tmp_path)
    lines = [
        customer(1, name="Bj\xf8rn").encode("latin-1"),
        customer(2).encode().replace(b"Test", octets),
    ]
    report = desk.send("register.csv", (COLUMNS + "\n").encode() + b"".join(lines) + customer(3).encode())
    assert (report.sent, report.skipped["not_utf8"].lines) == (1, (2, 3))


@given(st.lists(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=8), max_size=4))
@settings(max_examples=50, deadline=None)
def test_no_name_is_ever_a_backslash_form(names: Sequence[str]) -> None:
    """Whatever bytes stand in a list of customers."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        rows = "".join(
            customer(n, name=name.replace("\\", "").replace('"', "").replace(",", ""))
            for n, name in enumerate(names)
        )
        desk.send("register.csv", (COLUMNS + "\n" + customer(99) + rows).encode("latin-1"))
        assert not any("\\" in (event["name"] or "") for event in desk.events())


def test_standard_input_is_utf_8_line_by_line(tmp_path: Path) -> None:
    """It cannot be looked through before: what is not is refused."""
    data = (COLUMNS + "\n" + customer(1) + customer(2, name="Bj\xf8rn")).encode("latin-1")
    topic = MemoryTopic()
    report = ingest(
        check_source("-", CUSTOMERS, io.BytesIO(data)), CUSTOMERS, topic.producer(), topic, tmp_path
    )
    assert (report.sent, report.skipped["not_utf8"].lines) == (1, (3,))


def test_lines_behind_zeros_are_read(tmp_path: Path) -> None:
    """A log that was cut to nothing while its server went on (copytruncate) begins with them."""
    desk = Desk(tmp_path, COMBINED)
    assert desk.send("log", b"\0" * 5_000 + visit(1).encode() + visit(2).encode()).sent == 2
    report = desk.send("long", b"\0" * 3_000_000 + (visit(3) + visit(4)).encode())
    assert (report.sent, report.skipped["too_long"].lines) == (1, (1,))

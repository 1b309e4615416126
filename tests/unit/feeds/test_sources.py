"""Where log lines come from: files, standard input, checkpoints, and the broker they go to."""

from __future__ import annotations

import bz2
import gzip
import io
from pathlib import Path

import pytest

from console.wiring.run_file import broker
from schemas.errors import BrokerUnavailable, DecodeError, FeedError
from schemas.settings import Settings
from streams.feeds.registry import Feed
from streams.feeds.run import checkpoint as checkpoints
from streams.feeds.run.checkpoint import Checkpoint, Settled, Skip, Tail
from streams.feeds.run.content import Extent
from streams.feeds.run.source import Source, check_source
from tests.support.log_lines import COMBINED, DNS_FIELDS, DNS_HEADER, DNS_LINE, SSL, event, message, visit


def check(path: Path, feed: Feed) -> Source:
    return check_source(str(path), feed, io.BytesIO())


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

"""What a file holds: known by all of its bytes, and sent on where it stopped."""

from __future__ import annotations

import gzip
import io
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import FeedError
from streams.feeds.registry import Feed
from streams.feeds.run import checkpoint as checkpoints
from streams.feeds.run.ingest import ingest
from streams.feeds.run.source import check_source
from tests.support.company import model_feed
from tests.support.feeds import Killed, MemoryTopic
from tests.support.log_files import COLUMNS, COMBINED, Desk, customer, visit


def test_a_register_in_which_one_digit_changed_is_another_file(tmp_path: Path) -> None:
    """Of the same size and with the same first 64 KiB: all of it is sent, and the new number is there once."""
    monday = COLUMNS + "\n" + "".join(customer(number) for number in range(1, 1_001))
    tuesday = monday.replace(customer(990), customer(990, 99_000_990))
    assert len(monday) == len(tuesday)
    assert monday[: 64 * 1024] == tuesday[: 64 * 1024]
    desk = Desk(tmp_path)
    assert desk.send("register.csv", monday.encode()).sent_now == 1_000
    report = desk.send("register.csv", tuesday.encode())
    assert (report.sent_now, report.finished_before, report.resumed_after) == (1_000, False, 0)
    assert [event["phone"] for event in desk.events()].count("+4799000990") == 1
    assert desk.send("register.csv", monday.encode()).finished_before
    assert desk.send("renamed", tuesday.encode()).finished_before


FORMATS = {
    "combined": ([visit(number) for number in range(9)], None),
    "customers-csv": ([COLUMNS + "\n", *(customer(number) for number in range(9))], None),
    "ndjson": (
        [
            f'{{"occurred_at": "2026-03-02T09:00:0{n}Z", "client_address": "192.0.2.{n}", "method": "GET", '
            '"page": "/", "cookie_consent": "unknown"}\n'
            for n in range(9)
        ],
        "WebVisit",
    ),
    "radius-detail": (
        [
            f"Mon Mar  2 09:00:0{n} 2026\n\tAcct-Status-Type = Start\n\tAcct-Session-Id = {n}\n\tNAS-IP-Address = "
            f'192.0.2.1\n\tUser-Name = "nk{n}"\n\tFramed-IP-Address = 198.51.100.{n}\n\n'
            for n in range(9)
        ],
        None,
    ),
    "zeek-dns": (
        [
            "#separator \\x09\n#path\tdns\n#fields\tts\tid.orig_h\tquery\n",
            *(f"177244225{n}.5\t203.0.113.{n}\twww.example.no\n" for n in range(9)),
        ],
        None,
    ),
    "cgnat-syslog": (
        [
            f"2026-03-02T09:00:0{n}Z cgn1 NAT_PORT_BLOCK_ALLOC: 100.64.0.{n} -> 203.0.113.21:1024-3071\n"
            for n in range(9)
        ],
        None,
    ),
}  # fmt: skip


@cache
def one_shot(name: str) -> tuple[Feed, list[bytes]]:
    """The messages of a file that is sent whole."""
    records, record = FORMATS[name]
    data = "".join(records).encode()
    feed = model_feed(name, record)
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), feed)
        desk.send("whole", data)
        return feed, [value for value, _ in desk.topic.messages]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(FORMATS)),
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 12), st.booleans()), min_size=1, max_size=5),
    st.integers(1, 8),
)
def test_a_file_that_grows_is_sent_as_if_it_came_at_once(
    name: str, steps: Sequence[tuple[int, int, bool]], batch: int
) -> None:
    """However often it is sent meanwhile, packed or not, killed or not: every event once, in order."""
    records, _ = FORMATS[name]
    whole = "".join(records).encode()
    feed, expected = one_shot(name)
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), feed)
        for count, life, packed in sorted(steps):
            data = "".join(records[: count + 1]).encode()
            try:
                desk.send("log", gzip.compress(data) if packed else data, life=life, batch=batch)
            except Killed:
                continue
        report = desk.send("moved", whole, batch=batch)
        assert [value for value, _ in desk.topic.messages] == expected
        assert (report.sent, report.skipped) == (len(expected), {})
        assert desk.send("log", whole).finished_before
        assert len(list((Path(folder) / "ingest").glob("*.json"))) == 1


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_a_file_cut_anywhere_is_completed_when_it_grows(name: str, data: st.DataObject) -> None:
    """A line that was being written when it was read is read anew: what the whole file says is there."""
    records, _ = FORMATS[name]
    whole = "".join(records).encode()
    feed, expected = one_shot(name)
    cut = data.draw(st.integers(len(records[0]) + len(records[1]), len(whole)))
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), feed)
        first = desk.send("log", whole[:cut])
        report = desk.send("log", whole)
        found = Counter(value for value, _ in desk.topic.messages)
        assert not Counter(expected) - found
        # At most the one line is there twice, as it was and as it is.
        assert found.total() - len(expected) <= 1
        assert report.skipped == {}
        assert report.sent == len(expected)
        assert first.sent <= len(expected)


def test_a_line_that_only_lacked_its_end_is_not_sent_again(tmp_path: Path) -> None:
    """Nor a record that only lacked the blank line behind it."""
    desk = Desk(tmp_path, COMBINED)
    text = (visit(1) + visit(2)).encode()
    assert desk.send("log", text[:-1]).sent_now == 2
    report = desk.send("log", text + visit(3).encode())
    assert (report.sent_now, report.sent, report.found) == (1, 3, 1)
    assert [event["page"] for event in desk.events()] == ["/1", "/2", "/3"]


def test_an_older_copy_of_a_file_that_grew_is_known(tmp_path: Path) -> None:
    """And one that grew from it in another way is another file."""
    desk = Desk(tmp_path, COMBINED)
    desk.send("log", visit(1).encode())
    desk.send("log", (visit(1) + visit(2)).encode())
    assert desk.send("copy", visit(1).encode()).finished_before
    report = desk.send("other", (visit(1) + visit(3)).encode())
    assert (report.sent_now, report.resumed_after) == (2, 0)
    assert desk.send("log", (visit(1) + visit(2) + visit(4)).encode()).sent_now == 1


def test_two_files_that_begin_alike_are_two(tmp_path: Path) -> None:
    """A list that holds only its header so far is the beginning of many."""
    desk = Desk(tmp_path)
    header = (COLUMNS + "\n").encode()
    assert desk.send("empty.csv", header).sent == 0
    assert desk.send("a.csv", header + customer(1).encode()).sent_now == 1
    assert desk.send("b.csv", header + customer(2).encode()).sent_now == 1
    assert desk.send("empty.csv", header).finished_before


def test_a_run_that_was_killed_is_not_resumed_with_another_content(tmp_path: Path) -> None:
    """Changed behind the last settled line: its lines are not taken for those that were sent."""
    desk = Desk(tmp_path, COMBINED)
    lines = [visit(number) for number in range(20)]
    with pytest.raises(Killed):
        desk.send("log", "".join(lines).encode(), life=15, batch=10)
    lines[12] = visit(112)
    report = desk.send("log", "".join(lines).encode())
    assert report.sent_now == 20
    assert {event["page"] for event in desk.events()} >= {f"/{n}" for n in (*range(12), 112, *range(13, 20))}


def test_a_run_that_was_killed_and_whose_file_grew_is_finished_first(tmp_path: Path) -> None:
    """Then the rest is sent; all of it once."""
    desk = Desk(tmp_path, COMBINED)
    lines = [visit(number) for number in range(20)]
    with pytest.raises(Killed):
        desk.send("log", "".join(lines[:12]).encode()[:-3], life=11, batch=5)
    report = desk.send("log", "".join(lines).encode())
    assert report.sent == 20
    pages = [event["page"] for event in desk.events()]
    assert set(pages) == {f"/{number}" for number in range(20)}
    assert len(pages) <= 21


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    """It is not called finished; only what had been there when it was checked is read."""
    file = tmp_path / "log"
    file.write_text("".join(visit(number) for number in range(50)))
    topic = MemoryTopic()
    source = check_source(str(file), COMBINED, io.BytesIO())
    with file.open("a") as more:
        more.write(visit(50))
    assert ingest(source, COMBINED, topic.producer(), topic, tmp_path / "ingest").sent_now == 50
    source = check_source(str(file), COMBINED, io.BytesIO())
    file.write_text("".join(visit(number + 1) for number in range(51)))
    for store in ("ingest", "other"):
        with pytest.raises(FeedError, match="changed while it was being read"):
            ingest(source, COMBINED, topic.producer(), topic, tmp_path / store)
    (known,) = checkpoints.load_all(tmp_path / "other", COMBINED.scope).values()
    assert not known.finished


def test_a_file_that_another_run_is_sending_is_not_sent(tmp_path: Path) -> None:
    """Nor when it has grown since that one began."""
    desk = Desk(tmp_path, COMBINED)
    with pytest.raises(Killed):
        desk.send("log", visit(1).encode(), life=0)
    (feed_id,) = checkpoints.load_all(tmp_path / "ingest", COMBINED.scope)
    with checkpoints.locked(tmp_path / "ingest", feed_id):
        with pytest.raises(FeedError, match="is being sent by another"):
            desk.send("log", (visit(1) + visit(2)).encode())
        assert desk.send("other", visit(3).encode()).sent_now == 1


def test_again_sends_all_of_a_file_that_grew(tmp_path: Path) -> None:
    """Under the same feed, so that it can be resumed; afterwards it is known whole."""
    desk = Desk(tmp_path, COMBINED)
    desk.send("log", visit(1).encode())
    desk.send("log", (visit(1) + visit(2)).encode())
    with pytest.raises(Killed):
        desk.send("log", again=True, life=1)
    assert desk.send("log").sent_now == 1
    assert len(desk.topic.messages) == 4
    assert desk.send("log").finished_before


def test_the_same_map_of_two_servers_is_two_feeds(tmp_path: Path) -> None:
    """What makes other events of a content makes it another feed."""
    text = (
        b"valid_from,valid_to,inside_network,outside_network,first_port,ports_per_user\n"
        b"2026-03-02,,100.64.0.0/31,203.0.113.8/32,1024,1000\n"
    )
    desk = Desk(tmp_path, model_feed("nat-map", server="a"))
    assert desk.send("map", text).sent_now == 2
    desk.feed = model_feed("nat-map", server="b")
    assert desk.send("map", text).sent_now == 2


def test_a_checkpoint_of_an_earlier_version_proves_nothing(tmp_path: Path) -> None:
    """It knew a file by its size and beginning."""
    desk = Desk(tmp_path, COMBINED)
    (tmp_path / "ingest").mkdir()
    (tmp_path / "ingest" / "0.json").write_text(
        '{"cluster": "memory", "topic": "web.visits", "finished": true}'
    )
    assert desk.send("log", visit(1).encode()).sent_now == 1

"""A feed that is stopped anywhere goes on with the next record: every event once, every refused record counted once."""

from __future__ import annotations

import gzip
import io
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import decode
from schemas.keys import Keyring
from schemas.records import load_records
from streams.feeds.registry import Feed
from streams.feeds.run import checkpoint as checkpoints
from streams.feeds.run.account import Report
from streams.feeds.run.ingest import ingest
from streams.feeds.run.refused import DeadLetterSender
from streams.feeds.run.source import check_source
from streams.kafka.dead_letters import DeadLetters, key_name
from tests.support.company import model_feed
from tests.support.feeds import Killed, MemoryTopic

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
DEAD = "lineage.dead-letters"
COLUMNS = "customer_number,username,name,fodselsnummer,phone,email,address,contract_start,contract_end"
NAT_COLUMNS = "valid_from,valid_to,inside_network,outside_network,first_port,ports_per_user"


def radius(number: int, *more: str, user: str = "nk1") -> str:
    attributes = (
        "Acct-Status-Type = Interim-Update", f'User-Name = "{user}"', f'Acct-Session-Id = "{user}"',
        "NAS-IP-Address = 192.0.2.1", f"Framed-IP-Address = 198.51.100.{number % 5}", *more,
    )  # fmt: skip
    return "\n\t".join((f"Mon Mar  2 09:{number // 60:02}:{number % 60:02} 2026", *attributes)) + "\n\n"


RADIUS_TEXT = "".join(
    [
        radius(1),
        radius(2, "Delegated-IPv6-Prefix = 2001:db8::/56", "Framed-IPv6-Prefix = 2001:db8:1::/64"),
        radius(3, "Framed-IPv6-Prefix = 2001:db8::/200"),
        radius(6, user="nk2"),
        "\n",
        radius(11, "Acct-Session-Time = -1"),
        radius(16, user="nk2"),
        radius(21),
    ]
)
CUSTOMERS_TEXT = (
    f'{COLUMNS}\n1,a,Kari Nordmann,,,,"Storgata 1\n0001 Oslo",2024-05-17,\n2,a,Ola Nordmann,,,,,2024-05-17,\n'
    "3,c,Per Hansen,,,,,2024-02-30,\n4,d,Eva Hansen,,,,,2024-05-17,\n"
)
NAT_TEXT = (
    f"{NAT_COLUMNS}\n2026-03-02,2026-03-03,100.64.0.0/30,203.0.113.8/32,1024,1000\nbroken\n"
    "2026-03-03,,100.64.0.0/30,203.0.113.9/32,1024,1000\n"
)
KEA_TEXT = (
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,state\n"
    "192.0.2.1,02:00:5e:10:00:01,,3600,1772445600,1,0\n192.0.2.1,,,86400,1772532000,1,1\n"
    "192.0.2.2,02:00:5e:10:00:02,,-1,1772445600,1,0\n"
)
TEXTS = {
    "radius-detail": RADIUS_TEXT,
    "customers-csv": CUSTOMERS_TEXT,
    "nat-map": NAT_TEXT,
    "kea-csv": KEA_TEXT,
}


class Place:
    """A folder with one source, its topic and its dead letters."""

    def __init__(self, folder: Path, feed: Feed, data: bytes) -> None:
        self.folder, self.feed = folder, feed
        self.topic, self.dead = MemoryTopic(), MemoryTopic()
        self.keyring = Keyring(folder / "keys").made()
        self.file = folder / "source"
        self.file.write_bytes(data)

    def run(
        self, life: int = 1 << 60, batch_lines: int = 1, dead_life: int = 1 << 60, stdin: bytes = b""
    ) -> Report:
        name = "-" if stdin else str(self.file)
        source = check_source(name, self.feed, io.BytesIO(stdin))
        topics = {self.feed.topic.name: DEAD}
        letters = DeadLetters(
            self.dead.producer(dead_life), self.keyring, load_records()["DeadLetter"], topics
        )
        return ingest(
            source, self.feed, self.topic.producer(life), self.topic, self.folder / "ingest",
            aside=DeadLetterSender(letters, lambda: NOW), batch_lines=batch_lines,
        )  # fmt: skip

    def letters(self) -> list[tuple[int, str, bytes]]:
        """Line, reason and opened payload of every letter."""
        found = []
        for message, _ in self.dead.messages:
            letter = decode(load_records()["DeadLetter"], message)
            place = f"{letter['topic']}/{letter['partition']}/{letter['offset']}/{letter['feed']}"
            payload = self.keyring.open(key_name(NOW), letter["sealed_payload"], place.encode())
            found.append((letter["line"], letter["reason"], payload))
        return found


def whole(name: str, folder: Path) -> tuple[Place, Report]:
    place = Place(folder, model_feed(name), TEXTS[name].encode())
    return place, place.run()


def test_records_are_named_by_their_first_line_and_events_by_their_part(tmp_path: Path) -> None:
    """Records with several addresses send several messages; one that is refused or odd becomes a letter."""
    place, report = whole("radius-detail", tmp_path)
    assert place.topic.places() == [(1, 0), (8, 0), (8, 1), (25, 0), (41, 0), (48, 0)]
    assert (report.read, report.sent) == (7, 6)
    assert {reason: skip.lines for reason, skip in report.skipped.items()} == {
        "bad_prefix": (17,), "end_before_start": (33,),
    }  # fmt: skip
    assert {reason: skip.lines for reason, skip in report.noticed.items()} == {"two_holders": (48,)}
    letters = place.letters()
    assert [(line, reason) for line, reason, _ in letters] == [
        (17, "bad_prefix"), (33, "end_before_start"), (48, "two_holders"),
    ]  # fmt: skip
    assert letters[0][2].decode() == radius(3, "Framed-IPv6-Prefix = 2001:db8::/200").rstrip("\n")


def test_a_letter_names_feed_and_line_and_hides_what_it_holds(tmp_path: Path) -> None:
    """Its topic is the one the record would have gone to; there is no partition."""
    place, report = whole("customers-csv", tmp_path)
    (first, _) = place.dead.messages[0]
    letter = decode(load_records()["DeadLetter"], first)
    assert (letter["topic"], letter["partition"], letter["offset"]) == ("crm.customers", -1, 4)
    assert (letter["feed"], letter["line"]) == (f"customers-csv:{report.feed_id}", 4)
    assert b"Nordmann" not in first


def accounted(report: Report) -> tuple[object, ...]:
    return report.read, report.sent, report.skipped, report.noticed


@settings(max_examples=50)
@given(
    st.sampled_from(sorted(TEXTS)),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=4),
    st.integers(1, 60),
    st.booleans(),
)
def test_wherever_it_is_killed_every_event_arrives_once(
    name: str, lives: Sequence[tuple[int, int]], batch_lines: int, compressed: bool
) -> None:
    """Killed after any send of any run, in the middle of a record too; letters may come twice, under one line."""
    data = TEXTS[name].encode()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        expected, once = whole(name, Path(one))
        place = Place(Path(two), model_feed(name), gzip.compress(data) if compressed else data)
        for life, dead_life in lives:
            try:
                place.run(life, batch_lines, dead_life)
            except Killed:
                continue
        report = place.run(batch_lines=batch_lines)
        assert Counter(place.topic.places()) == Counter(expected.topic.places())
        assert [value for value, _ in place.topic.messages] == [value for value, _ in expected.topic.messages]
        assert set(place.letters()) == set(expected.letters())
        assert accounted(report) == accounted(once)
        again = place.run()
        assert again.finished_before
        assert accounted(again) == accounted(once)


@pytest.mark.parametrize("batch_lines", [1, 5, 100])
def test_a_checkpoint_stands_only_where_a_record_ends(tmp_path: Path, batch_lines: int) -> None:
    """Killed within the second record, which sends two events: it begins anew at its first line."""
    place = Place(tmp_path, model_feed("radius-detail"), RADIUS_TEXT.encode())
    with pytest.raises(Killed):
        place.run(life=2, batch_lines=batch_lines)
    (known,) = checkpoints.load_all(tmp_path / "ingest", place.feed.scope).values()
    assert known.lines == (7 if batch_lines <= 5 else 0)
    report = place.run()
    assert report.found == (1 if batch_lines <= 5 else 2)
    assert Counter(place.topic.places()).most_common(1)[0][1] == 1


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_standard_input_is_sent_as_the_file_is(tmp_path: Path, name: str) -> None:
    """Plain or compressed; its letters are found under its first lines."""
    expected, once = whole(name, tmp_path)
    for data in (TEXTS[name].encode(), gzip.compress(TEXTS[name].encode())):
        folder = tmp_path / f"stdin{len(data)}"
        folder.mkdir()
        place = Place(folder, model_feed(name), b"")
        report = place.run(stdin=data)
        assert [value for value, _ in place.topic.messages] == [value for value, _ in expected.topic.messages]
        assert accounted(report) == accounted(once)
        assert report.label.startswith(f"{name}:stdin-")
        assert {line for line, _, _ in place.letters()} == {line for line, _, _ in expected.letters()}


@pytest.mark.parametrize(
    ("name", "end", "sent"),
    [
        ("radius-detail", "\n\n", 6),
        ("radius-detail", "\n", 6),
        ("radius-detail", "", 5),
        ("radius-detail", "\n\n" + radius(26).rstrip("\n"), 6),
        ("radius-detail", "\n\nMon Mar  2 09", 6),
        ("radius-detail", "\n\n\tNAS-Port = 1\n", 6),
        ("kea-csv", "\n", 2),
        ("kea-csv", "\n192.0.2.9,02:00:5e:10:00:09,,3600,1772445600,1,0", 2),
        ("kea-csv", "\n192.0.2.9,02:00:5e:1", 2),
        ("customers-csv", "", 3),
        ("customers-csv", "\n5,e,Eva", 3),
        ("customers-csv", '\n5,e,Eva,,,,"Stor', 3),
        ("customers-csv", "\n5,e,Eva,,,,,2024-05-17,2025-0", 3),
        ("customers-csv", "\n5,e,Eva,,,,,2024-05-17,", 4),
    ],
)
def test_a_last_record_that_was_cut_is_truncated(tmp_path: Path, name: str, end: str, sent: int) -> None:
    """A server ends its lines, so a number at the end of none may be half of one; a list may end without."""
    place = Place(tmp_path, model_feed(name), (TEXTS[name].rstrip("\n") + end).encode())
    report = place.run()
    complete = end in ("\n\n", "\n") or (name == "customers-csv" and end in ("", "\n5,e,Eva,,,,,2024-05-17,"))
    assert report.sent == sent
    assert ("truncated" in report.skipped) is not complete


def test_old_formats_set_aside_what_they_cannot_read(tmp_path: Path) -> None:
    """A line of a web server's log."""
    good = '192.0.2.7 - - [02/Mar/2026:09:00:00 +0100] "GET / HTTP/1.1" 200 1 "-" "curl/8"\n'
    place = Place(tmp_path, model_feed("combined"), (good + "no log line\n" + good).encode())
    assert place.run().sent == 2
    assert place.letters() == [(2, "not_combined", b"no log line")]


def test_a_line_too_long_to_seal_is_a_letter_without_payload(tmp_path: Path) -> None:
    """Its place is known."""
    good = '192.0.2.7 - - [02/Mar/2026:09:00:00 +0100] "GET / HTTP/1.1" 200 1 "-" "curl/8"\n'
    place = Place(tmp_path, model_feed("combined"), (good + "x" * 2_000_000 + "\n" + good).encode())
    assert place.run().sent == 2
    assert place.letters() == [(2, "too_long", b"")]


def test_many_letters_are_sent_some_at_a_time(tmp_path: Path) -> None:
    """More than wait together in memory; none is lost."""
    good = '192.0.2.7 - - [02/Mar/2026:09:00:00 +0100] "GET / HTTP/1.1" 200 1 "-" "curl/8"\n'
    place = Place(tmp_path, model_feed("combined"), (good + "bad\n" * 1_203).encode())
    report = place.run(batch_lines=10_000)
    assert report.skipped["not_combined"].count == 1_203
    assert [line for line, _, _ in place.letters()] == list(range(2, 1_205))


def test_without_a_place_for_letters_records_are_only_counted(tmp_path: Path) -> None:
    """Nothing is sealed, no key for it is made."""
    place = Place(tmp_path, model_feed("radius-detail"), RADIUS_TEXT.encode())
    source = check_source(str(place.file), place.feed, io.BytesIO())
    report = ingest(source, place.feed, place.topic.producer(), place.topic, tmp_path / "ingest")
    assert sum(skip.count for skip in report.skipped.values()) == 2
    assert not place.dead.messages
    assert not list((tmp_path / "keys" / "seal").iterdir())

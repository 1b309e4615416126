"""Files that are none, files without an end, and logs that are rotated, cut or rewritten while they are read."""

from __future__ import annotations

import io
import os
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from schemas.codec import decode
from schemas.errors import FeedError, SchemaError
from schemas.records import read_text
from streams.feeds.formats.nat_pattern import load_pattern
from streams.feeds.run import checkpoint as checkpoints
from streams.feeds.run.account import Report
from streams.feeds.run.ingest import ingest
from streams.feeds.run.source import check_source
from streams.feeds.run.unchanged import BLOCK_BYTES
from tests.support.company import model_feed
from tests.support.feeds import MemoryProducer, MemoryTopic

COMBINED = model_feed("combined")


def visits(numbers: Sequence[int], long: int = 0) -> str:
    """One line a number; `long` characters more in each."""
    line = '192.0.2.{} - - [02/Mar/2026:10:00:00 +0100] "GET /{}{} HTTP/1.1" 200 1 "-" "curl/8"\n'
    return "".join(line.format(number % 250, number, "?" + "x" * long if long else "") for number in numbers)


class Interrupted(MemoryProducer):
    """Something happens to the file before the message with that number is sent."""

    def __init__(self, topic: MemoryTopic, before: int, happens: Callable[[], object]) -> None:
        super().__init__(topic.messages, 1 << 60)
        self._left, self._happens = before, happens

    def send(self, *arguments: object, **named: object) -> None:
        self._left -= 1
        if self._left == 0:
            self._happens()
        super().send(*arguments, **named)  # type: ignore[arg-type]


def send(
    file: Path, topic: MemoryTopic, before: int = 0, happens: Callable[[], object] = object, batch: int = 50
) -> Report:
    """`innsyn ingest` of the file. `before` 0: what happens does so between the look at the file and the reading."""
    store = file.parent / "ingest"
    known = checkpoints.load_all(store, COMBINED.scope)
    source = check_source(str(file), COMBINED, io.BytesIO(), checkpoints.lengths(known.values()))
    if not before:
        happens()
    producer = Interrupted(topic, before, happens) if before else topic.producer()
    return ingest(source, COMBINED, producer, topic, store, batch_lines=batch)


def pages(topic: MemoryTopic) -> Counter[str]:
    found = (decode(COMBINED.record, value)["page"] for value, _ in topic.messages)
    return Counter(str(page).partition("?")[0] for page in found)


def expected(numbers: Sequence[int]) -> Counter[str]:
    return Counter(f"/{number}" for number in numbers)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [fifo, listening, zeros])
def test_what_is_no_file_is_refused_before_it_is_opened_for_long(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe that nobody writes to would wait for ever, a device has no end: as a log, a pattern and a schema."""
    monkeypatch.chdir(tmp_path)
    named = Path("odd")
    make(named)
    with pytest.raises(FeedError, match=r"odd: (it is a|cannot be read)"):
        check_source(str(named), COMBINED, io.BytesIO())
    with pytest.raises(FeedError, match="cannot be read"):
        load_pattern(str(named))
    with pytest.raises(SchemaError, match="cannot be read"):
        read_text(named)


class Endless(io.RawIOBase):
    """A device that gives the same for ever; here until somebody has read far too much of it."""

    def __init__(self, start: bytes) -> None:
        self._start, self.given = start, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        assert self.given < 512 * BLOCK_BYTES, "it would be read for ever"
        part, self._start = self._start[: len(buffer)], self._start[len(buffer) :]
        buffer[:] = part + bytes(len(buffer) - len(part))
        self.given += len(buffer)
        return len(buffer)


@pytest.mark.parametrize("start", [b"", visits([1]).encode(), visits(range(1_100)).encode()])
def test_a_line_without_an_end_ends_the_reading(start: bytes, tmp_path: Path) -> None:
    """Zeros from a device, at once or behind good lines; what was good before them was sent."""
    topic = MemoryTopic()

    def both() -> None:
        source = check_source("-", COMBINED, io.BufferedReader(Endless(start)))  # type: ignore[type-var]
        ingest(source, COMBINED, topic.producer(), topic, tmp_path)

    with pytest.raises(FeedError, match=r"has more than 64 MiB|is of the format"):
        both()


def test_a_log_rotated_before_it_is_read_is_not_mixed_with_the_new_one(tmp_path: Path) -> None:
    """Nothing is sent of the new file under the old one's name; then each is sent once."""
    log, topic = tmp_path / "access.log", MemoryTopic()
    log.write_text(visits(range(300)))

    def rotate() -> None:
        log.rename(tmp_path / "access.log.1")
        log.write_text(visits(range(1_000, 1_020)))

    with pytest.raises(FeedError, match=r"is another file than the one that was looked at \(rotated\?\)"):
        send(log, topic, happens=rotate)
    assert not topic.messages
    send(log, topic)
    send(tmp_path / "access.log.1", topic)
    assert pages(topic) == expected([*range(300), *range(1_000, 1_020)])


@pytest.mark.parametrize("before", [1, 49, 51, 299])
def test_a_log_rotated_while_it_is_read_is_sent_once(before: int, tmp_path: Path) -> None:
    """The file that was opened is read to its end, and known under its new name."""
    log, topic = tmp_path / "access.log", MemoryTopic()
    log.write_text(visits(range(300)))

    def rotate() -> None:
        log.rename(tmp_path / "access.log.1")
        log.write_text(visits(range(1_000, 1_020)))

    assert send(log, topic, before, rotate).sent_now == 300
    assert send(tmp_path / "access.log.1", topic).sent_now == 0
    assert send(log, topic).sent_now == 20
    assert pages(topic) == expected([*range(300), *range(1_000, 1_020)])


@pytest.mark.parametrize("before", [1, 1_500])
def test_a_log_that_grows_while_it_is_read_is_sent_once(before: int, tmp_path: Path) -> None:
    """What was there when it was looked at, then the rest."""
    log, topic = tmp_path / "access.log", MemoryTopic()
    log.write_text(visits(range(1_500), long=1_000))

    def grow() -> None:
        with log.open("a") as more:
            more.write(visits(range(1_500, 2_000)))

    assert send(log, topic, before, grow).sent_now == 1_500
    assert send(log, topic).sent_now == 500
    assert pages(topic) == expected(range(2_000))


def cut(log: Path) -> None:
    """As logrotate's copytruncate does."""
    (log.parent / "copy").write_bytes(log.read_bytes())
    os.truncate(log, 0)


def cut_and_written(log: Path) -> None:
    cut(log)
    log.write_text(visits(range(5_000, 8_000), long=1_000))


def written_over(log: Path) -> None:
    (log.parent / "copy").write_bytes(log.read_bytes())
    with log.open("r+b") as file:
        file.seek(2 * BLOCK_BYTES)
        file.write(visits(range(5_000, 5_100)).encode())


@pytest.mark.parametrize("happens", [cut, cut_and_written, written_over])
@pytest.mark.parametrize("before", [1, 500])
def test_of_a_log_that_is_cut_or_rewritten_while_it_is_read_no_line_is_sent_that_was_never_there(
    happens: Callable[[Path], None], before: int, tmp_path: Path
) -> None:
    """It says so; the copy is then sent to its end, every line once."""
    log, topic = tmp_path / "access.log", MemoryTopic()
    log.write_text(visits(range(2_400), long=1_000))
    with pytest.raises(FeedError, match="changed while it was being read"):
        send(log, topic, before, lambda: happens(log))
    assert pages(topic) <= expected(range(2_400))
    send(tmp_path / "copy", topic)
    assert pages(topic) == expected(range(2_400))
